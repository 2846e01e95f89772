"""Which rows the conditions of the default policy are about, in the language of the API's `where`."""

from crm_graph.access import RowScope
from crm_graph.permissions.rules import where

IS_VIEWER = {"id": {"eq": {"$viewer": "id"}}}
IN_VIEWERS_TEAMS = {"id": {"in": {"$viewer": "team_ids"}}}
OWNED_OR_SHARED = {"or": [{"owner": IS_VIEWER}, {"collaborators": {"some": IS_VIEWER}}]}
IN_POOL = where({"poolState": {"eq": "PUBLIC"}})
OF_OWN_CUSTOMERS = where({"customer": OWNED_OR_SHARED})
OF_TEAMS_CUSTOMERS = where({"customer": {"team": {"id": {"in": {"$viewer": "team_tree_ids"}}}}})
OPEN_TICKET_OF_VIEWER = where(
    {
        "tickets": {
            "some": {
                "or": [{"team": IN_VIEWERS_TEAMS}, {"owner": IS_VIEWER}],
                "stage": {"category": {"in": ["OPEN", "WAITING", "ACTIVE"]}},
            }
        }
    }
)
OF_TICKET_OF_VIEWER = where({"ticket": {"or": [{"team": IN_VIEWERS_TEAMS}, {"owner": IS_VIEWER}]}})
UNTAKEN_OF_OWN_TEAMS = where({"team": IN_VIEWERS_TEAMS, "not": {"owner": {}}})
ORGANIZATIONS = where({"kind": {"eq": "ORGANIZATION"}})


def known_to(source: str) -> RowScope:
    """The records that another system knows: its client writes its refs under this source."""
    return where({"externalRefs": {"some": {"source": {"eq": source}}}})


KNOWN_TO_ERP, KNOWN_TO_SHOP, KNOWN_TO_CALL_CENTRE = known_to("erp"), known_to("shop"), known_to("call_centre")
