"""Pipelines, stages and stage histories as clients see them."""

from crm_graph.models.workflows import StageCategory, WorkflowType
from crm_graph.schema.declarations import EnumDeclaration, TypeDeclaration

TYPES = (
    TypeDeclaration(
        "pipeline",
        "A workflow (流程): the stages that records of one type move through.",
        {
            "workflow_type": "The type of records that move through it; never changes.",
            "key": "Stable key, unique among the pipelines of its type; never changes.",
            "name": "Name in the company's language.",
            "is_default": "Whether records of its type use it where none is named; one pipeline per type at most.",
            "stages": "The stages of the pipeline; order them by `position`.",
        },
        label=("流程", "Pipeline", "Pipelines"),
        labels={
            "workflow_type": ("适用对象", "For"),
            "key": ("流程标识", "Key"),
            "name": ("流程名称", "Name"),
            "is_default": ("默认流程", "Default"),
            "stages": ("阶段", "Stages"),
        },
    ),
    TypeDeclaration(
        "stage",
        "A stage of a pipeline (阶段).",
        {
            "key": "Stable key, unique in its pipeline, such as `negotiation`; never changes.",
            "name": "Name in the company's language.",
            "category": "What the stage means to reports.",
            "position": "Place in the pipeline, lowest first.",
            "is_initial": "Whether new records start here.",
            "probability": "Usual probability of winning from here, a fraction from 0 to 1; null if it has none.",
            "rotting_days": "Days in this stage after which a record counts as stalled (停滞); null for no limit.",
            "pipeline": "The pipeline it belongs to.",
        },
        label=("阶段", "Stage", "Stages"),
        labels={
            "key": ("阶段标识", "Key"),
            "name": ("阶段名称", "Name"),
            "category": ("阶段类别", "Category"),
            "position": ("顺序", "Position"),
            "is_initial": ("起始阶段", "Initial"),
            "probability": ("赢率", "Probability"),
            "rotting_days": ("停滞天数", "Stalled after (days)"),
            "pipeline": ("流程", "Pipeline"),
        },
    ),
    TypeDeclaration(
        "stage_change",
        "One stay of a record in a stage.",
        {
            "entered_at": "When the record came to the stage, in UTC. Set by the service.",
            "left_at": "When the record left the stage, in UTC; null while it is there. Set by the service.",
            "reason": "Key of the reason given for the move into the stage; null if none was. Set by the service.",
            "note": "Note given for the move into the stage, at most 20,000 characters. Set by the service.",
            "from_stage": "The stage it came from; null where it began.",
            "actor": "The user who made the move.",
        },
        label=("阶段变更", "Stage change", "Stage changes"),
        labels={
            "entered_at": ("进入时间", "Entered at"),
            "left_at": ("离开时间", "Left at"),
            "reason": ("变更原因", "Reason"),
            "note": ("变更说明", "Note"),
            "from_stage": ("原阶段", "From stage"),
            "actor": ("操作人", "Actor"),
        },
    ),
)

ENUMS = (
    EnumDeclaration(
        WorkflowType,
        "Types of records that move through stages.",
        {
            "LEAD": "Leads (线索).",
            "OPPORTUNITY": "Opportunities (商机).",
            "TICKET": "Tickets (工单).",
            "CONTRACT": "Contracts (合同).",
        },
        labels={
            "LEAD": ("线索", "Lead"),
            "OPPORTUNITY": ("商机", "Opportunity"),
            "TICKET": ("工单", "Ticket"),
            "CONTRACT": ("合同", "Contract"),
        },
    ),
    EnumDeclaration(
        StageCategory,
        "What a stage means to reports: going on, or ended well or badly.",
        {
            "OPEN": "Being worked on.",
            "WAITING": "Waiting for somebody else, such as the customer.",
            "ACTIVE": "In force, such as a signed contract (生效).",
            "WON": "Ended well, such as a deal that was won (赢单).",
            "LOST": "Ended badly, such as a deal that was lost (丢单).",
            "CLOSED": "Ended, neither won nor lost.",
        },
        labels={
            "OPEN": ("进行中", "Open"),
            "WAITING": ("等待中", "Waiting"),
            "ACTIVE": ("生效", "Active"),
            "WON": ("赢单", "Won"),
            "LOST": ("丢单", "Lost"),
            "CLOSED": ("已关闭", "Closed"),
        },
    ),
)
