"""The ways in which rows become visible, taken apart so that an index can answer each.

`owner_id = … OR EXISTS (…)` is answered by no index: a list in order would walk the whole table for somebody who sees
little of it (docs/performance.md, "Rows of one's own").
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, product

from crm_graph.access import RowScope, broadest
from crm_graph.catalog import Shape
from crm_graph.criteria.compiling import Compiler, looks
from crm_graph.criteria.predicates import AllOf, AnyOf, Criteria, Quantifier, Related
from crm_graph.criteria.rows import Row
from crm_graph.fragments import EMPTY, FALSE, TRUE, Fragment, Param, Viewer, all_of, any_of, name, param, sql
from crm_graph.models.roles import RowRule

_MOST_PARTS = 8
_FEW = frozenset({"stage"})
_OWNERS = frozenset({"owner_id", "team_id"})
"""Columns by which every owned type has an index, the id behind it."""


@dataclass(frozen=True, slots=True)
class Way:
    """`condition` holds for the rows that are reached this way. With `each`, a FROM item, `one` is the same condition
    for one row of that item, and all rows of the item together reach what `condition` says.
    """

    condition: Fragment
    each: Fragment = EMPTY
    one: Fragment = EMPTY


def apart(ways: Sequence[Way]) -> list[Fragment]:
    """The conditions of ways such that each row meets only one of them."""
    conditions = [way.condition for way in ways]
    return [
        all_of([condition, sql("({others}) IS NOT TRUE", others=any_of(conditions[:index]))]) if index else condition
        for index, condition in enumerate(conditions)
    ]


def exclusive(ways: Sequence[Way]) -> tuple[Way, ...] | None:
    """The same ways, such that each row is reached by only one of them, where comparing columns of the row is enough to
    tell; None where it is not.
    """
    looking = [way for way in ways if way.each or looks(way.condition)]
    if len(looking) > 1:
        return None
    first = [way for way in ways if way not in looking]
    found: list[Way] = []
    for way in (*first, *looking):
        others = any_of(before.condition for before in first[: len(found)])
        beside = sql("({others}) IS NOT TRUE", others=others) if found else TRUE
        one = all_of([way.one, beside]) if way.each else EMPTY
        found.append(Way(all_of([way.condition, beside]), way.each, one))
    return tuple(found)


def ways(compiler: Compiler, row: Row) -> tuple[Way, ...]:
    """How the asker comes to see rows of a root type; some are reached in several ways."""
    whole = compiler.visible(row)
    if whole in (TRUE, FALSE) or compiler.access is None:
        return (Way(whole),)
    found: list[Way] = []
    for scope in broadest(g.scope for g in compiler.access.grants(row.root.name) if g.shows(row.prefix)):
        found += [way for way in ways_by(compiler, row, scope) if way not in found]
    return tuple(found)


def ways_by(compiler: Compiler, row: Row, scope: RowScope) -> Iterator[Way]:
    """How rows of a scope are reached; where it has several rules, by the first."""
    first, *others = scope.parts
    beside = all_of(compiler.rule(row, part) for part in others)
    for way in _ways_by_rule(compiler, row, first):
        one = all_of([way.one, beside]) if way.each else EMPTY
        yield Way(all_of([way.condition, beside]), way.each, one)


def _ways_by_rule(compiler: Compiler, row: Row, scope: RowScope) -> Iterator[Way]:
    match scope.rule:
        case RowRule.OWN if row.entity.owned:
            for condition in compiler.own(row):
                yield Way(condition)
        case RowRule.TEAM if row.entity.owned:
            yield _by_team(compiler, row, scope, "team_ids")
        case RowRule.TEAM_AND_BELOW if row.entity.owned:
            yield _by_team(compiler, row, scope, "team_tree_ids")
        case RowRule.WHERE:
            system = Compiler(compiler.catalog, None, compiler.aliases)
            for criteria in _alternatives(compiler.predicate(row.entity, scope)):
                yield _by_parent(system, row, criteria) or Way(system.condition(criteria, row))
        case _:
            yield Way(compiler.scope(row, scope))


def ids_by(compiler: Compiler, row: Row, rows: Fragment, scope: RowScope) -> Iterator[Fragment]:
    """Queries for the ids of a scope's rows, and of a few more where it has several rules; a row may come more than
    once. Where rows below them decide, such as the open tickets of a team, they are read from these up: nobody but the
    planner would read all customers.
    """
    scope = scope.parts[0]
    if scope.rule is not RowRule.WHERE:
        for way in ways_by(compiler, row, scope):
            yield _ids_where(row, rows, way.condition)
        return
    system = Compiler(compiler.catalog, None, compiler.aliases)
    for criteria in _apart(compiler.predicate(row.entity, scope)):
        yield _ids_from_below(system, row, criteria) or _ids_where(row, rows, system.condition(criteria, row))


def _ids_where(row: Row, rows: Fragment, condition: Fragment) -> Fragment:
    return sql("SELECT {id} AS id FROM {rows} WHERE {condition}", id=row.column("id"), rows=rows, condition=condition)


def _ids_from_below(system: Compiler, row: Row, criteria: Criteria) -> Fragment:
    if not isinstance(criteria, Related) or criteria.quantifier is not Quantifier.SOME:
        return EMPTY
    relation, target = criteria.relation, system.catalog[criteria.relation.target]
    if relation.shape is Shape.ONE or relation.link is not None or relation.local != "id":
        return EMPTY
    below = row.child(relation, target, system.alias())
    terms = criteria.term.terms if isinstance(criteria.term, AllOf) else (criteria.term,)
    return sql(
        "SELECT {id} AS id FROM {table} AS {b} WHERE {id} IS NOT NULL AND {conditions}",
        id=below.column(relation.remote),
        table=name(target.table),
        b=name(below.alias),
        conditions=all_of(
            [
                sql("{archived} IS NULL", archived=below.column("archived_at")) if target.tracked else TRUE,
                *(_of_few(system, below, term) or system.condition(term, below) for term in terms),
            ]
        ),
    )


def _of_few(system: Compiler, row: Row, criteria: Criteria) -> Fragment:
    """A condition on a to-one relation to a type of which there are few, such as stages, that an index on the relation
    can answer: they are found first.
    """
    if not isinstance(criteria, Related) or criteria.relation.shape is not Shape.ONE:
        return EMPTY
    relation, target = criteria.relation, system.catalog[criteria.relation.target]
    if target.name not in _FEW:
        return EMPTY
    inner = row.child(relation, target, system.alias())
    return sql(
        "{local} = ANY(ARRAY(SELECT {remote} FROM {table} AS {i} WHERE {condition}))",
        local=row.column(relation.local),
        remote=inner.column(relation.remote),
        table=name(target.table),
        i=name(inner.alias),
        condition=system.condition(criteria.term, inner),
    )


def _apart(criteria: Criteria) -> list[Criteria]:
    """Predicates of which one holds where this one does, none of them with an alternative in it; this one where there
    would be too many.
    """
    match criteria:
        case AnyOf(terms):
            found = [part for term in terms for part in _apart(term)]
        case AllOf(terms):
            found = [AllOf(parts) for parts in islice(product(*map(_apart, terms)), _MOST_PARTS + 1)]
        case Related(relation, Quantifier.SOME, term):
            found = [Related(relation, Quantifier.SOME, part) for part in _apart(term)]
        case _:
            found = [criteria]
    return found if len(found) <= _MOST_PARTS else [criteria]


def _alternatives(criteria: Criteria) -> Iterator[Criteria]:
    """Predicates of which one holds where this one does."""
    match criteria:
        case AnyOf(terms):
            for term in terms:
                yield from _alternatives(term)
        case Related(relation, Quantifier.SOME, term) if relation.shape is Shape.ONE:
            for alternative in _alternatives(term):
                yield Related(relation, Quantifier.SOME, alternative)
        case _:
            yield criteria


def _by_parent(system: Compiler, row: Row, criteria: Criteria) -> Way | None:
    """Parent by parent, where the parents are those of the viewer, hence few, and an index leads from them to rows. Of
    several conditions, the first that is about such parents leads, and the others are asked beside it.
    """
    if isinstance(criteria, AllOf):
        led = ((place, _by_parent(system, row, term)) for place, term in enumerate(criteria.terms))
        for place, way in led:
            if way is not None:
                beside = (system.condition(t, row) for n, t in enumerate(criteria.terms) if n != place)
                return Way(system.condition(criteria, row), way.each, all_of([way.one, *beside]))
        return None
    if not isinstance(criteria, Related) or criteria.relation.shape is not Shape.ONE:
        return None
    relation, target = criteria.relation, system.catalog[criteria.relation.target]
    back = (r for r in target.relations.values() if r.target == row.entity.name and r.shape is Shape.CONNECTION)
    indexed = row.entity.owned and relation.local in _OWNERS
    if not indexed and not any(r.remote == relation.local and r.local == relation.remote for r in back):
        return None
    parent = row.child(relation, target, system.alias())
    theirs = system.condition(criteria.term, parent)
    if not any(isinstance(part, Param) and isinstance(part.source, Viewer) for part in theirs.parts):
        return None
    return Way(
        system.condition(criteria, row),
        each=sql(
            "(SELECT {p}.{remote} FROM {table} AS {p} WHERE {theirs}) AS {p}",
            table=name(target.table),
            p=name(parent.alias),
            remote=name(relation.remote),
            theirs=theirs,
        ),
        one=sql("{c} = {p}.{remote}", c=row.column(relation.local), p=name(parent.alias), remote=name(relation.remote)),
    )


def _by_team(compiler: Compiler, row: Row, scope: RowScope, which: str) -> Way:
    """Team by team: an index has the rows of one team in order, but not those of several."""
    team = name(compiler.alias())
    return Way(
        compiler.scope(row, scope),
        each=sql("unnest({teams}) AS {v}(id)", teams=param(Viewer(which), "uuid[]"), v=team),
        one=sql("{c} = {v}.id", c=row.column("team_id"), v=team),
    )
