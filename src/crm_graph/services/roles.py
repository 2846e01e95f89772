"""Roles as admins edit them: made, changed, cloned, given other grants, reset and removed. Each edit is checked against
the catalog and the rules of `role_rules`, is an event, and holds in every process within a second.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import delete, select

from crm_graph.errors import Conflict, Duplicate, LimitReached, NotFound, RuleViolated
from crm_graph.models import Grant, Role
from crm_graph.permissions.policy import DEFAULT_ROLES
from crm_graph.permissions.rules import MANAGE_ROLES, Policy, RoleRule
from crm_graph.permissions.store import grant_rows, raise_policy_version, role_row
from crm_graph.services.commands import Problems
from crm_graph.services.role_inputs import Raw, RoleReader
from crm_graph.services.role_rules import (
    MAX_ROLES,
    Edit,
    Standing,
    require_an_admin,
    require_givable,
    require_separation,
    require_sound_edit,
    require_unclaimed,
    standing,
)
from crm_graph.services.role_views import Told, as_default, facts_of, told_rights, told_role
from crm_graph.transaction import EventDraft, Transaction

MAX_HOLDERS = 1_000
"""A role that more users have cannot be removed."""


async def create(tx: Transaction, given: Raw) -> Told:
    """A new role. Raises Problems, Duplicate for a key that is taken, and what `role_rules` refuse."""
    before = await _opened(tx)
    raw, reader = given["input"], RoleReader(tx.catalog)
    key = reader.key(raw["key"], "input", "key")
    name_zh, name_en = reader.label(raw["label"], "input", "label")
    role = RoleRule(
        key,
        name_en,
        name_zh,
        reader.description(raw.get("description"), "input", "description"),
        reader.grants(raw.get("grants"), "input", "grants"),
        reader.actions(raw.get("actions"), "input", "actions"),
        reader.keys(raw.get("inherits"), before.policy.roles, "input", "inherits"),
    )
    _refuse(reader)
    return await _made(tx, before, Edit("created", role, reader.placed, "input"), "input", "key")


async def clone(tx: Transaction, given: Raw) -> Told:
    """A new role with the rights of another one. Raises NotFound, and what `create` raises."""
    before = await _opened(tx)
    source, reader = _known(before.policy, given["key"], "key"), RoleReader(tx.catalog)
    key = reader.key(given["as"], "as")
    name_zh, name_en = reader.label(given["label"], "label")
    _refuse(reader)
    role = replace(source, key=key, name_zh=name_zh, name_en=name_en)
    return await _made(tx, before, Edit("created", role), "as")


async def update(tx: Transaction, given: Raw) -> Told:
    """Names, inherited roles and actions of a role; what is left out stays. Raises NotFound, Conflict, Problems, and
    what `role_rules` refuse.
    """
    before = await _opened(tx)
    old, raw, reader = _known(before.policy, given["key"], "key"), given["input"], RoleReader(tx.catalog)
    role = old
    if raw.get("label") is not None:
        name_zh, name_en = reader.label(raw["label"], "input", "label")
        role = replace(role, name_zh=name_zh, name_en=name_en)
    if "description" in raw:
        role = replace(role, description=reader.description(raw["description"], "input", "description"))
    if raw.get("inherits") is not None:
        role = replace(role, inherits=reader.keys(raw["inherits"], before.policy.roles, "input", "inherits"))
    if raw.get("actions") is not None:
        role = replace(role, actions=reader.actions(raw["actions"], "input", "actions"))
    _refuse(reader)
    return await _changed(tx, before, old, Edit("updated", role, at="input"), given)


async def set_grants(tx: Transaction, given: Raw) -> Told:
    """The whole set of grants of a role. Raises as `update` does."""
    before = await _opened(tx)
    old, reader = _known(before.policy, given["role"], "role"), RoleReader(tx.catalog)
    role = replace(old, grants=reader.grants(given["grants"], "grants"))
    _refuse(reader)
    return await _changed(tx, before, old, Edit("grants_set", role, reader.placed), given)


async def reset(tx: Transaction, given: Raw) -> Told:
    """A built-in role as the default table has it. Raises as `update` does, and RuleViolated for another role."""
    before = await _opened(tx)
    old = _known(before.policy, given["key"], "key")
    if old.key not in DEFAULT_ROLES:
        raise RuleViolated("role_not_builtin", path=("key",))
    role = DEFAULT_ROLES[old.key]
    if as_default(old):
        # The order in which rows are read is no difference.
        role = replace(role, grants=old.grants, inherits=old.inherits)
    return await _changed(tx, before, old, Edit("reset", role), given)


async def remove(tx: Transaction, given: Raw) -> str:
    """Take a role away, also from whoever has it, and give its key. Raises NotFound, Conflict, LimitReached, and
    RuleViolated for built-in roles, those that others inherit or claims give, and those that hold what manages rights
    and is not the asker's to take.
    """
    before = await _opened(tx)
    old = _known(before.policy, given["key"], "key")
    row = await _row(tx, old.key, given)
    if row.builtin:
        raise RuleViolated("role_builtin", path=("key",))
    heirs = sorted(key for key, role in before.policy.roles.items() if old.key in role.inherits)
    if heirs:
        raise RuleViolated("role_inherited", path=("key",), roles=heirs)
    require_givable(tx, before.policy, old.key)
    await require_unclaimed(tx, old.key, "key")
    roles = {key: role for key, role in before.policy.roles.items() if key != old.key}
    holders = await _take_from_all(tx, row)
    await tx.driver().execute("DELETE FROM roles WHERE id = $1", row.id)
    tx.session.expunge(row)
    await require_an_admin(tx, before, Policy(before.policy.version, roles))
    row.version += 1
    _tell(tx, row, "removed", {**told_rights(tx.catalog, old), "holders": holders}, {})
    await raise_policy_version(tx.session)
    return old.key


async def _take_from_all(tx: Transaction, row: Role) -> list[str]:
    taken = await tx.driver().fetch("DELETE FROM user_roles WHERE role_id = $1 RETURNING user_id", row.id)
    if len(taken) > MAX_HOLDERS:
        raise LimitReached("role_holders_limit", path=("key",), limit=MAX_HOLDERS)
    return [str(holder["user_id"]) for holder in taken]


async def _opened(tx: Transaction) -> Standing:
    tx.require(MANAGE_ROLES)
    return await standing(tx)


def _refuse(reader: RoleReader) -> None:
    if reader.problems:
        raise Problems(reader.problems)


def _known(policy: Policy, key: str, at: str) -> RoleRule:
    if key not in policy.roles:
        raise NotFound(path=(at,))
    return policy.roles[key]


async def _row(tx: Transaction, key: str, given: Raw) -> Role:
    """The row of a role, if it is as the asker read it."""
    row: Role = (await tx.session.scalars(select(Role).where(Role.key == key))).one()
    if given["expectedVersion"] != row.version:
        raise Conflict("role_changed", path=("expectedVersion",), version=row.version)
    return row


async def _made(tx: Transaction, before: Standing, edit: Edit, *at: str) -> Told:
    role = edit.role
    if role.key in before.policy.roles:
        raise Duplicate("role_exists", path=at)
    if len(before.policy.roles) >= MAX_ROLES:
        raise LimitReached("roles_limit", limit=MAX_ROLES)
    await require_unclaimed(tx, role.key, *at)
    await _checked(tx, before, edit)
    row = role_row(role, tx.ids, tx.now, builtin=False)
    tx.session.add(row)
    await tx.session.flush()
    tx.session.add_all(grant_rows(row.id, role, tx.ids))
    await tx.session.flush()
    _tell(tx, row, edit.verb, {}, told_rights(tx.catalog, role))
    return await _settled(tx, role)


async def _changed(tx: Transaction, before: Standing, old: RoleRule, edit: Edit, given: Raw) -> Told:
    role, row = edit.role, await _row(tx, old.key, given)
    was, becomes = told_rights(tx.catalog, old), told_rights(tx.catalog, role)
    changed = [name for name in becomes if was[name] != becomes[name]]
    if not changed:
        return await _told(tx, role)
    after = await _checked(tx, before, edit)
    row.name_zh, row.name_en, row.description = role.name_zh, role.name_en, role.description
    row.inherits, row.actions = list(role.inherits), sorted(role.actions)
    row.version += 1
    row.updated_at = tx.now
    if "grants" in changed:
        await tx.session.execute(delete(Grant).where(Grant.role_id == row.id))
        tx.session.add_all(grant_rows(row.id, role, tx.ids))
    await tx.session.flush()
    await require_an_admin(tx, before, after)
    _tell(tx, row, edit.verb, {n: was[n] for n in changed}, {n: becomes[n] for n in changed})
    return await _settled(tx, role)


async def _checked(tx: Transaction, before: Standing, edit: Edit) -> Policy:
    """The policy as it would be. What checks it may take long where there are many roles, so others are answered."""
    role = edit.role
    after = Policy(before.policy.version, {**before.policy.roles, role.key: role})
    await asyncio.to_thread(require_sound_edit, tx.catalog, before, after, edit)
    await asyncio.to_thread(require_separation, tx, before, after, edit)
    return after


async def _settled(tx: Transaction, role: RoleRule) -> Told:
    await raise_policy_version(tx.session)
    return await _told(tx, role)


async def _told(tx: Transaction, role: RoleRule) -> Told:
    _, facts = await facts_of(tx.driver(), tx.now, [role.key])
    return told_role(tx.catalog, role, facts[role.key])


def _tell(tx: Transaction, row: Role, verb: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    tx.record(
        EventDraft(
            type=f"role.{verb}",
            entity_type="role",
            entity_id=row.id,
            entity_version=row.version,
            changed=sorted({*before, *after}),
            before={"key": row.key, **before},
            after={"key": row.key, **after},
        )
    )
