"""Teams as clients see them."""

from crm_graph.models.teams import TeamKind
from crm_graph.schema.declarations import EnumDeclaration, TypeDeclaration

TYPES = (
    TypeDeclaration(
        "team",
        "A department, sales team, service queue or store. Teams form a tree.",
        {
            "kind": "What sort of team it is.",
            "key": "Stable key, unique among the teams in the same place; never changes.",
            "name": "Name in the company's language.",
            "path": "Keys from the root to this team, each followed by a slash: `hq/sales/east/`. Set by the service.",
            "region": "Sales region, such as 华东.",
            "city": "City, for stores and local teams.",
            "time_zone": "IANA time zone of the team's working day.",
            "parent": "The team above, null for the root.",
            "children": "Teams directly below.",
            "members": "Users who belong to the team, at most 200.",
        },
        label=("团队", "Team", "Teams"),
        labels={
            "kind": ("团队类型", "Kind"),
            "key": ("团队标识", "Key"),
            "name": ("团队名称", "Name"),
            "path": ("层级路径", "Path"),
            "region": ("大区", "Region"),
            "city": ("城市", "City"),
            "time_zone": ("时区", "Time zone"),
            "parent": ("上级团队", "Parent team"),
            "children": ("下级团队", "Teams below"),
            "members": ("成员", "Members"),
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
        labels={
            "DEPARTMENT": ("部门", "Department"),
            "TEAM": ("团队", "Team"),
            "QUEUE": ("服务队列", "Queue"),
            "STORE": ("门店", "Store"),
        },
    ),
)
