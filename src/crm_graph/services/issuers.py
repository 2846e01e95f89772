"""OpenID Connect issuers as admins run them: whose tokens people come with, and what claims give."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import orjson
from sqlalchemy import func, select

from crm_graph.catalog import camel
from crm_graph.errors import Invalid, LimitReached, Required
from crm_graph.models import Issuer, Role, Team
from crm_graph.models.ids import EntityCode
from crm_graph.models.issuers import IssuerStatus
from crm_graph.permissions.issuer_keys import is_safe
from crm_graph.permissions.issuers import ALGORITHMS, MAX_PATH, ClaimRule, claim_rules
from crm_graph.permissions.rules import ASSIGN_ROLES, EVERYONE, MANAGE_ROLES
from crm_graph.permissions.store import Connection, raise_policy_version
from crm_graph.services import claimed_rights, sign_outs
from crm_graph.services.role_rules import require_an_admin, require_givable, standing
from crm_graph.services.texts import clean
from crm_graph.transaction import EventDraft, Transaction

MANAGE = MANAGE_ROLES
"""Who gives roles says whose claims give them."""

MAX_ISSUERS = 50
MAX_URL = 500
MAX_NAME = 100
MAX_ITEMS = 50
MAX_TEXT = 255
MAX_RULES = 500
MAX_LEEWAY_S = 300
DEFAULT_ALGORITHMS = ("ES256", "EdDSA", "PS256", "RS256")


@dataclass(frozen=True, slots=True)
class IssuerView:
    """An issuer as an admin sees and sets it. `url` is what its tokens name as `iss`, and stays. People sign in to the
    console there if it knows the hub as the client `sign_in_client`, whose secret is set and never told.
    """

    url: str
    name: str
    audiences: Sequence[str]
    clients: Sequence[str] = ()
    algorithms: Sequence[str] = DEFAULT_ALGORITHMS
    plain_tokens: bool = False
    leeway_seconds: int = 5
    role_map: Sequence[ClaimRule] = ()
    sign_in_client: str | None = None
    sign_in_scope: str = "openid profile email"
    has_sign_in_secret: bool = False
    status: IssuerStatus = IssuerStatus.ACTIVE


_TOLD = tuple(f.name for f in fields(IssuerView) if f.name not in {"url", "has_sign_in_secret"})
SETTABLE = (*_TOLD, "sign_in_secret")
_GIVES_NOTHING = frozenset({"name"})
"""All else decides about who comes in with which roles: an app of one's own at the issuer may be told other claims."""


async def save(tx: Transaction, url: str, changes: Mapping[str, Any]) -> IssuerView:
    """Make an issuer, or change what is named of one that is there; what is not named stays. Roles that its claims gave
    and that no rule of it names any more are taken away, all of them where it is suspended; what claims of others give
    those people, and its own once it is active again, is given at once. Holds in every process within a second. Raises
    UserFault, for the end of the last administrator too, and for all but its name where its claims give, or gave, roles
    that are not the asker's to give.
    """
    tx.require(MANAGE)
    tx.require(ASSIGN_ROLES)
    rights = await standing(tx)
    # The table is locked against other writers, so that its limit holds.
    await tx.driver().execute("LOCK TABLE issuers IN SHARE ROW EXCLUSIVE MODE")
    issuer = await tx.session.scalar(select(Issuer).where(Issuer.url == url))
    if issuer is None:
        await _require_room(tx)
        issuer = Issuer(id=tx.new_id(EntityCode.ISSUER), url=_url(url), created_at=tx.now, version=0)
        changes = {**_defaults(), **changes}
        before: dict[str, Any] = {}
        named: set[str] = set()
    else:
        before, named = _told(issuer), _roles_of(issuer)
    secret = issuer.sign_in_secret
    for name in SETTABLE:
        if name in changes:
            setattr(issuer, name, _READERS[name](changes[name], name))
    await _require_roles(tx, issuer)
    await _require_teams(tx, issuer)
    after = _told(issuer)
    changed = [name for name in after if name not in before or after[name] != before[name]]
    new_secret = issuer.sign_in_secret != secret
    if new_secret or not _GIVES_NOTHING.issuperset(changed):
        for role in sorted(_roles_of(issuer) | named):
            require_givable(tx, rights.policy, role)
    if changed or new_secret:
        issuer.version += 1
        tx.session.add(issuer)
        await tx.session.flush()
        await _settle(tx, issuer, before, changed)
        await require_an_admin(tx, rights, rights.policy)
        await raise_policy_version(tx.session)
        _tell(tx, issuer, {n: before[n] for n in changed if n in before}, {n: after[n] for n in changed})
    return _view(issuer)


async def all_issuers(tx: Transaction) -> list[IssuerView]:
    """All of them, by name."""
    tx.require(MANAGE)
    return [_view(issuer) for issuer in await tx.session.scalars(select(Issuer).order_by(Issuer.name, Issuer.id))]


def gives_rights(changes: Mapping[str, Any]) -> bool:
    """Whether somebody may come to see more by it: all but its name, and suspension."""
    return not changes.keys() <= _GIVES_NOTHING and dict(changes) != {"status": IssuerStatus.SUSPENDED}


async def save_as_told(tx: Transaction, told: Mapping[str, Any]) -> IssuerView:
    """`save` by the arguments of the API."""
    return await save(tx, told["url"], {name: told[camel(name)] for name in SETTABLE if camel(name) in told})


async def told_issuers(connection: Connection) -> list[dict[str, Any]]:
    """All of them by name, in the names of the API, for who may read roles."""
    found = []
    for row in await connection.fetch(_ISSUERS):
        told = {camel(name): row[name] for name in ("url", *_TOLD, "has_sign_in_secret")}
        for name in ("audiences", "clients", "algorithms"):
            told[name] = orjson.loads(told[name])
        told["roleMap"] = [asdict(rule) for rule in claim_rules(orjson.loads(told["roleMap"]))]
        found.append(told)
    return found


_ISSUERS = """
SELECT url, name, status, audiences::text AS audiences, clients::text AS clients, algorithms::text AS algorithms,
       plain_tokens, leeway_seconds, role_map::text AS role_map, sign_in_client, sign_in_scope,
       sign_in_secret IS NOT NULL AS has_sign_in_secret
FROM issuers ORDER BY name, id
"""


async def _require_room(tx: Transaction) -> None:
    if (await tx.session.scalar(select(func.count()).select_from(Issuer)) or 0) >= MAX_ISSUERS:
        raise LimitReached("issuers_limit", limit=MAX_ISSUERS)


async def _require_roles(tx: Transaction, issuer: Issuer) -> None:
    """Raise Invalid where a rule names a role that nobody can be given."""
    named = _roles_of(issuer)
    there = set(await tx.session.scalars(select(Role.key).where(Role.key.in_(named)))) - {EVERYONE}
    unknown = sorted(named - there)
    if unknown:
        raise Invalid("role_unknown", path=("roleMap",), roles=", ".join(unknown[:5])[:MAX_TEXT])


async def _require_teams(tx: Transaction, issuer: Issuer) -> None:
    """Raise Invalid where a rule names a team that is not there, or by a key that several have."""
    named = _teams_of(issuer)
    keys = select(Team.key).where(Team.key.in_(named), Team.archived_at.is_(None))
    there = await tx.session.scalars(keys.group_by(Team.key).having(func.count() == 1))
    unknown = sorted(named - set(there))
    if unknown:
        raise Invalid("team_unknown", path=("roleMap",), teams=", ".join(unknown[:5])[:MAX_TEXT])


def _teams_of(issuer: Issuer) -> set[str]:
    return {team for rule in claim_rules(issuer.role_map) for team in rule.teams}


def _roles_of(issuer: Issuer) -> set[str]:
    return {role for rule in claim_rules(issuer.role_map) for role in rule.roles}


async def _settle(tx: Transaction, issuer: Issuer, before: Mapping[str, Any], changed: Sequence[str]) -> None:
    """What its claims gave and give no longer is taken. Of one that is suspended that is all, and its sessions end: its
    people may come by another issuer too, which gives them what its claims say. One that is active again gives what it
    gave.
    """
    active = IssuerStatus(issuer.status) is IssuerStatus.ACTIVE
    if not active:
        await sign_outs.end_sessions_at(tx, issuer.id)
    mapped = claimed_rights.Mapped(
        issuer.id,
        _roles_of(issuer) if active else (),
        _teams_of(issuer) if active else (),
        active and bool(before) and "status" in changed and "role_map" not in changed,
    )
    await claimed_rights.settle(tx, mapped)


def _defaults() -> dict[str, Any]:
    empty = IssuerView("", "", ())
    return {name: getattr(empty, name) for name in _TOLD}


def _view(issuer: Issuer) -> IssuerView:
    rules = claim_rules(issuer.role_map)
    return IssuerView(**{**_told(issuer), "role_map": rules, "status": IssuerStatus(issuer.status)})


def _told(issuer: Issuer) -> dict[str, Any]:
    """What the log and an admin are told: of the secret only whether there is one."""
    told = {name: getattr(issuer, name) for name in _TOLD}
    return {"url": issuer.url, **told, "has_sign_in_secret": issuer.sign_in_secret is not None}


def _tell(tx: Transaction, issuer: Issuer, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    tx.record(
        EventDraft(
            type=f"issuer.{'created' if issuer.version == 1 else 'updated'}",
            entity_type="issuer",
            entity_id=issuer.id,
            entity_version=issuer.version,
            changed=list(after),
            before=before,
            after=after,
        )
    )


def _url(url: str) -> str:
    """An address that we may ask, as OpenID Connect Discovery 1.0 has issuers: https, no query, no fragment."""
    if len(url) > MAX_URL or "?" in url or not url.isascii() or not is_safe(url):
        raise Invalid("issuer_url_invalid", path=("url",))
    return url


def _text(value: Any, name: str, longest: int = MAX_TEXT) -> str:
    if not isinstance(value, str) or not value:
        raise Required(path=(camel(name),))
    try:
        cleaned = clean(value, max_length=longest)
    except Invalid as wrong:
        raise Invalid(wrong.template_key, path=(camel(name),), **wrong.details) from None
    if cleaned is None:
        raise Required(path=(camel(name),))
    return cleaned


def _exact(value: Any, name: str) -> str:
    """A text that is compared with claims to the letter, and so kept to the letter."""
    if not isinstance(value, str) or not 0 < len(value) <= MAX_TEXT or not value.isprintable():
        raise Invalid("issuer_text_invalid", path=(camel(name),), max=MAX_TEXT)
    return value


def _name(value: Any, name: str) -> str:
    return _text(value, name, MAX_NAME)


def _texts(value: Any, name: str) -> list[str]:
    if not isinstance(value, list | tuple) or len(value) > MAX_ITEMS:
        raise LimitReached("too_many_items", path=(camel(name),), max=MAX_ITEMS)
    return list(dict.fromkeys(_exact(one, name) for one in value))


def _some_texts(value: Any, name: str) -> list[str]:
    texts = _texts(value, name)
    if not texts:
        raise Required(path=(camel(name),))
    return texts


def _algorithms(value: Any, name: str) -> list[str]:
    named = _some_texts(value, name)
    if not set(named) <= set(ALGORITHMS):
        raise Invalid("issuer_algorithms_invalid", path=(camel(name),), algorithms=", ".join(ALGORITHMS))
    return sorted(named)


def _flag(value: Any, name: str) -> bool:
    if not isinstance(value, bool):
        raise Required(path=(camel(name),))
    return value


def _leeway(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_LEEWAY_S:
        raise Invalid("issuer_leeway_invalid", path=(camel(name),), max=MAX_LEEWAY_S)
    return value


def _role_map(value: Any, name: str) -> list[dict[str, Any]]:
    if not isinstance(value, list | tuple) or len(value) > MAX_RULES:
        raise LimitReached("too_many_items", path=(camel(name),), max=MAX_RULES)
    return [_claim_rule(rule if isinstance(rule, Mapping) else asdict(rule), name) for rule in value]


def _claim_rule(rule: Mapping[str, Any], name: str) -> dict[str, Any]:
    steps = rule.get("claim")
    if not isinstance(steps, list | tuple) or not 1 <= len(steps) <= MAX_PATH:
        raise LimitReached("too_many_items", path=(camel(name), "claim"), max=MAX_PATH)
    roles, teams = (_texts(rule.get(key) or [], name) for key in ("roles", "teams"))
    if not roles and not teams:
        raise Required(path=(camel(name),))
    return {
        "claim": [_exact(step, name) for step in steps],
        "value": _exact(rule.get("value"), name),
        "roles": roles,
        "teams": teams,
    }


def _optional(value: Any, name: str) -> str | None:
    return None if value is None else _exact(value, name)


def _scope(value: Any, name: str) -> str:
    scope = _exact(value, name)
    if "openid" not in scope.split(" "):
        raise Invalid("issuer_scope_invalid", path=(camel(name),))
    return scope


def _status(value: Any, name: str) -> IssuerStatus:
    if value not in set(IssuerStatus):
        raise Required(path=(camel(name),))
    return IssuerStatus(value)


_READERS: Mapping[str, Callable[[Any, str], Any]] = {
    "name": _name,
    "audiences": _some_texts,
    "clients": _texts,
    "algorithms": _algorithms,
    "plain_tokens": _flag,
    "leeway_seconds": _leeway,
    "role_map": _role_map,
    "sign_in_client": _optional,
    "sign_in_scope": _scope,
    "sign_in_secret": _optional,
    "status": _status,
}
