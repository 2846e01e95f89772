"""Says a stored condition in words, with what people call types, fields and options."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, assert_never

import orjson

from crm_graph.catalog import Catalog, EntityType, Field, Kind, Relation, Shape
from crm_graph.criteria.predicates import (
    YES_OR_NO,
    AllOf,
    AnyOf,
    Compare,
    Counted,
    Criteria,
    Not,
    Op,
    Quantifier,
    Related,
)
from crm_graph.criteria.reading import PredicateReader, stored_leaf
from crm_graph.errors import CrmError
from crm_graph.fragments import Const, Reckoned, Viewer, render
from crm_graph.messages import Locale, phrase
from crm_graph.moments import Duration, Relative

MOST_VALUES = 20
"""Of a list, so many are said, and of the others how many there are."""

Label = tuple[str, str]
"""In Chinese and in English."""


@dataclass(frozen=True)
class Vocabulary:
    """What people call types, their fields and relations, and the values of enums."""

    types: Mapping[str, Label]
    members: Mapping[tuple[str, str], Label]
    options: Mapping[type[StrEnum], Mapping[str, Label]]


@dataclass(frozen=True, slots=True)
class _Place:
    """What rows a condition is about, and what they are called where they are not the records themselves."""

    entity: EntityType
    whole: str = ""
    part: str = "said_part"


@dataclass(frozen=True, slots=True)
class _Clause:
    """A part of a sentence. `joined` are several with one word between, `open` is one that takes all that follows for
    its own; either is put in brackets where that would be read wrongly.
    """

    text: str
    joined: bool = False
    open: bool = False


@dataclass(frozen=True)
class ConditionWords:
    """Says conditions in a language."""

    catalog: Catalog
    vocabulary: Vocabulary
    locale: Locale

    def said(self, entity: EntityType, predicate: str) -> str:
        """A stored predicate on a type in words. Raises Invalid for one that does not read."""
        return self._read(entity, orjson.loads(predicate))

    def if_it_reads(self, type_: str, where: Any) -> str | None:
        """A condition on a type by its name in the API; None where there is none, or it no longer reads."""
        entity = self.catalog.by_api_name.get(type_)
        if where is None or entity is None:
            return None
        try:
            return self._read(entity, where)
        except CrmError:
            return None

    def _read(self, entity: EntityType, where: Any) -> str:
        criteria = PredicateReader(self.catalog, None, stored_leaf).read(entity, where)
        return self._clause(criteria, _Place(entity)).text

    def _clause(self, criteria: Criteria, place: _Place) -> _Clause:
        match criteria:
            case Compare():
                return _Clause(self._compared(self._subject(criteria.field, place), criteria))
            case AllOf():
                return self._joined("said_and", "said_always", self._flat(AllOf, criteria, place))
            case AnyOf():
                return self._joined("said_or", "said_never", self._flat(AnyOf, criteria, place))
            case Not(term):
                return self._opening("said_not", term, place)
            case Related():
                return self._related(criteria, place)
            case Counted():
                return self._counted(criteria, place)
            case _:
                assert_never(criteria)

    def _flat(self, kind: type[AllOf | AnyOf], criteria: Criteria, place: _Place) -> Iterator[_Clause]:
        """The clauses of a conjunction or disjunction, with those of one within it. What is said of a single other
        record is said of it by name, and so stands among them.
        """
        if isinstance(criteria, kind):
            for term in criteria.terms:
                yield from self._flat(kind, term, place)
        elif isinstance(criteria, Related) and criteria.relation.shape is Shape.ONE and _needs_it(criteria.term):
            yield from self._flat(kind, criteria.term, self._into(criteria.relation, place))
        else:
            yield self._clause(criteria, place)

    def _joined(self, word: str, nothing: str, clauses: Iterator[_Clause]) -> _Clause:
        found = list(clauses)
        if not found:
            return _Clause(self._say(nothing))
        if len(found) == 1:
            return found[0]
        parts = (self._bracketed(c.text) if c.joined or c.open else c.text for c in found)
        return _Clause(self._say(word).join(parts), joined=True)

    def _opening(self, key: str, criteria: Criteria, place: _Place, **details: str) -> _Clause:
        """What another clause ends."""
        inner = self._clause(criteria, place)
        text = self._bracketed(inner.text) if inner.joined else inner.text
        return _Clause(self._say(key, clause=text, **details), open=not inner.joined)

    def _bracketed(self, text: str) -> str:
        return self._say("said_brackets", clause=text)

    def _related(self, criteria: Related, place: _Place) -> _Clause:
        relation, term = criteria.relation, criteria.term
        things = self._called(relation, place)
        if relation.shape is Shape.ONE:
            there = _Clause(self._say("said_there_is", field=things))
            if term == AllOf(()):
                return there
            inner = self._clause(term, self._into(relation, place))
            return inner if _needs_it(term) else self._joined("said_and", "", iter((there, inner)))
        target = self.catalog[relation.target]
        if term == AllOf(()) and criteria.quantifier is not Quantifier.EVERY:
            return _Clause(self._say(f"said_{criteria.quantifier.value}_at_all", things=things))
        which = self._say(f"said_{criteria.quantifier.value}", things=things)
        if isinstance(term, Compare):
            return self._clause(term, _Place(target, which, "said_part_of"))
        return self._opening("said_such", term, _Place(target), which=which)

    def _counted(self, criteria: Counted, place: _Place) -> _Clause:
        target, things = self.catalog[criteria.relation.target], self._called(criteria.relation, place)
        if criteria.term == AllOf(()):
            number = self._say("said_number", things=things)
        else:
            clause = self._bracketed(self._clause(criteria.term, _Place(target)).text)
            number = self._say("said_number_such", things=things, clause=clause)
        return self._joined("said_and", "", (_Clause(self._compared(number, bound)) for bound in criteria.bounds))

    def _into(self, relation: Relation, place: _Place) -> _Place:
        return _Place(self.catalog[relation.target], self._called(relation, place))

    def _subject(self, field: Field, place: _Place) -> str:
        if field.name == "id":
            return place.whole or self._say("said_record", type=self._label(self.vocabulary.types[place.entity.name]))
        return self._called(field, place)

    def _called(self, member: Field | Relation, place: _Place) -> str:
        custom = member.custom if isinstance(member, Field) else None
        known = self.vocabulary.members
        label = self._label((custom.label_zh, custom.label_en) if custom else known[place.entity.name, member.name])
        return self._say(place.part, whole=place.whole, part=label) if place.whole else label

    def _label(self, label: Label) -> str:
        """As it stands within a sentence: in English without the capital, but for an abbreviation."""
        zh, en = label
        if self.locale == "zh":
            return zh
        first = en.partition(" ")[0]
        return en if first[1:] != first[1:].lower() else en[:1].lower() + en[1:]

    def _compared(self, subject: str, compare: Compare) -> str:
        field, op = compare.field, compare.op
        (value,) = (_value(source) for source in render(compare.value).sources)
        key = f"said_{op.name.lower()}"
        if op in YES_OR_NO:
            return self._say(key if value else f"{key}_not", field=subject)
        if op in (Op.IN, Op.NOT_IN) and isinstance(value, tuple) and len(value) == 1:
            key = "said_eq" if op is Op.IN else "said_ne"
        if op in (Op.LT, Op.LTE, Op.GT, Op.GTE):
            key += _ORDERS.get(field.kind, "")
        return self._say(key, field=subject, value=self._operand(field, value))

    def _operand(self, field: Field, value: Any) -> str:
        if not isinstance(value, tuple):
            return self._one(field, value)
        if not value:
            return self._say("said_no_values")
        values = self._say("said_values", values=[self._one(field, one) for one in value[:MOST_VALUES]])
        more = len(value) - MOST_VALUES
        return self._say("said_more_values", values=values, count=more) if more > 0 else values

    def _one(self, field: Field, value: Any) -> str:
        if isinstance(value, Viewer):
            return self._say(f"said_{value.name}")
        if isinstance(value, Relative):
            return self._relative(value)
        if isinstance(value, bool):
            return self._say("said_yes" if value else "said_no")
        if isinstance(value, str) and field.enum is not None:
            return self.vocabulary.options[field.enum][value][self.locale != "zh"]
        return self._say("said_text", text=value) if isinstance(value, str) else _plain(value)

    def _relative(self, value: Relative) -> str:
        back = min(value.move.months, value.move.days, value.move.seconds) < 0
        time = self._duration(-value.move if back else value.move)
        if value.start is not None:
            said = start = self._say(f"said_start_{value.start.value}")
            if time:
                said = self._say("said_before" if back else "said_after", time=time, start=start)
        elif time:
            said = self._say("said_ago" if back else "said_ahead", time=time)
        else:
            said = self._say("said_today" if value.dated else "said_now")
        return said if value.zone is None else self._say("said_zone", moment=said, zone=value.zone)

    def _duration(self, time: Duration) -> str:
        """Its parts that are not zero, the longest first."""
        minutes, seconds = divmod(time.seconds, 60)
        parts: Sequence[tuple[str, int]] = (
            ("years", time.months // 12),
            ("months", time.months % 12),
            ("days", time.days),
            ("hours", minutes // 60),
            ("minutes", minutes % 60),
            ("seconds", seconds),
        )
        return " ".join(self._say(f"said_{unit}" + "_one" * (n == 1), n=n) for unit, n in parts if n)

    def _say(self, key: str, **details: Any) -> str:
        return phrase(key, self.locale, **details)


_ORDERS: Mapping[Kind, str] = {Kind.DATE: "_time", Kind.DATE_TIME: "_time", Kind.TEXT: "_text"}


def _value(source: Any) -> Any:
    """What a leaf of a stored predicate is compared with."""
    match source:
        case Reckoned(Const(value)) | Const(value):
            return value
    return source


def _plain(value: Any) -> str:
    """A number, a day, a moment or an id."""
    match value:
        case datetime():
            return f"{value.astimezone(UTC).replace(tzinfo=None).isoformat(' ')} UTC"
        case date():
            return value.isoformat()
        case Decimal():
            return f"{value:f}"
    return str(value)


def _needs_it(criteria: Criteria) -> bool:
    """Whether a condition on a single other record holds only where there is one, by how it is said."""
    match criteria:
        case Compare():
            return True
        case AllOf(terms):
            return any(map(_needs_it, terms))
        case AnyOf(terms):
            return bool(terms) and all(map(_needs_it, terms))
        case Related(relation, quantifier):
            return relation.shape is Shape.ONE or quantifier is Quantifier.SOME
        case _:
            return False
