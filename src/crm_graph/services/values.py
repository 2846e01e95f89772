"""Input values: what a client, a file or another system sends for an entity's fields, made into what columns hold."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal
from zoneinfo import ZoneInfo

from crm_graph.catalog import EntityType, Field, Kind, writable
from crm_graph.errors import Invalid, Required, UserFault
from crm_graph.services import parsers, standards
from crm_graph.services.contact_points import normalise_email, normalise_phone
from crm_graph.services.parsers import Parser

Names = Literal["api", "column"]

# Longer than this, a text is prose and may have lines.
_LINE_LENGTH = 500
_INT_MAX = 2**31 - 1
_BIG_INT_MAX = 2**63 - 1
_UTC = ZoneInfo("UTC")


def read_values(
    entity: EntityType,
    raw: Mapping[str, Any],
    *,
    creating: bool,
    names: Names = "api",
    zone: ZoneInfo = _UTC,
    ignore: Collection[str] = (),
) -> tuple[dict[str, Any], list[UserFault]]:
    """The typed values of an input by column name, and everything that is wrong with it.

    Keys are GraphQL (or column) names of writable fields; keys in `ignore` belong to others (relations, children).
    A field left out stays out; null, and the empty text that a file has for it, clears. `creating` asks for what a
    record cannot be without. `zone` is where times without an offset are. Faults carry `path=(GraphQL name,)`.
    """
    slots, needed = _plan(_Identity(entity), names, zone, creating=creating)
    typed: dict[str, Any] = {}
    faults: list[UserFault] = []
    for key, value in raw.items():
        slot = slots.get(key)
        if slot is None:
            if key not in ignore:
                faults.append(Invalid("unknown_field", path=(key,)))
            continue
        try:
            parsed = None if value is None else slot.parse(value)
        except UserFault as fault:
            faults.append(_at(fault, slot.api_name))
            continue
        if parsed is None and slot.required:
            faults.append(Required(path=(slot.api_name,)))
        else:
            typed[slot.column] = parsed
    faults.extend(Required(path=(slots[key].api_name,)) for key in needed if key not in raw)
    _check_tax_id(typed, faults)
    return typed, faults


@dataclass(frozen=True, slots=True)
class _Slot:
    column: str
    api_name: str
    parse: Parser
    required: bool


class _Identity:
    """An entity type as a key of the cache: the catalog has each once, and its mappings have no hash."""

    __slots__ = ("entity",)

    def __init__(self, entity: EntityType) -> None:
        self.entity = entity

    def __hash__(self) -> int:
        return id(self.entity)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and other.entity is self.entity


@lru_cache(maxsize=512)
def _plan(key: _Identity, names: Names, zone: ZoneInfo, *, creating: bool) -> tuple[dict[str, _Slot], tuple[str, ...]]:
    slots: dict[str, _Slot] = {}
    needed: list[str] = []
    for field in writable(key.entity, creating=creating):
        name = field.api_name if names == "api" else field.name
        required = field.info.required or not field.nullable
        slots[name] = _Slot(field.name, field.api_name, _parser(key.entity, field, zone), required)
        if creating and required and not field.has_default:
            needed.append(name)
    return slots, tuple(needed)


def _parser(entity: EntityType, field: Field, zone: ZoneInfo) -> Parser:
    max_length = field.info.max_length
    if field.kind is Kind.TEXT:
        return _NAMED.get(field.name) or parsers.text(max_length, multiline=max_length > _LINE_LENGTH)
    if field.kind is Kind.ENUM and field.enum is not None:
        return parsers.enumeration(field.enum)
    if field.kind in (Kind.MONEY, Kind.DECIMAL):
        column = entity.model.__table__.columns[field.name]
        return parsers.decimal(column.type.precision, column.type.scale, money=field.kind is Kind.MONEY)
    if field.kind is Kind.DATE_TIME:
        return parsers.instant(zone)
    return _SIMPLE[field.kind]


def _line(max_length: int, then: Callable[[str], str]) -> Parser:
    line = parsers.text(max_length, multiline=False)

    def parse(value: Any) -> str | None:
        text = line(value)
        return None if text is None else then(text)

    return parse


# Counts and durations: nothing that clients write as Int is ever negative.
_SIMPLE: Mapping[Kind, Parser] = {
    Kind.INT: parsers.integer(0, _INT_MAX),
    Kind.BIG_INT: parsers.integer(0, _BIG_INT_MAX),
    Kind.BOOLEAN: parsers.boolean,
    Kind.DATE: parsers.day,
}

# Texts that are more than text wherever they stand.
_NAMED: Mapping[str, Parser] = {
    "currency": standards.currency,
    "country": standards.country,
    "language": standards.language,
    "locale": standards.language,
    "time_zone": standards.time_zone,
    "phone": _line(254, lambda text: normalise_phone(text).text),
    "recipient_phone": _line(254, lambda text: normalise_phone(text).text),
    "email": _line(254, lambda text: normalise_email(text).text),
}


def _check_tax_id(typed: dict[str, Any], faults: list[UserFault]) -> None:
    number = typed.get("tax_id")
    if number is None:
        return
    try:
        typed["tax_id"] = standards.tax_id(number, typed.get("country"))
    except Invalid as fault:
        del typed["tax_id"]
        faults.append(_at(fault, "taxId"))


def _at(fault: UserFault, name: str) -> UserFault:
    fault.at(name)
    return fault
