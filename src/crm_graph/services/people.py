"""People who come through an issuer: users made at their first token, named and given roles and teams as their newest
one says.

A person is known by issuer and subject alone. What claims give are rows with their issuer as origin, which go when the
claim goes; what an admin gave stays, and is never taken for a claim's.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from hashlib import sha256
from types import MappingProxyType
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from crm_graph.access import Access
from crm_graph.catalog import Catalog
from crm_graph.db import DATABASE_FAILURES, ReadPool
from crm_graph.errors import Invalid, Unauthenticated, Unavailable
from crm_graph.models import Identity, User
from crm_graph.models.ids import EntityCode, IdSource
from crm_graph.models.users import UserKind
from crm_graph.permissions.people import Admitted, IssuerChanged, Person
from crm_graph.permissions.principals import Principal
from crm_graph.permissions.rules import EVERYONE
from crm_graph.permissions.store import Connection, raise_policy_version
from crm_graph.services.role_rules import has_admin, standing
from crm_graph.services.team_members import choose_primary
from crm_graph.services.texts import clean
from crm_graph.transaction import EventDraft, Transaction, begin

log = structlog.get_logger(__name__)

SOURCE = "oidc"
WAIT_S = 5.0
TRIES = 3
SYSTEM = "system."
"""What names of the hub's own users begin with."""

_LONGEST = {"name": 200, "email": 254, "locale": 35, "time_zone": 64, "username": 64}
_PROFILE = ("name", "email", "locale", "time_zone")
_OF_PRINCIPALS = frozenset({"roles", "teams", "locale", "time_zone"})
"""What principals hold, so that every process is to load them anew."""
_NO_RIGHTS = Access((), MappingProxyType({}), frozenset(), 0)


class Age(Enum):
    """A token beside the newest that its person came with. Those of one second are alike: of them all, what each one
    says counts, so that they can take from one another and give nothing.
    """

    OLDER = "older"
    SAME = "same"
    NEWER = "newer"


@dataclass(frozen=True, slots=True)
class Share:
    """The keys of roles or teams that claims are to give: `wanted`, and what the newest token `said`. `claimed` are
    those that this issuer's claims gave, `given` those from elsewhere.
    """

    said: frozenset[str]
    wanted: frozenset[str]
    claimed: frozenset[str]
    given: frozenset[str]

    @property
    def agrees(self) -> bool:
        return self.claimed <= self.wanted <= self.claimed | self.given

    @property
    def goes(self) -> list[str]:
        return sorted(self.claimed - self.wanted)

    @property
    def comes(self) -> list[str]:
        return sorted(self.wanted - self.claimed - self.given)

    @property
    def before(self) -> list[str]:
        return sorted(self.claimed | self.given)

    @property
    def after(self) -> list[str]:
        return sorted(self.wanted | self.given)


@dataclass(frozen=True, slots=True)
class Known:
    """What rows say of a person: the user, if there is one, and what the claims are to give."""

    user_id: UUID | None
    is_active: bool
    age: Age
    profile: Mapping[str, str | None]
    roles: Share
    teams: Share

    @property
    def shares(self) -> Mapping[str, Share]:
        return {"roles": self.roles, "teams": self.teams}

    def agrees(self) -> bool:
        """Whether nothing is to be written."""
        return self.age is Age.OLDER or (
            self.age is Age.SAME and all(s.said == s.wanted and s.agrees for s in self.shares.values())
        )

    def news(self, person: Person) -> dict[str, str]:
        """What a newer token says of the user that rows do not."""
        if self.age is not Age.NEWER:
            return {}
        told = {name: _fitting(getattr(person, name), name) for name in _PROFILE}
        return {name: value for name, value in told.items() if value is not None and value != self.profile[name]}


@dataclass(frozen=True)
class Admission:
    """Lets people in. `pool` and `engine` must reach the primary."""

    pool: ReadPool
    engine: AsyncEngine
    catalog: Catalog
    clock: Callable[[], datetime]
    ids: IdSource

    async def __call__(self, person: Person) -> Admitted:
        """The user that a person is. Raises Unauthenticated for one who is not active, or who has no user and no claim
        that gives a role; Unavailable while rows cannot be read or written.
        """
        for _ in range(TRIES):
            try:
                async with self.pool.acquire(timeout=WAIT_S) as connection:
                    known = await load_known(connection, person, self.clock())
            except DATABASE_FAILURES as failure:
                raise Unavailable from failure
            if known.user_id is not None and known.is_active and known.agrees():
                return Admitted(known.user_id, changed=False)
            principal = _as_themselves(known.user_id or self.ids.new(EntityCode.USER))
            async with begin(self.engine, principal, self.catalog, self.clock, self.ids, source=SOURCE) as tx:
                admitted = await admit(tx, person)
            if admitted is not None:
                return admitted
        raise Unavailable("try_again")


async def admit(tx: Transaction, person: Person) -> Admitted | None:
    """Write what a person's token says, in the name of their user, who is made if they have none. None where somebody
    else has just made one. Raises Unauthenticated as `Admission` does, and IssuerChanged.
    """
    # As whoever edits rights does: no user is made twice, and nothing is given by a map that holds no longer.
    await tx.driver().execute("SELECT version FROM policy_version WHERE id = 1 FOR UPDATE")
    if await tx.driver().fetchval(_ISSUER_VERSION, person.issuer_id) != person.issuer_version:
        raise IssuerChanged
    known = await load_known(tx.driver(), person, tx.now)
    if known.user_id is None:
        if not known.roles.wanted:
            raise Unauthenticated
        await _create(tx, person, known)
        return Admitted(tx.principal.user_id, changed=True)
    if known.user_id != tx.principal.user_id:
        return None
    if not known.is_active:
        raise Unauthenticated
    if known.agrees():
        return Admitted(known.user_id, changed=False)
    return Admitted(known.user_id, changed=await _update(tx, person, known))


async def _create(tx: Transaction, person: Person, known: Known) -> None:
    user_id, told = tx.principal.user_id, known.news(person)
    username = await _username(tx, person)
    user = {**told, "username": username, "name": told.get("name", username)}
    tx.session.add(User(id=user_id, kind=UserKind.PERSON, created_at=tx.now, updated_at=tx.now, **user))
    await tx.session.flush()
    tx.session.add(
        Identity(
            issuer_id=person.issuer_id,
            subject=person.subject,
            user_id=user_id,
            claims_at=person.issued_at,
            issuer_version=person.issuer_version,
            roles=sorted(known.roles.wanted),
            teams=sorted(known.teams.wanted),
            created_at=tx.now,
        )
    )
    await tx.session.flush()
    await _set_roles(tx, person, known.roles)
    await _set_teams(tx, person, known.teams)
    shares = {name: sorted(share.wanted) for name, share in known.shares.items() if share.wanted}
    _tell(tx, "created", 1, {}, {**user, **shares})


async def _update(tx: Transaction, person: Person, known: Known) -> bool:
    """Whether the user has changed; that a newer token says the same is noted alone."""
    identity = await tx.session.get_one(Identity, (person.issuer_id, person.subject))
    identity.claims_at, identity.issuer_version = person.issued_at, person.issuer_version
    identity.roles, identity.teams = sorted(known.roles.wanted), sorted(known.teams.wanted)
    news = known.news(person)
    other = {name: share for name, share in known.shares.items() if not share.agrees}
    if not news and not other:
        return False
    user = await tx.session.get_one(User, known.user_id, with_for_update=True)
    rights = await standing(tx) if known.roles.goes else None
    before: dict[str, Any] = {name: known.profile[name] for name in news}
    after: dict[str, Any] = dict(news)
    for name, value in news.items():
        setattr(user, name, value)
    for name, share in other.items():
        await _SETTERS[name](tx, person, share)
        before[name], after[name] = share.before, share.after
    user.version += 1
    user.updated_at = tx.now
    await tx.session.flush()
    if rights is not None and rights.has_admin and not await has_admin(tx.driver(), rights.policy):
        # The issuer's word holds all the same: who is kept an administrator against it may be why it was said.
        log.error("nobody_manages_rights", user=str(user.id), issuer=str(person.issuer_id))
    if after.keys() & _OF_PRINCIPALS:
        await raise_policy_version(tx.session)
    _tell(tx, "updated", user.version, before, after)
    return True


async def _set_roles(tx: Transaction, person: Person, roles: Share) -> None:
    """The roles of this issuer's claims, and no other of its origin. What somebody gave and has ended makes room."""
    values = {"user": tx.principal.user_id, "origin": person.origin, "now": tx.now}
    await tx.session.execute(_TAKE_ROLES, {**values, "keys": roles.goes})
    await tx.session.execute(_GIVE_ROLES, {**values, "keys": roles.comes})


async def _set_teams(tx: Transaction, person: Person, teams: Share) -> None:
    """The same of teams. Who has no primary team gets the one that lies deepest in the tree."""
    values = {"user": tx.principal.user_id, "origin": person.origin}
    await tx.session.execute(_TAKE_TEAMS, {**values, "keys": teams.goes})
    await tx.session.execute(_GIVE_TEAMS, {**values, "keys": teams.comes})
    await choose_primary(tx, [tx.principal.user_id])


_SETTERS = {"roles": _set_roles, "teams": _set_teams}


async def _username(tx: Transaction, person: Person) -> str:
    """What the user is called: as the issuer calls them, with a mark of their own where somebody else is called so."""
    for told in (person.username, person.email, person.subject):
        name = _fitting(told, "username")
        if name is not None:
            break
    else:
        name = ""
    taken = await tx.driver().fetchval("SELECT EXISTS (SELECT FROM users WHERE username = $1)", name)
    if name and not taken and not name.startswith(SYSTEM):
        return name
    mark = sha256(f"{person.origin} {person.subject}".encode()).hexdigest()[:8]
    return f"{name[: _LONGEST['username'] - len(mark) - 1]}~{mark}"


def _fitting(value: str | None, name: str) -> str | None:
    """A claim as its column can hold it; None for one that it cannot."""
    try:
        return clean(value, max_length=_LONGEST[name]) if value is not None else None
    except Invalid:
        return None


def _as_themselves(user_id: UUID) -> Principal:
    return Principal(user_id, "", None, SOURCE, (), None, (), (), _NO_RIGHTS, "en", "UTC")


def _tell(tx: Transaction, verb: str, version: int, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    tx.record(
        EventDraft(
            type=f"user.{verb}",
            entity_type="user",
            entity_id=tx.principal.user_id,
            entity_version=version,
            changed=list(after),
            before=before,
            after=after,
        )
    )


async def load_known(connection: Connection, person: Person, now: datetime) -> Known:
    """What rows say of a person, in one statement."""
    roles, teams = sorted(person.roles), sorted(person.teams)
    row = await connection.fetchrow(
        _KNOWN, person.issuer_id, person.subject, person.origin, now, EVERYONE, roles, teams
    )
    if row is None:
        raise RuntimeError("a statement that always has a row had none")
    age = _age(row, person)
    return Known(
        user_id=row["user_id"],
        is_active=bool(row["is_active"]),
        age=age,
        profile={name: row[name] for name in _PROFILE},
        roles=_share(row, "roles", age),
        teams=_share(row, "teams", age),
    )


def _share(row: asyncpg.Record, name: str, age: Age) -> Share:
    said, wanted = frozenset(orjson.loads(row[f"said_{name}"] or "[]")), frozenset(row[f"wanted_{name}"])
    return Share(
        said,
        wanted & said if age is Age.SAME else wanted,
        frozenset(row[f"claimed_{name}"]),
        frozenset(row[f"given_{name}"]),
    )


def _age(row: asyncpg.Record, person: Person) -> Age:
    """By another map than the one that holds now, no token has been read yet."""
    newest = row["claims_at"]
    if newest is None or row["issuer_version"] != person.issuer_version or person.issued_at > newest:
        return Age.NEWER
    return Age.SAME if person.issued_at == newest else Age.OLDER


_ISSUER_VERSION = "SELECT version FROM issuers WHERE id = $1 AND status = 'ACTIVE'"
_KNOWN = """
SELECT u.id AS user_id, u.status = 'ACTIVE' AND u.archived_at IS NULL AS is_active,
       u.name, u.email, u.locale, u.time_zone,
       i.claims_at, i.issuer_version, i.roles::text AS said_roles, i.teams::text AS said_teams,
       ARRAY(SELECT r.key FROM roles r WHERE r.key = ANY($6::text[]) AND r.key <> $5) AS wanted_roles,
       ARRAY(SELECT r.key FROM user_roles h JOIN roles r ON r.id = h.role_id
             WHERE h.user_id = u.id AND h.origin = $3) AS claimed_roles,
       ARRAY(SELECT r.key FROM user_roles h JOIN roles r ON r.id = h.role_id
             WHERE h.user_id = u.id AND h.origin <> $3 AND (h.expires_at IS NULL OR h.expires_at > $4)) AS given_roles,
       ARRAY(SELECT t.key FROM teams t WHERE t.key = ANY($7::text[]) AND t.archived_at IS NULL) AS wanted_teams,
       ARRAY(SELECT t.key FROM team_members m JOIN teams t ON t.id = m.team_id
             WHERE m.user_id = u.id AND m.origin = $3) AS claimed_teams,
       ARRAY(SELECT t.key FROM team_members m JOIN teams t ON t.id = m.team_id
             WHERE m.user_id = u.id AND m.origin <> $3) AS given_teams
FROM (SELECT $1::uuid AS issuer_id, $2::text AS subject) p
LEFT JOIN identities i ON i.issuer_id = p.issuer_id AND i.subject = p.subject
LEFT JOIN users u ON u.id = i.user_id
"""
_TAKE_ROLES = text(
    "DELETE FROM user_roles h USING roles r"
    " WHERE h.user_id = :user AND h.origin = :origin AND r.id = h.role_id AND r.key = ANY(:keys)"
)
_GIVE_ROLES = text(
    "INSERT INTO user_roles (user_id, role_id, origin)"
    " SELECT :user, r.id, :origin FROM roles r WHERE r.key = ANY(:keys)"
    " ON CONFLICT (user_id, role_id) DO UPDATE SET origin = EXCLUDED.origin, expires_at = NULL"
    " WHERE user_roles.expires_at <= :now"
)
_TAKE_TEAMS = text(
    "DELETE FROM team_members m USING teams t"
    " WHERE m.user_id = :user AND m.origin = :origin AND t.id = m.team_id AND t.key = ANY(:keys)"
)
_GIVE_TEAMS = text(
    "INSERT INTO team_members (user_id, team_id, origin)"
    " SELECT :user, t.id, :origin FROM teams t WHERE t.key = ANY(:keys) AND t.archived_at IS NULL"
    " ON CONFLICT (user_id, team_id) DO NOTHING"
)
