"""The predicate language: a filter tree over the catalog, compiled to SQL with the rights of whoever asks.

A predicate is two-valued: a comparison with a missing or withheld value is false, and `not`, `ne`, `notIn` and `isNull`
are exact complements. Row rules use the same language with system rights.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import count
from typing import Any

import orjson

from crm_graph.access import Access, Level, RowScope
from crm_graph.catalog import Catalog, EntityType, Field, Kind, Relation, Shape
from crm_graph.errors import CrmError, Invalid
from crm_graph.fragments import EMPTY, TRUE, Fragment, Viewer, all_of, any_of, const, name, negation, param, sql
from crm_graph.models.roles import RowRule
from crm_graph.scalars import parser_for

MAX_DEPTH = 12
MAX_LIST = 5_000


class Op(StrEnum):
    """Comparison operators by their API names."""

    EQ = "eq"
    NE = "ne"
    IN = "in"
    NOT_IN = "notIn"
    LT = "lt"
    LTE = "lte"
    GT = "gt"
    GTE = "gte"
    IS_NULL = "isNull"
    CONTAINS = "contains"
    STARTS_WITH = "startsWith"


_ALWAYS = (Op.EQ, Op.NE, Op.IN, Op.NOT_IN, Op.IS_NULL)
_ORDERED = (*_ALWAYS, Op.LT, Op.LTE, Op.GT, Op.GTE)
OPERATORS: Mapping[Kind, tuple[Op, ...]] = {
    Kind.ID: _ALWAYS,
    Kind.ENUM: _ALWAYS,
    Kind.BOOLEAN: (Op.EQ, Op.NE, Op.IS_NULL),
    Kind.TEXT: (*_ORDERED, Op.CONTAINS, Op.STARTS_WITH),
    Kind.INT: _ORDERED,
    Kind.BIG_INT: _ORDERED,
    Kind.DECIMAL: _ORDERED,
    Kind.MONEY: _ORDERED,
    Kind.DATE: _ORDERED,
    Kind.DATE_TIME: _ORDERED,
}


class Quantifier(StrEnum):
    SOME = "some"
    EVERY = "every"
    NONE = "none"


_QUANTIFIERS = {q.value: q for q in Quantifier}


@dataclass(frozen=True, slots=True)
class Compare:
    field: Field
    op: Op
    value: Fragment


@dataclass(frozen=True, slots=True)
class AllOf:
    """A conjunction; empty means true."""

    terms: tuple["Criteria", ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """A disjunction; empty means false."""

    terms: tuple["Criteria", ...]


@dataclass(frozen=True, slots=True)
class Not:
    term: "Criteria"


@dataclass(frozen=True, slots=True)
class Related:
    """A condition on related rows; a to-one relation has the quantifier SOME."""

    relation: Relation
    quantifier: Quantifier
    term: "Criteria"


Criteria = Compare | AllOf | AnyOf | Not | Related

# Gives the bound value of a leaf: the raw leaf, the field it is compared with, and the Postgres type.
LeafReader = Callable[[Any, Field, Op], Fragment]


def stored_leaf(raw: Any, field_: Field, op: Op) -> Fragment:
    """A leaf of a stored predicate: a JSON value, or `{"$viewer": "id" | "team_ids" | "team_tree_ids"}`."""
    many = op in (Op.IN, Op.NOT_IN)
    type_ = "boolean" if op is Op.IS_NULL else field_.pg_type + ("[]" if many else "")
    if isinstance(raw, Mapping):
        if set(raw) != {"$viewer"} or raw["$viewer"] not in ("id", "team_ids", "team_tree_ids"):
            raise Invalid("predicate_value")
        return param(Viewer(raw["$viewer"]), type_)
    parse = parser_for(Kind.BOOLEAN) if op is Op.IS_NULL else parser_for(field_.kind, field_.enum)
    if not many:
        return const(parse(raw), type_)
    if not isinstance(raw, list | tuple) or len(raw) > MAX_LIST:
        raise Invalid("predicate_value")
    return const(tuple(parse(item) for item in raw), type_)


@dataclass(frozen=True)
class Reader:
    """Reads a filter tree. With `access`, a field that its role set never reads in full is as unknown as one that
    never was.
    """

    catalog: Catalog
    access: Access | None
    leaf: LeafReader

    def read(self, entity: EntityType, tree: Any, holder: "Holder | None" = None, depth: int = 0) -> Criteria:
        """The criteria of a tree; errors carry the path to what is wrong."""
        holder = holder or Holder(entity.name, "")
        if not isinstance(tree, Mapping):
            raise Invalid("predicate_object")
        if depth > MAX_DEPTH:
            raise Invalid("predicate_depth", limit=MAX_DEPTH)
        terms = []
        for key, value in tree.items():
            try:
                terms.append(self._term(entity, key, value, holder, depth))
            except CrmError as error:
                raise error.at(key) from None
        return terms[0] if len(terms) == 1 else AllOf(tuple(terms))

    def _term(self, entity: EntityType, key: str, value: Any, holder: "Holder", depth: int) -> Criteria:
        if key in ("and", "or"):
            if not isinstance(value, list | tuple):
                raise Invalid("predicate_list")
            terms = tuple(self.read(entity, item, holder, depth + 1) for item in value)
            return AllOf(terms) if key == "and" else AnyOf(terms)
        if key == "not":
            return Not(self.read(entity, value, holder, depth + 1))
        member = entity.by_api_name.get(key)
        if isinstance(member, Field) and self._readable(holder, member):
            return self._comparisons(member, value)
        if isinstance(member, Relation) and self._reachable(holder, member):
            return self._related(member, value, holder, depth)
        raise Invalid("unknown_field")

    def _readable(self, holder: "Holder", member: Field) -> bool:
        return self.access is None or self.access.ceiling(holder.entity, holder.prefix + member.name) is Level.READ

    def _reachable(self, holder: "Holder", relation: Relation) -> bool:
        if self.access is None:
            return True
        inner = holder.into(relation, self.catalog[relation.target])
        return any(grant.shows(inner.prefix) for grant in self.access.grants(inner.entity))

    def _comparisons(self, member: Field, value: Any) -> Criteria:
        if not isinstance(value, Mapping):
            raise Invalid("predicate_object")
        terms = []
        for key, raw in value.items():
            if key not in OPERATORS[member.kind]:
                raise Invalid("unknown_operator").at(key)
            if raw is None:
                raise Invalid("predicate_null").at(key)
            try:
                terms.append(Compare(member, Op(key), self.leaf(raw, member, Op(key))))
            except CrmError as error:
                raise error.at(key) from None
        return terms[0] if len(terms) == 1 else AllOf(tuple(terms))

    def _related(self, relation: Relation, value: Any, holder: "Holder", depth: int) -> Criteria:
        target = self.catalog[relation.target]
        inner = holder.into(relation, target)
        if relation.shape is Shape.ONE:
            return Related(relation, Quantifier.SOME, self.read(target, value, inner, depth + 1))
        if not isinstance(value, Mapping):
            raise Invalid("predicate_object")
        terms = []
        for key, tree in value.items():
            if key not in _QUANTIFIERS:
                raise Invalid("unknown_operator").at(key)
            terms.append(Related(relation, _QUANTIFIERS[key], self.read(target, tree, inner, depth + 1)))
        return terms[0] if len(terms) == 1 else AllOf(tuple(terms))


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose grants decide about a row: its own type's, or for a child its root's with the relation as prefix."""

    entity: str
    prefix: str

    def into(self, relation: Relation, target: EntityType) -> "Holder":
        return Holder(self.entity, f"{self.prefix}{relation.name}.") if target.is_child else Holder(target.name, "")


@dataclass(frozen=True, slots=True)
class Row:
    """A row as SQL knows it: its type and alias, and the root row whose scopes decide about it."""

    entity: EntityType
    alias: str
    root: EntityType
    root_alias: str
    prefix: str = ""

    def child(self, relation: Relation, target: EntityType, alias: str) -> "Row":
        """The row that a relation leads to."""
        if target.is_child:
            return Row(target, alias, self.root, self.root_alias, f"{self.prefix}{relation.name}.")
        return own_row(target, alias)

    def column(self, column: str) -> Fragment:
        return sql("{a}.{c}", a=name(self.alias), c=name(column))


def own_row(entity: EntityType, alias: str) -> Row:
    """A row with rights of its own."""
    return Row(entity, alias, entity, alias)


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
                return self._own(row)
            case RowRule.TEAM:
                return self._in_teams(row, "team_ids")
            case RowRule.TEAM_AND_BELOW:
                return self._in_teams(row, "team_tree_ids")
        tree = orjson.loads(scope.predicate or "{}")
        criteria = Reader(self.catalog, None, stored_leaf).read(row.entity, tree)
        return Compiler(self.catalog, None, self.aliases).condition(criteria, row)

    def _own(self, row: Row) -> Fragment:
        viewer = param(Viewer("id"), "uuid")
        if not row.entity.owned:
            return sql("{id} = {viewer}", id=row.column("id"), viewer=viewer)
        return sql(
            "({owner} = {viewer} OR EXISTS (SELECT 1 FROM collaborations k"
            " WHERE k.entity_id = {id} AND k.user_id = {viewer}))",
            owner=row.column("owner_id"),
            id=row.column("id"),
            viewer=viewer,
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
        column, value = row.column(compare.field.sort_column), compare.value
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


def related_rows(relation: Relation, target: EntityType, alias: str) -> Fragment:
    """The FROM item of a relation's rows."""
    table = sql("{table} AS {a}", table=name(target.table), a=name(alias))
    if relation.link is None:
        return table
    return sql(
        "{table} JOIN {link} AS {l} ON {l}.{there} = {a}.{remote}",
        table=table,
        link=name(relation.link.table),
        l=name(f"{alias}_link"),
        there=name(relation.link.there),
        a=name(alias),
        remote=name(relation.remote),
    )


def related_join(relation: Relation, row: Row, alias: str) -> Fragment:
    """What ties a relation's rows to the row they are of."""
    if relation.link is None:
        return sql(
            "{a}.{remote} = {here}", a=name(alias), remote=name(relation.remote), here=row.column(relation.local)
        )
    return sql(
        "{l}.{here} = {id}",
        l=name(f"{alias}_link"),
        here=name(relation.link.here),
        id=row.column(relation.local),
    )


def _complement(condition: Fragment) -> Fragment:
    return sql("({c}) IS NOT TRUE", c=condition)


def row_scope(catalog: Catalog, entity: EntityType, scope: RowScope, alias: str) -> Fragment:
    """Whether a row scope matches the row `alias`, with system rights; never NULL. For services that lock rows."""
    condition = Compiler(catalog, None).scope(own_row(entity, alias), scope)
    return condition if condition == TRUE else sql("({c}) IS TRUE", c=condition)
