"""Who has which role, and until when; who may act at all. Each change is an event of the user, and holds in every
process within a second. A role that ends by itself ends at its moment, without anybody writing anything; its event is
written by a timer.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from crm_graph.access import Level
from crm_graph.errors import Invalid, NotFound, RuleViolated
from crm_graph.models import Role, User, UserRole
from crm_graph.models.users import UserKind, UserStatus
from crm_graph.permissions.rules import ASSIGN_ROLES, EVERYONE
from crm_graph.permissions.store import Connection, raise_policy_version
from crm_graph.services.rights import lock, rights_on
from crm_graph.services.role_inputs import Raw
from crm_graph.services.role_rules import Standing, require_an_admin, require_givable, standing
from crm_graph.services.role_views import Told
from crm_graph.services.sign_outs import end_tokens
from crm_graph.services.timers import DueTimer, Timer, cancel_timers, set_timers
from crm_graph.transaction import EventDraft, Transaction

MANUAL = "manual"
"""The origin of a role that somebody gave by hand."""
EXPIRY = "role_expiry"
"""The timer of a role that ends by itself; its key is that of the role."""

_HELD = """
SELECT h.user_id, r.key, r.name_zh, r.name_en, h.origin, h.expires_at
FROM user_roles h JOIN roles r ON r.id = h.role_id
WHERE h.user_id = ANY($1::uuid[])
ORDER BY h.user_id, r.key
"""
# A user with several gets a version for each, the earliest first.
_ENDED = """
WITH ended AS (
    SELECT h.user_id, r.key, h.origin, h.expires_at,
           row_number() OVER (PARTITION BY h.user_id ORDER BY h.expires_at, r.key) AS n,
           count(*) OVER (PARTITION BY h.user_id) AS number
    FROM unnest($1::uuid[], $2::text[], $3::timestamptz[]) AS t (user_id, key, due_at)
    JOIN roles r ON r.key = t.key
    JOIN user_roles h ON h.user_id = t.user_id AND h.role_id = r.id AND h.expires_at = t.due_at
), raised AS (
    UPDATE users u SET version = u.version + e.number, updated_at = $4
    FROM ended e WHERE u.id = e.user_id AND e.n = 1
    RETURNING u.id, u.version - e.number AS before
)
SELECT raised.id, raised.before + ended.n AS version, ended.key, ended.origin, ended.expires_at
FROM ended JOIN raised ON raised.id = ended.user_id ORDER BY ended.expires_at, ended.user_id, ended.n
"""
_CLAIMED_FROM = "SELECT name FROM issuers WHERE $1 = 'issuer:' || id AND status = 'ACTIVE'"


async def held_roles(connection: Connection, ids: Sequence[UUID], now: datetime) -> Mapping[UUID, list[Told]]:
    """The roles that users were given, those that have ended included, in one statement."""
    found: dict[UUID, list[Told]] = {}
    for row in await connection.fetch(_HELD, list(ids)):
        until = row["expires_at"]
        found.setdefault(row["user_id"], []).append(
            {
                "key": row["key"],
                "label": {"zh": row["name_zh"], "en": row["name_en"]},
                "origin": row["origin"],
                "until": until,
                "expired": until is not None and until <= now,
            }
        )
    return found


async def grant(tx: Transaction, given: Raw) -> UUID:
    """Give a user a role, or change when it ends. Raises NotFound for a user or role that is not there, Invalid for a
    moment that has passed and for who has left, and what `role_rules` refuse.
    """
    before, user, role = await _opened(tx, given)
    until = _until(given.get("until"))
    if until is not None and until <= tx.now:
        raise Invalid("until_past", path=("until",))
    if user.id == tx.principal.user_id:
        raise RuleViolated("own_rights", path=("user",))
    if user.status is UserStatus.LEFT:
        raise Invalid("user_has_left", path=("user",))
    require_givable(tx, before.policy, role.key)
    held = await tx.session.get(UserRole, (user.id, role.id))
    was = None if held is None else {"role": role.key, "origin": held.origin, "until": held.expires_at}
    becomes = {"role": role.key, "origin": MANUAL, "until": until}
    if was == becomes:
        return user.id
    if held is None:
        tx.session.add(UserRole(user_id=user.id, role_id=role.id, origin=MANUAL, expires_at=until))
    else:
        held.origin, held.expires_at = MANUAL, until
    if until is None:
        await cancel_timers(tx, EXPIRY, [user.id], [role.key])
    else:
        await set_timers(tx, [Timer(EXPIRY, "user", user.id, until, key=role.key)])
    return await written(tx, before, user, ("role_granted", was or {}, becomes))


async def revoke(tx: Transaction, given: Raw) -> UUID:
    """Take a role from a user; who does not have it stays as they are. Raises NotFound and RuleViolated as `grant`, and
    RuleViolated for a role that the user's next token would bring back.
    """
    before, user, role = await _opened(tx, given)
    require_givable(tx, before.policy, role.key)
    held = await tx.session.get(UserRole, (user.id, role.id))
    if held is None:
        return user.id
    issuer = await tx.driver().fetchval(_CLAIMED_FROM, held.origin)
    if issuer is not None:
        raise RuleViolated("role_comes_back", path=("role",), issuer=issuer)
    was: Told = {"role": role.key, "origin": held.origin, "until": held.expires_at}
    await tx.session.delete(held)
    await cancel_timers(tx, EXPIRY, [user.id], [role.key])
    return await written(tx, before, user, ("role_revoked", was, {}))


async def expired(tx: Transaction, timers: Sequence[DueTimer]) -> None:
    """Write down that roles have ended. They stay with their users, as ended ones."""
    ended = await tx.driver().fetch(
        _ENDED,
        [timer.entity_id for timer in timers],
        [timer.key for timer in timers],
        [timer.due_at for timer in timers],
        tx.now,
    )
    for row in ended:
        was: Told = {"role": row["key"], "origin": row["origin"], "until": row["expires_at"]}
        tx.record(EventDraft("user.role_expired", "user", row["id"], row["version"], sorted(was), was, {}))


async def suspend(tx: Transaction, given: Raw) -> UUID:
    """A user may not act until they are reinstated, and signs in anew then: every token, session and link from before
    stays refused. Raises NotFound, and Invalid for who has left.
    """
    return await _set_status(tx, given, (UserStatus.ACTIVE,), UserStatus.SUSPENDED, "suspended")


async def reinstate(tx: Transaction, given: Raw) -> UUID:
    """A suspended user, or one who had left, may act again; who had left has no roles and teams. Raises NotFound."""
    return await _set_status(tx, given, (UserStatus.SUSPENDED, UserStatus.LEFT), UserStatus.ACTIVE, "reinstated")


async def _set_status(tx: Transaction, given: Raw, from_: Sequence[UserStatus], to: UserStatus, verb: str) -> UUID:
    tx.require(ASSIGN_ROLES)
    before = await standing(tx)
    user = await locked_user(tx, given["user"])
    if user.status is to:
        return user.id
    if user.status not in from_:
        raise Invalid("user_has_left", path=("user",))
    for role in await tx.session.scalars(select(Role.key).join(UserRole).where(UserRole.user_id == user.id)):
        require_givable(tx, before.policy, role)
    was, user.status = {"status": user.status.value}, to
    if to is UserStatus.SUSPENDED:
        await end_tokens(tx, user)
    return await written(tx, before, user, (verb, was, {"status": to.value}))


async def _opened(tx: Transaction, given: Raw) -> tuple[Standing, User, Role]:
    tx.require(ASSIGN_ROLES)
    before = await standing(tx)
    user = await locked_user(tx, given["user"])
    role = await tx.session.scalar(select(Role).where(Role.key == given["role"]))
    if role is None:
        raise NotFound(path=("role",))
    if role.key == EVERYONE:
        raise RuleViolated("role_of_everyone", path=("role",))
    return before, user, role


async def locked_user(tx: Transaction, raw: str) -> User:
    """A user whom the asker sees, locked. Raises NotFound, and RuleViolated where they do not read who that is: answers
    would tell.
    """
    id_ = UUID(raw)
    rights = rights_on(tx, tx.catalog["user"])
    held = (await lock(tx, rights, [id_])).get(id_)
    if held is None:
        raise NotFound(path=("user",))
    if any(rights.level(held.flags, field) is not Level.READ for field in ("kind", "status")):
        raise RuleViolated("directory_seen_in_part", path=("user",))
    user = await tx.session.get_one(User, id_)
    if user.kind is UserKind.SYSTEM:
        raise RuleViolated("user_is_system", path=("user",))
    return user


def _until(raw: str | None) -> datetime | None:
    return None if raw is None else datetime.fromisoformat(raw)


async def written(tx: Transaction, before: Standing, user: User, change: tuple[str, Told, Told]) -> UUID:
    """Note a change of a user's rights: its verb, what was and what is."""
    verb, was, becomes = change
    user.version += 1
    user.updated_at = tx.now
    await tx.session.flush()
    await require_an_admin(tx, before, before.policy)
    tx.record(
        EventDraft(
            type=f"user.{verb}",
            entity_type="user",
            entity_id=user.id,
            entity_version=user.version,
            changed=sorted({*was, *becomes}),
            before=was,
            after=becomes,
        )
    )
    await raise_policy_version(tx.session)
    return user.id
