"""Teams as clients see them."""

from crm_graph.models.teams import TeamKind
from crm_graph.schema.declarations import EnumDeclaration, TypeDeclaration

TYPES = (
    TypeDeclaration(
        "team",
        "A department, sales team, service queue or store. Teams form a tree.",
        {
            "kind": "What sort of team it is.",
            "key": "Stable key, unique among its siblings' tree; never changes.",
            "name": "Name in the company's language.",
            "path": "Keys from the root to this team, each followed by a slash: `hq/sales/east/`. Set by the service.",
            "region": "Sales region, such as 华东.",
            "city": "City, for stores and local teams.",
            "time_zone": "IANA time zone of the team's working day.",
            "parent": "The team above, null for the root.",
            "children": "Teams directly below.",
            "members": "Users who belong to the team, at most 200.",
        },
    ),
)

ENUMS = (
    EnumDeclaration(
        TeamKind,
        "Sorts of teams.",
        {
            "DEPARTMENT": "A department with teams below it.",
            "TEAM": "A team of people, such as a sales team.",
            "QUEUE": "A service queue that tickets wait in.",
            "STORE": "A store (门店).",
        },
    ),
)
