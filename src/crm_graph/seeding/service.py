"""Tickets with their SLA times, and interactions on every channel."""

from datetime import datetime, timedelta
from typing import Any

from crm_graph.models import Interaction, Ticket
from crm_graph.models.workflows import StageCategory, WorkflowType
from crm_graph.seeding import names
from crm_graph.seeding.ledger import Record, Values
from crm_graph.seeding.scene import Scene
from crm_graph.seeding.stages import Stage

FIRST_RESPONSE = timedelta(hours=2)
RESOLUTION = {
    "LOW": timedelta(days=7),
    "NORMAL": timedelta(days=3),
    "HIGH": timedelta(days=1),
    "URGENT": timedelta(hours=8),
}
_CASES = (
    ("INSTALLATION", "{}预约安装", "客户希望周末上门安装{}，需带支架。"),
    ("REPAIR", "{}开机后有异响", "客户描述{}使用约两个月后运行有异响，已拍视频。"),
    ("REPAIR", "{}不制冷", "客户来电称{}昨晚起不制冷，家中有老人，请尽快处理。"),
    ("MAINTENANCE", "{}年度保养", "保养期到，请为{}安排清洗与检测。"),
    ("ENQUIRY", "{}使用咨询", "客户询问{}的联网设置方法。"),
    ("RETURN", "{}申请七天无理由退货", "{}未拆封，客户申请退货。"),
    ("COMPLAINT", "投诉{}送货延误", "{}比约定日期晚到三天，客户要求补偿。"),
    ("BILLING", "{}发票抬头有误", "客户要求重开{}的增值税发票。"),
)
_TALKS = (
    ("询价", "客户询问{}的价格与分期方案。"),
    ("到店体验", "客户到店体验{}，比较了两个型号。"),
    ("售后回访", "回访{}使用情况，客户表示满意。"),
    ("方案沟通", "沟通{}的采购数量与交货时间。"),
    ("促销告知", "告知{}以旧换新活动，客户表示会考虑。"),
    ("Follow-up", "Talked about {} and the delivery date."),
)
_CHANNELS = (
    "CALL",
    "CALL",
    "WECHAT",
    "WECHAT",
    "STORE",
    "EMAIL",
    "VISIT",
    "MEETING",
    "CHAT",
    "APP",
    "WEB",
    "SMS",
    "SURVEY",
)


def ticket(scene: Scene, customer: Record, at: datetime, owner: str, target: Stage, **over: Any) -> Record:
    """A request to service. One that is closed was answered in time four times out of five."""
    product = scene.pick(names.PRODUCTS[:10])
    category, subject, description = scene.pick(_CASES)
    priority = over.get("priority", scene.pick(("LOW", "NORMAL", "NORMAL", "NORMAL", "HIGH", "URGENT")))
    bought = at.date() - timedelta(days=scene.random.randrange(5, 900))
    row: Values = {
        "customer_id": customer.id,
        "number": f"T-{len(scene.tickets) + 1:06d}",
        "subject": subject.format(product.name),
        "category": category,
        "priority": priority,
        "channel": scene.pick(("CALL", "WECHAT", "WEB", "APP", "STORE")),
        "product": product.name,
        "serial_number": f"{product.sku}-{scene.random.randrange(10**8):08d}",
        "purchased_on": bought,
        "warranty_until": bought + timedelta(days=3 * 365),
        "first_response_due_at": at + FIRST_RESPONSE,
        "resolution_due_at": at + RESOLUTION[priority],
        "reopened_count": 0,
        "description": description.format(product.name),
        **scene.owner(owner),
        **over,
    }
    flow = scene.flows[WorkflowType.TICKET]
    record = scene.ledger.create(Ticket, at, row, actor=row["owner_id"], stage=flow.first)
    scene.tickets.append(record)
    if target != flow.first:
        late = scene.random.random() < 0.2
        answered = min(
            at + timedelta(minutes=scene.random.randrange(130, 400) if late else scene.random.randrange(4, 110)),
            scene.last_moment,
        )
        scene.ledger.change(record, "updated", answered, {"first_responded_at": answered}, actor=row["owner_id"])
        _move_on(scene, record, target, answered)
    return record


def _move_on(scene: Scene, record: Record, target: Stage, answered: datetime) -> None:
    """Along the way to `target`; entering the first closed stage resolves the ticket."""
    end = min(answered + timedelta(hours=scene.random.randrange(1, 70)), scene.last_moment)
    path = scene.flows[WorkflowType.TICKET].path(target, record["stage_id"])
    for n, stage in enumerate(path, 1):
        at = answered + (end - answered) * n / len(path)
        values: Values = {}
        if stage.category is StageCategory.CLOSED and record.row.get("resolved_at") is None:
            values = {"resolved_at": at, "resolution": "已上门处理，客户确认正常。"}
        if stage is path[-1] and target.category is StageCategory.CLOSED:
            values["satisfaction"] = scene.pick((5, 5, 4, 4, 3, 2, None))
        scene.ledger.move(record, stage, at, actor=record["owner_id"], values=values, note="已按流程处理。")


def interaction(scene: Scene, at: datetime, customer: Record | None = None, **over: Any) -> Record:
    """A contact; with a customer it is theirs, and the newest one is remembered on them."""
    product = scene.pick(names.PRODUCTS)
    topic, body = scene.pick(_TALKS)
    channel = over.get("channel", scene.pick(_CHANNELS))
    row: Values = {
        "channel": channel,
        "direction": scene.pick(("INBOUND", "INBOUND", "OUTBOUND")),
        "occurred_at": at,
        "duration_seconds": scene.random.randrange(20, 1500) if channel in {"CALL", "MEETING", "VISIT"} else None,
        "outcome": scene.pick(("已接通", "已回复", "待跟进", "未接通")),
        "sentiment": scene.pick(("POSITIVE", "NEUTRAL", "NEUTRAL", "NEGATIVE")),
        "location": scene.pick(names.CITIES).name if channel in {"VISIT", "STORE"} else None,
        "subject": f"{topic}：{product.name}",
        "body": body.format(product.name),
        "next_follow_up_at": at + timedelta(days=7) if scene.random.random() < 0.15 else None,
    }
    if customer is not None:
        owner, team = customer["owner_id"], customer["team_id"]
        row |= {"customer_id": customer.id, "owner_id": owner, "team_id": team}
        row["counterpart"] = customer["email"] if channel == "EMAIL" else customer["phone"]
        customer.row["last_interaction_at"] = max(customer.row.get("last_interaction_at") or at, at)
    row |= over
    record = scene.ledger.create(Interaction, at, row, actor=row.get("owner_id"))
    scene.interactions.append(record)
    return record
