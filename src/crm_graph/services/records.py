"""The verbs that all entities share: create, update, archive, restore. One pipeline; nouns add their rules."""

from collections.abc import Iterator, Sequence

from crm_graph.errors import NotFound, RuleViolated
from crm_graph.models.ids import code_of
from crm_graph.services import children, journal, money, parents, search_index, stays, versions
from crm_graph.services.commands import (
    Archive,
    Create,
    Mode,
    Outcome,
    Restore,
    Result,
    Update,
    keep_good,
    rejected,
)
from crm_graph.services.drafts import Desk, Draft, Noun, desk_for
from crm_graph.services.rights import Written, flags_of, lock, refuse_masked
from crm_graph.services.rows import Row, defaults, delete_rows, insert_rows, update_rows
from crm_graph.transaction import Transaction


async def create(tx: Transaction, noun: Noun, commands: Sequence[Create], mode: Mode = Mode.ATOMIC) -> list[Outcome]:
    """Make new records. They belong to the asker and their primary team; the asker must see what they made."""
    tx.require(noun.action(tx, "create"))
    desk = desk_for(tx, noun)
    drafts = [desk.read_create(index, command) for index, command in enumerate(commands)]
    return await write(desk, drafts, mode)


async def update(tx: Transaction, noun: Noun, commands: Sequence[Update], mode: Mode = Mode.ATOMIC) -> list[Outcome]:
    """Patch records. What changes nothing writes nothing, emits nothing and keeps the version."""
    tx.require(noun.action(tx, "update"))
    desk = desk_for(tx, noun)
    drafts = [desk.read_update(index, command) for index, command in enumerate(commands)]
    await attach(desk, drafts)
    for draft in good(drafts):
        if draft.value("archived_at") is not None:
            draft.refuse(RuleViolated("archived"))
    return await write(desk, drafts, mode)


async def archive(tx: Transaction, noun: Noun, commands: Sequence[Archive], mode: Mode = Mode.ATOMIC) -> list[Outcome]:
    """Take records out of the lists; one that is archived already is UNCHANGED."""
    tx.require(noun.action(tx, "archive"))
    return await _set_archived(tx, noun, commands, mode, archives=True)


async def restore(tx: Transaction, noun: Noun, commands: Sequence[Restore], mode: Mode = Mode.ATOMIC) -> list[Outcome]:
    """Bring records back into the lists; one that is there is UNCHANGED."""
    tx.require(noun.action(tx, "restore"))
    return await _set_archived(tx, noun, commands, mode, archives=False)


async def _set_archived(
    tx: Transaction, noun: Noun, commands: Sequence[Archive | Restore], mode: Mode, *, archives: bool
) -> list[Outcome]:
    desk = desk_for(tx, noun)
    drafts = [
        desk.read_update(index, Update(command.id, expected_version=command.expected_version))
        for index, command in enumerate(commands)
    ]
    await attach(desk, drafts)
    for draft in good(drafts):
        mark_archived(tx, draft, archives=archives)
    return await write(desk, drafts, mode)


def mark_archived(tx: Transaction, draft: Draft, *, archives: bool) -> None:
    """Let the draft archive or restore its row, unless it is so already."""
    if (draft.value("archived_at") is not None) == archives:
        return
    draft.row["archived_at"] = tx.now if archives else None
    draft.verb = "archived" if archives else "restored"


def good(drafts: Sequence[Draft]) -> list[Draft]:
    """The drafts that nothing is wrong with so far."""
    return [draft for draft in drafts if not draft.errors]


async def attach(desk: Desk, drafts: Sequence[Draft]) -> None:
    """Lock the rows of patches and put them beside their drafts. What the asker does not see is NOT_FOUND; what no
    grant on this very row lets them write is as unknown as a field that never was.
    """
    held = await lock(desk.tx, desk.rights, [d.id for d in drafts if code_of(d.id) == desk.entity.code])
    taken = set()
    for draft in drafts:
        found = held.get(draft.id)
        if found is None:
            draft.errors[:] = [NotFound(path=("id",))]
            continue
        if draft.id in taken:
            draft.refuse(RuleViolated("repeated_in_batch", path=("id",)))
            continue
        taken.add(draft.id)
        draft.present, draft.flags = found.row, found.flags
        if not desk.rights.writes(draft.flags):
            draft.refuse(RuleViolated("not_writable"))
        elif not draft.errors:
            draft.errors.extend(desk.rights.refuse_unwritable(draft.flags, draft.named))


async def write(desk: Desk, drafts: Sequence[Draft], mode: Mode) -> list[Outcome]:
    """Carry drafts through to rows and events; new and changed records may come in one batch."""
    await parents.resolve(desk, good(drafts))
    await children.load(desk, [d for d in good(drafts) if not d.creating])
    await _refuse_masked(desk, good(drafts))
    usual = {**defaults(desk.entity.model), **_usual(desk)}
    for draft in good(drafts):
        if draft.creating:
            draft.row = {**usual, **draft.row, **_bookkeeping(desk.tx, draft)}
    if desk.entity.workflow:
        await stays.start(desk, [draft for draft in good(drafts) if draft.creating])
    await desk.noun.prepare(desk.tx, good(drafts))
    await money.fill_base(desk, good(drafts))
    children.match(desk, good(drafts))
    for draft in good(drafts):
        draft.changed = _changed(desk, draft)
    await versions.refuse_stale(desk, good(drafts))
    written = await _write_rows(desk, drafts, keep_good(drafts, mode), mode)
    desk.tx.record(*[journal.event(desk, draft) for draft in written])
    return [_outcome(draft) for draft in drafts]


def _usual(desk: Desk) -> Row:
    """What a new record has where its input says nothing: its maker owns it, amounts are in the base currency."""
    principal = desk.tx.principal
    owned: Row = {"owner_id": principal.user_id, "team_id": principal.team_id} if desk.entity.owned else {}
    return {**owned, "currency": desk.tx.base_currency} if "currency" in desk.entity.fields else owned


async def _write_rows(desk: Desk, drafts: Sequence[Draft], kept: Sequence[Draft], mode: Mode) -> list[Draft]:
    """Write the rows of good drafts with their children; gives those that changed something."""
    model = desk.entity.model
    created = [draft for draft in kept if draft.creating]
    await insert_rows(desk.tx, model, [draft.row for draft in created])
    await _refuse_unseen(desk, created)
    await delete_rows(desk.tx, model, [draft.id for draft in created if draft.errors])
    written = [d for d in keep_good(drafts, mode) if d.creating or d.changed]
    await update_rows(desk.tx, model, _updates(desk.tx, [d for d in written if not d.creating]))
    await children.write(desk, written)
    if desk.entity.workflow:
        await stays.write(desk, written)
    await desk.noun.written(desk.tx, written)
    await search_index.write(desk.tx, desk.entity, written)
    return written


async def _refuse_unseen(desk: Desk, created: Sequence[Draft]) -> None:
    """A new row must match a grant, and its fields those that matching grants let be written."""
    if not created:
        return
    flags = await flags_of(desk.tx, desk.rights, [draft.id for draft in created])
    for draft in created:
        draft.flags = flags[draft.id]
        if any(draft.flags) and desk.rights.writes(draft.flags):
            draft.errors.extend(desk.rights.refuse_unwritable(draft.flags, draft.named))
        else:
            draft.refuse(RuleViolated("outside_scope"))


def _bookkeeping(tx: Transaction, draft: Draft) -> Row:
    return {"id": draft.id, "version": 1, "created_at": tx.now, "updated_at": tx.now}


def _changed(desk: Desk, draft: Draft) -> list[str]:
    """The fields that come out different, children by their relation. What the asker writes without reading it in full
    counts as changed in any case: what is left unchanged would tell them that they guessed it, or how it stood.
    """
    if draft.present is None:
        return []
    present, blind = draft.present, desk.rights.withheld(draft.flags) & draft.values.keys() | draft.unread
    return [*(c for c, value in draft.row.items() if present[c] != value or c in blind), *draft.child_changes]


def _updates(tx: Transaction, drafts: Sequence[Draft]) -> list[Row]:
    """The rows of changed drafts, each naming every column that any of them changes."""
    columns = {column for draft in drafts for column in draft.changed if column in draft.row}
    rows = []
    for draft in drafts:
        row = {column: draft.value(column) for column in columns}
        row.update(id=draft.id, version=journal.version_after(draft), updated_at=tx.now)
        rows.append(row)
    return rows


async def _refuse_masked(desk: Desk, drafts: Sequence[Draft]) -> None:
    """Refuse what the asker only saw masked and now writes back."""
    cells: list[Written] = []
    owners: list[tuple[Draft, tuple[str | int, ...]]] = []
    for draft in drafts:
        withheld = frozenset() if draft.present is None else desk.rights.withheld(draft.flags)
        if withheld.isdisjoint(draft.named):
            continue
        for path, cell in _withheld_cells(desk, draft, withheld):
            cells.append(cell)
            owners.append((draft, path))
    for (draft, path), error in zip(owners, await refuse_masked(desk.tx, desk.rights, cells), strict=True):
        if error is not None:
            draft.refuse(error.at(*path))


def _withheld_cells(
    desk: Desk, draft: Draft, withheld: frozenset[str]
) -> Iterator[tuple[tuple[str | int, ...], Written]]:
    """What a draft writes into cells that are withheld. A text of a wanted child is held against that of each present
    one: a mask may come back in any place.
    """
    present = draft.present or {}
    for column, value in draft.values.items():
        if column in withheld:
            yield (), Written(column, desk.entity.fields[column], draft.flags, present[column], value)
    for name, wanted in draft.children.items():
        relation = desk.entity.relations[name]
        fields = desk.tx.catalog[relation.target].fields
        for at, row in enumerate(wanted):
            for column, value in row.items():
                if f"{name}.{column}" in withheld and isinstance(value, str):
                    for old in draft.present_children.get(name, []):
                        cell = Written(f"{name}.{column}", fields[column], draft.flags, old[column], value)
                        yield (relation.api_name, at), cell


def _outcome(draft: Draft) -> Outcome:
    if draft.errors:
        return rejected(draft.index, draft.errors)
    if draft.creating:
        return Outcome(draft.index, Result.CREATED, draft.id)
    return Outcome(draft.index, Result.UPDATED if draft.changed else Result.UNCHANGED, draft.id)
