"""Stages and transitions as they stand in the tables, read once per batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson

from crm_graph.models.workflows import StageCategory, WorkflowType
from crm_graph.permissions.store import Connection

ENDED = frozenset({StageCategory.WON, StageCategory.LOST, StageCategory.CLOSED})


@dataclass(frozen=True, slots=True)
class StageRow:
    """A stage with the key of its pipeline. `probability` is a fraction of one."""

    id: UUID
    pipeline: str
    key: str
    name: str
    category: StageCategory
    probability: Decimal | None
    is_initial: bool
    is_default_pipeline: bool


@dataclass(frozen=True, slots=True)
class TransitionRow:
    """An allowed move and its requirements, as stored."""

    from_stage_id: UUID
    to: StageRow
    requirements: Sequence[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Move:
    """A step of one record, from no stage when it starts."""

    origin: StageRow | None
    to: StageRow
    at: datetime
    note: str | None = None
    reason: str | None = None

    def as_told(self) -> dict[str, Any]:
        """The step as events hold it."""
        told = {
            "stage_id": self.to.id,
            "from_stage_id": None if self.origin is None else self.origin.id,
            "entered_at": self.at,
            "note": self.note,
            "reason": self.reason,
        }
        return {key: value for key, value in told.items() if value is not None}


_STAGES = """
SELECT s.id, p.key AS pipeline, s.key, s.name, s.category, s.probability, s.is_initial, p.is_default
FROM stages s JOIN pipelines p ON p.id = s.pipeline_id
WHERE p.workflow_type = $1
ORDER BY p.id, s.position
"""


async def load_stages(connection: Connection, workflow_type: WorkflowType) -> dict[UUID, StageRow]:
    """All stages of a type, by id, in the order of their pipelines."""
    found = await connection.fetch(_STAGES, workflow_type.value)
    return {
        record["id"]: StageRow(
            record["id"],
            record["pipeline"],
            record["key"],
            record["name"],
            StageCategory(record["category"]),
            record["probability"],
            record["is_initial"],
            record["is_default"],
        )
        for record in found
    }


async def load_transitions(
    connection: Connection, stages: dict[UUID, StageRow], origins: Sequence[UUID]
) -> dict[UUID, list[TransitionRow]]:
    """The moves that lead out of each of the stages, in the order of the stages they lead to."""
    found = await connection.fetch(
        "SELECT t.from_stage_id, t.to_stage_id, t.requirements::text AS requirements FROM transitions t"
        " JOIN stages s ON s.id = t.to_stage_id WHERE t.from_stage_id = ANY($1::uuid[]) ORDER BY s.position, t.id",
        sorted(set(origins)),
    )
    moves: dict[UUID, list[TransitionRow]] = {origin: [] for origin in origins}
    for record in found:
        move = TransitionRow(
            record["from_stage_id"], stages[record["to_stage_id"]], orjson.loads(record["requirements"])
        )
        moves[move.from_stage_id].append(move)
    return moves


async def load_reasons(connection: Connection, lists: Sequence[str]) -> dict[str, list[str]]:
    """The keys of the active reasons of each list, in their order."""
    found = await connection.fetch(
        "SELECT list_key, key FROM reasons WHERE active AND list_key = ANY($1::text[])"
        " ORDER BY list_key, position, key",
        list(lists),
    )
    reasons: dict[str, list[str]] = {key: [] for key in lists}
    for record in found:
        reasons[record["list_key"]].append(record["key"])
    return reasons
