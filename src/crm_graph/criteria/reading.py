"""Filter trees as JSON become predicates; what the catalog lacks, or the asker may not read, is named by its path."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from crm_graph.access import Access, Level
from crm_graph.catalog import Catalog, EntityType, Field, Kind, Relation, Shape
from crm_graph.criteria.predicates import OPERATORS, AllOf, AnyOf, Compare, Criteria, Not, Op, Quantifier, Related
from crm_graph.errors import CrmError, Invalid
from crm_graph.fragments import Fragment, Viewer, const, param
from crm_graph.scalars import parser_for

MAX_DEPTH = 12
MAX_LIST = 5_000

_QUANTIFIERS = {q.value: q for q in Quantifier}

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


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose grants decide about a row: its own type's, or for a child its root's with the relation as prefix."""

    entity: str
    prefix: str

    def into(self, relation: Relation, target: EntityType) -> "Holder":
        return Holder(self.entity, f"{self.prefix}{relation.name}.") if target.is_child else Holder(target.name, "")


@dataclass(frozen=True)
class Reader:
    """Reads a filter tree. With `access`, a field that its role set never reads in full is as unknown as one that
    never was.
    """

    catalog: Catalog
    access: Access | None
    leaf: LeafReader

    def read(self, entity: EntityType, tree: Any, holder: Holder | None = None, depth: int = 0) -> Criteria:
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

    def _term(self, entity: EntityType, key: str, value: Any, holder: Holder, depth: int) -> Criteria:
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

    def _readable(self, holder: Holder, member: Field) -> bool:
        return self.access is None or self.access.ceiling(holder.entity, holder.prefix + member.name) is Level.READ

    def _reachable(self, holder: Holder, relation: Relation) -> bool:
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

    def _related(self, relation: Relation, value: Any, holder: Holder, depth: int) -> Criteria:
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
