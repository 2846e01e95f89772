"""Filter trees as JSON become predicates; what the catalog lacks, or the asker may not read, is named by its path."""

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field
from typing import Any

from crm_graph.access import Access, Level
from crm_graph.catalog import CUSTOM, Catalog, EntityType, Field, Kind, Relation, Shape
from crm_graph.criteria.predicates import (
    COUNT,
    COUNT_OPERATORS,
    MANY,
    OPERATORS,
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
    operand_type,
)
from crm_graph.errors import BadVariables, CrmError, Invalid
from crm_graph.fragments import Const, Fragment, Reckoned, Viewer, const, param
from crm_graph.moments import is_relative
from crm_graph.scalars import operand_parser, parse_list

MAX_DEPTH = 12
MAX_LIST = 5_000
MAX_TERMS = 1_000
"""Terms that one reader reads: all filters of an operation together."""

_QUANTIFIERS = {q.value: q for q in Quantifier}
_VIEWER = dict.fromkeys((Op.EQ, Op.NE), ("id",)) | dict.fromkeys((Op.IN, Op.NOT_IN), ("team_ids", "team_tree_ids"))
_NOTHING = AllOf(())

EXACT = (Op.EQ, Op.IN)
"""What a field can be asked that is looked up."""

# Gives the bound value of a leaf: the raw leaf, the field it is compared with, and the Postgres type.
LeafReader = Callable[[Any, Field, Op], Fragment]
Path = tuple[str | int, ...]


def stored_leaf(raw: Any, field_: Field, op: Op) -> Fragment:
    """A leaf of a stored predicate: a value, or `{"$viewer": "id" | "team_ids" | "team_tree_ids"}`. Raises Invalid."""
    type_ = operand_type(field_, op)
    if isinstance(raw, Mapping) and "$viewer" in raw:
        if len(raw) != 1 or field_.kind is not Kind.ID or raw["$viewer"] not in _VIEWER.get(op, ()):
            raise Invalid("predicate_value")
        return param(Viewer(raw["$viewer"]), type_)
    many = op in MANY
    parse = operand_parser(Kind.BOOLEAN) if op in YES_OR_NO else operand_parser(field_.kind, field_.enum)
    if many and (not isinstance(raw, list | tuple) or len(raw) > MAX_LIST):
        raise Invalid("predicate_value")
    try:
        value = tuple(parse_list(parse, raw)) if many else parse(raw)
    except BadVariables as error:
        raise Invalid(error.template_key, path=error.path, **error.details) from None
    return param(Reckoned(Const(value)), type_) if is_relative(value) else const(value, type_)


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose grants decide about a row: its own type's, or for a child its root's with the relation as prefix."""

    entity: str
    prefix: str

    def into(self, relation: Relation, target: EntityType) -> "Holder":
        return Holder(self.entity, f"{self.prefix}{relation.name}.") if target.is_child else Holder(target.name, "")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in a tree something stands: which rows it is about, and the path to it. `exact` is where a condition that
    does not hold leaves its row out, and so may look a value up.
    """

    entity: EntityType
    holder: Holder
    path: Path
    depth: int
    exact: bool = False

    def at(self, *steps: str | int) -> "_Place":
        return _Place(self.entity, self.holder, (*self.path, *steps), self.depth, self.exact)

    def below(self, *, exact: bool = False) -> "_Place":
        return _Place(self.entity, self.holder, self.path, self.depth + 1, exact)

    def across(self, relation: Relation, target: EntityType) -> "_Place":
        return _Place(target, self.holder.into(relation, target), self.path, self.depth + 1)


def refuse(error: CrmError) -> None:
    """What a reader does with the first thing that is wrong, unless it is to find all of them."""
    raise error


@dataclass
class PredicateReader:
    """Reads filter trees. With `access`, a field that its role set never reads in full is as unknown as one that never
    was. `report` is told of what is wrong, with the path to it; `lookup_leaf` reads the values that are looked up.
    """

    catalog: Catalog
    access: Access | None
    leaf: LeafReader
    report: Callable[[CrmError], None] = refuse
    lookup_leaf: LeafReader | None = None
    _terms: int = field(default=0, init=False)

    def read(self, entity: EntityType, tree: Any, *, exact: bool = False) -> Criteria:
        """The criteria of a tree. With `exact`, rows are also found by the whole values of fields that the asker may
        look up on them: where such a condition stands in the tree itself, or in an `and` of it.
        """
        return self._read(tree, _Place(entity, Holder(entity.name, ""), (), 0, exact))

    def _read(self, tree: Any, place: _Place) -> Criteria:
        if not isinstance(tree, Mapping):
            return self._wrong(Invalid("predicate_object"), place)
        if place.depth > MAX_DEPTH:
            return self._wrong(Invalid("predicate_depth", limit=MAX_DEPTH), place)
        terms = [self._term(key, value, place.at(key)) for key, value in tree.items()]
        return terms[0] if len(terms) == 1 else AllOf(tuple(terms))

    def _wrong(self, error: CrmError, place: _Place) -> Criteria:
        self.report(error.at(*place.path))
        return _NOTHING

    def _term(self, key: str, value: Any, place: _Place) -> Criteria:
        self._count(place)
        if key in ("and", "or"):
            return self._listed(key, value, place)
        if key == "not":
            return Not(self._read(value, place.below()))
        if key == CUSTOM and any(self.readable(place.holder, member) for member in place.entity.custom.values()):
            return self._custom(value, place)
        member = place.entity.by_api_name.get(key)
        if isinstance(member, Field):
            return self._conditions(member, value, place)
        if isinstance(member, Relation) and self._reachable(place.holder, member):
            return self._related(member, value, place)
        return self._wrong(Invalid("unknown_field"), place)

    def _conditions(self, member: Field, value: Any, place: _Place) -> Criteria:
        looked_up = self._looked_up(place.holder, member)
        if looked_up and place.exact:
            return self._exact(member, value, place)
        if self.readable(place.holder, member):
            return self._comparisons(member, value, place)
        return self._wrong(Invalid("lookup_where" if looked_up else "unknown_field"), place)

    def _looked_up(self, holder: Holder, member: Field) -> bool:
        """Whether rows are found by the exact value of the field, where they show it masked."""
        return self.access is not None and can_be_looked_up(self.access, holder.entity, holder.prefix, member)

    def _exact(self, member: Field, value: Any, place: _Place) -> Criteria:
        """Conditions on a field that may be looked up; other operators are about what is read in full."""
        if not isinstance(value, Mapping):
            return self._wrong(Invalid("predicate_object"), place)
        terms = [self._exact_term(member, key, raw, place.at(key)) for key, raw in value.items()]
        return terms[0] if len(terms) == 1 else AllOf(tuple(terms))

    def _exact_term(self, member: Field, key: str, raw: Any, place: _Place) -> Criteria:
        if key not in EXACT or raw is None or self.lookup_leaf is None:
            if not self.readable(place.holder, member):
                return self._wrong(Invalid("lookup_where"), place)
            return self._compare(member, OPERATORS[member.kind], key, raw, place) or _NOTHING
        try:
            return Compare(member, Op(key), self.lookup_leaf(raw, member, Op(key)), Level.LOOKUP)
        except CrmError as error:
            return self._wrong(error, place)

    def conditions(self, entity: EntityType, member: Field, tree: Any) -> Criteria:
        """The criteria of conditions on one value of a field of ours, all of which hold."""
        place = _Place(entity, Holder(entity.name, ""), (), 0)
        self._count(place)
        return self._comparisons(member, tree, place)

    def _count(self, place: _Place) -> None:
        self._terms += 1
        if self._terms > MAX_TERMS:
            # No further term is read, and so no further problem is found.
            raise Invalid("predicate_too_long", limit=MAX_TERMS).at(*place.path)

    def _listed(self, key: str, value: Any, place: _Place) -> Criteria:
        if not isinstance(value, list | tuple):
            return self._wrong(Invalid("predicate_list"), place)
        below = place.below(exact=place.exact and key == "and")
        terms = tuple(self._read(item, below.at(i)) for i, item in enumerate(value))
        return AllOf(terms) if key == "and" else AnyOf(terms)

    def _custom(self, value: Any, place: _Place) -> Criteria:
        """`{ loyaltyCard: { eq: … } }`."""
        if not isinstance(value, Mapping):
            return self._wrong(Invalid("predicate_object"), place)
        terms: list[Criteria] = []
        for key, conditions in value.items():
            here, member = place.at(key), place.entity.custom.get(key)
            self._count(here)
            if member is None or not self.readable(place.holder, member):
                self._wrong(Invalid("unknown_field"), here)
            else:
                terms.append(self._comparisons(member, conditions, here))
        return terms[0] if len(terms) == 1 else AllOf(tuple(terms))

    def readable(self, holder: Holder, member: Field) -> bool:
        """Whether the role set reads the field in full anywhere."""
        return self.access is None or self.access.ceiling(holder.entity, holder.prefix + member.name) is Level.READ

    def _reachable(self, holder: Holder, relation: Relation) -> bool:
        if self.access is None:
            return True
        inner = holder.into(relation, self.catalog[relation.target])
        return any(grant.shows(inner.prefix) for grant in self.access.grants(inner.entity))

    def _comparisons(self, member: Field, value: Any, place: _Place) -> Criteria:
        if not isinstance(value, Mapping):
            return self._wrong(Invalid("predicate_object"), place)
        operators = OPERATORS[member.kind]
        found = (self._compare(member, operators, key, raw, place.at(key)) for key, raw in value.items())
        terms = [compare for compare in found if compare is not None]
        return terms[0] if len(terms) == 1 else AllOf(tuple(terms))

    def _compare(self, member: Field, operators: Container[Op], key: str, raw: Any, place: _Place) -> Compare | None:
        op = _OPERATORS.get(key)
        if op is None or op not in operators:
            self._wrong(Invalid("unknown_operator"), place)
        elif raw is None:
            self._wrong(Invalid("predicate_null"), place)
        else:
            try:
                return Compare(member, op, self.leaf(raw, member, op))
            except CrmError as error:
                self._wrong(error, place)
        return None

    def _related(self, relation: Relation, value: Any, place: _Place) -> Criteria:
        inner = place.across(relation, self.catalog[relation.target])
        if relation.shape is Shape.ONE:
            return Related(relation, Quantifier.SOME, self._read(value, inner))
        if not isinstance(value, Mapping):
            return self._wrong(Invalid("predicate_object"), place)
        terms: list[Criteria] = []
        for key, tree in value.items():
            if key == COUNT.name:
                terms.append(self._counted(relation, tree, inner.at(key)))
            elif key in _QUANTIFIERS:
                terms.append(Related(relation, _QUANTIFIERS[key], self._read(tree, inner.at(key))))
            else:
                self._wrong(Invalid("unknown_operator"), place.at(key))
        return terms[0] if len(terms) == 1 else AllOf(tuple(terms))

    def _counted(self, relation: Relation, value: Any, inner: _Place) -> Criteria:
        """`{ gte: 3, where: … }`; without a comparison it is no condition, and counts nothing."""
        if not isinstance(value, Mapping):
            return self._wrong(Invalid("predicate_object"), inner)
        conditions = {**value}
        where = conditions.pop("where", None)
        term = _NOTHING if where is None else self._read(where, inner.at("where"))
        found = (self._compare(COUNT, COUNT_OPERATORS, key, raw, inner.at(key)) for key, raw in conditions.items())
        bounds = tuple(compare for compare in found if compare is not None)
        return Counted(relation, term, bounds) if bounds else _NOTHING


_OPERATORS = {op.value: op for op in Op}


def can_be_looked_up(access: Access, entity: str, prefix: str, member: Field) -> bool:
    """Whether a field finds rows by its exact value: a text of a record's own, of which there are many."""
    texts = member.kind is Kind.TEXT and member.custom is None and not prefix
    return texts and access.looks_up(entity, member.name)


def check_stored_where(catalog: Catalog, entity: EntityType, tree: Any) -> list[CrmError]:
    """Everything that is wrong with a predicate that is to be stored, each with code, message and the path to it; empty
    when it reads against the catalog.
    """
    problems: list[CrmError] = []
    try:
        PredicateReader(catalog, None, stored_leaf, problems.append).read(entity, tree)
    except CrmError as error:
        problems.append(error)
    return problems
