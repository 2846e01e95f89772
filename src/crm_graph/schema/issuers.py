"""OpenID Connect issuers as admins see them, and the mutation that runs them."""

from collections.abc import Iterable, Mapping
from typing import Any

import strawberry

from crm_graph.models.issuers import IssuerStatus
from crm_graph.permissions.issuers import ALGORITHMS
from crm_graph.resolvers.write import MutationContext
from crm_graph.schema.building import Argument, Member, enum_of
from crm_graph.schema.mutations import Mutation
from crm_graph.schema.rights_proposals import PROPOSAL, REASON, UNTOLD, proposed, reason_of
from crm_graph.services import issuers
from crm_graph.services.issuers import DEFAULT_ALGORITHMS, MANAGE, MAX_LEEWAY_S, SETTABLE, IssuerView

ENUMS = (
    enum_of(
        IssuerStatus,
        ACTIVE="Its people are let in.",
        SUSPENDED="Its tokens are refused everywhere within a second.",
    ),
)

_CLAIM = "Names that lead to the claim, such as `groups`, or `realm_access` and `roles`."
_VALUE = "What the claim is, or holds in a list, to the letter."
_ROLES = "Keys of the roles that this gives."
_TEAMS = "Keys of the teams that this makes a member of."


@strawberry.type(description="Who has a value in a claim has roles, and is of teams.")
class ClaimRule:
    claim: list[str] = strawberry.field(description=_CLAIM)
    value: str = strawberry.field(description=_VALUE)
    roles: list[str] = strawberry.field(description=_ROLES)
    teams: list[str] = strawberry.field(description=_TEAMS)


@strawberry.input(description="Who has a value in a claim has roles, and is of teams.")
class ClaimRuleInput:
    claim: list[str] = strawberry.field(description=_CLAIM)
    value: str = strawberry.field(description=_VALUE)
    roles: list[str] = strawberry.field(description=_ROLES, default_factory=list)
    teams: list[str] = strawberry.field(description=_TEAMS, default_factory=list)


_ABOUT: Mapping[str, str] = {
    "name": "What people call it.",
    "audiences": "What its access tokens may name as `aud`; one of them is enough.",
    "clients": "What they may name as `client_id` and `azp`; none for any.",
    "algorithms": f"What may sign them, of {', '.join(ALGORITHMS)}; {', '.join(DEFAULT_ALGORITHMS)} by default.",
    "plain_tokens": "Whether its access tokens need no `typ` of `at+jwt` (RFC 9068). ID tokens are none either way.",
    "leeway_seconds": f"How far its clock may be from ours: 0 to {MAX_LEEWAY_S}, 5 by default.",
    "role_map": "Which claims give which roles and teams. Who has no role is not let in.",
    "sign_in_client": "The id of the hub as its client, where people sign in to `/console` through it.",
    "sign_in_secret": "The secret of that client; null for a public one. It is told to nobody.",
    "sign_in_scope": "What such a sign-in asks for, `openid` among it.",
    "status": "Whether its people are let in.",
}


@strawberry.type(description="An OpenID Connect issuer that people come through.")
class Issuer:
    url: str = strawberry.field(description="What its tokens name as `iss`, to the letter.")
    name: str = strawberry.field(description=_ABOUT["name"])
    status: IssuerStatus = strawberry.field(description=_ABOUT["status"])
    audiences: list[str] = strawberry.field(description=_ABOUT["audiences"])
    clients: list[str] = strawberry.field(description=_ABOUT["clients"])
    algorithms: list[str] = strawberry.field(description=_ABOUT["algorithms"])
    plain_tokens: bool = strawberry.field(description=_ABOUT["plain_tokens"])
    leeway_seconds: int = strawberry.field(description=_ABOUT["leeway_seconds"])
    role_map: list[ClaimRule] = strawberry.field(description=_ABOUT["role_map"])
    sign_in_client: str | None = strawberry.field(description=_ABOUT["sign_in_client"])
    sign_in_scope: str = strawberry.field(description=_ABOUT["sign_in_scope"])
    has_sign_in_secret: bool = strawberry.field(description="Whether that client has a secret.")


def issuer_list() -> Mapping[str, Member]:
    """The root field."""
    return {"issuers": Member(list[Issuer], "The OpenID Connect issuers that people come through, by name.")}


def issuer_mutations() -> Iterable[Mutation]:
    """Make or change."""
    types: Mapping[str, Any] = {
        "name": str | None,
        "audiences": list[str] | None,
        "clients": list[str] | None,
        "algorithms": list[str] | None,
        "plain_tokens": bool | None,
        "leeway_seconds": int | None,
        "role_map": list[ClaimRuleInput] | None,
        "sign_in_client": str | None,
        "sign_in_scope": str | None,
        "sign_in_secret": str | None,
        "status": IssuerStatus | None,
    }
    yield Mutation(
        "save_issuer",
        MANAGE,
        "Let people come with tokens of an OpenID Connect issuer, or change what is taken of it; what is left out"
        " stays. A new one needs a name and audiences. Holds everywhere within a second.",
        {
            "url": Argument(str, "What its tokens name as `iss`, to the letter."),
            **{name: Argument(types[name], _ABOUT[name]) for name in SETTABLE},
            "reason": REASON,
        },
        {"issuer": Member(Issuer | None, "The issuer as it stands now."), **PROPOSAL},
        _save,
    )


async def _save(context: MutationContext, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """What gives rights waits for a second approver, where the settings ask for one. A secret waits with it, untold."""
    tx = context.transaction()
    tx.reason = reason_of(arguments.get("reason"))
    changes = {name: value for name, value in arguments.items() if name in SETTABLE and value is not strawberry.UNSET}
    if context.rights_approval and issuers.gives_rights(changes):
        if changes.get("sign_in_secret") is None:
            return await proposed(tx, "saveIssuer", arguments)
        withheld = {"signInSecret": changes["sign_in_secret"]}
        return await proposed(tx, "saveIssuer", {**arguments, "sign_in_secret": UNTOLD}, withheld)
    return {"issuer": _issuer(await issuers.save(tx, arguments["url"], changes))}


def _issuer(view: IssuerView) -> Issuer:
    return Issuer(
        url=view.url,
        name=view.name,
        status=view.status,
        audiences=list(view.audiences),
        clients=list(view.clients),
        algorithms=list(view.algorithms),
        plain_tokens=view.plain_tokens,
        leeway_seconds=view.leeway_seconds,
        sign_in_client=view.sign_in_client,
        sign_in_scope=view.sign_in_scope,
        has_sign_in_secret=view.has_sign_in_secret,
        role_map=[
            ClaimRule(claim=list(r.claim), value=r.value, roles=list(r.roles), teams=list(r.teams))
            for r in view.role_map
        ],
    )
