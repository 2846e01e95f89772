"""People who come through an issuer: users made at their first token, named and given roles as their newest one says.

A person is known by issuer and subject alone. Roles of claims are rows with their issuer as origin, and go when the
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
from sqlalchemy import delete, text
from sqlalchemy.ext.asyncio import AsyncEngine

from crm_graph.access import Access
from crm_graph.catalog import Catalog
from crm_graph.db import DATABASE_FAILURES, ReadPool
from crm_graph.errors import Invalid, Unauthenticated, Unavailable
from crm_graph.models import Identity, User, UserRole
from crm_graph.models.ids import EntityCode, IdSource
from crm_graph.models.users import UserKind
from crm_graph.permissions.people import Admitted, Person
from crm_graph.permissions.principals import Principal
from crm_graph.permissions.rules import EVERYONE
from crm_graph.permissions.store import Connection, raise_policy_version
from crm_graph.services.texts import clean
from crm_graph.transaction import EventDraft, Transaction, begin

SOURCE = "oidc"
WAIT_S = 5.0
TRIES = 3
SYSTEM = "system."
"""What names of the hub's own users begin with."""

_LONGEST = {"name": 200, "email": 254, "locale": 35, "time_zone": 64, "username": 64}
_PROFILE = ("name", "email", "locale", "time_zone")
_NO_RIGHTS = Access((), MappingProxyType({}), frozenset(), 0)


class Age(Enum):
    """A token beside the newest that its person came with. Those of one second are alike: of them all, what each one
    says counts, so that they can take roles from one another and give none.
    """

    OLDER = "older"
    SAME = "same"
    NEWER = "newer"


@dataclass(frozen=True, slots=True)
class Known:
    """What rows say of a person: the user, if there is one, and which roles the claims are to give: `wanted`. `claimed`
    are those that this issuer's claims gave, `given` those from elsewhere.
    """

    user_id: UUID | None
    is_active: bool
    age: Age
    profile: Mapping[str, str | None]
    said: frozenset[str]
    wanted: frozenset[str]
    claimed: frozenset[str]
    given: frozenset[str]

    def agrees(self) -> bool:
        """Whether nothing is to be written."""
        return self.age is Age.OLDER or (self.age is Age.SAME and self.said == self.wanted and self.roles_agree)

    @property
    def roles_agree(self) -> bool:
        return self.claimed <= self.wanted <= self.claimed | self.given

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
    else has just made one. Raises Unauthenticated as `Admission` does.
    """
    # One at a time for each person, so that no user is made twice.
    await tx.driver().execute(_LOCK, f"{person.origin} {person.subject}")
    known = await load_known(tx.driver(), person, tx.now)
    if known.user_id is None:
        if not known.wanted:
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
            roles=sorted(known.wanted),
            created_at=tx.now,
        )
    )
    await tx.session.flush()
    await _set_roles(tx, person, known)
    _tell(tx, "created", 1, {}, {**user, "roles": sorted(known.wanted)})


async def _update(tx: Transaction, person: Person, known: Known) -> bool:
    """Whether the user has changed; that a newer token says the same is noted alone."""
    identity = await tx.session.get_one(Identity, (person.issuer_id, person.subject))
    identity.claims_at, identity.issuer_version = person.issued_at, person.issuer_version
    identity.roles = sorted(known.wanted)
    news = known.news(person)
    if not news and known.roles_agree:
        return False
    user = await tx.session.get_one(User, known.user_id, with_for_update=True)
    before: dict[str, Any] = {name: known.profile[name] for name in news}
    after: dict[str, Any] = dict(news)
    for name, value in news.items():
        setattr(user, name, value)
    if not known.roles_agree:
        await _set_roles(tx, person, known)
        before["roles"], after["roles"] = sorted(known.claimed | known.given), sorted(known.wanted | known.given)
    user.version += 1
    user.updated_at = tx.now
    await tx.session.flush()
    if after.keys() & {"roles", "locale", "time_zone"}:
        await raise_policy_version(tx.session)
    _tell(tx, "updated", user.version, before, after)
    return True


async def _set_roles(tx: Transaction, person: Person, known: Known) -> None:
    """The roles of this issuer's claims, and no other of its origin. What somebody gave and has ended makes room."""
    user_id = tx.principal.user_id
    gone = await tx.session.scalars(_ROLE_IDS, {"keys": sorted(known.claimed - known.wanted)})
    of_claims = (UserRole.user_id == user_id, UserRole.origin == person.origin)
    await tx.session.execute(delete(UserRole).where(*of_claims, UserRole.role_id.in_(list(gone))))
    new = {"keys": sorted(known.wanted - known.claimed - known.given), "user": user_id, "origin": person.origin}
    await tx.session.execute(_GIVE, {**new, "now": tx.now})


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
    row = await connection.fetchrow(
        _KNOWN, person.issuer_id, person.subject, person.origin, sorted(person.roles), now, EVERYONE
    )
    if row is None:
        raise RuntimeError("a statement that always has a row had none")
    age, said, wanted = _age(row, person), frozenset(orjson.loads(row["said"] or "[]")), frozenset(row["wanted"])
    return Known(
        user_id=row["user_id"],
        is_active=bool(row["is_active"]),
        age=age,
        profile={name: row[name] for name in _PROFILE},
        said=said,
        wanted=wanted & said if age is Age.SAME else wanted,
        claimed=frozenset(row["claimed"]),
        given=frozenset(row["given"]),
    )


def _age(row: asyncpg.Record, person: Person) -> Age:
    """By another map than the one that holds now, no token has been read yet."""
    newest = row["claims_at"]
    if newest is None or row["issuer_version"] != person.issuer_version or person.issued_at > newest:
        return Age.NEWER
    return Age.SAME if person.issued_at == newest else Age.OLDER


_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('crm_graph.people ' || $1, 0))"
_KNOWN = """
SELECT u.id AS user_id, u.status = 'ACTIVE' AND u.archived_at IS NULL AS is_active,
       i.claims_at, i.issuer_version, i.roles::text AS said,
       u.name, u.email, u.locale, u.time_zone,
       ARRAY(SELECT r.key FROM roles r WHERE r.key = ANY($4::text[]) AND r.key <> $6) AS wanted,
       ARRAY(SELECT r.key FROM user_roles h JOIN roles r ON r.id = h.role_id
             WHERE h.user_id = u.id AND h.origin = $3) AS claimed,
       ARRAY(SELECT r.key FROM user_roles h JOIN roles r ON r.id = h.role_id
             WHERE h.user_id = u.id AND h.origin <> $3 AND (h.expires_at IS NULL OR h.expires_at > $5)) AS given
FROM (SELECT $1::uuid AS issuer_id, $2::text AS subject) p
LEFT JOIN identities i ON i.issuer_id = p.issuer_id AND i.subject = p.subject
LEFT JOIN users u ON u.id = i.user_id
"""
_ROLE_IDS = text("SELECT id FROM roles WHERE key = ANY(:keys)")
_GIVE = text(
    "INSERT INTO user_roles (user_id, role_id, origin)"
    " SELECT :user, r.id, :origin FROM roles r WHERE r.key = ANY(:keys)"
    " ON CONFLICT (user_id, role_id) DO UPDATE SET origin = EXCLUDED.origin, expires_at = NULL"
    " WHERE user_roles.expires_at <= :now"
)
