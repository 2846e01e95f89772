"""Predicates and rights become SQL conditions."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

import orjson

from crm_graph.access import Access, Level, RowScope
from crm_graph.catalog import Catalog, EntityType, Field, Shape
from crm_graph.criteria.predicates import AllOf, AnyOf, Compare, Criteria, Not, Op, Quantifier, Related
from crm_graph.criteria.reading import Reader, stored_leaf
from crm_graph.criteria.rows import Row, own_row, related_join, related_rows
from crm_graph.fragments import EMPTY, TRUE, Fragment, Viewer, all_of, any_of, name, negation, param, sql
from crm_graph.models.roles import RowRule


@dataclass
class Compiler:
    """Turns criteria and rights into SQL conditions. Without `access` it compiles with system rights."""

    catalog: Catalog
    access: Access | None
    aliases: Iterator[int] = field(default_factory=lambda: count(1))

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
        return any_of(self.scope(row, g.scope) for g in showing)

    def cell(self, row: Row, member: Field, least: Level) -> Fragment:
        """Whether the cell of a visible row has at least that level by a single grant."""
        if self.access is None:
            return TRUE
        grants = self.access.grants(row.root.name)
        enough = [g for g in grants if g.level(row.prefix + member.name) >= least]
        return TRUE if len(enough) == len(grants) else any_of(self.scope(row, g.scope) for g in enough)

    def scope(self, row: Row, scope: RowScope) -> Fragment:
        """Whether a row scope matches the row's root, with system rights; NULL counts as false."""
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
        return Compiler(self.catalog, None, self.aliases).condition(self.predicate(row.entity, scope), row)

    def predicate(self, entity: EntityType, scope: RowScope) -> Criteria:
        """The stored predicate of a WHERE scope."""
        return Reader(self.catalog, None, stored_leaf).read(entity, orjson.loads(scope.predicate or "{}"))

    def own(self, row: Row) -> tuple[Fragment, ...]:
        """What makes a row the viewer's own: being its owner, or working on it (协作人)."""
        viewer = param(Viewer("id"), "uuid")
        if not row.entity.owned:
            return (sql("{id} = {viewer}", id=row.column("id"), viewer=viewer),)
        return (
            sql("{owner} = {viewer}", owner=row.column("owner_id"), viewer=viewer),
            sql(
                "EXISTS (SELECT 1 FROM collaborations k WHERE k.entity_id = {id} AND k.user_id = {viewer})",
                id=row.column("id"),
                viewer=viewer,
            ),
        )

    def _in_teams(self, row: Row, which: str) -> Fragment:
        column = row.column("team_id" if row.entity.owned else "id")
        return sql("{c} = ANY({teams})", c=column, teams=param(Viewer(which), "uuid[]"))

    def condition(self, criteria: Criteria, row: Row) -> Fragment:
        """The criteria on a row as SQL; NULL counts as false."""
        match criteria:
            case Compare():
                return self._compare(criteria, row)
            case AllOf(terms):
                return all_of(self.condition(t, row) for t in terms)
            case AnyOf(terms):
                return any_of(self.condition(t, row) for t in terms)
            case Not(term):
                return _complement(self.condition(term, row))
            case Related():
                return self._related(criteria, row)

    def _compare(self, compare: Compare, row: Row) -> Fragment:
        column, value = row.comparable(compare.field), compare.value
        readable = self.cell(row, compare.field, Level.READ)
        match compare.op:
            case Op.EQ | Op.NE:
                positive = sql("{c} = {v}", c=column, v=value)
            case Op.IN | Op.NOT_IN:
                positive = sql("{c} = ANY({v})", c=column, v=value)
            case Op.LT:
                positive = sql("{c} < {v}", c=column, v=value)
            case Op.LTE:
                positive = sql("{c} <= {v}", c=column, v=value)
            case Op.GT:
                positive = sql("{c} > {v}", c=column, v=value)
            case Op.GTE:
                positive = sql("{c} >= {v}", c=column, v=value)
            case Op.CONTAINS:
                positive = sql("strpos({c}, {v}) > 0", c=column, v=value)
            case Op.STARTS_WITH:
                positive = sql("starts_with({c}, {v})", c=column, v=value)
            case Op.IS_NULL:
                present = all_of([readable, sql("{c} IS NOT NULL", c=column)])
                return sql("({p} IS TRUE) = (NOT {v})", p=present, v=value)
        positive = all_of([readable, positive])
        return _complement(positive) if compare.op in (Op.NE, Op.NOT_IN) else positive

    def _related(self, related: Related, row: Row) -> Fragment:
        target = self.catalog[related.relation.target]
        inner = row.child(related.relation, target, self.alias())
        shortcut = self._by_key(related, row)
        if shortcut:
            return shortcut
        term = self.condition(related.term, inner)
        if related.quantifier is Quantifier.EVERY:
            term = _complement(term)
        listed = related.relation.shape is not Shape.ONE and target.tracked
        rows = all_of(
            [
                self.visible(inner),
                sql("{a}.archived_at IS NULL", a=name(inner.alias)) if listed else TRUE,
                term,
            ]
        )
        exists = sql(
            "EXISTS (SELECT 1 FROM {source} WHERE {join} AND {rows})",
            source=related_rows(related.relation, target, inner.alias),
            join=related_join(related.relation, row, inner.alias),
            rows=rows,
        )
        return exists if related.quantifier is Quantifier.SOME else negation(exists)

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


def _complement(condition: Fragment) -> Fragment:
    return sql("({c}) IS NOT TRUE", c=condition)


def row_scope(catalog: Catalog, entity: EntityType, scope: RowScope, alias: str) -> Fragment:
    """Whether a row scope matches the row `alias`, with system rights; never NULL. For services that lock rows."""
    condition = Compiler(catalog, None).scope(own_row(entity, alias), scope)
    return condition if condition == TRUE else sql("({c}) IS TRUE", c=condition)
