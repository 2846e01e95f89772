"""The mutations of teams, of who works in them, and of users as people."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from typing import Any

import strawberry

from crm_graph.catalog import camel
from crm_graph.resolvers.write import MutationContext, RecordRef
from crm_graph.schema.building import Argument
from crm_graph.schema.entities import EntityTypes
from crm_graph.schema.inputs import Inputs, given_members, read_id
from crm_graph.schema.mutations import Mutation, record_of, record_payload
from crm_graph.schema.rights_proposals import PROPOSAL, REASON, proposed, reason_of
from crm_graph.services import team_members, teams, users
from crm_graph.services.commands import Archive, Create, Outcome, Restore, Update
from crm_graph.services.rights_proposals import VERBS
from crm_graph.transaction import Transaction

Verb = Callable[[Transaction, Mapping[str, Any]], Awaitable[list[Outcome]]]

_ID = Argument(strawberry.ID, "Its id.")
_VERSION = Argument(
    int | None, "The version you read; a field that you write and that has changed since is a CONFLICT."
)
_WHICH = {"id": _ID, "expected_version": _VERSION}
_PARENT = Argument(strawberry.ID | None, "Id of the team above; null for none.")
_HOLDS = " Holds everywhere within a second."


def directory_mutations(types: EntityTypes, inputs: Inputs) -> Iterable[Mutation]:
    """The mutations of teams and users."""
    yield from _of_teams(types, inputs)
    yield from _of_members(types)
    yield from _of_users(types, inputs)


def _of_teams(types: EntityTypes, inputs: Inputs) -> Iterable[Mutation]:
    create = {"input": Argument(inputs.create["team"], "What the record holds."), "parent": _PARENT}
    update = {**_WHICH, "input": Argument(inputs.update["team"], "What to change.")}
    yield _on_record(types, "create_team", "Make a team.", create, _create_team)
    yield _on_record(
        types,
        "update_team",
        "Change one team: what is left out stays, null clears.",
        update,
        _update_team,
    )
    yield _of_rights(
        types,
        "move_team",
        "Put a team below another one, with all that lies below it; records stay with their teams. Nobody brings teams"
        " below their own in this way." + _HOLDS,
        {**_WHICH, "parent": _PARENT},
        teams.move,
    )
    yield _on_record(
        types,
        "archive_team",
        "Take a team out of use, once nobody works in it and no team is below it; its records stay with it.",
        _WHICH,
        _archive_team,
    )
    yield _on_record(types, "restore_team", "Bring an archived team back into use.", _WHICH, _restore_team)


def _of_members(types: EntityTypes) -> Iterable[Mutation]:
    team = Argument(strawberry.ID, "Id of the team.")
    who = Argument(list[strawberry.ID], f"Ids of the users, at most {team_members.MAX_USERS}.")
    primary = Argument(bool, "Make it their primary team, which owns what they create.", default=False)
    yield _of_rights(
        types,
        "add_team_members",
        "Let users be of a team. Who has no primary team gets one. Nobody does so for themselves." + _HOLDS,
        {"team": team, "users": who, "primary": primary},
        team_members.add,
    )
    yield _of_rights(
        types,
        "remove_team_members",
        "Let users be of a team no longer. Who loses their primary team gets the one that lies deepest." + _HOLDS,
        {"team": team, "users": who},
        team_members.remove,
    )


def _of_users(types: EntityTypes, inputs: Inputs) -> Iterable[Mutation]:
    create = {"input": Argument(inputs.create["user"], "What the record holds.")}
    update = {**_WHICH, "input": Argument(inputs.update["user"], "What to change.")}
    yield _on_record(types, "create_user", "Make a person, who has no roles and teams yet.", create, _create_user)
    yield _on_record(
        types,
        "update_user",
        "Change one user: what is left out stays, null clears.",
        update,
        _update_user,
    )


def _on_record(types: EntityTypes, name: str, about: str, arguments: Mapping[str, Argument], verb: Verb) -> Mutation:
    """A mutation such as `create_team`, for who has the action `teams:create`."""
    done, _, noun = name.partition("_")
    entity = types.catalog[noun]

    async def run(context: MutationContext, given: Mapping[str, Any]) -> Mapping[str, Any]:
        tx = context.transaction()
        tx.reason = reason_of(given.get("reason"))
        return record_of(entity, await verb(tx, given))

    payload = record_payload(entity, types.types[entity.name])
    return Mutation(name, f"{entity.plural}:{done}", about, {**arguments, "reason": REASON}, payload, run)


def _create_team(tx: Transaction, given: Mapping[str, Any]) -> Awaitable[list[Outcome]]:
    parent = given.get("parent")
    above = read_id(parent, "parent") if isinstance(parent, str) else None
    return teams.create(tx, Create(given_members(given["input"])), above)


def _update_team(tx: Transaction, given: Mapping[str, Any]) -> Awaitable[list[Outcome]]:
    return teams.update(tx, _patch(given))


def _archive_team(tx: Transaction, given: Mapping[str, Any]) -> Awaitable[list[Outcome]]:
    return teams.archive(tx, Archive(read_id(given["id"], "id"), given.get("expected_version")))


def _restore_team(tx: Transaction, given: Mapping[str, Any]) -> Awaitable[list[Outcome]]:
    return teams.restore(tx, Restore(read_id(given["id"], "id"), given.get("expected_version")))


def _create_user(tx: Transaction, given: Mapping[str, Any]) -> Awaitable[list[Outcome]]:
    return users.create(tx, Create(given_members(given["input"])))


def _update_user(tx: Transaction, given: Mapping[str, Any]) -> Awaitable[list[Outcome]]:
    return users.update(tx, _patch(given))


def _patch(given: Mapping[str, Any]) -> Update:
    return Update(read_id(given["id"], "id"), given_members(given["input"]), given.get("expected_version"))


def _of_rights(
    types: EntityTypes, name: str, about: str, arguments: Mapping[str, Argument], verb: Callable[..., Awaitable[Any]]
) -> Mutation:
    """A change of who is in which team, which waits for a second approver where it gives anybody more."""
    payload = record_payload(types.catalog["team"], types.types["team"])
    payload |= PROPOSAL if camel(name) in VERBS else {}
    return Mutation(name, "teams:update", about, {**arguments, "reason": REASON}, payload, partial(_run, name, verb))


async def _run(
    name: str, verb: Callable[..., Awaitable[Any]], context: MutationContext, arguments: Mapping[str, Any]
) -> Mapping[str, Any]:
    tx = context.transaction()
    tx.reason = reason_of(arguments.get("reason"))
    given = _plain_ids(arguments)
    if context.rights_approval and camel(name) in VERBS:
        return await proposed(tx, camel(name), given)
    told = {camel(key): value for key, value in given.items() if value is not strawberry.UNSET}
    return {"team": RecordRef("team", await verb(tx, told))}


def _plain_ids(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments with ids as the services, and proposals, have them."""
    given = dict(arguments)
    for name in ("id", "team", "parent"):
        if isinstance(given.get(name), str):
            given[name] = str(read_id(given[name], name))
    if "users" in given:
        given["users"] = [str(read_id(raw, "users", str(n))) for n, raw in enumerate(given["users"])]
    return given
