"""Tasks of the demo company: next follow-ups of its interactions, and what is to be done about deals and tickets."""

from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from crm_graph.models import Task
from crm_graph.seeding.ledger import Record, Values
from crm_graph.seeding.scene import Scene
from crm_graph.services.follow_ups import TITLE
from crm_graph.services.task_timers import OVERDUE, REMINDER

OTHERS = 60
_DEALS = (
    ("CALL", "确认{}的预算与决策人"),
    ("MEETING", "约{}的采购与财务一起过方案"),
    ("VISIT", "带样机到现场：{}"),
    ("EMAIL", "发送{}的修订报价"),
    ("TODO", "整理{}的竞品对比"),
)
_CASES = (("CALL", "回访：{}"), ("TODO", "跟进备件到货：{}"))
_OUTCOMES = ("已联系，客户确认。", "客户希望下月再谈。", "已发送资料，等待答复。", "Agreed on the next step.")
_LEFT_OPEN = 0.1
"""The share of tasks whose time has passed and that nobody has done: they are overdue."""


def fill_tasks(scene: Scene) -> None:
    """Follow-ups are those of the interactions; others are about deals and tickets, some for a team."""
    for interaction in list(scene.interactions):
        due = interaction.row.get("next_follow_up_at")
        if due is not None and interaction.row.get("owner_id") is not None:
            about = {c: interaction.row.get(c) for c in ("customer_id", "opportunity_id", "ticket_id")}
            told = {"title": TITLE, "kind": "FOLLOW_UP", "interaction_id": interaction.id}
            _task(scene, interaction, interaction["created_at"], due, {**about, **told})
    for number in range(OTHERS):
        deal = number % 3 > 0
        subject = scene.pick([r for r in (scene.opportunities if deal else scene.tickets) if r.row.get("owner_id")])
        kind, title = scene.pick(_DEALS if deal else _CASES)
        at = scene.between(max(subject["created_at"], scene.ago(60)), scene.last_moment)
        due = at + timedelta(days=scene.random.randrange(1, 20))
        name, column = (subject["name"], "opportunity_id") if deal else (subject["subject"], "ticket_id")
        told = {"title": title.format(name), "kind": kind, "remind_at": due - timedelta(hours=2)}
        _task(scene, subject, at, due, {"customer_id": subject["customer_id"], column: subject.id, **told})


def _task(scene: Scene, of: Record, at: datetime, due: datetime, values: Values) -> None:
    """A task of who is responsible for a record; one in ten is their team's, and nobody's yet."""
    pooled = values["kind"] != "FOLLOW_UP" and scene.random.random() < 0.1
    owner = {"owner_id": None if pooled else of["owner_id"], "team_id": of["team_id"]}
    priority = scene.pick(("LOW", "NORMAL", "NORMAL", "HIGH"))
    row = {"status": "OPEN", "priority": priority, "due_at": due, **owner, **values}
    record = scene.ledger.create(Task, at, row, actor=of["owner_id"])
    if due <= scene.last_moment and not pooled and scene.random.random() >= _LEFT_OPEN:
        done_at = scene.between(at, due)
        done = {"status": "DONE", "closed_at": done_at, "outcome": scene.pick(_OUTCOMES)}
        scene.ledger.change(record, "completed", done_at, done, actor=of["owner_id"])


_SET = """
INSERT INTO timers (id, kind, entity_type, entity_id, key, due_at, wake_at, set_at)
SELECT crm_id(25), k.kind, 'task', t.id, '', k.at, k.at, t.created_at
FROM tasks t CROSS JOIN LATERAL (VALUES (:overdue, t.due_at), (:reminder, t.remind_at)) AS k (kind, at)
WHERE t.status = 'OPEN' AND k.at > :today
"""


async def set_timers(session: AsyncSession, scene: Scene) -> None:
    """What lies ahead will come; what is overdue already is not told of."""
    await session.execute(text(_SET), {"overdue": OVERDUE, "reminder": REMINDER, "today": scene.today})
