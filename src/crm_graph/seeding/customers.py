"""Invented customers: people and organisations with contact points, addresses and what only some roles may see."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from stdnum import luhn
from stdnum.cn import ric, uscc

from crm_graph.models import Customer
from crm_graph.seeding import names
from crm_graph.seeding.custom_fields import values_of
from crm_graph.seeding.ledger import Record, Values
from crm_graph.seeding.names import City
from crm_graph.seeding.scene import Scene

_CHANNELS = ("STORE", "WEB_SHOP", "CALL_CENTRE", "WECHAT", "APP", "REFERRAL", "EXHIBITION")
_STORE_OF = {
    "上海": "store.shanghai",
    "杭州": "store.hangzhou",
    "南京": "store.nanjing",
    "广州": "store.guangzhou",
    "深圳": "store.shenzhen",
    "成都": "store.chengdu",
}
_SOUTH = {"广东", "福建", "四川", "湖北"}


def seller_for(scene: Scene, city: City, *, organization: bool) -> str:
    """Who looks after a new customer: key accounts by region, people by the store of their city or the web shop."""
    if organization:
        east = ("sales", "sales.chen", "sales.gu")
        return scene.pick(("sales.liang", "sales.ouyang") if city.province in _SOUTH else east)
    return _STORE_OF.get(city.name, "shop.fang") if scene.random.random() < 0.7 else "shop.fang"


def person(scene: Scene, at: datetime, owner: str | None = None, **over: Any) -> Record:
    """A private customer."""
    city = scene.pick(names.CITIES)
    surname, surname_latin = scene.pick(names.SURNAMES)
    given, given_latin = scene.pick(names.GIVEN_NAMES)
    birth = date(1958, 1, 1) + timedelta(days=scene.random.randrange(17_000))
    mobile = _mobile(scene)
    values: Values = {
        "kind": "PERSON",
        "name": surname + given,
        "gender": scene.pick(("FEMALE", "MALE")),
        "birth_date": birth,
        "phone": f"+86{mobile}",
        "email": f"{given_latin}.{surname_latin}{len(scene.customers)}@example.cn",
        "language": "zh-CN",
        "preferred_channel": scene.pick(("WECHAT", "CALL_CENTRE", None)),
        "kyc_status": "NOT_STARTED",
    }
    if scene.random.random() < 0.25:
        values |= {"wechat_id": f"wx_{given_latin}{scene.random.randrange(1000):03d}"}
    if scene.random.random() < 0.3:
        values |= _identity(scene, city, birth)
    points = [_point("MOBILE", _as_written(scene, mobile), values["phone"], primary=True)]
    return _enter(
        scene, at, owner or seller_for(scene, city, organization=False), city, values, points=points, over=over
    )


def organization(scene: Scene, at: datetime, owner: str | None = None, **over: Any) -> Record:
    """A business customer in China, with its billing and bank data."""
    city = scene.pick(names.CITIES)
    trade, industry = scene.pick(names.COMPANY_TRADES)
    word = "".join(scene.random.sample(names.COMPANY_WORDS, 2))
    name = over.get("name", f"{city.name}{word}{trade}有限公司")
    credit_code = _credit_code(scene, city)
    digits = f"6{scene.random.randrange(10 ** (city.digits - 1)):0{city.digits - 1}d}"
    values: Values = {
        "kind": "ORGANIZATION",
        "name": name,
        "short_name": word,
        "industry": industry,
        "employee_count": scene.random.randrange(8, 900),
        "phone": f"+86{city.area_code}{digits}",
        "email": f"purchasing{len(scene.customers)}@example.com",
        "language": "zh-CN",
        "website": f"https://customer{len(scene.customers)}.example.com",
        "registration_number": credit_code,
        "tax_id": credit_code,
        "invoice_title": name,
        "payment_terms_days": scene.pick((0, 30, 45, 60)),
        "bank_name": scene.pick(names.BANKS),
        "bank_account": _account(scene, "3100"),
        "credit_limit": Decimal(scene.random.randrange(5, 200) * 10_000),
        "annual_revenue": Decimal(scene.random.randrange(200, 50_000) * 10_000),
        "kyc_status": "VERIFIED",
        "kyc_reviewed_on": (at + timedelta(days=3)).date(),
        "kyc_review_due_on": (at + timedelta(days=368)).date(),
        "risk_rating": scene.pick(("LOW", "LOW", "LOW", "MEDIUM", "HIGH")),
    }
    points = [_point("LANDLINE", f"0{city.area_code}-{digits}", values["phone"], primary=True, label="总机")]
    if scene.random.random() < 0.4:
        points.append(
            _point(
                "SERVICE_NUMBER", f"400-0{scene.random.randrange(100):02d}-{scene.random.randrange(10_000):04d}", None
            )
        )
    return _enter(
        scene, at, owner or seller_for(scene, city, organization=True), city, values, points=points, over=over
    )


def overseas(scene: Scene, at: datetime, index: int, **over: Any) -> Record:
    """A business customer abroad, in its own currency."""
    name, country, city, currency = names.OVERSEAS[index]
    values: Values = {
        "kind": "ORGANIZATION",
        "name": name,
        "short_name": name.split()[0],
        "industry": "酒店" if index == 0 else "经销商",
        "country": country,
        "city": city,
        "province": None,
        "currency": currency,
        "language": "ja" if country == "JP" else "en",
        "email": f"office{index}@example.com",
        "website": f"https://partner{index}.example.com",
        "phone": None,
        "tax_id": f"{country}{scene.random.randrange(10**9):09d}",
        "invoice_title": name,
        "payment_terms_days": 45,
        "bank_name": "Harbour Trade Bank",
        "bank_account": _account(scene, "9900"),
        "credit_limit": Decimal(scene.random.randrange(2, 40) * 10_000),
        "kyc_status": "VERIFIED",
        "risk_rating": "LOW",
        "kyc_reviewed_on": (at + timedelta(days=9)).date(),
        "kyc_review_due_on": (at + timedelta(days=374)).date(),
    }
    return _enter(scene, at, "sales.pemberly", None, values, points=[], over=over)


def _enter(
    scene: Scene, at: datetime, owner: str, city: City | None, values: Values, *, points: list[Values], over: Values
) -> Record:
    where = {} if city is None else {"country": "CN", "province": city.province, "city": city.name}
    number = f"K-{len(scene.customers) + 1:06d}"
    row = {
        "number": number,
        "source_channel": scene.pick(_CHANNELS),
        "lifecycle_stage": "PROSPECT",
        "tier": "STANDARD",
        "currency": "CNY",
        "pool_state": "OWNED",
        **where,
        **values,
        **scene.owner(owner),
        **over,
    }
    row.setdefault("description", None)
    row["custom"] = values_of(len(scene.customers) + 1, row["kind"])
    if row["email"]:
        points = [*points, _point("EMAIL", row["email"], row["email"], primary=not points)]
    if "phone" in over:
        points = [_point("MOBILE", over["phone"].removeprefix("+86"), over["phone"], primary=True), *points[1:]]
    children = {
        "contact_points": points,
        "addresses": [_address(scene, city, row)] if city else [],
        "external_refs": _refs(scene, at, row),
    }
    record = scene.ledger.create(Customer, at, row, actor=row["owner_id"], children=children)
    scene.customers.append(record)
    return record


def _refs(scene: Scene, at: datetime, row: Values) -> Sequence[Values]:
    source = "erp" if row["kind"] == "ORGANIZATION" else "shop"
    if scene.random.random() > (0.7 if source == "erp" else 0.4):
        return []
    digits = row["number"].removeprefix("K-")
    return [{"source": source, "external_id": f"K{digits}" if source == "erp" else f"member-{digits}", "synced_at": at}]


def _address(scene: Scene, city: City, row: Values) -> Values:
    return {
        "kind": "HOME" if row["kind"] == "PERSON" else "OFFICE",
        "country": "CN",
        "province": city.province,
        "city": city.name,
        "district": scene.pick(city.districts),
        "street": f"{scene.pick(names.STREETS)}{scene.random.randrange(1, 600)}号",
        "postal_code": f"{city.division[:4]}00",
        "recipient": row["name"],
        "recipient_phone": row["phone"],
        "is_primary": True,
    }


def _point(kind: str, raw: str, e164: str | None, *, primary: bool = False, label: str | None = None) -> Values:
    return {"kind": kind, "label": label, "raw": raw, "e164": e164, "is_primary": primary}


def _mobile(scene: Scene) -> str:
    """Eleven digits of a real range with `00` in the middle, as invented numbers here have it."""
    return f"1{scene.pick(('38', '39', '50', '58', '86', '88'))}00{scene.random.randrange(10**6):06d}"


def _as_written(scene: Scene, mobile: str) -> str:
    return scene.pick(
        (
            mobile,
            f"{mobile[:3]} {mobile[3:7]} {mobile[7:]}",
            f"+86 {mobile}",
            f"{mobile[:3]}-{mobile[3:7]}-{mobile[7:]}",
        )
    )


def _identity(scene: Scene, city: City, birth: date) -> Values:
    body = f"{city.division}{birth:%Y%m%d}{scene.random.randrange(1000):03d}"
    return {
        "id_number": body + ric.calc_check_digit(f"{body}0"),
        "bank_name": scene.pick(names.BANKS),
        "bank_account": _account(scene, "6200"),
        "kyc_status": "VERIFIED",
    }


def _credit_code(scene: Scene, city: City) -> str:
    body = f"91{city.division}MA{scene.random.randrange(10**7):07d}"
    return body + str(uscc.calc_check_digit(body))


def _account(scene: Scene, bank: str) -> str:
    body = f"{bank}{scene.random.randrange(10**14):014d}"
    return body + str(luhn.calc_check_digit(body))
