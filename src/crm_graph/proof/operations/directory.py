"""Random changes of teams and people, many of which are refused: of those that are there, rather of what differs."""

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from graphql import GraphQLInputObjectType, GraphQLSchema

from crm_graph.catalog import EntityType, Field
from crm_graph.proof.operations.changes import NEAR, SEEN, Changes, Document
from crm_graph.proof.twins import Twin

OF_TEAMS = ("createTeam", "updateTeam", "moveTeam", "archiveTeam", "restoreTeam", "addTeamMembers", "removeTeamMembers")
OWNED = ("customers", "leads", "opportunities", "contracts", "tickets", "interactions")
_OF_RECORDS = {"team": "team_id", "user": "owner_id"}
OF_USERS = ("createUser", "updateUser", "userLeft", "suspendUser", "reinstateUser", "grantRole", "revokeRole")
TAKEN = {
    "locale": ("zh-CN", "en"),
    "time_zone": ("Asia/Shanghai", "UTC"),
    "email": ("ann@x.example", None),
    "phone": ("+8613800138001", None),
}
"""Values that services take, of fields that most values are wrong for."""


class Directory(Changes):
    """Makes mutations of teams and people that a role has."""

    def __init__(self, random: Random, twin: Twin, schema: GraphQLSchema) -> None:
        super().__init__(random, twin, schema, ())
        self._here = [name for name in (*OF_TEAMS, *OF_USERS) if name in self._fields]

    def make(self) -> Document | None:
        """A document and its variables; None where the role has no such verb."""
        if not self._here:
            return None
        self._about = self._twin.about()
        name = self._random.choice(self._here)
        entity = self._catalog["team" if name in OF_TEAMS else "user"]
        makers = self._makers(name, entity)
        variables = {each: makers[each]() for each in self._fields[name].args if each in makers}
        return self.document(name, entity, variables), variables

    def _makers(self, name: str, entity: EntityType) -> Mapping[str, Callable[[], Any]]:
        """What makes a value of each argument."""
        random, team, user = self._random, self._catalog["team"], self._catalog["user"]
        return {
            "id": lambda: self.an_id(entity),
            "team": lambda: self.an_id(team),
            "parent": lambda: self.an_id(team) if random.random() < 0.7 else None,
            "user": lambda: self.an_id(user),
            "users": lambda: [self.an_id(user) for _ in range(random.randint(1, 2))],
            "primary": lambda: random.random() < 0.5,
            "role": lambda: random.choice([*(row["key"] for row in self._tables["roles"]), "first"]),
            "input": lambda: self._described(name, entity),
            "expectedVersion": lambda: random.choice((*(None,) * 8, 0, 1, 5)),
        }

    def an_id(self, entity: EntityType, seen: float = SEEN) -> str:
        """The id of one, rather of whose records differ."""
        column = _OF_RECORDS[entity.name]
        twin, tables = self._twin, self._tables
        differing = [set(twin.differing(table)) for table in OWNED]
        near = {r[column] for t, ids in zip(OWNED, differing, strict=True) for r in tables[t] if r["id"] in ids}
        known = sorted(near - {None})
        if known and self._random.random() < NEAR:
            return str(self._random.choice(known))
        return super().an_id(entity, seen)

    def _described(self, name: str, entity: EntityType) -> dict[str, Any]:
        """What a team or user is called, where a new one may have the name of one that is there."""
        type_ = self._schema.type_map.get(f"{name[0].upper()}{name[1:]}Input")
        if not isinstance(type_, GraphQLInputObjectType):
            return {}
        known = [member for member in entity.fields.values() if member.api_name in type_.fields]
        required = [member for member in known if name.startswith("create") and member.info.required]
        some = [*required, *self._random.sample(known, min(len(known), 2))]
        return {member.api_name: self._said(entity, member) for member in dict.fromkeys(some)}

    def _said(self, entity: EntityType, member: Field) -> Any:
        """A value that some row has, or one that is taken."""
        taken = TAKEN.get(member.name)
        return self._random.choice(taken) if taken and self._random.random() < 0.8 else self._value(entity, member)
