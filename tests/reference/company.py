"""A small company, the same in every run: what the golden tests and the tests of single rules read."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from crm_graph.models.ids import EntityCode, IdSource
from crm_graph.proof.rows import NOON, Row, id_source


def new_ids(source: IdSource, code: EntityCode, names: Iterable[str]) -> dict[str, UUID]:
    """An id for each name, growing in that order."""
    return {name: source.new(code) for name in names}


_IDS = id_source(1)
TEAM = new_ids(_IDS, EntityCode.TEAM, ["hq", "sales", "east", "queue"])
USER = new_ids(_IDS, EntityCode.USER, ["wang", "li", "zhao", "qian", "chen", "erp", "root"])
USER |= new_ids(id_source(2), EntityCode.USER, ["sun", "zhou", "wu", "zheng", "shop", "calls"])
PIPELINE = new_ids(_IDS, EntityCode.PIPELINE, ["LEAD", "OPPORTUNITY", "TICKET", "CONTRACT"])
STAGE = new_ids(
    _IDS,
    EntityCode.STAGE,
    [f"{type_}.{key}" for type_ in PIPELINE for key in ("open", "active", "done")],
)
CUSTOMER = new_ids(_IDS, EntityCode.CUSTOMER, ["group", "xiaoming", "haidian", "pooled", "maria", "archived"])
LEAD = new_ids(_IDS, EntityCode.LEAD, ["fair", "pooled"])
OPPORTUNITY = new_ids(_IDS, EntityCode.OPPORTUNITY, ["kitchen", "hotel", "group"])
CONTRACT = new_ids(_IDS, EntityCode.CONTRACT, ["hotel", "service"])
TICKET = new_ids(_IDS, EntityCode.TICKET, ["leak", "noise"])
INTERACTION = new_ids(_IDS, EntityCode.INTERACTION, ["call", "visit", "mail", "chat", "survey"])
CHILD = {
    code: new_ids(_IDS, code, map(str, range(10)))
    for code in (
        EntityCode.CONTACT_POINT,
        EntityCode.ADDRESS,
        EntityCode.CONTRACT_LINE,
        EntityCode.EXTERNAL_REF,
        EntityCode.STAGE_CHANGE,
        EntityCode.TRANSITION,
    )
}
FILE = new_ids(id_source(4), EntityCode.FILE, ["offer", "photo", "contract"])
EVENT = new_ids(id_source(3), EntityCode.EVENT, map(str, range(6)))
PEOPLE = {
    "sales": ("wang", "east"),
    "sales_li": ("li", "east"),
    "sales_manager": ("sun", "sales"),
    "service": ("zhao", "queue"),
    "finance": ("qian", None),
    "crm_manager": ("chen", "sales"),
    "marketing": ("zhou", None),
    "analyst": ("wu", None),
    "auditor": ("zheng", None),
    "erp": ("erp", None),
    "commerce": ("shop", None),
    "call_centre": ("calls", None),
    "admin": ("root", "hq"),
}
"""Who stands for each role: username and team."""


def _ago(days: float) -> datetime:
    return NOON - timedelta(days=days)


def _tracked(days: float, **columns: Any) -> Row:
    return {"created_at": _ago(days), "updated_at": _ago(days / 2), **columns}


def _teams() -> list[Row]:
    rows = (
        ("hq", "DEPARTMENT", "总部", "hq/", None),
        ("sales", "DEPARTMENT", "销售部", "hq/sales/", "hq"),
        ("east", "TEAM", "华东销售", "hq/sales/east/", "sales"),
        ("queue", "QUEUE", "售后一组", "hq/queue/", "hq"),
    )
    return [
        _tracked(900, id=TEAM[key], kind=kind, key=key, name=label, path=path, parent_id=parent and TEAM[parent])
        for key, kind, label, path, parent in rows
    ]


def _users() -> list[Row]:
    names = {
        "wang": "王芳", "li": "李强", "zhao": "赵敏", "qian": "钱多多", "chen": "陈静", "erp": "ERP", "root": "管理员",
        "sun": "孙倩", "zhou": "周莹", "wu": "吴磊", "zheng": "郑直", "shop": "商城", "calls": "呼叫中心",
    }  # fmt: skip
    return [
        _tracked(
            800,
            id=USER[key],
            kind="SERVICE" if key in ("erp", "shop", "calls") else "PERSON",
            username=key,
            name=label,
            email=f"{key}@example.com",
            phone=f"+86139{index:08}",
        )
        for index, (key, label) in enumerate(names.items())
    ]


def _customers() -> list[Row]:
    east = {"team_id": TEAM["east"]}
    wang, li = {"owner_id": USER["wang"], **east}, {"owner_id": USER["li"], **east}
    return [
        _tracked(700, id=CUSTOMER["group"], kind="ORGANIZATION", name="华东集团", number="C-0", **li),
        _tracked(
            600,
            id=CUSTOMER["xiaoming"],
            kind="PERSON",
            name="王小明",
            number="C-1",
            tier="GOLD",
            city="上海",
            phone="+8613800138001",
            email="xiaoming@example.com",
            wechat_id="xm_wang",
            gender="MALE",
            birth_date=date(1990, 5, 1),
            id_number="310101199005010011",
            total_spent="12800.00",
            total_spent_base="12800.00",
            order_count=3,
            health_score=81,
            description="喜欢周末送货",
            custom={"loyaltyCard": "CH-88001", "visits": 7, "visitTime": "EVENING", "tags": ["净水", "VIP"]},
            **wang,
        ),
        _tracked(
            500,
            id=CUSTOMER["haidian"],
            kind="ORGANIZATION",
            name="Haidian Hotel Ltd",
            number="C-2",
            tier="PLATINUM",
            city="北京",
            phone="010-62345678",
            email="buy@haidian.example",
            tax_id="91110108MA01ABCD2X",
            invoice_title="海淀酒店有限公司",
            bank_name="工商银行海淀支行",
            bank_account="6222020200112233445",
            currency="USD",
            credit_limit="50000.00",
            credit_limit_base="360000.00",
            kyc_status="VERIFIED",
            parent_id=CUSTOMER["group"],
            **li,
        ),
        _tracked(
            400,
            id=CUSTOMER["pooled"],
            kind="PERSON",
            name="John Smith",
            number="C-3",
            city="上海",
            phone="13900139002",
            email="js@example.org",
            pool_state="PUBLIC",
            pooled_at=_ago(20),
        ),
        _tracked(
            300,
            id=CUSTOMER["maria"],
            kind="PERSON",
            name="Maria Garcia",
            number="C-4",
            tier="SILVER",
            phone="+8613700137003",
            email="maria@example.com",
            referred_by_id=CUSTOMER["xiaoming"],
            total_spent="99.50",
            total_spent_base="99.50",
            **li,
        ),
        _tracked(
            200, id=CUSTOMER["archived"], kind="PERSON", name="旧客户", number="C-5", archived_at=_ago(10), **wang
        ),
    ]


def _customer_children() -> dict[str, list[Row]]:
    point, address = CHILD[EntityCode.CONTACT_POINT], CHILD[EntityCode.ADDRESS]
    ref = CHILD[EntityCode.EXTERNAL_REF]
    points = (
        ("0", "xiaoming", "MOBILE", "138 0013 8001", "+8613800138001", True),
        ("1", "xiaoming", "EMAIL", "Xiaoming@Example.com", "xiaoming@example.com", False),
        ("2", "haidian", "LANDLINE", "010-62345678转801", None, True),
        ("3", "maria", "MOBILE", "13700137003", "+8613700137003", True),
    )
    return {
        "contact_points": [
            {
                "id": point[n],
                "customer_id": CUSTOMER[whose],
                "kind": kind,
                "raw": raw,
                "e164": e164,
                "is_primary": primary,
            }
            for n, whose, kind, raw, e164, primary in points
        ],
        "addresses": [
            {
                "id": address["0"],
                "customer_id": CUSTOMER["xiaoming"],
                "kind": "SHIPPING",
                "city": "上海",
                "street": "南京西路 100 号",
                "recipient": "王小明",
                "recipient_phone": "13800138001",
            }
        ],
        "external_refs": [
            {
                "id": ref[n],
                "entity_type": "customer",
                "entity_id": CUSTOMER[whose],
                "source": source,
                "external_id": external_id,
                "synced_at": _ago(1),
            }
            for n, whose, source, external_id in (
                ("0", "haidian", "erp", "K-2"),
                ("1", "pooled", "shop", "S-3"),
                ("2", "xiaoming", "shop", "S-1"),
            )
        ],
        "files": [
            {
                "id": FILE[key],
                "entity_type": type_,
                "entity_id": record,
                "created_by_id": USER["wang"],
                "name": label,
                "kind": kind,
                "media_type": media_type,
                "size": size,
                "sha256": f"{size:064x}",
                "download_url": f"/files/{FILE[key]}",
                "created_at": _ago(3),
            }
            for key, type_, record, label, kind, media_type, size in (
                ("offer", "customer", CUSTOMER["xiaoming"], "报价.pdf", "DOCUMENT", "application/pdf", 48_213),
                ("photo", "customer", CUSTOMER["xiaoming"], "厨房.jpg", "IMAGE", "image/jpeg", 2_345_678),
                ("contract", "contract", CONTRACT["hotel"], "合同.pdf", "SIGNED", "application/pdf", 91_002),
            )
        ],
        "collaborations": [{"entity_id": CUSTOMER["haidian"], "user_id": USER["wang"], "created_at": _ago(90)}],
    }


def _workflows() -> dict[str, list[Row]]:
    moves = CHILD[EntityCode.TRANSITION]
    return {
        "pipelines": [
            _tracked(850, id=id_, workflow_type=type_, key="default", name=f"{type_} 流程", is_default=True)
            for type_, id_ in PIPELINE.items()
        ],
        "stages": [
            _tracked(
                850,
                id=STAGE[f"{type_}.{key}"],
                pipeline_id=id_,
                key=key,
                name=label,
                category=category,
                position=position,
                is_initial=position == 1,
                probability=probability,
            )
            for type_, id_ in PIPELINE.items()
            for position, (key, label, category, probability) in enumerate(
                (("open", "新建", "OPEN", "0.1"), ("active", "进行中", "ACTIVE", "0.5"), ("done", "完成", "WON", None)),
                1,
            )
        ],
        "transitions": [
            {
                "id": moves["0"],
                "from_stage_id": STAGE["OPPORTUNITY.open"],
                "to_stage_id": STAGE["OPPORTUNITY.active"],
                "requirements": [{"kind": "FIELD", "field": "amount"}],
            },
            {
                "id": moves["1"],
                "from_stage_id": STAGE["OPPORTUNITY.active"],
                "to_stage_id": STAGE["OPPORTUNITY.done"],
                "requirements": [{"kind": "FIELD", "field": "expected_close_on"}, {"kind": "NOTE", "minLength": 5}],
            },
        ],
    }


def _sales() -> dict[str, list[Row]]:
    east = {"team_id": TEAM["east"]}
    wang, li = {"owner_id": USER["wang"], **east}, {"owner_id": USER["li"], **east}
    stay = CHILD[EntityCode.STAGE_CHANGE]

    def in_stage(key: str, days: float, **columns: Any) -> Row:
        return _tracked(days, stage_id=STAGE[key], stage_entered_at=_ago(days), **columns)

    return {
        "leads": [
            in_stage("LEAD.open", 60, id=LEAD["fair"], name="周杰", phone="13600136004", intent="HIGH", score=70,
                     budget="30000.00", budget_base="30000.00", customer_id=CUSTOMER["xiaoming"], **wang),
            in_stage("LEAD.open", 50, id=LEAD["pooled"], name="Ann Lee", email="ann@example.com", pool_state="PUBLIC"),
        ],
        "opportunities": [
            in_stage("OPPORTUNITY.open", 40, id=OPPORTUNITY["kitchen"], name="厨房电器", amount="120000.00",
                     amount_base="120000.00", customer_id=CUSTOMER["xiaoming"], lead_id=LEAD["fair"],
                     probability="0.2", expected_close_on=date(2026, 12, 31), **wang),
            in_stage("OPPORTUNITY.active", 95, id=OPPORTUNITY["hotel"], name="Hotel laundry", currency="USD",
                     amount="50000.00", amount_base="360000.00", cost="30000.00", cost_base="216000.00",
                     customer_id=CUSTOMER["haidian"], **wang),
            in_stage("OPPORTUNITY.open", 30, id=OPPORTUNITY["group"], name="集团年度采购",
                     customer_id=CUSTOMER["group"], **li),
        ],
        "stage_changes": [
            {"id": stay["0"], "entity_id": OPPORTUNITY["hotel"], "stage_id": STAGE["OPPORTUNITY.open"],
             "actor_id": USER["wang"], "entered_at": _ago(120), "left_at": _ago(95), "note": None},
            {"id": stay["1"], "entity_id": OPPORTUNITY["hotel"], "stage_id": STAGE["OPPORTUNITY.active"],
             "from_stage_id": STAGE["OPPORTUNITY.open"], "actor_id": USER["wang"], "entered_at": _ago(95),
             "note": "客户已确认预算"},
        ],
        "contracts": [
            in_stage("CONTRACT.active", 25, id=CONTRACT["hotel"], customer_id=CUSTOMER["haidian"], number="HT-1",
                     title="酒店洗衣设备", opportunity_id=OPPORTUNITY["hotel"], net_amount="900.00",
                     net_amount_base="900.00", tax_amount="117.00", tax_amount_base="117.00", gross_amount="1017.00",
                     gross_amount_base="1017.00", bank_account="6222020200112233445", tax_id="91110108MA01ABCD2X",
                     **wang),
            in_stage("CONTRACT.open", 20, id=CONTRACT["service"], customer_id=CUSTOMER["maria"], number="HT-2",
                     title="维保", kind="SERVICE", **li),
        ],
        "contract_lines": [
            {"id": CHILD[EntityCode.CONTRACT_LINE][str(n)], "contract_id": CONTRACT["hotel"], "position": n,
             "name": label, "quantity": quantity, "currency": "CNY", "unit_price": price, "net_amount": net,
             "tax_amount": tax, "gross_amount": gross}
            for n, label, quantity, price, net, tax, gross in (
                (1, "洗衣机", "2.000", "300.00", "600.00", "78.00", "678.00"),
                (2, "安装", "1.500", "200.00", "300.00", "39.00", "339.00"),
            )
        ],
    }  # fmt: skip


def _service() -> dict[str, list[Row]]:
    queue, wang = {"team_id": TEAM["queue"]}, {"owner_id": USER["wang"], "team_id": TEAM["east"]}

    def ticket(key: str, stage: str, days: float, **columns: Any) -> Row:
        return _tracked(days, id=TICKET[key], stage_id=STAGE[stage], stage_entered_at=_ago(days), **columns)

    def contact(key: str, channel: str, days: float, **columns: Any) -> Row:
        return _tracked(days, id=INTERACTION[key], channel=channel, occurred_at=_ago(days), **columns)

    return {
        "tickets": [
            ticket("leak", "TICKET.open", 3, number="T-1", subject="洗碗机漏水", customer_id=CUSTOMER["maria"],
                   priority="URGENT", description="厨房地面有水", first_response_due_at=_ago(2), **queue),
            ticket("noise", "TICKET.done", 80, number="T-2", subject="噪音", customer_id=CUSTOMER["xiaoming"],
                   owner_id=USER["zhao"], satisfaction=5, contract_id=CONTRACT["service"], **queue),
        ],
        "interactions": [
            contact("call", "CALL", 9, customer_id=CUSTOMER["xiaoming"], counterpart="13800138001", subject="回访",
                    body="满意", duration_seconds=125, **wang),
            contact("visit", "VISIT", 8, customer_id=CUSTOMER["haidian"], opportunity_id=OPPORTUNITY["hotel"],
                    subject="On-site visit", **wang),
            contact("mail", "EMAIL", 7, customer_id=CUSTOMER["haidian"], counterpart="buy@haidian.example",
                    subject="报价", outcome="等待答复", **wang),
            contact("chat", "CHAT", 2, customer_id=CUSTOMER["maria"], ticket_id=TICKET["leak"],
                    counterpart="maria@example.com", subject="漏水", body="请尽快上门", **queue),
            contact("survey", "SURVEY", 1, customer_id=CUSTOMER["pooled"], sentiment="NEUTRAL"),
        ],
    }  # fmt: skip


def _events() -> list[Row]:
    point = str(CHILD[EntityCode.CONTACT_POINT]["0"])
    told: tuple[tuple[str, str, int, str | None, Row, Row], ...] = (
        ("xiaoming", "wang", 1, None, {}, {"name": "王小明", "phone": "13900139009", "owner_id": str(USER["li"])}),
        ("xiaoming", "li", 2, "老号码停用", {"phone": "13900139009"}, {"phone": "+8613800138001"}),
        (
            "xiaoming",
            "li",
            3,
            None,
            {"owner_id": str(USER["li"]), "contact_points": [{"id": point, "kind": "MOBILE", "raw": "139 0013 9009"}]},
            {
                "owner_id": str(USER["wang"]),
                "contact_points": [{"id": point, "kind": "MOBILE", "raw": "138 0013 8001"}],
            },
        ),
        (
            "xiaoming",
            "erp",
            4,
            None,
            {"total_spent": "0.00", "order_count": 0, "last_interaction_at": None},
            {"total_spent": "12800", "order_count": 3, "last_interaction_at": "2026-11-13T04:00:00+00:00"},
        ),
        ("maria", "li", 1, None, {}, {"name": "Maria Garcia", "phone": "13700000000"}),
        ("maria", "li", 2, "wrong number", {"phone": "13700000000"}, {"phone": "+8613700137003"}),
    )
    return [
        {
            "id": EVENT[str(n)],
            "type": "customer.updated" if before else "customer.created",
            "entity_type": "customer",
            "entity_id": CUSTOMER[whose],
            "customer_id": CUSTOMER[whose],
            "entity_version": version,
            "occurred_at": _ago(300 - n),
            "actor_id": USER[actor],
            "source": "erp" if actor == "erp" else "api",
            "reason": reason,
            "changed": list(after),
            "before": before,
            "after": after,
        }
        for n, (whose, actor, version, reason, before, after) in enumerate(told)
    ]


def company() -> dict[str, list[Row]]:
    """All rows by table."""
    return {
        "teams": _teams(),
        "users": _users(),
        "team_members": [
            {"user_id": USER[user], "team_id": TEAM[team], "is_primary": True}
            for user, team in PEOPLE.values()
            if team is not None
        ],
        **_workflows(),
        "customers": _customers(),
        **_customer_children(),
        **_sales(),
        **_service(),
        "events": _events(),
    }
