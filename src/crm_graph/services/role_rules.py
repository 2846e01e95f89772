"""What an edit of rights must keep to, whoever makes it: roles that others can stand on, conditions that their role
reads, somebody left who manages rights, and nobody who widens their own (docs/decisions/0038).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

import asyncpg
import orjson

from crm_graph.access import EVERY_ROW, Access, Level, TypeGrant
from crm_graph.catalog import Catalog
from crm_graph.errors import CrmError, Invalid, LimitReached, RuleViolated
from crm_graph.models.users import UserKind, UserStatus
from crm_graph.permissions.effective import effective_access
from crm_graph.permissions.rules import (
    APPROVE_ROLES,
    ASSIGN_ROLES,
    EVERYONE,
    MANAGE_ROLES,
    MANAGING,
    Policy,
    RoleRule,
)
from crm_graph.permissions.store import Connection, load_policy
from crm_graph.permissions.validation import Unread, unread
from crm_graph.services.commands import Problems
from crm_graph.services.role_inputs import Placed
from crm_graph.transaction import NotGranted, Transaction

MAX_ROLES = 1_000
MAX_INHERITED = 10
"""How many roles long a chain of inheritance may be."""

APPROVERS = 2
"""How many are left who can make an edit and approve it, where a second approver is asked for."""

LACKING_APPROVER = (
    "A second approver is asked for, and fewer than two people edit rights and approve them without an end: what waits"
    " is never made. Make another administrator: crm-graph rights grant USERNAME admin."
)

_LASTING = """
WITH lasting AS (
    SELECT h.user_id, r.key FROM user_roles h JOIN roles r ON r.id = h.role_id
    WHERE h.expires_at IS NULL AND r.key = ANY($1::text[] || $2::text[] || $3::text[]) AND NOT EXISTS (
        SELECT 1 FROM issuers s WHERE h.origin = 'issuer:' || s.id AND s.status <> 'ACTIVE'
    )
)
SELECT count(*) FROM (
    SELECT 1 FROM users u
    WHERE u.kind = $4 AND u.status = $5 AND u.archived_at IS NULL
      AND EXISTS (SELECT 1 FROM lasting h WHERE h.user_id = u.id AND h.key = ANY($1::text[]))
      AND EXISTS (SELECT 1 FROM lasting h WHERE h.user_id = u.id AND h.key = ANY($2::text[]))
      AND EXISTS (SELECT 1 FROM lasting h WHERE h.user_id = u.id AND h.key = ANY($3::text[]))
    LIMIT $6
) AS n
"""
_ASKER = """
SELECT ARRAY(SELECT r.key FROM user_roles h JOIN roles r ON r.id = h.role_id
             WHERE h.user_id = u.id AND (h.expires_at IS NULL OR h.expires_at > $2)) AS held,
       ARRAY(SELECT jsonb_array_elements_text(i.roles) FROM identities i JOIN issuers s ON s.id = i.issuer_id
             WHERE i.user_id = u.id AND s.status = 'ACTIVE') AS claimed,
       ARRAY(SELECT c.scopes::text FROM clients c WHERE c.user_id = u.id AND c.status = 'ACTIVE'
             AND (c.id = $3 OR $3 IS NULL)) AS scopes,
       u.kind
FROM users u
WHERE u.id = $1 AND u.status = 'ACTIVE' AND u.archived_at IS NULL
"""
_NAMING = """
SELECT name FROM issuers
WHERE role_map @> jsonb_build_array(jsonb_build_object('roles', jsonb_build_array($1::text)))
ORDER BY name
LIMIT 5
"""


@dataclass(frozen=True, slots=True)
class Standing:
    """Rights as they are before an edit, which nobody else changes until it ends. `asker_roles` are those of the asker,
    with what their claims give them again. `approvers` are counted up to APPROVERS, where edits need a second one.
    """

    policy: Policy
    has_admin: bool
    asker_roles: frozenset[str]
    approvers: int = 0


@dataclass(frozen=True, slots=True)
class Edit:
    """A role as it would be. `placed` are the grants of the input, `at` the argument that the rest came in."""

    verb: str
    role: RoleRule
    placed: Sequence[Placed] = ()
    at: str | None = None


async def standing(tx: Transaction) -> Standing:
    """Lock the rights of the company, so that edits come one after the other, and read them. Raises NotGranted where
    the asker has lost a right to manage since the request began.
    """
    driver, asker = tx.driver(), tx.principal
    await driver.execute("SELECT version FROM policy_version WHERE id = 1 FOR UPDATE")
    policy = await load_policy(driver)
    row = await driver.fetchrow(_ASKER, asker.user_id, tx.now, asker.client_id)
    if row is None or row["kind"] != UserKind.SYSTEM:
        cuts = _UNCUT if asker.client_id is None else _cuts(row)
        lost = sorted((tx.access.actions & MANAGING) - _actions(tx, policy, row, cuts))
        if lost:
            raise NotGranted(action=lost[0])
    roles: frozenset[str] = frozenset() if row is None else frozenset((*row["held"], *row["claimed"]))
    return Standing(policy, await has_admin(driver, policy), roles, await _approvers(tx, policy))


async def may_still(tx: Transaction, policy: Policy, user: UUID, action: str) -> bool:
    """Whether a user is active and has an action now; a service account by a client that is served."""
    row = await tx.driver().fetchrow(_ASKER, user, tx.now, None)
    cuts = _cuts(row) if row is not None and row["kind"] == UserKind.SERVICE else _UNCUT
    return action in _actions(tx, policy, row, cuts)


_UNCUT: Sequence[frozenset[str] | None] = (None,)


def _cuts(row: asyncpg.Record | None) -> Sequence[frozenset[str] | None]:
    return [] if row is None else [frozenset(orjson.loads(scopes)) for scopes in row["scopes"]]


def _actions(
    tx: Transaction, policy: Policy, row: asyncpg.Record | None, cuts: Sequence[frozenset[str] | None]
) -> frozenset[str]:
    """What somebody may do by these rows, who is nobody if there is none."""
    if row is None:
        return frozenset()
    return frozenset(a for cut in cuts for a in effective_access(policy, tx.catalog, row["held"], cut).actions)


async def require_unclaimed(tx: Transaction, key: str, *at: str) -> None:
    """Raise RuleViolated for a role that claims of an issuer give: a new one of its key would be theirs at once."""
    naming = [row["name"] for row in await tx.driver().fetch(_NAMING, key)]
    if naming:
        raise RuleViolated("role_claimed", path=at, issuers=", ".join(naming))


async def has_admin(connection: Connection, policy: Policy) -> bool:
    """Whether a person who may act manages roles and gives them, without an end."""
    return await _lasting(connection, policy, MANAGE_ROLES, ASSIGN_ROLES, ASSIGN_ROLES) > 0


async def approvers(connection: Connection, policy: Policy) -> int:
    """How many such people may approve as well, counted up to APPROVERS."""
    return await _lasting(connection, policy, MANAGE_ROLES, ASSIGN_ROLES, APPROVE_ROLES)


async def _lasting(connection: Connection, policy: Policy, *actions: str) -> int:
    able = [[key for key in policy.roles if any(a in role.actions for role in policy.held([key]))] for a in actions]
    person, active = UserKind.PERSON.value, UserStatus.ACTIVE.value
    found: int = await connection.fetchval(_LASTING, *able, person, active, APPROVERS)
    return found


async def _approvers(tx: Transaction, policy: Policy) -> int:
    return await approvers(tx.driver(), policy) if tx.approval.needed else 0


async def require_an_admin(tx: Transaction, before: Standing, after: Policy) -> None:
    """Raise RuleViolated where what was written takes the last lasting administrator away, or where a second approver
    is asked for, one of the last two who can make an edit and approve it: nobody could give the right back.
    """
    if before.has_admin and not await has_admin(tx.driver(), after):
        raise RuleViolated("last_admin")
    if await _approvers(tx, after) < before.approvers:
        raise RuleViolated("last_approvers")


def require_sound_edit(catalog: Catalog, before: Standing, after: Policy, edit: Edit) -> None:
    """Raise Problems for a role that cannot stand as it would be: the chain of what it inherits, conditions that it,
    or a role that has its grants, could not read.
    """
    role, prefix = edit.role, () if edit.at is None else (edit.at,)
    problems = [problem.at(*prefix) for problem in _chain_problems(after, role)]
    if problems:
        raise Problems(problems)
    for key in after.roles:
        if role.key in (key, EVERYONE) or any(r.key == role.key for r in after.held([key])):
            wrong = unread(catalog, after, key)
            if wrong and key == role.key and edit.placed:
                problems += _told_unread(wrong, edit.placed)
            elif wrong and not set(wrong) <= set(unread(catalog, before.policy, key)):
                problems.append(RuleViolated("role_left_unread", path=prefix, role=key))
    if problems:
        raise Problems(problems)


def _chain_problems(policy: Policy, role: RoleRule) -> Iterator[CrmError]:
    for index, key in enumerate(role.inherits):
        if any(above.key == role.key for above in policy.held([key])):
            yield Invalid("role_inherits_itself", path=("inherits", index))
            return
    if any(_depth(policy, key) > MAX_INHERITED for key in policy.roles):
        yield LimitReached("inherits_too_deep", path=("inherits",), limit=MAX_INHERITED)


def _depth(policy: Policy, key: str) -> int:
    """How long the longest chain from a role is; those that lead nowhere else count 1."""
    role, depth = policy.roles.get(key), 0
    level = [] if role is None else [role]
    while level and depth <= MAX_INHERITED:
        depth += 1
        level = [policy.roles[k] for k in {k for r in level for k in r.inherits} if k in policy.roles]
    return depth


def _told_unread(wrong: Sequence[Unread], placed: Sequence[Placed]) -> Iterator[CrmError]:
    for name, where, path in wrong:
        for one in placed:
            if (one.entity.name, one.rule.scope.predicate) == (name, where):
                yield Invalid("where_unread", path=(*one.at, "where", *path))


def require_separation(tx: Transaction, before: Standing, after: Policy, edit: Edit) -> None:
    """Raise RuleViolated for an edit by which its asker gives or takes what manages rights and is not theirs to give,
    everyone manages rights, or the asker sees or does more than before.
    """
    key = edit.role.key
    beyond = sorted((_managing(before.policy, key) ^ _managing(after, key)) - tx.access.actions)
    if beyond:
        raise RuleViolated("beyond_your_rights", actions=beyond)
    if _managing(after, EVERYONE):
        raise RuleViolated("everyone_manages")
    was = effective_access(before.policy, tx.catalog, before.asker_roles)
    becomes = effective_access(after, tx.catalog, before.asker_roles)
    if widens(was, becomes) or not becomes.actions <= was.actions:
        raise RuleViolated("own_rights")


def _managing(policy: Policy, key: str) -> frozenset[str]:
    return MANAGING & frozenset(action for role in policy.held([key]) for action in role.actions)


def widens(was: Access, becomes: Access) -> bool:
    """Whether rights show or let write anything that others did not."""
    return any(
        not _within(grant, [g for g in was.grants(name) if g.scope in (grant.scope, EVERY_ROW)])
        for name, grants in becomes.types.items()
        for grant in grants
    )


def _within(grant: TypeGrant, others: Sequence[TypeGrant]) -> bool:
    return all(
        level <= max((other.level(path) for other in others), default=Level.HIDDEN)
        for path, level in grant.levels.items()
    ) and grant.writes <= frozenset().union(*(other.writes for other in others))


def require_givable(tx: Transaction, policy: Policy, key: str) -> None:
    """Raise RuleViolated for a role that holds what manages rights and is not the asker's to give."""
    beyond = sorted(_managing(policy, key) - tx.access.actions)
    if beyond:
        raise RuleViolated("beyond_your_rights", actions=beyond)
