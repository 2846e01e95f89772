"""What a list of things is made of that are no records of the catalog, such as clients. Each has a text for a key."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from crm_graph.catalog import Kind
from crm_graph.fragments import TRUE, Fragment
from crm_graph.scalars import Parser


@dataclass(frozen=True)
class Items:
    """Objects below a row, of the API's type `type_name`: their rows in their order, and what each tells."""

    type_name: str
    source: Fragment
    order: Fragment
    members: Mapping[str, Fragment]


@dataclass(frozen=True)
class Narrowing:
    """A member of `where`: how its value is read, its Postgres type, and the condition that it makes of it."""

    parse: Parser
    pg_type: str
    condition: Callable[[Fragment], Fragment]
    many: bool = False


@dataclass(frozen=True)
class Listing:
    """A list whose field and type in the API are `name` and `type_name`, for who has the action.

    `source` are its rows, in the order of `key`, which each has for its own, of the kind `of`; `members` are what is
    told of one, by their names in the API; `unless` are conditions that hold where `where` says nothing of that name,
    and `always` one that holds in any case.
    """

    name: str
    type_name: str
    action: str
    source: Fragment
    key: Fragment
    members: Mapping[str, Fragment | Items]
    where: Mapping[str, Narrowing]
    unless: Mapping[str, Fragment]
    always: Fragment = TRUE
    of: Kind = Kind.TEXT
    descending: bool = False


@dataclass(frozen=True, slots=True)
class ListedRef:
    """One of a list, by its key."""

    listing: Listing
    key: str | int
