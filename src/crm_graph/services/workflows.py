"""Workflows: records of all four types move along transitions that are rows, with what each move requires."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from crm_graph.catalog import Catalog, EntityType
from crm_graph.errors import Invalid, RuleViolated, StageNotAllowed
from crm_graph.fragments import name, param, sql
from crm_graph.messages import Locale
from crm_graph.permissions.principals import Principal
from crm_graph.permissions.store import Connection
from crm_graph.services import records, stays
from crm_graph.services.commands import Mode, Outcome, ParentKey, Update, Values
from crm_graph.services.drafts import Desk, Draft, desk_for
from crm_graph.services.nouns import NOUNS
from crm_graph.services.requirements import Mover, check, reason_lists
from crm_graph.services.rights import Flags, Rights, flag_columns, flag_values, in_any_scope
from crm_graph.services.rows import columns_as_read
from crm_graph.services.stages import Move, StageRow, TransitionRow, load_reasons, load_stages, load_transitions
from crm_graph.transaction import Input, Transaction, fetch

MAX_NOTE = 20_000
MAX_REASON = 200


@dataclass(frozen=True, slots=True)
class Transition:
    """Move a record to the stage with the key `to` of its pipeline. `fields` are written with the move, by API name,
    `parents` and `children` as an update takes them.
    """

    id: UUID
    to: str
    note: str | None = None
    reason: str | None = None
    fields: Values = field(default_factory=dict)
    expected_version: int | None = None
    parents: Mapping[str, ParentKey] = field(default_factory=dict)
    children: Mapping[str, Sequence[Values]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Map:
    """The stages of a type, the moves out of those that records are in, and the reasons these ask for."""

    stages: Mapping[UUID, StageRow]
    moves: Mapping[UUID, Sequence[TransitionRow]]
    reasons: Mapping[str, Sequence[str]]


async def transition(
    tx: Transaction, entity: str, commands: Sequence[Transition], mode: Mode = Mode.ATOMIC
) -> list[Outcome]:
    """Move records. All that a move still requires is told at once, in the details of STAGE_NOT_ALLOWED."""
    noun = NOUNS[entity]
    tx.require(noun.action(tx, "transition"))
    desk = desk_for(tx, noun)
    drafts = [
        desk.read_update(index, Update(c.id, c.fields, c.expected_version, c.parents, c.children))
        for index, c in enumerate(commands)
    ]
    await records.attach(desk, drafts)
    held = [draft.present for draft in drafts if draft.present is not None]
    known = await _read_map(tx.driver(), entity, [row["stage_id"] for row in held])
    for draft, command in zip(drafts, commands, strict=True):
        if not draft.errors:
            _move(desk, draft, command, known)
    return await records.write(desk, drafts, mode)


def _move(desk: Desk, draft: Draft, command: Transition, known: _Map) -> None:
    origin = known.stages[draft.value("stage_id")]
    chosen = next((move for move in known.moves[origin.id] if move.to.key == command.to), None)
    if draft.value("archived_at") is not None:
        draft.refuse(RuleViolated("archived"))
    elif chosen is None:
        draft.refuse(StageNotAllowed(path=("to",), to=command.to, requirements=[]))
    for argument, text, most in (("note", command.note, MAX_NOTE), ("reason", command.reason, MAX_REASON)):
        if len(text or "") > most:
            draft.refuse(Invalid("text_too_long", path=(argument,), max=most))
        elif "\0" in (text or ""):
            draft.refuse(Invalid("text_control_characters", path=(argument,)))
    if draft.errors or chosen is None:
        return
    mover = Mover(
        desk.tx.access,
        locale_of(desk.tx.principal),
        draft.value,
        lambda path: desk.rights.level(draft.flags, path),
        command.note,
        command.reason,
    )
    checks = check(desk.entity, chosen.requirements, mover, known.reasons)
    if not all(c.satisfied for c in checks):
        told = [c.as_told() for c in checks]
        draft.refuse(StageNotAllowed("requirements_unmet", path=("to",), to=command.to, requirements=told))
        return
    draft.verb, draft.reason = "stage_changed", command.reason
    stays.enter(desk, draft, Move(origin, chosen.to, desk.tx.now, command.note, command.reason))


async def _read_map(connection: Connection, entity: str, origins: Sequence[UUID]) -> _Map:
    stages = await load_stages(connection, stays.workflow_type(entity))
    moves = await load_transitions(connection, stages, origins)
    lists = {key for out in moves.values() for move in out for key in reason_lists(move.requirements)}
    return _Map(stages, moves, await load_reasons(connection, sorted(lists)))


async def available_transitions(
    connection: Connection,
    principal: Principal,
    catalog: Catalog,
    entity: EntityType,
    ids: Sequence[UUID],
    *,
    now: datetime,
    locale: Locale | None = None,
) -> dict[UUID, list[dict[str, Any]]]:
    """For each record that the asker sees: where it can go, and what that still requires. Reads only.

    `[{"to": {"key", "name"}, "requirements": [{"satisfied", "code", "message", "field"}]}]`. A note and a reason are
    never met beforehand. Without the action to move such records at all there is nowhere to go. `now` is the moment
    that row rules with dates are about.
    """
    rights = Rights(catalog, entity, principal.access.grants(entity.name))
    rows = await _rows(connection, principal, rights, ids, now)
    if not principal.access.may(f"{entity.plural}:transition"):
        return {row["id"]: [] for row in rows}
    known = await _read_map(connection, entity.name, [row["stage_id"] for row in rows])
    language = locale or locale_of(principal)
    return {
        row["id"]: [
            {
                "to": {"key": move.to.key, "name": move.to.name},
                "requirements": [
                    c.as_told()
                    for c in check(
                        entity, move.requirements, _onlooker(principal, rights, row, language), known.reasons
                    )
                ],
            }
            for move in known.moves[row["stage_id"]]
            if _may_move(rights, row)
        ]
        for row in rows
    }


def _may_move(rights: Rights, row: asyncpg.Record) -> bool:
    return row["archived_at"] is None and bool(rights.writes(_flags(rights, row)))


def _flags(rights: Rights, row: asyncpg.Record) -> Flags:
    return flag_values(row, len(rights.grants))


def _onlooker(principal: Principal, rights: Rights, row: asyncpg.Record, locale: Locale) -> Mover:
    flags = _flags(rights, row)
    return Mover(principal.access, locale, row.__getitem__, lambda path: rights.level(flags, path))


async def _rows(
    connection: Connection, principal: Principal, rights: Rights, ids: Sequence[UUID], now: datetime
) -> list[asyncpg.Record]:
    if not ids or not rights.grants:
        return []
    return await fetch(
        connection,
        principal,
        now,
        sql(
            "SELECT {columns}, {flags} FROM {table} AS t WHERE t.id = ANY({ids}) AND {scope}",
            columns=columns_as_read(rights.entity.model, "t"),
            flags=flag_columns(rights),
            table=name(rights.entity.table),
            ids=param(Input("ids"), "uuid[]"),
            scope=in_any_scope(rights, "t"),
        ),
        ids=list(ids),
    )


def locale_of(principal: Principal) -> Locale:
    """The language of messages for a principal."""
    return "zh" if principal.locale.startswith("zh") else "en"
