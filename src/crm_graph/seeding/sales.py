"""Leads, opportunities and contracts of the demo company, moved along their pipelines."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from uuid import UUID

from crm_graph.models import Contract, Lead, Opportunity
from crm_graph.models.workflows import StageCategory, WorkflowType
from crm_graph.seeding import names
from crm_graph.seeding.ledger import Record, Values, at_hour
from crm_graph.seeding.names import Product
from crm_graph.seeding.scene import Scene
from crm_graph.seeding.stages import Stage

Span = tuple[datetime, datetime]
Line = tuple[Product, int, Decimal]

TAX = Decimal("0.13")
SERVICE_TAX = Decimal("0.06")
_CENT = Decimal("0.01")
_FORECAST = {StageCategory.WON: "COMMIT", StageCategory.LOST: "OMITTED"}


def lead(scene: Scene, at: datetime, owner: str | None, target: Stage, **over: Any) -> Record:
    """Someone who showed interest; `owner` None leaves it in the public pool."""
    city = scene.pick(names.CITIES)
    surname, latin = scene.pick(names.SURNAMES)
    given, given_latin = scene.pick(names.GIVEN_NAMES)
    product = scene.pick(names.PRODUCTS)
    score = scene.random.randrange(5, 75)
    pooled = owner is None
    row: Values = {
        "name": surname + given,
        "phone": f"+8613700{scene.random.randrange(10**6):06d}",
        "email": f"{given_latin}.{latin}.lead{len(scene.leads)}@example.cn",
        "province": city.province,
        "city": city.name,
        "source_channel": scene.pick(("WEB_SHOP", "STORE", "CALL_CENTRE", "WECHAT", "EXHIBITION", "REFERRAL")),
        "campaign": scene.pick((*names.CAMPAIGNS, None)),
        "product_interest": product.name,
        "intent": "HIGH" if score > 60 else "MEDIUM" if score > 30 else "LOW",
        "score": score,
        "currency": "CNY",
        "budget": product.price * scene.random.randrange(1, 9),
        "pool_state": "PUBLIC" if pooled else "OWNED",
        "pooled_at": at if pooled else None,
        "assigned_at": None if pooled else at,
        "follow_up_due_at": at + timedelta(days=2),
        **({} if owner is None else scene.owner(owner)),
        **over,
    }
    flow = scene.flows[WorkflowType.LEAD]
    record = scene.ledger.create(Lead, at, row, actor=row.get("owner_id"), stage=flow.first)
    scene.leads.append(record)
    end = min(at + timedelta(days=scene.random.randrange(2, 20)), scene.last_moment)
    values: Values = {"last_contacted_at": end}
    if target.category is StageCategory.WON:
        values |= {"converted_at": end, "customer_id": over.get("customer_id")}
    reason = None
    if target.category is StageCategory.LOST:
        reason = scene.pick(flow.reasons.get(target.id) or ("not_interested",))
        values |= {"disqualification_reason": reason}
    actor = row.get("owner_id") or scene.ledger.actor
    scene.walk(
        record,
        WorkflowType.LEAD,
        target,
        end,
        actor=actor,
        values=values,
        reason=reason,
        note="电话沟通，需求与预算已确认。",
    )
    return record


def opportunity(
    scene: Scene,
    customer: Record,
    span: Span,
    target: Stage,
    *,
    product: Product,
    amount: Decimal,
    **over: Any,
) -> Record:
    """A deal begun and brought to `target` within `span`; a won one counts towards what the customer has bought."""
    at, end = span
    flow = scene.flows[WorkflowType.OPPORTUNITY]
    row: Values = {
        "customer_id": customer.id,
        "owner_id": customer["owner_id"],
        "team_id": customer["team_id"],
        "name": f"{customer['short_name'] if customer.row.get('short_name') else customer['name']} {product.name}",
        "source_channel": customer["source_channel"],
        "product_interest": product.name,
        "campaign": scene.pick((*names.CAMPAIGNS, None, None)),
        "competitor": scene.pick((*names.COMPETITORS, None, None)),
        "currency": customer["currency"],
        "amount": amount,
        "cost": (amount * Decimal("0.74")).quantize(_CENT),
        "probability": Decimal("0.2"),
        "forecast_category": "PIPELINE",
        "expected_close_on": (end + timedelta(days=14)).date(),
        "next_step": scene.pick(("发送报价", "约现场勘测", "等客户内部审批")),
        **over,
    }
    record = scene.ledger.create(Opportunity, at, row, actor=row["owner_id"], stage=flow.first)
    scene.opportunities.append(record)
    values: Values = {"forecast_category": _FORECAST.get(target.category, over.get("forecast_category", "BEST_CASE"))}
    reason, note = None, "已上传沟通纪要，双方确认。"
    actor = row["owner_id"] or scene.ledger.actor
    if target.category in _FORECAST:
        values |= {"closed_at": end}
    if target.category is StageCategory.LOST:
        scene.walk(
            record,
            WorkflowType.OPPORTUNITY,
            scene.pick(flow.of(StageCategory.OPEN)),
            at + (end - at) / 2,
            actor=actor,
            note=note,
        )
        reason = scene.pick(flow.reasons.get(target.id) or ("price",))
        note = "客户反馈竞品报价更低，预算未获批准。"
        values |= {"loss_reason": reason, "loss_note": note}
    scene.walk(record, WorkflowType.OPPORTUNITY, target, end, actor=actor, values=values, reason=reason, note=note)
    if target.category is StageCategory.WON:
        _count_purchase(customer, record, end.date())
    return record


def contract(
    scene: Scene,
    customer: Record,
    span: Span,
    target: Stage,
    lines: Sequence[Line],
    **over: Any,
) -> Record:
    """A contract over lines of (product, quantity, discount), drafted and brought to `target` within `span`."""
    at, end = span
    currency = customer["currency"]
    rows = [_line(scene.ledger.to_base(1, currency, at), currency, n, line) for n, line in enumerate(lines, 1)]
    net, tax = sum((r["net_amount"] for r in rows), Decimal()), sum((r["tax_amount"] for r in rows), Decimal())
    in_force = target.category in {StageCategory.ACTIVE, StageCategory.WON, StageCategory.CLOSED}
    row: Values = {
        "customer_id": customer.id,
        "owner_id": customer["owner_id"],
        "team_id": customer["team_id"],
        "number": f"HT-{at.year}-{len(scene.contracts) + 2:04d}",
        "title": f"{customer['name']}{lines[0][0].name}采购合同",
        "kind": "SALE",
        "service_level": scene.pick(("标准", "金牌", None)),
        "auto_renew": False,
        "renewal_notice_days": 60,
        "currency": currency,
        "net_amount": net,
        "tax_amount": tax,
        "gross_amount": net + tax,
        "received_amount": Decimal(0),
        "cost": sum((r["unit_cost"] * r["quantity"] for r in rows), Decimal()).quantize(_CENT),
        "payment_terms": "签约付30%，到货付60%，验收后付10%",
        "invoice_title": customer.row.get("invoice_title") or customer["name"],
        "tax_id": customer.row.get("tax_id"),
        "bank_name": "华岳银行",
        "bank_account": "3100000020260001238",
        "terms": "质保期自验收之日起三年；免费上门安装调试；逾期付款按日万分之三计违约金。",
        **over,
    }
    record = scene.ledger.create(
        Contract,
        at,
        row,
        actor=row["owner_id"],
        stage=scene.flows[WorkflowType.CONTRACT].first,
        children={"lines": rows, "external_refs": _erp_ref(row, at) if in_force else []},
    )
    scene.contracts.append(record)
    actor = row["owner_id"] or scene.ledger.actor
    values = _signed(scene, row, end.date(), over) if in_force else {}
    scene.walk(record, WorkflowType.CONTRACT, target, end, actor=actor, values=values, note="双方已盖章。")
    if in_force and record["ends_on"] < scene.today.date():
        _expire(scene, record, actor)
    return record


def _expire(scene: Scene, record: Record, actor: UUID) -> None:
    """The term is over, the money is in."""
    ended = scene.flows[WorkflowType.CONTRACT].of(StageCategory.CLOSED)[0]
    if record["stage_id"] != ended.id:
        at = at_hour(datetime.combine(record["ends_on"], time(), UTC), 9)
        paid = {"received_amount": record["gross_amount"]}
        scene.walk(record, WorkflowType.CONTRACT, ended, at, actor=actor, values=paid, note="合同期满，款项已结清。")


def _signed(scene: Scene, row: Values, day: date, over: Values) -> Values:
    """What a signature sets, and what was paid since."""
    paid = scene.pick((Decimal("0.3"), Decimal("0.6"), Decimal(1)))
    return {
        "signed_on": day,
        "starts_on": day,
        "ends_on": over.get("ends_on", day + timedelta(days=365)),
        "received_amount": (row["gross_amount"] * paid).quantize(_CENT),
    }


def _line(rate: Decimal, currency: str, position: int, line: Line) -> Values:
    """A priced line; the price list is in CNY, of which `rate` make one unit of the currency."""
    product, quantity, discount = line
    price = (product.price / rate).quantize(_CENT, ROUND_HALF_UP)
    tax_rate = SERVICE_TAX if product.sku.startswith(("KT", "SV")) else TAX
    net = (price * quantity * (1 - discount)).quantize(_CENT, ROUND_HALF_UP)
    tax = (net * tax_rate).quantize(_CENT, ROUND_HALF_UP)
    return {
        "position": position,
        "sku": product.sku,
        "name": product.name,
        "quantity": Decimal(quantity),
        "unit": product.unit,
        "currency": currency,
        "unit_price": price,
        "discount_rate": discount,
        "tax_rate": tax_rate,
        "net_amount": net,
        "tax_amount": tax,
        "gross_amount": net + tax,
        "unit_cost": (product.cost / rate).quantize(_CENT, ROUND_HALF_UP),
    }


def _erp_ref(row: Values, at: datetime) -> Sequence[Values]:
    return [{"source": "erp", "external_id": f"SO-{row['number']}", "synced_at": at}]


def _count_purchase(customer: Record, deal: Record, day: date) -> None:
    row = customer.row
    row["order_count"] = row.get("order_count", 0) + 1
    row["total_spent"] = row.get("total_spent", Decimal()) + deal["amount"]
    row["total_spent_base"] = row.get("total_spent_base", Decimal()) + deal["amount_base"]
    row["first_purchase_on"] = min(row.get("first_purchase_on", day), day)
    row["last_purchase_on"] = max(row.get("last_purchase_on", day), day)
