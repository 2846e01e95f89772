"""Roles, their grants and who has them, as admins see and edit them."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Any

import strawberry
from strawberry.types.field import StrawberryField

from crm_graph.catalog import camel
from crm_graph.errors import CrmError
from crm_graph.models.fields import DataClass
from crm_graph.models.rights_proposals import ProposalState
from crm_graph.models.roles import RowRule
from crm_graph.moments import reckoned
from crm_graph.permissions.rules import APPROVE_ROLES, ASSIGN_ROLES, MANAGE_ROLES
from crm_graph.resolvers.write import MutationContext, RecordRef
from crm_graph.schema.building import Argument, Member, define_enum, enum_of
from crm_graph.schema.explanations import AccessLevel
from crm_graph.schema.inputs import read_id
from crm_graph.schema.labels import Labels
from crm_graph.schema.mutations import Mutation
from crm_graph.schema.scalars import JSON
from crm_graph.services import identities, rights_proposals, role_holders, roles
from crm_graph.services.grant_previews import ChangeKind
from crm_graph.services.rights_proposals import VERBS
from crm_graph.services.texts import clean
from crm_graph.transaction import Transaction

MAX_REASON = 500


@strawberry.type(description="What a grant shows of the fields of a data class.")
class ClassLevel:
    data_class: DataClass = strawberry.field(description="The data class.")
    level: AccessLevel = strawberry.field(description="What it shows of its fields.")


@strawberry.type(description="What a grant shows of one field, whatever its class.")
class FieldLevelOverride:
    field: str = strawberry.field(description="The field: `phone`, `contactPoints.raw`, `custom.loyaltyCard`.")
    level: AccessLevel = strawberry.field(description="What it shows of it.")


@strawberry.type(description="What a grant lets be written, where it shows it and clients may write it at all.")
class GrantWrites:
    classes: list[DataClass] = strawberry.field(description="The fields of these data classes.")
    fields: list[str] = strawberry.field(description="These fields, and parents such as `customer`.")
    except_: list[str] = strawberry.field(name="except", description="Not these fields.")


@strawberry.type(description="What a role gives on the records of one type that a row rule matches.")
class RoleGrant:
    type: str = strawberry.field(description="The type of records, such as `Customer`.")
    row_rule: RowRule = strawberry.field(description="Which records it is about.")
    where: JSON | None = strawberry.field(
        description="The condition of a row rule WHERE, as the `where` of the type takes it; an id may be that of who"
        ' asks, `{ "$viewer": "id" }`, or one of their teams, `{ "$viewer": "team_ids" }`, with those below'
        ' `{ "$viewer": "team_tree_ids" }`.'
    )
    levels: list[ClassLevel] = strawberry.field(description="What it shows by data class; others are HIDDEN.")
    fields: list[FieldLevelOverride] = strawberry.field(description="What it shows of single fields.")
    personal_level: AccessLevel = strawberry.field(
        description="The most that a class gives to a field that is marked as personal."
    )
    writes: GrantWrites = strawberry.field(description="What it lets be written.")


@strawberry.type(description="A role: what it gives, and what is known of it.")
class Role:
    key: str = strawberry.field(description="Its stable key.")
    label: Labels = strawberry.field(description="What people call it.")
    description: str = strawberry.field(description="What it is for.")
    builtin: bool = strawberry.field(description="Whether the hub comes with it: it can be reset, not removed.")
    edited: bool = strawberry.field(description="Whether a built-in role gives anything else than by default.")
    version: int = strawberry.field(description="Counts its changes, from 1; pass it as `expectedVersion`.")
    inherits: list[str] = strawberry.field(
        description="Keys of the roles whose grants and actions it has beside its own."
    )
    actions: list[str] = strawberry.field(description="Its own actions, such as `leads:assign`.")
    grants: list[RoleGrant] = strawberry.field(description="Its own grants, by type.")
    holders: int = strawberry.field(description="How many active users have it now.")
    created_at: datetime = strawberry.field(description="When it was made, in UTC.")
    updated_at: datetime = strawberry.field(description="When it last changed, in UTC.")


@strawberry.input(description="What a grant shows of the fields of a data class.")
class ClassLevelInput:
    data_class: DataClass = strawberry.field(description="The data class.")
    level: AccessLevel = strawberry.field(description="What it shows of its fields.")


@strawberry.input(description="What a grant shows of one field, whatever its class.")
class FieldLevelInput:
    field: str = strawberry.field(description="The field: `phone`, `contactPoints.raw`, `custom.loyaltyCard`.")
    level: AccessLevel = strawberry.field(description="What it shows of it.")


@strawberry.input(description="What a grant lets be written, where it shows it.")
class GrantWritesInput:
    classes: list[DataClass] = strawberry.field(
        description="The fields of these data classes.", default_factory=list[DataClass]
    )
    fields: list[str] = strawberry.field(
        description="These fields, and parents such as `customer`.", default_factory=list[str]
    )
    except_: list[str] = strawberry.field(name="except", description="Not these fields.", default_factory=list[str])


@strawberry.input(description="What a role gives on the records of one type that a row rule matches.")
class GrantInput:
    type: str = strawberry.field(description="The type of records, such as `Customer`.")
    row_rule: RowRule = strawberry.field(description="Which records it is about.")
    where: JSON | None = strawberry.field(
        description="The condition of a row rule WHERE. It may name what the role reads in full.",
        default=strawberry.UNSET,
    )
    levels: list[ClassLevelInput] = strawberry.field(
        description="What it shows by data class; others are HIDDEN.", default_factory=list[ClassLevelInput]
    )
    fields: list[FieldLevelInput] = strawberry.field(
        description="What it shows of single fields.", default_factory=list[FieldLevelInput]
    )
    personal_level: AccessLevel = strawberry.field(
        description="The most that a class gives to a field that is marked as personal.", default=AccessLevel.READ
    )
    writes: GrantWritesInput | None = strawberry.field(description="What it lets be written.", default=strawberry.UNSET)


@strawberry.input(description="What people call a thing on a screen.")
class LabelsInput:
    zh: str = strawberry.field(description="In Chinese.")
    en: str = strawberry.field(description="In English.")


@strawberry.input(description="A new role.")
class CreateRoleInput:
    key: str = strawberry.field(description="Its key for good: 2 to 40 characters a-z, 0-9, underscore.")
    label: LabelsInput = strawberry.field(description="What people call it.")
    description: str | None = strawberry.field(description="What it is for.", default=strawberry.UNSET)
    inherits: list[str] = strawberry.field(
        description="Keys of the roles whose grants and actions it has beside its own.", default_factory=list[str]
    )
    actions: list[str] = strawberry.field(
        description="Its own actions, such as `leads:assign`.", default_factory=list[str]
    )
    grants: list[GrantInput] = strawberry.field(description="Its own grants.", default_factory=list[GrantInput])


@strawberry.input(description="What to change of a role; what is left out stays.")
class UpdateRoleInput:
    label: LabelsInput | None = strawberry.field(description="What people call it.", default=strawberry.UNSET)
    description: str | None = strawberry.field(description="What it is for.", default=strawberry.UNSET)
    inherits: list[str] | None = strawberry.field(
        description="All roles whose grants and actions it has beside its own from now on.", default=strawberry.UNSET
    )
    actions: list[str] | None = strawberry.field(
        description="All of its own actions from now on.", default=strawberry.UNSET
    )


@strawberry.input(description="A role as it would be; what is left out stays.")
class RoleDraft:
    role: str = strawberry.field(description="Key of a role, or of one that there is not yet.")
    grants: list[GrantInput] | None = strawberry.field(description="All of its own grants.", default=strawberry.UNSET)
    inherits: list[str] | None = strawberry.field(
        description="All roles whose grants and actions it has beside its own.", default=strawberry.UNSET
    )
    actions: list[str] | None = strawberry.field(description="All of its own actions.", default=strawberry.UNSET)
    users: list[strawberry.ID] | None = strawberry.field(
        description="Users who would be given the role, at most 200.", default=strawberry.UNSET
    )


@strawberry.type(description="A change of what some users see, or write, of some fields.")
class AccessChange:
    type: str = strawberry.field(description="The type of records.")
    fields: list[str] = strawberry.field(description="The fields.")
    kind: ChangeKind = strawberry.field(description="Which way.")
    level: AccessLevel | None = strawberry.field(description="What is shown from then on; null for writing.")
    users: int = strawberry.field(description="How many users it is about.")
    rows: int | None = strawberry.field(
        description="On how many records in use, of all these users together; null where counting takes too long."
    )
    rows_capped: bool = strawberry.field(
        description="Whether there may be more: 10,000 are counted, and what depends on the user for 200 users."
    )


@strawberry.type(description="An action that some users gain or lose.")
class ActionChange:
    action: str = strawberry.field(description="The action.")
    kind: ChangeKind = strawberry.field(description="Which way.")
    users: int = strawberry.field(description="How many users it is about.")


@strawberry.type(description="A trusted document that becomes valid for some users, or breaks for them.")
class DocumentChange:
    id: strawberry.ID = strawberry.field(description="Its id.")
    operations: list[str] = strawberry.field(description="The names of its operations.")
    kind: ChangeKind = strawberry.field(description="GAIN where it becomes valid, LOSE where it breaks.")
    users: int = strawberry.field(description="How many users it is about.")


@strawberry.type(description="What an edit of a role would do. Scopes of clients are left out of account.")
class GrantsPreview:
    users: int = strawberry.field(description="How many active users it would change something for.")
    summary: list[str] = strawberry.field(description="The changes in words, in the language of the request.")
    changes: list[AccessChange] = strawberry.field(description="What is seen and written, by type.")
    actions: list[ActionChange] = strawberry.field(description="What is done.")
    documents: list[DocumentChange] = strawberry.field(
        description="Of 100 trusted documents, registered last or in the manifest, for the role sets that most have."
    )


@strawberry.type(description="An edit of rights that waits for a second approver, or was decided.")
class RightsProposal:
    id: strawberry.ID = strawberry.field(description="Its id.")
    verb: str = strawberry.field(description="The mutation that it is, such as `setGrants`.")
    input: JSON = strawberry.field(description="The arguments of the mutation.")
    reason: str | None = strawberry.field(description="Why, in the words of who proposed it.")
    state: ProposalState = strawberry.field(description="What became of it.")
    proposed_by: strawberry.ID = strawberry.field(description="Id of the user who proposed it.")
    proposed_at: datetime = strawberry.field(description="When it was proposed, in UTC.")
    decided_by: strawberry.ID | None = strawberry.field(description="Id of the user who decided; null while it waits.")
    decided_at: datetime | None = strawberry.field(description="When it was decided, in UTC.")


ENUMS = (
    enum_of(
        ProposalState,
        PENDING="It waits for somebody to approve it.",
        APPROVED="It was approved, and made.",
        REJECTED="It was rejected, or taken back.",
    ),
    enum_of(
        ChangeKind,
        GAIN="More is shown, or may be done.",
        LOSE="Less is shown, or may be done.",
        GAIN_WRITE="May be written.",
        LOSE_WRITE="May no longer be written.",
    ),
)

PROPOSAL = {
    "proposal": Member(
        RightsProposal | None, "What waits for a second approver in the place of the edit; null where it was made."
    )
}

Rights = Callable[[Transaction, Mapping[str, Any]], Awaitable[Any]]
"""A verb of the services, which takes its arguments by the names of the API."""

_KEY = Argument(str, "Key of the role.")
_VERSION = Argument(int, "The version you read; a CONFLICT if the role has changed since.")
REASON = Argument(str | None, "Why, in words that the log keeps.")
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
    for declaration in ENUMS:
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
        lambda key: {"key": key},
    )
    yield from _of_proposals()
    yield from _of_holders({"user": Member(user | None, "The user as you see them now.")})


def _of_proposals() -> Iterable[Mutation]:
    which = {"proposal": Argument(strawberry.ID, "Id of the proposal.")}
    payload = {"proposal": Member(RightsProposal | None, "The proposal as it stands now.")}
    for name, about, verb in (
        (
            "approve_rights",
            "Make an edit of rights that somebody else proposed; it needs the action of the edit too." + _HOLDS,
            rights_proposals.approve,
        ),
        (
            "reject_rights",
            "Let a proposed edit of rights not be made; who proposed it may take it back so.",
            rights_proposals.reject,
        ),
    ):
        yield _mutation(name, APPROVE_ROLES, about, which, payload, verb, lambda told: {"proposal": proposal_of(told)})


def _of_role(name: str, about: str, arguments: Mapping[str, Argument], verb: Rights) -> Mutation:
    return _mutation(name, MANAGE_ROLES, about, arguments, _ROLE, verb, lambda told: {"role": role_of(told)})


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
            "Let a user not act (停用); tokens that are out are refused." + _HOLDS,
            {"user": _USER},
            role_holders.suspend,
        ),
        ("reinstate_user", "Let a suspended user act again." + _HOLDS, {"user": _USER}, role_holders.reinstate),
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
            name, ASSIGN_ROLES, about, arguments, payload, verb, lambda id_: {"user": RecordRef("user", id_)}
        )


def _mutation(  # noqa: PLR0917 - a mutation, its verb, and what is told of it
    name: str,
    action: str,
    about: str,
    arguments: Mapping[str, Argument],
    payload: Mapping[str, Member],
    verb: Rights,
    told: Callable[[Any], Mapping[str, Any]],
) -> Mutation:
    members = {**payload, **PROPOSAL} if camel(name) in VERBS else payload
    return Mutation(name, action, about, {**arguments, "reason": REASON}, members, partial(_run, name, verb, told))


async def _run(
    name: str,
    verb: Rights,
    told: Callable[[Any], Mapping[str, Any]],
    context: MutationContext,
    arguments: Mapping[str, Any],
) -> Mapping[str, Any]:
    tx = context.transaction()
    tx.reason = reason_of(arguments.get("reason"))
    # A moment is the one that was meant when it was asked for, also where it waits to be approved.
    arguments = {key: reckoned(value, tx.now, tx.principal.zone) for key, value in arguments.items()}
    if context.rights_approval and camel(name) in VERBS:
        return {"proposal": proposal_of(await rights_proposals.propose(tx, camel(name), plain(arguments)))}
    return told(await verb(tx, plain(arguments)))


def reason_of(raw: str | None) -> str | None:
    """Why a change of rights is made, as the log keeps it. Raises Invalid."""
    try:
        return clean(raw, max_length=MAX_REASON, multiline=True) if raw is not None else None
    except CrmError as error:
        raise error.at("reason") from None


def plain(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments as JSON has them, by the names of the API."""
    found = {}
    for name, value in arguments.items():
        if name in ("user", "proposal"):
            found[name] = str(read_id(value, name))
        elif value is not strawberry.UNSET and name != "reason":
            found[camel(name)] = _json(value)
    return found


def _json(value: Any) -> Any:
    if isinstance(value, list):
        return [_json(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if not hasattr(value, "__strawberry_definition__") or isinstance(value, StrEnum):
        return value
    members = ((f.graphql_name or camel(f.python_name), getattr(value, f.python_name)) for f in _fields(value))
    return {name: _json(member) for name, member in members if member is not strawberry.UNSET}


def _fields(value: Any) -> Iterable[StrawberryField]:
    fields: Iterable[StrawberryField] = value.__strawberry_definition__.fields
    return fields


def proposal_of(told: Mapping[str, Any]) -> RightsProposal:
    """A proposal as clients see it."""
    return RightsProposal(
        id=strawberry.ID(told["id"]),
        verb=told["verb"],
        input=told["input"],
        reason=told["reason"],
        state=ProposalState(told["state"]),
        proposed_by=strawberry.ID(told["proposedBy"]),
        proposed_at=told["proposedAt"],
        decided_by=None if told["decidedBy"] is None else strawberry.ID(told["decidedBy"]),
        decided_at=told["decidedAt"],
    )


def role_of(told: Mapping[str, Any]) -> Role:
    """A role as a payload has it."""
    grants = [
        RoleGrant(
            type=grant["type"],
            row_rule=RowRule(grant["rowRule"]),
            where=grant["where"],
            levels=[
                ClassLevel(data_class=DataClass(one["dataClass"]), level=AccessLevel(one["level"]))
                for one in grant["levels"]
            ],
            fields=[FieldLevelOverride(field=one["field"], level=AccessLevel(one["level"])) for one in grant["fields"]],
            personal_level=AccessLevel(grant["personalLevel"]),
            writes=GrantWrites(
                classes=[DataClass(one) for one in grant["writes"]["classes"]],
                fields=grant["writes"]["fields"],
                except_=grant["writes"]["except"],
            ),
        )
        for grant in told["grants"]
    ]
    return Role(
        key=told["key"],
        label=Labels(**told["label"]),
        description=told["description"],
        builtin=told["builtin"],
        edited=told["edited"],
        version=told["version"],
        inherits=told["inherits"],
        actions=told["actions"],
        grants=grants,
        holders=told["holders"],
        created_at=told["createdAt"],
        updated_at=told["updatedAt"],
    )
