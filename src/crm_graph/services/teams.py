"""Teams as admins run them: made, changed, moved in the tree, archived and restored. Records stay with their team: what
a move changes is who is above it, everywhere within a second.
"""

import re
from collections.abc import Sequence
from uuid import UUID

import asyncpg

from crm_graph.errors import Duplicate, Invalid, LimitReached, NotFound, Required, RuleViolated
from crm_graph.services import records
from crm_graph.services.commands import Archive, Create, Mode, Outcome, Restore, Result, Update
from crm_graph.services.drafts import Draft, Noun, desk_for
from crm_graph.services.role_inputs import Raw
from crm_graph.services.team_rules import opened, settle
from crm_graph.transaction import EventDraft, Transaction

MAX_DEPTH = 10
"""How many teams lie on the way from a root to the deepest below it, both counted."""
MAX_MOVED = 1_000
"""So many teams move with the one above them at most."""
MAX_NAMED = 5
_KEY = re.compile(r"[\w.-]+")

_PARENT = "SELECT path, archived_at FROM teams WHERE id = $1"
_BELOW = """
SELECT id, path, version FROM teams WHERE starts_with(path, $1) AND id <> $2 ORDER BY id LIMIT $3 FOR NO KEY UPDATE
"""
_CARRY = """
UPDATE teams t SET path = $2::text || substr(t.path, length($1::text) + 1), version = t.version + 1, updated_at = $3
WHERE t.id = ANY($4::uuid[])
RETURNING t.id, t.path, t.version
"""
_CHILDREN = "SELECT key FROM teams WHERE parent_id = $1 AND archived_at IS NULL ORDER BY key LIMIT $2"
_MEMBERS = "SELECT count(*) FROM team_members WHERE team_id = $1"
_CLAIMED = """
SELECT name FROM issuers
WHERE role_map @> jsonb_build_array(jsonb_build_object('teams', jsonb_build_array($1::text)))
ORDER BY name LIMIT $2
"""


async def create(tx: Transaction, command: Create, parent: UUID | None) -> list[Outcome]:
    """Make a team below another one, or a root. Raises NotFound for a parent that is not there, Duplicate for a key
    that a team beside it has, RuleViolated for one that claims lead to, LimitReached, and what `records.create` and
    `team_rules` raise.
    """
    before = await opened(tx, "teams:create")
    desk = desk_for(tx, NOUN)
    draft = desk.read_create(0, command)
    draft.row["parent_id"] = parent
    outcomes = await records.write(desk, [draft], Mode.ATOMIC)
    await settle(tx, before, made=draft.id)
    return outcomes


async def update(tx: Transaction, command: Update) -> list[Outcome]:
    """Change what a team is called and where it is; see `records.update`."""
    await opened(tx, "teams:update")
    return await records.update(tx, NOUN, [command])


async def move(tx: Transaction, given: Raw) -> UUID:
    """Put a team, with all below it, below another one, or make it a root. Raises as `create` and `update` do, and
    RuleViolated for a parent that is the team itself or below it.
    """
    before = await opened(tx, "teams:update")
    if "parent" not in given:
        raise Required(path=("parent",))
    desk, parent = desk_for(tx, NOUN), given["parent"]
    draft = desk.read_update(0, Update(UUID(given["id"]), expected_version=given.get("expectedVersion")))
    await records.attach(desk, [draft])
    if draft.value("archived_at") is not None:
        draft.refuse(RuleViolated("archived"))
    draft.row["parent_id"] = None if parent is None else UUID(parent)
    draft.verb = "moved"
    await records.write(desk, [draft], Mode.ATOMIC)
    if draft.changed:
        await settle(tx, before)
    return draft.id


async def archive(tx: Transaction, command: Archive) -> list[Outcome]:
    """Take a team out of use. Raises RuleViolated while it has teams below, members, or claims that lead to it."""
    before = await opened(tx, "teams:archive")
    outcomes = await records.archive(tx, NOUN, [command])
    if outcomes[0].result is not Result.UNCHANGED:
        await settle(tx, before)
    return outcomes


async def restore(tx: Transaction, command: Restore) -> list[Outcome]:
    """Bring an archived team back where it was. Raises RuleViolated where the one above is archived, and where claims
    lead to its key.
    """
    before = await opened(tx, "teams:restore")
    outcomes = await records.restore(tx, NOUN, [command])
    if outcomes[0].result is not Result.UNCHANGED:
        await settle(tx, before)
    return outcomes


async def _prepare(tx: Transaction, drafts: Sequence[Draft]) -> None:
    for draft in drafts:
        if draft.creating or draft.verb == "moved":
            await _place(tx, draft)
        elif draft.verb == "archived":
            await _refuse_in_use(tx, draft)
        elif draft.verb == "restored" and await _is_archived(tx, draft.value("parent_id")):
            draft.refuse(RuleViolated("parent_archived", path=("id",)))
        if draft.creating or draft.verb in {"archived", "restored"}:
            await _refuse_claimed(tx, draft)


async def _place(tx: Transaction, draft: Draft) -> None:
    """The path of a team below its parent, which nobody else has."""
    was = _path_of(draft)
    key = draft.row["key"] if was is None else was.split("/")[-2]
    if was is None and not _KEY.fullmatch(key):
        draft.refuse(Invalid("team_key_invalid", path=("key",)))
        return
    above = await _above(tx, draft, draft.row["parent_id"])
    if above is None:
        return
    if was is not None and above.startswith(was):
        draft.refuse(RuleViolated("team_below_itself", path=("parent",)))
        return
    path = f"{above}{key}/"
    deepest = path.count("/")
    if was is not None and path != was:
        below = await tx.driver().fetch(_BELOW, was, draft.id, MAX_MOVED + 1)
        deepest += max((row["path"].count("/") for row in below), default=was.count("/")) - was.count("/")
        if len(below) > MAX_MOVED:
            draft.refuse(LimitReached("teams_moved_limit", path=("id",), limit=MAX_MOVED))
            return
    if deepest > MAX_DEPTH:
        draft.refuse(LimitReached("teams_too_deep", path=("parent",), limit=MAX_DEPTH))
    elif await tx.driver().fetchval("SELECT EXISTS (SELECT FROM teams WHERE path = $1 AND id <> $2)", path, draft.id):
        draft.refuse(Duplicate("team_exists", path=("key",) if was is None else ("parent",)))
    draft.row["path"] = path


def _path_of(draft: Draft) -> str | None:
    return None if draft.present is None else draft.present["path"]


async def _above(tx: Transaction, draft: Draft, parent_id: UUID | None) -> str | None:
    """The path of the parent, which is empty for a root; None where there is no such parent."""
    if parent_id is None:
        return ""
    row = await tx.driver().fetchrow(_PARENT, parent_id)
    if row is None:
        draft.refuse(NotFound(path=("parent",)))
    elif row["archived_at"] is not None:
        draft.refuse(RuleViolated("archived", path=("parent",)))
    else:
        return str(row["path"])
    return None


async def _is_archived(tx: Transaction, id_: UUID | None) -> bool:
    row = None if id_ is None else await tx.driver().fetchrow(_PARENT, id_)
    return row is not None and row["archived_at"] is not None


async def _refuse_in_use(tx: Transaction, draft: Draft) -> None:
    driver = tx.driver()
    below = [row["key"] for row in await driver.fetch(_CHILDREN, draft.id, MAX_NAMED)]
    if below:
        draft.refuse(RuleViolated("team_has_teams", path=("id",), teams=", ".join(below)))
    members = await driver.fetchval(_MEMBERS, draft.id)
    if members:
        draft.refuse(RuleViolated("team_has_members", path=("id",), count=members))


async def _refuse_claimed(tx: Transaction, draft: Draft) -> None:
    """Claims know a team by its key: one that comes into use would have their members at once, one that goes none."""
    naming = [row["name"] for row in await tx.driver().fetch(_CLAIMED, draft.value("key"), MAX_NAMED)]
    if naming:
        at = "key" if draft.creating else "id"
        draft.refuse(RuleViolated("team_claimed", path=(at,), issuers=", ".join(naming)))


async def _written(tx: Transaction, drafts: Sequence[Draft]) -> None:
    """Teams below one that moved lie where it lies now, in one statement, each with an event of its own."""
    for draft in drafts:
        was = _path_of(draft)
        if was is None or "path" not in draft.changed:
            continue
        below = {row["id"]: row for row in await tx.driver().fetch(_BELOW, was, draft.id, MAX_MOVED)}
        carried = await tx.driver().fetch(_CARRY, was, draft.row["path"], tx.now, list(below))
        tx.record(*[_carried(row, below[row["id"]]) for row in carried])


def _carried(row: asyncpg.Record, was: asyncpg.Record) -> EventDraft:
    return EventDraft(
        type="team.moved",
        entity_type="team",
        entity_id=row["id"],
        entity_version=row["version"],
        changed=["path"],
        before={"path": was["path"]},
        after={"path": row["path"]},
    )


NOUN = Noun("team", prepare=_prepare, written=_written)
