"""Predicates and rights become SQL conditions."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from typing import LiteralString

import orjson

from crm_graph.access import Access, Level, RowScope, broadest
from crm_graph.catalog import CUSTOM, Catalog, EntityType, Field, Kind, Relation, Shape
from crm_graph.criteria.predicates import MANY, AllOf, AnyOf, Compare, Counted, Criteria, Not, Op, Quantifier, Related
from crm_graph.criteria.reading import PredicateReader, stored_leaf
from crm_graph.criteria.rows import Row, own_row, related_join, related_rows
from crm_graph.fragments import (
    EMPTY,
    FALSE,
    TRUE,
    Above,
    Const,
    Fragment,
    Param,
    Viewer,
    all_of,
    any_of,
    const,
    join,
    name,
    negation,
    param,
    sql,
    text,
)
from crm_graph.models.roles import RowRule


@dataclass
class Compiler:
    """Turns criteria and rights into SQL conditions. Without `access` it compiles with system rights.

    With `few`, conditions are for the rows of a page: related rows are looked up row by row. Postgres, which knows no
    page size, would rather gather in a hash all that anyone has to do with.
    """

    catalog: Catalog
    access: Access | None
    aliases: Iterator[int] = field(default_factory=lambda: count(1))
    few: bool = False

    def alias(self) -> str:
        """A fresh table alias."""
        return f"t{next(self.aliases)}"

    def visible(self, row: Row) -> Fragment:
        """Whether the row exists for the asker: by any grant on it, a child by one that shows something of it."""
        if self.access is None:
            return TRUE
        grants = self.access.grants(row.root.name)
        showing = [g for g in grants if g.shows(row.prefix)]
        if row.entity.is_child and len(showing) == len(grants):
            return TRUE
        return any_of(self.scope(row, scope) for scope in broadest(g.scope for g in showing))

    def cell(self, row: Row, member: Field, least: Level) -> Fragment:
        """Whether the cell of a visible row has at least that level by a single grant."""
        if self.access is None:
            return TRUE
        grants = self.access.grants(row.root.name)
        enough = [g for g in grants if g.level(row.prefix + member.name) >= least]
        if len(enough) == len(grants):
            return TRUE
        return any_of(self.scope(row, scope) for scope in broadest(g.scope for g in enough))

    def scope(self, row: Row, scope: RowScope) -> Fragment:
        """Whether a row scope matches the row's root, with system rights; NULL counts as false."""
        return all_of(self.rule(row, part) for part in scope.parts)

    def rule(self, row: Row, scope: RowScope) -> Fragment:
        """The same of a scope of one rule."""
        row = own_row(row.root, row.root_alias)
        match scope.rule:
            case RowRule.ALL:
                return TRUE
            case RowRule.OWN:
                return any_of(self.own(row))
            case RowRule.TEAM:
                return self._in_teams(row, "team_ids")
            case RowRule.TEAM_AND_BELOW:
                return self._in_teams(row, "team_tree_ids")
        system = Compiler(self.catalog, None, self.aliases, self.few)
        return system.condition(self.predicate(row.entity, scope), row)

    def predicate(self, entity: EntityType, scope: RowScope) -> Criteria:
        """The stored predicate of a WHERE scope."""
        return PredicateReader(self.catalog, None, stored_leaf).read(entity, orjson.loads(scope.predicate or "{}"))

    def own(self, row: Row) -> tuple[Fragment, ...]:
        """What makes a row the viewer's own: being its owner, or working on it (协作人)."""
        viewer = param(Viewer("id"), "uuid")
        if not row.entity.owned:
            return (sql("{id} = {viewer}", id=row.column("id"), viewer=viewer),)
        return (
            sql("{owner} = {viewer}", owner=row.column("owner_id"), viewer=viewer),
            sql(
                "EXISTS (SELECT 1 FROM collaborations k WHERE k.entity_id = {id} AND k.user_id = {viewer}{by_row})",
                id=row.column("id"),
                viewer=viewer,
                by_row=self._by_row,
            ),
        )

    @property
    def _by_row(self) -> Fragment:
        """What keeps Postgres from making a hash or a join of an EXISTS."""
        return sql(" OFFSET 0") if self.few else EMPTY

    def _in_teams(self, row: Row, which: str) -> Fragment:
        column = row.column("team_id" if row.entity.owned else "id")
        return sql("{c} = ANY({teams})", c=column, teams=param(Viewer(which), "uuid[]"))

    def condition(self, criteria: Criteria, row: Row, given: Fragment = TRUE) -> Fragment:
        """The criteria on a row as SQL; NULL counts as false. `given` stands beside it in a conjunction.

        Postgres takes the terms of a conjunction in an order of its own, by what it thinks they cost. Where rights look
        at other rows, related rows are looked at only after them: or else the time that this takes would tell whether a
        row that does not exist for the asker, or a cell that is withheld, meets the other terms.
        """
        match criteria:
            case Compare():
                return self._compare(criteria, row)
            case AllOf(terms):
                given = all_of([given, *self._rights(criteria, row).values()])
                return all_of(self.condition(t, row, given) for t in terms)
            case AnyOf(terms):
                return any_of(self.condition(t, row, given) for t in terms)
            case Not(term):
                return _complement(self.condition(term, row, given))
            case Related():
                return _after(given, self._related(criteria, row))
            case Counted():
                return _after(given, self._counted(criteria, row))

    def _rights(self, criteria: Criteria, row: Row) -> dict[Field, Fragment]:
        """The rights without which the criteria do not hold, by the field, where these look at other rows."""
        match criteria:
            case Compare(member, op) if op in _INDEXED:
                readable = self.cell(row, member, criteria.least)
                return {member: readable} if looks(readable) else {}
            case AllOf(terms):
                return {field_: right for term in terms for field_, right in self._rights(term, row).items()}
            case AnyOf((first, *others)):
                found = [self._rights(term, row) for term in others]
                return {f: right for f, right in self._rights(first, row).items() if all(f in each for each in found)}
        return {}

    def _compare(self, compare: Compare, row: Row) -> Fragment:
        column = row.comparable(compare.field)
        readable = self.cell(row, compare.field, compare.least)
        if compare.op is Op.IS_NULL:
            present = all_of([readable, sql("{c} IS NOT NULL", c=column)])
            return sql("({p} IS TRUE) = (NOT {v})", p=present, v=compare.value)
        compared = comparison(compare.op, column, compare.value)
        if compare.op not in _NEGATIVE and (compare.op not in _INDEXED or compare.field.custom):
            # Nothing is lost by looking at the value last.
            compared = _after(readable, compared)
        found = [] if looks(readable) else implied(compare, row)
        positive = all_of([readable, *found, compared])
        return _complement(positive) if compare.op in _NEGATIVE else positive

    def _related(self, related: Related, row: Row) -> Fragment:
        target = self.catalog[related.relation.target]
        inner = row.child(related.relation, target, self.alias())
        shortcut = self._by_key(related, row)
        if shortcut:
            return shortcut
        below = replace(self, few=False) if self.few else self
        term = below.condition(related.term, inner, below.visible(inner))
        if related.quantifier is Quantifier.EVERY:
            term = _complement(term)
        rows = self._rows(related.relation, row, inner, term)
        exists = sql("EXISTS (SELECT 1 {rows}{by_row})", rows=rows, by_row=self._by_row)
        return exists if related.quantifier is Quantifier.SOME else negation(exists)

    def _counted(self, counted: Counted, row: Row) -> Fragment:
        """Counts no further than it must to know: to one row more than the largest number that is compared."""
        inner = row.child(counted.relation, self.catalog[counted.relation.target], self.alias())
        term = self.condition(counted.term, inner, self.visible(inner))
        count_ = sql("count(*)")
        bounds = []
        for bound in counted.bounds:
            positive = comparison(bound.op, count_, bound.value)
            bounds.append(sql("NOT ({c})", c=positive) if bound.op in _NEGATIVE else positive)
        return sql(
            "(SELECT {bounds} FROM (SELECT 1 {rows} LIMIT GREATEST({largest}, 0) + 1) AS n)",
            bounds=all_of(bounds),
            rows=self._rows(counted.relation, row, inner, term),
            largest=join(", ", [_largest(bound) for bound in counted.bounds]),
        )

    def _rows(self, relation: Relation, row: Row, inner: Row, term: Fragment) -> Fragment:
        """The FROM and WHERE of the related rows that exist for the asker and match, in a list only those in use."""
        target = inner.entity
        listed = relation.shape is not Shape.ONE and target.tracked
        in_use = sql("{a}.archived_at IS NULL", a=name(inner.alias)) if listed else TRUE
        return sql(
            "FROM {source} WHERE {join} AND {rows}",
            source=related_rows(relation, target, inner.alias),
            join=related_join(relation, row, inner.alias),
            rows=all_of([self.visible(inner), in_use, term]),
        )

    def _by_key(self, related: Related, row: Row) -> Fragment:
        """With system rights, `owner: { id: … }` needs no look at the other table."""
        term, relation = related.term, related.relation
        if self.access is not None or relation.shape is not Shape.ONE or not isinstance(term, Compare):
            return EMPTY
        if term.field.name != relation.remote or term.op not in (Op.EQ, Op.IN):
            return EMPTY
        column = row.column(relation.local)
        if term.op is Op.EQ:
            return sql("{c} = {v}", c=column, v=term.value)
        return sql("{c} = ANY({v})", c=column, v=term.value)


_NEGATIVE = frozenset({Op.NE, Op.NOT_IN})
"""Operators that are the complement of what `comparison` gives for them."""


_COMPARISONS: Mapping[Op, LiteralString] = {
    Op.EQ: "{c} = {v}",
    Op.NE: "{c} = {v}",
    Op.IN: "{c} = ANY({v})",
    Op.NOT_IN: "{c} = ANY({v})",
    Op.LT: "{c} < {v}",
    Op.LTE: "{c} <= {v}",
    Op.GT: "{c} > {v}",
    Op.GTE: "{c} >= {v}",
    Op.CONTAINS: "strpos({c}, {v}) > 0",
    Op.STARTS_WITH: "starts_with({c}, {v})",
    Op.ENDS_WITH: "right({c}, length({v})) = {v}",
    Op.EQ_INSENSITIVE: "lower({c}) = lower({v})",
    Op.CONTAINS_INSENSITIVE: "strpos(lower({c}), lower({v})) > 0",
    Op.STARTS_WITH_INSENSITIVE: "starts_with(lower({c}), lower({v}))",
    Op.HAS: "{v} = ANY({c})",
    Op.HAS_ANY: "{c} && {v}",
    Op.HAS_ALL: "{c} @> {v}",
    Op.IS_EMPTY: "(cardinality({c}) = 0) = {v}",
    Op.ENDS_WITH_INSENSITIVE: "right(lower({c}), length(lower({v}))) = lower({v})",
}


_INDEXED = frozenset({Op.EQ, Op.IN, Op.LT, Op.LTE, Op.GT, Op.GTE})
"""Operators that an index can answer."""


def looks(condition: Fragment) -> bool:
    """Whether a condition looks at other rows: what does not is cheap, and comes first anyway."""
    return any(isinstance(part, str) and "SELECT" in part for part in condition.parts)


def _after(given: Fragment, condition: Fragment) -> Fragment:
    """A condition that is asked only where `given` holds, which stands beside it in a conjunction."""
    if not looks(given) or condition in (TRUE, FALSE):
        return condition
    return sql("CASE WHEN {given} THEN {condition} END", given=given, condition=condition)


def comparison(op: Op, column: Fragment, value: Fragment) -> Fragment:
    """A comparison as SQL, for `ne` and `notIn` the one that they are the complement of. NULL counts as false."""
    return sql(_COMPARISONS[op], c=column, v=value)


def implied(compare: Compare, row: Row) -> list[Fragment]:
    """What follows from a comparison and an index can answer, where it cannot answer the comparison itself."""
    if compare.field.custom is not None and (compare.op, compare.field.kind) in _CONTAINED:
        return [_contained(compare, row)]
    if compare.op is Op.STARTS_WITH and compare.field.indexed:
        return [_between(row.comparable(compare.field), compare.value)]
    return []


def _contained(compare: Compare, row: Row) -> Fragment:
    """An equality on a custom field, as an index on the whole of `custom` knows it."""
    value = sql("jsonb_build_array({v})", v=compare.value) if compare.op is Op.HAS else compare.value
    return sql(
        "{custom} <> '{}' AND {custom} @> jsonb_build_object({key}, {v})",
        custom=row.column(CUSTOM),
        key=text(compare.field.api_name),
        v=value,
    )


def _between(column: Fragment, value: Fragment) -> Fragment:
    """The range of texts that begin with a value: `starts_with` of a parameter uses no index. It is a range only where
    texts are ordered by code points; in a database that orders them by a language, the planner drops it.
    """
    (prefix,) = (part for part in value.parts if isinstance(part, Param))
    above, known = Above(prefix.source), isinstance(prefix.source, Const)
    bound = const(above.of(prefix.source.value), "text") if known else param(above, "text")
    return sql("('a' < 'B' OR ({c} >= {v} AND {c} < {above}))", c=column, v=value, above=bound)


_CONTAINED = {(Op.EQ, kind) for kind in (Kind.TEXT, Kind.ENUM, Kind.INT, Kind.BOOLEAN, Kind.DATE)} | {
    (Op.HAS, Kind.TEXT_LIST)
}


def _largest(bound: Compare) -> Fragment:
    if bound.op in MANY:
        return sql("(SELECT max(v) FROM unnest({v}) AS v)::bigint", v=bound.value)
    return sql("{v}::bigint", v=bound.value)


def _complement(condition: Fragment) -> Fragment:
    return sql("({c}) IS NOT TRUE", c=condition)


def row_scope(catalog: Catalog, entity: EntityType, scope: RowScope, alias: str) -> Fragment:
    """Whether a row scope matches the row `alias`, with system rights; never NULL. For services that lock rows."""
    condition = Compiler(catalog, None).scope(own_row(entity, alias), scope)
    return condition if condition == TRUE else sql("({c}) IS TRUE", c=condition)
