"""The workflows as the seed needs them: stages by what they mean, and the allowed way from one to another."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from crm_graph.models import Pipeline, Transition
from crm_graph.models import Reason as ReasonRow
from crm_graph.models import Stage as StageRow
from crm_graph.models.workflows import StageCategory, WorkflowType


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of a default pipeline."""

    id: UUID
    key: str
    category: StageCategory
    initial: bool
    probability: Decimal | None


@dataclass(frozen=True)
class Flow:
    """One default pipeline: its stages in order, the moves that are allowed, and the reasons of those that need one."""

    stages: tuple[Stage, ...]
    moves: Mapping[UUID, tuple[UUID, ...]]
    reasons: Mapping[UUID, tuple[str, ...]]

    @property
    def first(self) -> Stage:
        """Where records begin."""
        return next(stage for stage in self.stages if stage.initial)

    def of(self, *categories: StageCategory) -> tuple[Stage, ...]:
        """The stages with these meanings, in order."""
        return tuple(stage for stage in self.stages if stage.category in categories)

    def path(self, target: Stage, start: UUID) -> tuple[Stage, ...]:
        """The shortest allowed way from one stage to `target`, without the one it starts from."""
        by_id = {stage.id: stage for stage in self.stages}
        queue: deque[tuple[UUID, tuple[UUID, ...]]] = deque([(start, ())])
        seen = {start}
        while queue:
            here, way = queue.popleft()
            if here == target.id:
                return tuple(by_id[step] for step in way)
            for there in self.moves.get(here, ()):
                if there not in seen:
                    seen.add(there)
                    queue.append((there, (*way, there)))
        raise LookupError(f"no way to stage {target.key}")


async def load_flows(session: AsyncSession) -> Mapping[WorkflowType, Flow]:
    """The default pipeline of every workflow type."""
    stages = list(
        await session.execute(
            select(Pipeline.workflow_type, StageRow)
            .join(StageRow, StageRow.pipeline_id == Pipeline.id)
            .where(Pipeline.is_default, StageRow.archived_at.is_(None))
            .order_by(Pipeline.workflow_type, StageRow.position)
        )
    )
    transitions = list(await session.scalars(select(Transition).order_by(Transition.id)))
    reasons: dict[str, list[str]] = {}
    for reason in await session.scalars(select(ReasonRow).where(ReasonRow.active).order_by(ReasonRow.position)):
        reasons.setdefault(reason.list_key, []).append(reason.key)
    return {kind: _flow([row for of, row in stages if of == kind], transitions, reasons) for kind in WorkflowType}


def _flow(rows: list[StageRow], transitions: list[Transition], lists: Mapping[str, list[str]]) -> Flow:
    ids = {row.id for row in rows}
    moves: dict[UUID, tuple[UUID, ...]] = {}
    reasons: dict[UUID, tuple[str, ...]] = {}
    for transition in transitions:
        if transition.from_stage_id in ids and transition.to_stage_id in ids:
            moves[transition.from_stage_id] = (*moves.get(transition.from_stage_id, ()), transition.to_stage_id)
            for requirement in transition.requirements:
                if requirement["kind"] == "REASON":
                    reasons[transition.to_stage_id] = tuple(lists.get(_list_of(requirement), ()))
    stages = tuple(Stage(row.id, row.key, StageCategory(row.category), row.is_initial, row.probability) for row in rows)
    return Flow(stages, moves, reasons)


def _list_of(requirement: Mapping[str, Any]) -> str:
    return str(requirement["list"])
