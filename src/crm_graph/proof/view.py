"""The naive view: which rows exist for an asker, what each cell shows, and whether a predicate holds, row by row."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cached_property
from typing import Any
from uuid import UUID

import orjson

from crm_graph.access import Access, Level, RowScope
from crm_graph.catalog import Catalog, EntityType, Field, Kind, Relation, Shape
from crm_graph.models.roles import RowRule
from crm_graph.permissions.principals import Principal
from crm_graph.proof.custom import custom_value
from crm_graph.proof.masks import MASKS
from crm_graph.proof.moments import reckon
from crm_graph.proof.rows import NOON, Row, Tables


@dataclass(frozen=True)
class Record:
    """A row of a type, and the root row whose grants decide about it."""

    entity: EntityType
    row: Row
    root: EntityType
    root_row: Row
    prefix: str = ""


@dataclass
class View:
    """The rows as one asker sees them; without `access` with system rights."""

    catalog: Catalog
    tables: Tables
    principal: Principal
    access: Access | None
    _matched: dict[tuple[RowScope, UUID], bool] = field(default_factory=dict)

    @cached_property
    def system(self) -> "View":
        """The same rows with system rights, which row rules are read with."""
        return View(self.catalog, self.tables, self.principal, None)

    def records(self, entity: EntityType) -> Iterator[Record]:
        """Every row of a root type that exists for the asker, archived ones included."""
        for row in self.tables[entity.table]:
            record = Record(entity, row, entity, row)
            if self.exists(record):
                yield record

    def exists(self, record: Record) -> bool:
        """A root row exists by any grant that matches it, a child by one that shows something of such children."""
        if self.access is None:
            return True
        grants = self.access.grants(record.root.name)
        if not record.prefix:
            return any(self.matches(g.scope, record) for g in grants)
        return any(
            self.matches(g.scope, record)
            and any(path.startswith(record.prefix) and level > Level.HIDDEN for path, level in g.levels.items())
            for g in grants
        )

    def level(self, record: Record, name: str) -> Level:
        """The highest level that a single matching grant gives to a cell."""
        if self.access is None:
            return Level.READ
        grants = self.access.grants(record.root.name)
        return max(
            (g.level(record.prefix + name) for g in grants if self.matches(g.scope, record)), default=Level.HIDDEN
        )

    def ceiling(self, record: Record, name: str) -> Level:
        """The highest level that any grant gives to the field."""
        if self.access is None:
            return Level.READ
        grants = self.access.grants(record.root.name)
        return max((g.level(record.prefix + name) for g in grants), default=Level.HIDDEN)

    def comparable(self, record: Record, member: Field) -> Any:
        """What filters and orders see: the value, in base currency where there is one; None where it is withheld."""
        if self.level(record, member.name) is not Level.READ:
            return None
        return record.row.get(f"{member.name}_base", stored(record, member))

    def shown(self, record: Record, member: Field) -> Any:
        """The value, its mask, or None."""
        value, level = stored(record, member), self.level(record, member.name)
        if level is Level.READ or value is None:
            return value if level is Level.READ else None
        if level is Level.HIDDEN or member.info.mask is None:
            return None
        return MASKS[member.info.mask](value)

    def masked_fields(self, record: Record) -> list[str]:
        """The fields of the schema that this row withholds."""
        return [
            member.api_path
            for member in record.entity.cells
            if self.ceiling(record, member.name) > Level.HIDDEN and self.level(record, member.name) is not Level.READ
        ]

    def related(self, record: Record, relation: Relation) -> list[Record]:
        """The rows that a relation leads to and that exist for the asker, by id."""
        target = self.catalog[relation.target]
        here = record.row[relation.local]
        if here is None:
            return []
        if relation.link is not None:
            keys = {r[relation.link.there] for r in self.tables[relation.link.table] if r[relation.link.here] == here}
        else:
            keys = {here}
        rows = sorted((r for r in self.tables[target.table] if r[relation.remote] in keys), key=lambda r: r["id"])
        if target.is_child:
            prefix = f"{record.prefix}{relation.name}."
            found = [Record(target, row, record.root, record.root_row, prefix) for row in rows]
        else:
            found = [Record(target, row, target, row) for row in rows]
        return [r for r in found if self.exists(r)]

    def matches(self, scope: RowScope, record: Record) -> bool:
        """Whether a row scope matches the record's root row, with system rights."""
        key = (scope, record.root_row["id"])
        if key not in self._matched:
            self._matched[key] = all(self._match(part, record.root, record.root_row) for part in scope.parts)
        return self._matched[key]

    def _match(self, scope: RowScope, entity: EntityType, row: Row) -> bool:
        who = self.principal
        match scope.rule:
            case RowRule.ALL:
                return True
            case RowRule.OWN:
                if not entity.owned:
                    return bool(row["id"] == who.user_id)
                shared = {c["user_id"] for c in self.tables["collaborations"] if c["entity_id"] == row["id"]}
                return row["owner_id"] == who.user_id or who.user_id in shared
            case RowRule.TEAM:
                return row["team_id" if entity.owned else "id"] in who.team_ids
            case RowRule.TEAM_AND_BELOW:
                return row["team_id" if entity.owned else "id"] in who.team_tree_ids
        return self.system.holds(orjson.loads(scope.predicate or "{}"), Record(entity, row, entity, row))

    def holds(self, tree: Mapping[str, Any], record: Record, *, exact: bool = False) -> bool:
        """Whether a predicate holds; every condition is either true or false. With `exact`, where a value that is
        masked may be looked up: at the top, and in an `and`.
        """
        return all(self._term(key, value, record, exact=exact) for key, value in tree.items())

    def _term(self, key: str, value: Any, record: Record, *, exact: bool) -> bool:
        match key:
            case "and":
                return all(self.holds(tree, record, exact=exact) for tree in listed(value))
            case "or":
                return any(self.holds(tree, record) for tree in listed(value))
            case "not":
                return not self.holds(value, record)
            case "custom":
                return all(self._compared(record.entity.custom[k], tree, record) for k, tree in value.items())
        member = record.entity.by_api_name[key]
        if isinstance(member, Field):
            return all(self._conditions(member, value, record, exact=exact))
        return self._related_hold(member, value, record)

    def _related_hold(self, member: Relation, value: Any, record: Record) -> bool:
        related = self.related(record, member)
        if member.shape is Shape.ONE:
            return any(self.holds(value, r) for r in related)
        related = [r for r in related if r.row.get("archived_at") is None]
        return all(self._quantified(quantifier, tree, related) for quantifier, tree in value.items())

    def _count_holds(self, tree: Mapping[str, Any], related: Sequence[Record]) -> bool:
        where = tree.get("where")
        count = sum(1 for r in related if where is None or self.holds(where, r))
        return all(
            self._holds_for(op, count, listed(raw) if op in ("in", "notIn") else raw)
            for op, raw in tree.items()
            if op != "where"
        )

    def _quantified(self, quantifier: str, tree: Mapping[str, Any], related: Sequence[Record]) -> bool:
        if quantifier == "count":
            return self._count_holds(tree, related)
        results = [self.holds(tree, r) for r in related]
        return {"some": any(results), "every": all(results), "none": not any(results)}[quantifier]

    def _conditions(
        self, member: Field, conditions: Mapping[str, Any], record: Record, *, exact: bool
    ) -> Iterator[bool]:
        for op, raw in conditions.items():
            if exact and op in ("eq", "in") and self.looks_up(record, member):
                yield self.has(record, member, raw)
            else:
                yield self._compared(member, {op: raw}, record)

    def looks_up(self, record: Record, member: Field) -> bool:
        """Whether a field of a type can be looked up at all: a text that some grant gives no more of."""
        grants = self.access.grants(record.root.name) if self.access else ()
        return member.kind is Kind.TEXT and any(g.level(member.name) is Level.LOOKUP for g in grants)

    def has(self, record: Record, member: Field, raw: Any) -> bool:
        """Whether a record is found by one of some values of a field, read or looked up."""
        return self.level(record, member.name) >= Level.LOOKUP and stored(record, member) in listed(raw)

    def _compared(self, member: Field, conditions: Mapping[str, Any], record: Record) -> bool:
        return self.meets(member, conditions, self.comparable(record, member))

    def meets(self, member: Field, conditions: Mapping[str, Any], actual: Any) -> bool:
        """Whether a value of a field's kind meets all conditions."""
        return all(self._holds_for(op, actual, self._operand(member, op, raw)) for op, raw in conditions.items())

    def _holds_for(self, op: str, actual: Any, operand: Any) -> bool:
        match op:
            case "isNull":
                return (actual is None) is operand
            case "ne":
                return bool(actual is None or actual != operand)
            case "notIn":
                return actual is None or actual not in operand
        return actual is not None and bool(_POSITIVE[op](actual, operand))

    def _operand(self, member: Field, op: str, raw: Any) -> Any:
        if op in ("isNull", "isEmpty"):
            return raw
        if isinstance(raw, Mapping) and "$viewer" in raw:
            who = self.principal
            return {"id": who.user_id, "team_ids": who.team_ids, "team_tree_ids": who.team_tree_ids}[raw["$viewer"]]
        if op in ("in", "notIn", "hasAny", "hasAll"):
            return [self._literal(member.kind, item) for item in listed(raw)]
        return self._literal(member.kind, raw)

    def _literal(self, kind: Kind, raw: Any) -> Any:
        if isinstance(raw, Mapping):
            return reckon(raw, NOON, self.principal.time_zone, dated=kind is Kind.DATE)
        return literal(kind, raw)


_POSITIVE: Mapping[str, Callable[[Any, Any], Any]] = {
    "eq": lambda a, b: a == b,
    "in": lambda a, b: a in b,
    "lt": lambda a, b: a < b,
    "lte": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "gte": lambda a, b: a >= b,
    "contains": lambda a, b: b in a,
    "startsWith": lambda a, b: a.startswith(b),
    "has": lambda a, b: b in a,
    "hasAny": lambda a, b: any(item in a for item in b),
    "hasAll": lambda a, b: all(item in a for item in b),
    "isEmpty": lambda a, b: (len(a) == 0) is b,
    "endsWith": lambda a, b: a.endswith(b),
    "eqInsensitive": lambda a, b: lowered(a) == lowered(b),
    "containsInsensitive": lambda a, b: lowered(b) in lowered(a),
    "startsWithInsensitive": lambda a, b: lowered(a).startswith(lowered(b)),
    "endsWithInsensitive": lambda a, b: lowered(a).endswith(lowered(b)),
}


def stored(record: Record, member: Field) -> Any:
    """What the row holds."""
    return custom_value(member, record.row["custom"]) if member.custom else record.row[member.name]


def lowered(text: str) -> str:
    """Each character's own lower case (Unicode, simple mapping), whatever stands around it."""
    return "".join("i" if character == "İ" else character.lower() for character in text)


def listed(value: Any) -> list[Any]:
    """A list; GraphQL takes a single item for a list of one."""
    return list(value) if isinstance(value, list | tuple) else [value]


def literal(kind: Kind, raw: Any) -> Any:
    """A value of the API as Python has it."""
    match kind:
        case Kind.ID:
            return UUID(raw)
        case Kind.DECIMAL | Kind.MONEY:
            return Decimal(str(raw))
        case Kind.BIG_INT:
            return int(raw)
        case Kind.DATE:
            return date.fromisoformat(raw)
        case Kind.DATE_TIME:
            return datetime.fromisoformat(raw).astimezone(UTC)
    return raw
