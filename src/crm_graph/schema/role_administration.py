"""The questions and mutations about roles, their grants and who has them."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

import strawberry

from crm_graph.catalog import camel
from crm_graph.models.rights_proposals import ProposalState
from crm_graph.moments import reckoned
from crm_graph.permissions.rules import APPROVE_ROLES, ASSIGN_ROLES, MANAGE_ROLES, READ_ROLES
from crm_graph.resolvers.write import MutationContext, RecordRef
from crm_graph.schema.building import Argument, Member, define_enum
from crm_graph.schema.grant_previews import CHANGE_KIND, GrantsPreview, RoleDraft
from crm_graph.schema.mutations import Mutation
from crm_graph.schema.rights_proposals import (
    PROPOSAL,
    PROPOSAL_STATE,
    REASON,
    RightsProposal,
    plain,
    proposal_of,
    proposed,
    reason_of,
)
from crm_graph.schema.role_definitions import (
    CreateRoleInput,
    GrantInput,
    LabelsInput,
    Role,
    UpdateRoleInput,
    in_words,
    role_of,
)
from crm_graph.schema.vocabulary import vocabulary_of
from crm_graph.services import identities, rights_proposals, role_holders, roles, users
from crm_graph.services.conditions import ConditionWords
from crm_graph.services.rights_proposals import PROPOSING, VERBS
from crm_graph.transaction import Transaction

Rights = Callable[[Transaction, Mapping[str, Any]], Awaitable[Any]]
"""A verb of the services, which takes its arguments by the names of the API."""
Telling = Callable[[MutationContext, Any], Mapping[str, Any]]
"""What the payload has of what a verb gave."""

_KEY = Argument(str, "Key of the role.")
_VERSION = Argument(int, "The version you read; a CONFLICT if the role has changed since.")
_USER = Argument(strawberry.ID, "Id of the user.")
_IDENTITY = {
    "issuer": Argument(str, "Url of the issuer."),
    "subject": Argument(str, "What its tokens name as `sub`, to the letter."),
}
_WHICH = {"key": _KEY, "expected_version": _VERSION}
_ROLE = {"role": Member(Role | None, "The role as it stands now.")}
_HOLDS = " Holds everywhere within a second."


def role_questions() -> Mapping[str, Member]:
    """The root fields that tell of roles."""
    for declaration in (PROPOSAL_STATE, CHANGE_KIND):
        define_enum(declaration)
    keys = Argument(list[str] | None, "Only these, at most 1,000; all if nothing is said.")
    draft = Argument(RoleDraft, "The role as it would be.")
    state = Argument(ProposalState | None, "Only these.")
    return {
        "roles": Member(list[Role], "Roles with their grants, by key.", {"keys": keys}),
        "rights_proposals": Member(
            list[RightsProposal],
            "Edits of rights that wait for a second approver, or were decided, the newest 200.",
            {"state": state},
        ),
        "preview_grants": Member(
            GrantsPreview, "What an edit of a role would do, before it holds. It changes nothing.", {"draft": draft}
        ),
    }


def role_mutations(user: Any) -> Iterable[Mutation]:
    """The mutations of roles, and those of who has them, whose payload has the type of users."""
    yield _of_role("create_role", "Make a role.", {"input": Argument(CreateRoleInput, "What it is.")}, roles.create)
    changes = {**_WHICH, "input": Argument(UpdateRoleInput, "What to change.")}
    yield _of_role(
        "update_role", "Change names, inherited roles and actions of a role." + _HOLDS, changes, roles.update
    )
    yield _of_role(
        "clone_role",
        "Make a role with the grants, actions and inherited roles of another one.",
        {"key": _KEY, "as": Argument(str, "Key of the new role."), "label": Argument(LabelsInput, "Its name.")},
        roles.clone,
    )
    yield _of_role(
        "set_grants",
        "Give a role this whole set of grants." + _HOLDS,
        {"role": _KEY, "expected_version": _VERSION, "grants": Argument(list[GrantInput], "All of its own grants.")},
        roles.set_grants,
    )
    yield _of_role("reset_role", "Make a built-in role what the hub comes with." + _HOLDS, _WHICH, roles.reset)
    yield _mutation(
        "remove_role",
        MANAGE_ROLES,
        "Remove a role, also from whoever has it; not a built-in one, nor one that others inherit." + _HOLDS,
        _WHICH,
        {"key": Member(str | None, "The key that it had.")},
        roles.remove,
        lambda _, key: {"key": key},
    )
    yield from _of_proposals()
    yield from _of_holders({"user": Member(user | None, "The user as you see them now.")})


def _of_proposals() -> Iterable[Mutation]:
    which = {"proposal": Argument(strawberry.ID, "Id of the proposal.")}
    payload = {"proposal": Member(RightsProposal | None, "The proposal as it stands now.")}
    for name, action, about, verb in (
        (
            "approve_rights",
            APPROVE_ROLES,
            "Make an edit of rights that somebody else proposed; it needs the action of the edit too." + _HOLDS,
            rights_proposals.approve,
        ),
        ("reject_rights", APPROVE_ROLES, "Let a proposed edit of rights not be made.", rights_proposals.reject),
        ("withdraw_rights", READ_ROLES, "Take back an edit of rights that you proposed.", rights_proposals.withdraw),
    ):
        mutation = _mutation(name, action, about, which, payload, verb, lambda _, told: {"proposal": proposal_of(told)})
        yield replace(mutation, otherwise=PROPOSING) if name == "withdraw_rights" else mutation


def _of_role(name: str, about: str, arguments: Mapping[str, Argument], verb: Rights) -> Mutation:
    return _mutation(name, MANAGE_ROLES, about, arguments, _ROLE, verb, _told_role)


def _told_role(context: MutationContext, told: Mapping[str, Any]) -> Mapping[str, Any]:
    conditions = ConditionWords(context.catalog, vocabulary_of(context.catalog), context.locale)
    return {"role": role_of(in_words(told, conditions))}


def _of_holders(payload: Mapping[str, Member]) -> Iterable[Mutation]:
    which = {"user": _USER, "role": Argument(str, "Key of the role.")}
    until = Argument(datetime | None, "When it ends by itself; no end if nothing is said.")
    for name, about, arguments, verb in (
        (
            "grant_role",
            "Give a user a role, or change when it ends. Nobody gives one to themselves." + _HOLDS,
            {**which, "until": until},
            role_holders.grant,
        ),
        ("revoke_role", "Take a role from a user." + _HOLDS, which, role_holders.revoke),
        (
            "suspend_user",
            "Let a user not act (停用); tokens and sessions that are out are refused for good." + _HOLDS,
            {"user": _USER},
            role_holders.suspend,
        ),
        (
            "user_left",
            "Note that a person has left the company (离职): they may not act, and lose sessions, roles and teams."
            " Their records stay theirs." + _HOLDS,
            {"user": _USER},
            users.leave,
        ),
        (
            "reinstate_user",
            "Let a user act again who was suspended, or had left and has neither roles nor teams any more; they"
            " sign in anew." + _HOLDS,
            {"user": _USER},
            role_holders.reinstate,
        ),
        (
            "link_identity",
            "Let a person come in as a user who is there already, by their subject at an issuer. Nobody does so for"
            " themselves." + _HOLDS,
            {"user": _USER, **_IDENTITY},
            identities.link,
        ),
        (
            "unlink_identity",
            "Let a subject of an issuer be that user no longer; if it comes again, it is somebody new." + _HOLDS,
            _IDENTITY,
            identities.unlink,
        ),
    ):
        yield _mutation(
            name, ASSIGN_ROLES, about, arguments, payload, verb, lambda _, id_: {"user": RecordRef("user", id_)}
        )


def _mutation(  # noqa: PLR0917 - a mutation, its verb, and what is told of it
    name: str,
    action: str,
    about: str,
    arguments: Mapping[str, Argument],
    payload: Mapping[str, Member],
    verb: Rights,
    told: Telling,
) -> Mutation:
    members = {**payload, **PROPOSAL} if camel(name) in VERBS else payload
    return Mutation(name, action, about, {**arguments, "reason": REASON}, members, partial(_run, name, verb, told))


async def _run(
    name: str,
    verb: Rights,
    told: Telling,
    context: MutationContext,
    arguments: Mapping[str, Any],
) -> Mapping[str, Any]:
    tx = context.transaction()
    tx.reason = reason_of(arguments.get("reason"))
    # A moment is the one that was meant when it was asked for, also where it waits to be approved.
    arguments = {key: reckoned(value, tx.now, tx.principal.zone) for key, value in arguments.items()}
    if context.rights_approval and camel(name) in VERBS:
        return await proposed(tx, camel(name), arguments)
    return told(context, await verb(tx, plain(arguments)))
