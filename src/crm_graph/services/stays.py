"""Stays in stages: where new records start, and the history rows that open and close with every move."""

from collections.abc import Sequence

from crm_graph.errors import Invalid, RuleViolated
from crm_graph.models import StageChange
from crm_graph.models.ids import EntityCode
from crm_graph.models.workflows import WorkflowType
from crm_graph.services.drafts import Desk, Draft
from crm_graph.services.rows import insert_rows
from crm_graph.services.stages import Move, load_stages


def workflow_type(entity: str) -> WorkflowType:
    """The workflow type of an entity."""
    return WorkflowType(entity.upper())


async def start(desk: Desk, drafts: Sequence[Draft]) -> None:
    """Put new records into the initial stage of the pipeline they name, or of the default one."""
    if not drafts:
        return
    stages = await load_stages(desk.tx.driver(), workflow_type(desk.entity.name))
    initial = {stage.pipeline: stage for stage in stages.values() if stage.is_initial}
    default = next((stage for stage in initial.values() if stage.is_default_pipeline), None)
    for draft in drafts:
        stage = default if draft.pipeline is None else initial.get(draft.pipeline)
        if stage is not None:
            enter(desk, draft, Move(None, stage, desk.tx.now))
        elif draft.pipeline is not None:
            draft.refuse(Invalid("unknown_pipeline", path=("pipeline",)))
        else:
            draft.refuse(RuleViolated("no_default_pipeline"))


def enter(desk: Desk, draft: Draft, move: Move) -> None:
    """Set what follows from a stage on the record's row."""
    draft.move, draft.stay_id = move, desk.tx.new_id(EntityCode.STAGE_CHANGE)
    draft.row["stage_id"] = move.to.id
    draft.row["stage_entered_at"] = move.at
    desk.noun.enter(desk.tx, draft, move)


async def write(desk: Desk, drafts: Sequence[Draft]) -> None:
    """Close the open stays of records that moved and open new ones; one open stay per record at any time."""
    moved = [(draft, draft.move) for draft in drafts if draft.move is not None]
    left = [draft.id for draft, move in moved if move.origin is not None]
    if left:
        await desk.tx.driver().execute(
            "UPDATE stage_changes SET left_at = $1 WHERE entity_id = ANY($2::uuid[]) AND left_at IS NULL",
            desk.tx.now,
            left,
        )
    await insert_rows(
        desk.tx,
        StageChange,
        [
            {
                "id": draft.stay_id,
                "entity_id": draft.id,
                "stage_id": move.to.id,
                "from_stage_id": None if move.origin is None else move.origin.id,
                "actor_id": desk.tx.principal.user_id,
                "entered_at": move.at,
                "reason": move.reason,
                "note": move.note,
            }
            for draft, move in moved
        ],
    )
