"""What tests of teams and people share: the verbs by name, what they write, and waiting until another process obeys."""

import time
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from .conftest import Answer, Crm
from .processes import HOLDS_WITHIN_S

NEVER = "019aaaaa-0000-7000-8a00-000000000000"
TEAM = "team { id key path version archivedAt parent { id } }"
USER = "user { id username name status version locale timeZone teams { key } roles { key } }"
TYPES = {
    "id": "ID!",
    "user": "ID!",
    "team": "ID!",
    "users": "[ID!]!",
    "parent": "ID",
    "primary": "Boolean!",
    "expectedVersion": "Int",
    "reason": "String",
    "role": "String!",
    "proposal": "ID!",
}


async def payload(crm: Crm, name: str, /, who: str = "root", **arguments: Any) -> Any:
    """What a verb answers."""
    given = {key: str(value) if isinstance(value, UUID) else value for key, value in arguments.items()}
    input_type = f"{name[0].upper()}{name[1:]}Input!"
    declared = ", ".join(f"${key}: {TYPES.get(key, input_type)}" for key in given)
    passed = ", ".join(f"{key}: ${key}" for key in given)
    selected = TEAM if "Team" in name else USER
    answer = await crm.ask(
        who,
        f"mutation({declared}) {{ {name}({passed}) {{ {selected} errors {{ code message path details }} }} }}",
        given,
    )
    return answer.payload(name)


async def done(crm: Crm, name: str, /, who: str = "root", **arguments: Any) -> Any:
    """The team or user of a verb that took effect."""
    told = await payload(crm, name, who, **arguments)
    assert told.pop("errors") == []
    (value,) = told.values()
    return value


async def refused(crm: Crm, name: str, /, who: str = "root", **arguments: Any) -> list[tuple[str, str]]:
    """Code and path of each error of a verb that was refused."""
    told = await payload(crm, name, who, **arguments)
    errors = told.pop("errors")
    assert errors
    assert list(told.values()) == [None]
    return [(error["code"], ".".join(error["path"])) for error in errors]


async def team(crm: Crm, key: str, parent: str | None = None) -> str:
    """The id of a new team."""
    made = await done(crm, "createTeam", input={"kind": "TEAM", "key": key, "name": key}, parent=parent)
    return str(made["id"])


async def person(crm: Crm, username: str, role: str | None = None, team: str | None = None) -> str:
    """The id of a new person, who may ask by their username from now on."""
    made = await done(crm, "createUser", input={"username": username, "name": username})
    crm.users[username] = UUID(made["id"])
    if role is not None:
        await done(crm, "grantRole", user=made["id"], role=role)
    if team is not None:
        await done(crm, "addTeamMembers", team=team, users=[made["id"]])
    return str(made["id"])


async def standing(crm: Crm) -> list[Any]:
    """All that verbs on teams and users may write."""
    tables = ("teams", "users", "team_members", "user_roles")
    rows = [await crm.database.fetch(f"SELECT t::text FROM {table} t ORDER BY 1") for table in tables]
    return [*rows, await crm.count("events")]


async def obeyed(asked: Callable[[], Awaitable[Answer]], wanted: Callable[[Answer], bool]) -> Answer:
    """The first answer that is as wanted; whatever is sent a second after the change is answered so."""
    since = time.monotonic()
    while True:
        sent = time.monotonic()
        answer = await asked()
        if wanted(answer):
            return answer
        assert sent - since < HOLDS_WITHIN_S, answer.json
