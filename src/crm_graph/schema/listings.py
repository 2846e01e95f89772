"""The root field of a list of what is no record: pages of it with cursors, and the arguments that choose them."""

from typing import Any

from crm_graph.schema.building import Argument, Member, define_type, empty, list_of
from crm_graph.schema.entities import EntityTypes
from crm_graph.services.listings import Listing


def listed(listing: Listing, node: Any, where: Any, types: EntityTypes, *, one: str, about: str) -> Member:
    """The field of a listing, whose rows have the type `node` and are narrowed by the input `where`. `one` is what
    people call a row. A list that goes down is one of what happened.
    """
    many = f"{one}s"
    start, end, behind, ahead = (
        ("newest", "oldest", "older than", "newer than")
        if listing.descending
        else ("start", "end", "behind", "in front of")
    )
    edge = define_type(
        empty(f"{listing.type_name}Edge"),
        f"One {one} in a list, with its place.",
        {"cursor": Member(str, "Opaque place in this order."), "node": Member(node, f"The {one}.")},
    )
    page = define_type(
        empty(f"{listing.type_name}Connection"),
        f"A page of {many}.",
        {
            "nodes": Member(list_of(node), f"The {many} of the page."),
            "edges": Member(list_of(edge), f"The {many} of the page with their cursors."),
            "page_info": Member(types.page_info, "Where the page stands in the list."),
            "total_count": Member(int, f"How many {many} match, up to 10,000."),
            "total_count_capped": Member(bool, "Whether there are more than `totalCount` says."),
        },
    )
    arguments = {
        "first": Argument(int | None, f"At most this many {many} from the {start}, 0 to 200; 50 if nothing is said."),
        "after": Argument(str | None, f"Only {many} {behind} this cursor."),
        "last": Argument(int | None, f"At most this many {many} from the {end}, 0 to 200."),
        "before": Argument(str | None, f"Only {many} {ahead} this cursor."),
        "offset": Argument(int | None, f"Leave out this many {many}, up to 10,000; not with cursors."),
        "where": Argument(where | None, f"Only {many} that match."),
    }
    return Member(page, about, arguments)
