"""What transitions ask for, evaluated for one record: fields, a note, a governed reason, an action of the mover."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from crm_graph.access import Access, Level
from crm_graph.catalog import EntityType
from crm_graph.errors import StageNotAllowed
from crm_graph.messages import Locale, render


class RequirementKind(StrEnum):
    FIELD = "FIELD"
    NOTE = "NOTE"
    REASON = "REASON"
    ACTION = "ACTION"


HIDDEN = "HIDDEN"
"""The code of a requirement that the asker cannot see: they learn that it is not met, and no more."""


@dataclass(frozen=True, slots=True)
class Mover:
    """Who moves and what they see of the record: `value` of a column, `level` of a field."""

    access: Access
    locale: Locale
    value: Callable[[str], Any]
    level: Callable[[str], Level]
    note: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """One requirement and whether it is met. `field` is an API name."""

    code: str
    satisfied: bool
    message: str
    field: str | None = None

    def as_told(self) -> dict[str, Any]:
        """The check as clients get it."""
        return {"satisfied": self.satisfied, "code": self.code, "message": self.message, "field": self.field}


def reason_lists(requirements: Sequence[Mapping[str, Any]]) -> list[str]:
    """The lists that the reasons of some requirements come from."""
    return [r["list"] for r in requirements if r["kind"] == RequirementKind.REASON]


def check(
    entity: EntityType,
    requirements: Sequence[Mapping[str, Any]],
    mover: Mover,
    reasons: Mapping[str, Sequence[str]],
) -> list[Check]:
    """Every requirement of a transition, met or not. A hidden one that is met is not spoken of."""
    checks = []
    for requirement in requirements:
        match RequirementKind(requirement["kind"]):
            case RequirementKind.FIELD:
                found = _field(entity, requirement["field"], mover)
            case RequirementKind.NOTE:
                found = _note(int(requirement["minLength"]), mover)
            case RequirementKind.REASON:
                found = _reason(reasons.get(requirement["list"], ()), mover)
            case RequirementKind.ACTION:
                found = _action(requirement["action"], mover)
        if found is not None:
            checks.append(found)
    return checks


def _field(entity: EntityType, column: str, mover: Mover) -> Check | None:
    met = mover.value(column) is not None
    if mover.level(column) < Level.READ:
        return None if met else _told(HIDDEN, mover, "requirement_hidden", met=False)
    api_name = entity.fields[column].api_name
    return _told("FIELD", mover, "requirement_field", met=met, field=api_name)


def _note(least: int, mover: Mover) -> Check:
    met = mover.note is not None and len(mover.note.strip()) >= least
    return _told("NOTE", mover, "requirement_note", met=met, min=least)


def _reason(allowed: Sequence[str], mover: Mover) -> Check:
    return _told("REASON", mover, "requirement_reason", met=mover.reason in allowed, allowed=list(allowed))


def _action(action: str, mover: Mover) -> Check:
    return _told("ACTION", mover, "requirement_action", met=mover.access.may(action), action=action)


def _told(code: str, mover: Mover, template: str, *, met: bool, field: str | None = None, **details: Any) -> Check:
    text = render(StageNotAllowed(template, field=field, **details), mover.locale)
    return Check(code, met, text, field)
