"""The pipelines a new installation starts with, as one table; from then on they are the admin's rows."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from crm_graph.models.ids import EntityCode, IdSource
from crm_graph.models.workflows import StageCategory, WorkflowType
from crm_graph.permissions.store import Connection
from crm_graph.services.requirements import RequirementKind
from crm_graph.transaction import to_json

OPEN, WAITING, ACTIVE = StageCategory.OPEN, StageCategory.WAITING, StageCategory.ACTIVE
WON, LOST, CLOSED = StageCategory.WON, StageCategory.LOST, StageCategory.CLOSED

Requirement = dict[str, Any]


def needs_field(column: str) -> Requirement:
    """The field, by its catalog name, is set."""
    return {"kind": RequirementKind.FIELD, "field": column}


def needs_note(min_length: int) -> Requirement:
    """A note of at least so many characters goes with the move."""
    return {"kind": RequirementKind.NOTE, "minLength": min_length}


def needs_reason(list_key: str) -> Requirement:
    """A reason of that list goes with the move."""
    return {"kind": RequirementKind.REASON, "list": list_key}


def needs_action(action: str) -> Requirement:
    """Whoever moves holds the action."""
    return {"kind": RequirementKind.ACTION, "action": action}


@dataclass(frozen=True, slots=True)
class StageRule:
    """A stage; the first of a pipeline is where records start."""

    key: str
    name: str
    category: StageCategory
    probability: str | None = None
    rotting_days: int | None = None


@dataclass(frozen=True, slots=True)
class MoveRule:
    """An allowed move between two stages, by key."""

    origin: str
    to: str
    requirements: tuple[Requirement, ...] = ()


@dataclass(frozen=True, slots=True)
class PipelineRule:
    type: WorkflowType
    key: str
    name: str
    stages: tuple[StageRule, ...]
    moves: tuple[MoveRule, ...]


@dataclass(frozen=True, slots=True)
class ReasonList:
    """Reasons of one list as (key, name), in order."""

    key: str
    reasons: tuple[tuple[str, str], ...] = field(default=())


_LEADS = PipelineRule(
    WorkflowType.LEAD,
    "default",
    "线索跟进",
    (
        StageRule("new", "新线索", OPEN, rotting_days=2),
        StageRule("contacted", "初步接触", OPEN, rotting_days=7),
        StageRule("qualified", "已确认意向", OPEN, rotting_days=14),
        StageRule("converted", "已转化", WON),
        StageRule("disqualified", "无效线索", LOST),
    ),
    (
        MoveRule("new", "contacted"),
        MoveRule("new", "qualified", (needs_note(5),)),
        MoveRule("contacted", "qualified", (needs_note(5),)),
        MoveRule("qualified", "contacted"),
        MoveRule("qualified", "converted"),
        MoveRule("new", "disqualified", (needs_reason("lead_disqualified"),)),
        MoveRule("contacted", "disqualified", (needs_reason("lead_disqualified"),)),
        MoveRule("qualified", "disqualified", (needs_reason("lead_disqualified"),)),
        MoveRule("disqualified", "new", (needs_note(5),)),
    ),
)

_LOSS = (needs_reason("opportunity_lost"),)

_OPPORTUNITIES = PipelineRule(
    WorkflowType.OPPORTUNITY,
    "default",
    "销售流程",
    (
        StageRule("qualification", "商机确认", OPEN, "0.1", 14),
        StageRule("needs", "需求分析", OPEN, "0.3", 21),
        StageRule("proposal", "方案报价", OPEN, "0.5", 30),
        StageRule("negotiation", "商务谈判", OPEN, "0.8", 30),
        StageRule("won", "赢单", WON, "1"),
        StageRule("lost", "输单", LOST, "0"),
    ),
    (
        MoveRule("qualification", "needs"),
        MoveRule("needs", "proposal", (needs_field("amount"), needs_field("expected_close_on"))),
        MoveRule("proposal", "needs"),
        MoveRule("proposal", "negotiation", (needs_field("amount"), needs_field("expected_close_on"))),
        MoveRule("negotiation", "won", (needs_field("amount"), needs_field("expected_close_on"), needs_note(10))),
        MoveRule("qualification", "lost", _LOSS),
        MoveRule("needs", "lost", _LOSS),
        MoveRule("proposal", "lost", _LOSS),
        MoveRule("negotiation", "lost", _LOSS),
    ),
)

_TICKETS = PipelineRule(
    WorkflowType.TICKET,
    "default",
    "服务工单",
    (
        StageRule("new", "新工单", OPEN, rotting_days=1),
        StageRule("in_progress", "处理中", ACTIVE, rotting_days=3),
        StageRule("waiting_customer", "等待客户", WAITING, rotting_days=7),
        StageRule("resolved", "已解决", CLOSED),
        StageRule("closed", "已关闭", CLOSED),
    ),
    (
        MoveRule("new", "in_progress"),
        MoveRule("new", "resolved", (needs_field("resolution"),)),
        MoveRule("in_progress", "waiting_customer"),
        MoveRule("waiting_customer", "in_progress"),
        MoveRule("in_progress", "resolved", (needs_field("resolution"),)),
        MoveRule("waiting_customer", "resolved", (needs_field("resolution"),)),
        MoveRule("resolved", "closed"),
        MoveRule("resolved", "in_progress", (needs_note(5),)),
        MoveRule("closed", "in_progress", (needs_note(5),)),
    ),
)

_CANCEL = (needs_reason("contract_cancelled"),)

_CONTRACTS = PipelineRule(
    WorkflowType.CONTRACT,
    "default",
    "合同流程",
    (
        StageRule("draft", "起草", OPEN, rotting_days=14),
        StageRule("approval", "审批中", OPEN, rotting_days=5),
        StageRule("signature", "待签署", WAITING, rotting_days=30),
        StageRule("active", "履行中", ACTIVE),
        StageRule("ended", "已结束", CLOSED),
        StageRule("cancelled", "已取消", LOST),
    ),
    (
        MoveRule("draft", "approval", (needs_field("gross_amount"),)),
        MoveRule("approval", "draft", (needs_note(5),)),
        MoveRule("approval", "signature", (needs_action("contracts:approve"),)),
        MoveRule("signature", "draft", (needs_note(5),)),
        MoveRule("signature", "active", (needs_field("signed_on"), needs_field("starts_on"))),
        MoveRule("active", "ended", (needs_field("ends_on"),)),
        MoveRule("draft", "cancelled", _CANCEL),
        MoveRule("approval", "cancelled", _CANCEL),
        MoveRule("signature", "cancelled", _CANCEL),
        MoveRule("active", "cancelled", (*_CANCEL, needs_note(10))),
    ),
)

DEFAULT_PIPELINES = (_LEADS, _OPPORTUNITIES, _TICKETS, _CONTRACTS)

DEFAULT_REASONS = (
    ReasonList(
        "lead_disqualified",
        (
            ("invalid_contact", "联系方式无效"),
            ("no_need", "无购买需求"),
            ("no_budget", "预算不足"),
            ("duplicate", "重复线索"),
            ("competitor", "已选择竞品"),
            ("other", "其他"),
        ),
    ),
    ReasonList(
        "opportunity_lost",
        (
            ("price", "价格过高"),
            ("competitor", "竞争对手胜出"),
            ("no_budget", "客户预算取消"),
            ("timing", "采购计划推迟"),
            ("product_fit", "产品不匹配"),
            ("no_response", "客户失联"),
            ("other", "其他"),
        ),
    ),
    ReasonList(
        "contract_cancelled",
        (
            ("customer_withdrew", "客户取消"),
            ("terms_not_agreed", "条款未达成一致"),
            ("credit", "信用审核未通过"),
            ("breach", "违约终止"),
            ("other", "其他"),
        ),
    ),
)


async def install_default_workflows(connection: Connection, ids: IdSource, now: datetime) -> None:
    """Make the default pipelines and reasons that are missing; what is there, edited or not, stays as it is."""
    for rule in DEFAULT_PIPELINES:
        await _install(connection, rule, ids, now)
    await connection.executemany(
        "INSERT INTO reasons (list_key, key, name, position) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        [
            (reasons.key, key, label, position)
            for reasons in DEFAULT_REASONS
            for position, (key, label) in enumerate(reasons.reasons, start=1)
        ],
    )


async def _install(connection: Connection, rule: PipelineRule, ids: IdSource, now: datetime) -> None:
    made = await connection.fetchval(
        "INSERT INTO pipelines (id, workflow_type, key, name, is_default, created_at, updated_at)"
        " VALUES ($1, $2::text, $3, $4,"
        " NOT EXISTS (SELECT FROM pipelines WHERE workflow_type = $2 AND is_default), $5, $5)"
        " ON CONFLICT DO NOTHING RETURNING id",
        ids.new(EntityCode.PIPELINE),
        rule.type.value,
        rule.key,
        rule.name,
        now,
    )
    if made is None:
        return
    stages = {stage.key: ids.new(EntityCode.STAGE) for stage in rule.stages}
    await connection.executemany(
        "INSERT INTO stages (id, pipeline_id, key, name, category, position, is_initial, probability, rotting_days,"
        " created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10)",
        [_stage_row(stages, made, stage, position, now) for position, stage in enumerate(rule.stages, start=1)],
    )
    await connection.executemany(
        "INSERT INTO transitions (id, from_stage_id, to_stage_id, requirements) VALUES ($1, $2, $3, $4::text::jsonb)",
        [
            (ids.new(EntityCode.TRANSITION), stages[move.origin], stages[move.to], to_json(list(move.requirements)))
            for move in rule.moves
        ],
    )


def _stage_row(
    stages: dict[str, UUID], pipeline_id: UUID, stage: StageRule, position: int, now: datetime
) -> Sequence[Any]:
    probability = None if stage.probability is None else Decimal(stage.probability)
    return (
        stages[stage.key],
        pipeline_id,
        stage.key,
        stage.name,
        stage.category.value,
        position,
        position == 1,
        probability,
        stage.rotting_days,
        now,
    )
