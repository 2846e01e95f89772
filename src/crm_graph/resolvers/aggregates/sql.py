"""An aggregate as SQL: rows with their keys and values, grouped, kept, ordered, limited, and written as JSON."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import LiteralString

from crm_graph.access import Level
from crm_graph.catalog import Field, Kind, Relation
from crm_graph.criteria.compiling import Compiler
from crm_graph.criteria.rows import Row, own_row, related_join, related_rows
from crm_graph.fragments import EMPTY, TRUE, Fragment, all_of, const, join, name, number, sql, text
from crm_graph.resolvers.aggregates.plan import (
    Aggregate,
    Capped,
    DateBucket,
    Function,
    GroupKey,
    GroupMember,
    GroupOrder,
    Measure,
    Missing,
    Nested,
    Shown,
)
from crm_graph.resolvers.cells import NULL
from crm_graph.resolvers.json_sql import as_object
from crm_graph.resolvers.matching import matching_rows
from crm_graph.resolvers.plan import Typename
from crm_graph.resolvers.rows import Context, RowFlags, columns_used

_UNITS: dict[DateBucket, LiteralString] = {
    DateBucket.DAY: "'day'",
    DateBucket.WEEK: "'week'",
    DateBucket.MONTH: "'month'",
    DateBucket.QUARTER: "'quarter'",
    DateBucket.YEAR: "'year'",
}
_GROUP = "g"


def aggregate(plan: Aggregate, parent: Row | None, context: Context) -> Fragment:
    """The JSON of an aggregate."""
    row = own_row(plan.entity, context.alias())
    return _AggregateWriter(plan, row, parent, context, context.flags(row, few=False)).write()


@dataclass
class _AggregateWriter:
    plan: Aggregate
    row: Row
    parent: Row | None
    context: Context
    flags: RowFlags
    joined: dict[tuple[Relation, ...], tuple[Row, Fragment]] = field(default_factory=dict)

    def write(self) -> Fragment:
        listed = [part for part in self.plan.parts if isinstance(part, Nested)]
        columns = [sql("{o} AS {j}", o=self._object(p.members), j=name(f"j{i}")) for i, p in enumerate(listed, 1)]
        arrays = [sql("array_agg(x.{j}) AS {j}", j=name(f"j{i}")) for i in range(1, len(listed) + 1)]
        answer = [(p.key, self._part(p, listed)) for p in self.plan.parts]
        return sql(
            "(SELECT {answer} FROM (SELECT {arrays} FROM (SELECT {columns} FROM {groups} AS g) AS x) AS a)",
            answer=as_object(answer),
            arrays=join(", ", [*arrays, sql("count(*) AS n")]),
            columns=join(", ", columns),
            groups=self._groups(),
        )

    def _part(self, part: Typename | Capped | Nested, listed: Sequence[Nested]) -> Fragment:
        match part:
            case Typename():
                return text(part.name)
            case Capped():
                return sql("a.n > {size}", size=self.plan.size)
            case Nested():
                array = name(f"j{listed.index(part) + 1}")
                return sql(
                    "COALESCE(array_to_json((a.{array})[:{size}]), '[]'::json)", array=array, size=self.plan.size
                )

    def _groups(self) -> Fragment:
        """The groups that are kept, in order, and one more. The inner literal LIMIT tells the planner of a generic plan
        how few they are.
        """
        keys = [name(f"k{i}") for i in range(1, len(self.plan.keys) + 1)]
        measured = [
            sql("{measure} AS {a}", measure=self._measure(measure), a=name(f"a{i}"))
            for i, measure in enumerate(self.plan.measures, 1)
        ]
        grouped = sql(
            "SELECT {columns} FROM {rows} AS r GROUP BY {keys}",
            columns=join(", ", [*(sql("r.{k}", k=k) for k in keys), *measured]),
            rows=self._rows(),
            keys=join(", ", [sql("r.{k}", k=k) for k in keys]) if keys else sql("()"),
        )
        kept = EMPTY
        if self.plan.having is not None:
            group = Row(self.plan.entity, _GROUP, self.plan.entity, _GROUP)
            kept = sql(
                " WHERE {having}",
                having=Compiler(self.context.catalog, None, self.context.aliases).condition(self.plan.having, group),
            )
        order = EMPTY
        if self.plan.order:
            order = sql(" ORDER BY {keys}", keys=join(", ", [_direction(key) for key in self.plan.order]))
        return sql(
            "(SELECT * FROM (SELECT * FROM ({grouped}) AS g{kept}{order} LIMIT {cap}) AS p LIMIT {size} + 1)",
            grouped=grouped,
            kept=kept,
            order=order,
            cap=number(self.context.limits.max_groups + 1),
            size=self.plan.size,
        )

    def _measure(self, measure: Measure) -> Fragment:
        if measure.field is None:
            return sql("count(*)")
        value = sql("r.{m}", m=name(self._value_column(measure.field)))
        match measure.function:
            case Function.SUM:
                return sql("sum({v})", v=value)
            case Function.AVG:
                scale = number(2 if measure.field.kind is Kind.MONEY else 6)
                return sql("round(avg({v}), {scale})", v=value, scale=scale)
            case Function.MIN:
                return sql("min({v})", v=value)
            case Function.MAX:
                return sql("max({v})", v=value)
        return sql("count(DISTINCT {v})", v=value)

    @property
    def _measured_fields(self) -> list[Field]:
        return list(dict.fromkeys(m.field for m in self.plan.measures if m.field is not None))

    def _value_column(self, member: Field) -> str:
        return f"m{self._measured_fields.index(member) + 1}"

    def _rows(self) -> Fragment:
        """The matching rows, each as its keys `k1…` and the values that are measured, `m1…`; what is withheld is NULL.

        OFFSET 0 keeps the planner from pulling row flags up and computing them once per cell.
        """
        matching = matching_rows(self.plan, self.parent, self.row, self.context)
        values = [(f"k{i}", self._key(key)) for i, key in enumerate(self.plan.keys, 1)]
        values += [(self._value_column(f), self._cell(self.row, f, self.flags)) for f in self._measured_fields]
        columns = join(", ", [sql("{v} AS {c}", v=value, c=name(column)) for column, value in values])
        joins = join("", [joined for _, joined in self.joined.values()])
        if not self.flags.columns:
            return sql(
                "(SELECT {columns} FROM {source}{joins} WHERE {where})",
                columns=columns,
                source=matching.source,
                joins=joins,
                where=matching.condition,
            )
        return sql(
            "(SELECT {columns} FROM (SELECT {used}{flags} FROM {source} WHERE {where} OFFSET 0) AS {a}{joins})",
            columns=columns,
            a=name(self.row.alias),
            used=columns_used(self.row, [columns, joins], self.flags.names),
            flags=self.flags.flag_columns(),
            source=matching.source,
            joins=joins,
            where=matching.condition,
        )

    def _key(self, key: GroupKey) -> Fragment:
        row = self._row(key.path)
        value = self._cell(row, key.field, self.flags if row is self.row else self.context.compiler())
        if key.bucket is None or (key.zone is None and key.bucket is DateBucket.DAY):
            return value
        local = sql("{v} AT TIME ZONE {zone}", v=value, zone=key.zone) if key.zone else sql("{v}::timestamp", v=value)
        return sql("date_trunc({unit}, {local})::date", unit=sql(_UNITS[key.bucket]), local=local)

    def _row(self, path: tuple[Relation, ...]) -> Row:
        """The row at the end of to-one relations, joined once; one that does not exist for the asker has no values."""
        if not path:
            return self.row
        if path not in self.joined:
            here, relation = self._row(path[:-1]), path[-1]
            target = self.context.catalog[relation.target]
            there = here.child(relation, target, self.context.alias())
            on = all_of([related_join(relation, here, there.alias), self.context.compiler().visible(there)])
            rows = related_rows(relation, target, there.alias)
            self.joined[path] = there, sql(" LEFT JOIN {rows} ON {on}", rows=rows, on=on)
        return self.joined[path][0]

    def _cell(self, row: Row, member: Field, compiler: Compiler) -> Fragment:
        """What is grouped or measured: the value in base currency where it is money, NULL where it is withheld.

        Grouped by currency it is the amount as it stands, if the asker may read in which currency that is.
        """
        readable, value = compiler.cell(row, member, Level.READ), row.comparable(member)
        if member.custom is not None and member.kind is Kind.DECIMAL:
            # Equal numbers are one key and one smallest value, and 1.5 and 1.50 are equal: they are written alike.
            value = sql("trim_scale({v})", v=value)
        if member.kind is Kind.MONEY and row is self.row and self._currency is not None:
            _, currency = self._currency
            readable, value = all_of([readable, compiler.cell(row, currency, Level.READ)]), row.value(member)
        return value if readable == TRUE else sql("CASE WHEN {r} THEN {v} END", r=readable, v=value)

    @property
    def _currency(self) -> tuple[str, Field] | None:
        """The column of the key that rows are grouped by currency with, and its field."""
        for i, key in enumerate(self.plan.keys, 1):
            if not key.path and key.field.name == "currency":
                return f"k{i}", key.field
        return None

    def _object(self, members: Sequence[GroupMember]) -> Fragment:
        return as_object([(m.key, self._member(m)) for m in members])

    def _member(self, member: GroupMember) -> Fragment:
        match member:
            case Typename():
                return text(member.name)
            case Missing():
                return NULL
            case Nested():
                return self._object(member.members)
            case Shown():
                return self._shown(member)

    def _shown(self, shown: Shown) -> Fragment:
        value = sql("g.{c}", c=name(shown.column))
        if shown.parts:
            return self._money(shown, value)
        of = shown.of
        kind = of.kind if isinstance(of, Measure) else of.field.kind
        return sql("{v}::text", v=value) if kind in (Kind.DECIMAL, Kind.BIG_INT) else value

    def _money(self, shown: Shown, value: Fragment) -> Fragment:
        related = isinstance(shown.of, GroupKey) and bool(shown.of.path)
        if self._currency is not None and not related:
            currency = sql("g.{c}", c=name(self._currency[0]))
        else:
            currency = const(self.context.limits.base_currency, "text")
        values = {"amount": sql("{v}::text", v=value), "currency": currency, "__typename": text("Money")}
        pairs = as_object([(key, values[part]) for key, part in shown.parts])
        return sql("CASE WHEN {v} IS NOT NULL THEN {pairs} END", v=value, pairs=pairs)


def _direction(key: GroupOrder) -> Fragment:
    column = sql("g.{c}", c=name(key.column))
    if key.descending:
        return sql("{c} DESC", c=column) if key.nulls_first else sql("{c} DESC NULLS LAST", c=column)
    return sql("{c} NULLS FIRST", c=column) if key.nulls_first else column
