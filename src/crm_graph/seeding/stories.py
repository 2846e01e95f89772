"""What is worth finding in the demo company. Each story leaves the number or id of its record under a name."""

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal

from crm_graph.models import Collaboration
from crm_graph.models.workflows import StageCategory, WorkflowType
from crm_graph.seeding import customers, sales, service
from crm_graph.seeding.ledger import Record
from crm_graph.seeding.names import PRODUCTS
from crm_graph.seeding.scene import Scene

SHOWN_CONTRACT = "HT-2026-0001"
"""The contract that sales, service and finance each see differently. `sales` owns it; its customer has an open ticket
in the queue of `service`."""

_BY_SKU = {product.sku: product for product in PRODUCTS}
_OPEN = (StageCategory.OPEN, StageCategory.WAITING)


def tell(scene: Scene) -> None:
    """All stories, in an order that keeps their numbers the same."""
    for story in STORIES:
        story(scene)


def hotel_group(scene: Scene) -> None:
    """An organisation with three subsidiaries, a contract in force, an open ticket and collaborators."""
    group = customers.organization(
        scene,
        scene.ago(900),
        "sales",
        name="临江云栖酒店管理集团有限公司",
        short_name="临江云栖",
        industry="酒店",
        tier="PLATINUM",
        lifecycle_stage="ACTIVE",
        employee_count=2_400,
    )
    for n, place in enumerate(("杭州西湖店", "上海外滩店", "南京玄武店")):
        at = scene.ago(880 - n)
        customers.organization(
            scene,
            at,
            "sales",
            name=f"临江云栖酒店（{place}）",
            short_name=place,
            industry="酒店",
            tier="GOLD",
            lifecycle_stage="ACTIVE",
            parent_id=group.id,
        )
    scene.ledger.add(
        Collaboration,
        {"entity_id": group.id, "user_id": scene.user("sales.pemberly"), "created_at": group["created_at"]},
    )
    scene.stories["organization_with_subsidiaries"] = group["number"]
    scene.stories["shown_contract"] = _shown_contract(scene, group)["number"]


def _shown_contract(scene: Scene, group: Record) -> Record:
    won = scene.flows[WorkflowType.OPPORTUNITY].of(StageCategory.WON)[0]
    active = scene.flows[WorkflowType.CONTRACT].of(StageCategory.ACTIVE)[0]
    start = scene.ago(200)
    deal = sales.opportunity(
        scene,
        group,
        (start, start + timedelta(days=46)),
        won,
        product=_BY_SKU["RF-BAR-45"],
        amount=Decimal("1186000.00"),
        name="临江云栖三店客房电器更新",
    )
    lines = [
        (_BY_SKU["RF-BAR-45"], 620, Decimal("0.08")),
        (_BY_SKU["TV-43-HTL"], 480, Decimal("0.06")),
        (_BY_SKU["KT-INST"], 620, Decimal(0)),
    ]
    contract = sales.contract(
        scene,
        group,
        (start + timedelta(days=48), start + timedelta(days=60)),
        active,
        lines,
        number=SHOWN_CONTRACT,
        title="临江云栖三店客房电器采购合同",
        service_level="金牌：4小时到场",
        opportunity_id=deal.id,
    )
    waiting = scene.flows[WorkflowType.TICKET].of(*_OPEN)
    ticket = service.ticket(
        scene,
        group,
        scene.ago(3, 15),
        "service",
        waiting[min(1, len(waiting) - 1)],
        subject="西湖店40台小冰箱不制冷",
        category="REPAIR",
        priority="HIGH",
        product=_BY_SKU["RF-BAR-45"].name,
        contract_id=contract.id,
    )
    scene.stories["open_ticket_of_shown_contract"] = ticket["number"]
    for days, channel, text in (
        (55, "VISIT", "现场验收，三店共620台小冰箱全部就位。"),
        (3, "CALL", "工程部来电报修，要求当天到场。"),
    ):
        service.interaction(scene, scene.ago(days), group, channel=channel, body=text, opportunity_id=deal.id)
    return contract


def big_deal_unsigned(scene: Scene) -> None:
    """Won in talks 97 days ago, the contract drafted and never signed."""
    customer = customers.organization(
        scene,
        scene.ago(400),
        "sales.chen",
        name="苏州恒屿置业有限公司",
        short_name="恒屿",
        industry="房地产",
        tier="GOLD",
    )
    open_stages = scene.flows[WorkflowType.OPPORTUNITY].of(
        StageCategory.OPEN, StageCategory.WAITING, StageCategory.ACTIVE
    )
    start = scene.ago(150)
    deal = sales.opportunity(
        scene,
        customer,
        (start, scene.ago(97)),
        open_stages[-1],
        product=_BY_SKU["AC-MULTI-16"],
        amount=Decimal("3680000.00"),
        name="恒屿澜庭精装房中央空调",
        expected_close_on=scene.ago(60).date(),
        forecast_category="COMMIT",
    )
    unsigned = scene.flows[WorkflowType.CONTRACT].of(*_OPEN)[-1]
    contract = sales.contract(
        scene,
        customer,
        (scene.ago(96), scene.ago(92)),
        unsigned,
        [(_BY_SKU["AC-MULTI-16"], 150, Decimal("0.12")), (_BY_SKU["KT-INST"], 150, Decimal(0))],
        opportunity_id=deal.id,
        title="恒屿澜庭中央空调采购合同",
    )
    scene.stories["big_deal_unsigned"] = contract["number"]


def silent_customer(scene: Scene) -> None:
    """A good customer of old whom nobody has spoken to for three years."""
    at = scene.ago(1700)
    customer = customers.person(
        scene, at, "store.hangzhou", name="单桂兰", lifecycle_stage="DORMANT", tier="GOLD", health_score=None
    )
    won = scene.flows[WorkflowType.OPPORTUNITY].of(StageCategory.WON)[0]
    span = (scene.ago(1650), scene.ago(1630))
    sales.opportunity(scene, customer, span, won, product=_BY_SKU["RF-520-MD"], amount=Decimal("38600.00"))
    for days in (1640, 1400, 1130):
        service.interaction(scene, scene.ago(days), customer, channel="CALL")
    scene.stories["silent_for_three_years"] = customer["number"]


def late_ticket(scene: Scene) -> None:
    """Urgent, unanswered, and past the two hours that the SLA gives."""
    customer = customers.person(
        scene, scene.ago(500), "store.shanghai", name="罗若曦", tier="SILVER", lifecycle_stage="ACTIVE"
    )
    ticket = service.ticket(
        scene,
        customer,
        scene.ago(2, 16),
        "service.qian",
        scene.flows[WorkflowType.TICKET].first,
        subject="冰箱漏水，厨房地板已泡",
        category="COMPLAINT",
        priority="URGENT",
        channel="CALL",
        product=_BY_SKU["RF-520-MD"].name,
    )
    scene.stories["ticket_past_sla"] = ticket["number"]


def high_intent_lead(scene: Scene) -> None:
    """Three visits and a question for the price within ten days (近期浏览高频且咨询过价格 → 高意向)."""
    stage = scene.flows[WorkflowType.LEAD].of(StageCategory.OPEN, StageCategory.WAITING, StageCategory.ACTIVE)[-1]
    lead = sales.lead(
        scene,
        scene.ago(11),
        "sales.liang",
        stage,
        name="麦永康",
        company_name="佛山木棉装饰工程有限公司",
        intent="HIGH",
        score=92,
        product_interest=_BY_SKU["AC-MULTI-16"].name,
        budget=Decimal("98000.00"),
        source_channel="STORE",
        assignment_reason="佛山 · 工程采购",
    )
    for days in (9, 6, 3):
        service.interaction(
            scene,
            scene.ago(days),
            channel="STORE",
            direction="INBOUND",
            lead_id=lead.id,
            location="广州天河店",
            subject="到店",
            body="客户到店看中央空调样机。",
            **scene.owner("sales.liang"),
        )
    service.interaction(
        scene,
        scene.ago(2),
        channel="WECHAT",
        direction="INBOUND",
        lead_id=lead.id,
        subject="询价：中央空调",
        outcome="待报价",
        body="客户询问四套家用中央空调的含税价格和工期。",
        **scene.owner("sales.liang"),
    )
    scene.stories["high_intent_lead"] = str(lead.id)


def contract_near_its_end(scene: Scene) -> None:
    """A maintenance contract that ends in 30 days and does not renew by itself."""
    customer = customers.organization(
        scene,
        scene.ago(800),
        "sales",
        name="杭州青禾教育科技有限公司",
        short_name="青禾教育",
        industry="教育",
        tier="GOLD",
        lifecycle_stage="ACTIVE",
    )
    start = scene.ago(335)
    contract = sales.contract(
        scene,
        customer,
        (start - timedelta(days=12), start),
        scene.flows[WorkflowType.CONTRACT].of(StageCategory.ACTIVE)[0],
        [(_BY_SKU["SV-CARE-1Y"], 86, Decimal("0.05"))],
        kind="MAINTENANCE",
        title="青禾教育校区空调年度保养合同",
        ends_on=(scene.today + timedelta(days=30)).date(),
    )
    scene.stories["contract_ending_in_30_days"] = contract["number"]


def duplicate_pair(scene: Scene) -> None:
    """The same restaurant, entered by the call centre and again by sales; and one person twice under one phone."""
    one = customers.organization(
        scene, scene.ago(620), "sales.gu", name="杭州听涛餐饮有限公司", short_name="听涛餐饮", phone="+8613800101010"
    )
    customers.organization(
        scene,
        scene.ago(140),
        "sales.chen",
        name="杭州听涛餐饮管理有限公司",
        short_name="听涛",
        phone="+8613800101010",
        source_channel="CALL_CENTRE",
    )
    customers.person(
        scene, scene.ago(410), "store.nanjing", name="宋雨桐", phone="+8613900202020", source_channel="STORE"
    )
    customers.person(
        scene, scene.ago(60), "shop.fang", name="宋雨彤", phone="+8613900202020", source_channel="WEB_SHOP"
    )
    scene.stories["looks_like_a_duplicate"] = one["number"]


def pooled_customer(scene: Scene) -> None:
    """Released into the public pool (公海) after nobody followed up."""
    customer = customers.organization(
        scene, scene.ago(300), "sales.ouyang", name="厦门沐光装饰工程有限公司", short_name="沐光装饰", industry="装修"
    )
    at = scene.ago(20)
    released = {"pool_state": "PUBLIC", "pooled_at": at, "owner_id": None, "team_id": None}
    scene.ledger.change(
        customer, "released", at, released, actor=scene.user("crm_manager"), reason="90天未跟进，退回公海"
    )
    scene.stories["in_the_public_pool"] = customer["number"]


def sensitive_customer(scene: Scene) -> None:
    """A person with an identity number, a birth date and a bank account on file."""
    customer = customers.person(
        scene,
        scene.ago(260),
        "sales",
        name="欧阳静怡",
        tier="PLATINUM",
        lifecycle_stage="ACTIVE",
        gender="FEMALE",
        id_number="330106198804120048",
        birth_date=date(1988, 4, 12),
        bank_name="澄江银行",
        bank_account="6200000012345678903",
        kyc_status="VERIFIED",
        description="别墅全屋电器方案客户，偏好下午联系。",
    )
    scene.stories["sensitive_data"] = customer["number"]


STORIES: tuple[Callable[[Scene], None], ...] = (
    hotel_group,
    big_deal_unsigned,
    silent_customer,
    late_ticket,
    high_intent_lead,
    contract_near_its_end,
    duplicate_pair,
    pooled_customer,
    sensitive_customer,
)
