"""What the demo company adds to its customers: three custom fields, and values that follow from a customer's number."""

from typing import Any

from crm_graph.models import CustomField
from crm_graph.models.custom_fields import CustomKind
from crm_graph.models.fields import DataClass
from crm_graph.seeding.ledger import Ledger

_TIMES = (
    ("MORNING", "Weekday mornings", "工作日上午"),
    ("AFTERNOON", "Weekday afternoons", "工作日下午"),
    ("EVENING", "Weekday evenings", "工作日晚上"),
    ("WEEKEND", "Weekends", "周末"),
)
_INTERESTS = ("洗碗机", "净水器", "新风系统", "中央空调", "智能门锁")


def define(ledger: Ledger) -> None:
    """The rows of the three."""
    for position, row in enumerate(
        (
            ("loyaltyCard", CustomKind.TEXT, DataClass.CONTACT, "Loyalty card", "会员卡号", True, ()),
            ("visitTime", CustomKind.ENUM, DataClass.BASIC, "When to visit", "上门时段", False, _TIMES),
            ("interests", CustomKind.TEXT_LIST, DataClass.BASIC, "Interested in", "意向品类", False, ()),
        )
    ):
        key, kind, data_class, en, zh, personal, options = row
        ledger.add(
            CustomField,
            {
                "entity_type": "customer",
                "key": key,
                "kind": kind,
                "options": [{"key": k, "en": e, "zh": z} for k, e, z in options],
                "data_class": data_class.value,
                "personal": personal,
                "label_en": en,
                "label_zh": zh,
                "position": position,
            },
        )


def values_of(number: int, kind: str) -> dict[str, Any]:
    """The custom values of the customer of that number; they take no draw of the seed's from what it makes else."""
    if kind != "PERSON":
        return {"interests": [_INTERESTS[3]]} if number % 2 else {}
    made: dict[str, Any] = {"loyaltyCard": f"CH{880_000 + number * 37}"} if number % 4 else {}
    if number % 3:
        made["visitTime"] = _TIMES[number % len(_TIMES)][0]
    interests = [name for n, name in enumerate(_INTERESTS) if (number + n) % 4 == 0]
    return {**made, "interests": interests} if interests else made
