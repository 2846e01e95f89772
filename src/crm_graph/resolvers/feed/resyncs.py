"""Events that move rights on other records than their own: the owner of a customer, where tickets are seen through it.

Whoever reads by such a rule is told once that they have to read those records again. It is asked of what they may see:
an event that changes nothing of it tells nothing.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from crm_graph.access import Access, Level, broadest
from crm_graph.catalog import CUSTOM, Catalog, EntityType, Relation
from crm_graph.criteria.compiling import Compiler
from crm_graph.criteria.predicates import AllOf, AnyOf, Compare, Counted, Criteria, Not, Related
from crm_graph.criteria.rows import Row, own_row, related_join, related_rows
from crm_graph.fragments import FALSE, Fragment, any_of, name, sql, text
from crm_graph.models.roles import RowRule
from crm_graph.resolvers.feed.as_it_was import any_differs, images, keys_of, looks_at, overlaid, reading
from crm_graph.resolvers.rows import Context

Way = tuple[Relation, ...]


@dataclass
class Dependency:
    """What the rights on the records of a type depend on of another type: its columns, and the ways that lead there."""

    columns: set[str] = field(default_factory=set)
    ways: set[Way] = field(default_factory=set)


def resyncs(context: Context) -> Mapping[str, Fragment]:
    """By type, whether the event `e` of a record of it has moved what the reader sees of other records. Of types that
    are not there it never has.
    """
    found: dict[str, list[Fragment]] = {}
    for entity in context.catalog.roots:
        for other, dependency in _dependencies(context.catalog, context.access, entity).items():
            moved = _moved(context, entity, context.catalog[other], dependency)
            if moved != FALSE:
                found.setdefault(other, []).append(moved)
    return {other: any_of(conditions) for other, conditions in found.items()}


def _dependencies(catalog: Catalog, access: Access, entity: EntityType) -> Mapping[str, Dependency]:
    """What the row rules on a type ask of other types that stand on their own."""
    found: dict[str, Dependency] = {}
    compiler = Compiler(catalog, access)
    for grant in access.grants(entity.name):
        for part in grant.scope.parts:
            if part.rule is RowRule.WHERE:
                _collect(catalog, compiler.predicate(entity, part), (), found)
    return found


def _collect(catalog: Catalog, criteria: Criteria, way: Way, found: dict[str, Dependency]) -> None:
    match criteria:
        case Compare():
            if way:
                at = found.setdefault(way[-1].target, Dependency())
                at.columns.add(criteria.field.name)
                at.ways.add(way)
        case AllOf(terms) | AnyOf(terms):
            for term in terms:
                _collect(catalog, term, way, found)
        case Not(term):
            _collect(catalog, term, way, found)
        case Related() | Counted():
            _across(catalog, criteria, way, found)


def _across(catalog: Catalog, criteria: Related | Counted, way: Way, found: dict[str, Dependency]) -> None:
    relation = criteria.relation
    if way:
        # Where it leads to from there is the record's own as well.
        at = found.setdefault(way[-1].target, Dependency())
        at.columns.add(relation.local)
        at.ways.add(way)
    if catalog[relation.target].is_child:
        return
    further = (*way, relation)
    at = found.setdefault(relation.target, Dependency())
    at.columns.update((relation.remote, "archived_at"))
    at.ways.add(further)
    _collect(catalog, criteria.term, further, found)


def _moved(context: Context, entity: EntityType, other: EntityType, dependency: Dependency) -> Fragment:
    """Whether a record of `entity` is seen otherwise than before the event of one of `other`."""
    columns = sorted(dependency.columns - {"id"})
    row = own_row(entity, context.alias())
    conditions = [
        condition for condition in rights(context.access, context.compiler(), row) if looks_at(condition, other.table)
    ]
    if not conditions or not columns:
        return FALSE
    at = context.alias()
    before, after = sql("{at}.b", at=name(at)), sql("{at}.a", at=name(at))

    def as_of(image: Fragment) -> list[Fragment]:
        return [reading(condition, other.table, overlaid(other.table, image)) for condition in conditions]

    return sql(
        "(e.before ?| {keys} AND EXISTS (SELECT 1 FROM (SELECT {before} AS b, {after} AS a OFFSET 0) AS {at}"
        " CROSS JOIN {table} AS {row} WHERE {related} AND {moved} OFFSET 0))",
        keys=keys_of(columns),
        before=images(columns, since=sql("y.entity_version >= e.entity_version")),
        after=images(columns, since=sql("y.entity_version > e.entity_version")),
        at=name(at),
        table=name(entity.table),
        row=name(row.alias),
        related=any_of(_leads(context, way, row, (before, after)) for way in sorted(dependency.ways, key=_named)),
        moved=any_differs(as_of(before), as_of(after)),
    )


def _named(way: Way) -> list[str]:
    return [relation.name for relation in way]


def _leads(context: Context, way: Way, row: Row, sides: Iterable[Fragment]) -> Fragment:
    """Whether a way from a row leads to the record of the event, as it is or as it was."""
    relation, *rest = way
    inner = row.child(relation, context.catalog[relation.target], context.alias())
    if rest:
        return sql(
            "EXISTS (SELECT 1 FROM {rows} WHERE {join} AND {further})",
            rows=related_rows(relation, inner.entity, inner.alias),
            join=related_join(relation, row, inner.alias),
            further=_leads(context, tuple(rest), inner, sides),
        )
    now = sql(
        "EXISTS (SELECT 1 FROM {rows} WHERE {id} = e.entity_id AND {join})",
        rows=related_rows(relation, inner.entity, inner.alias),
        id=inner.column("id"),
        join=related_join(relation, row, inner.alias),
    )
    if relation.link is not None:
        return now
    if relation.remote == "id":
        return sql("{here} = e.entity_id", here=row.column(relation.local))
    then = (
        sql("{here} = ({side} ->> {key})::uuid", here=row.column(relation.local), side=side, key=text(relation.remote))
        for side in sides
    )
    return any_of([now, *then])


def rights(access: Access, compiler: Compiler, row: Row) -> Iterator[Fragment]:
    """Every condition that decides what the reader sees of a record, each once."""
    grants = access.grants(row.entity.name)
    paths = {path for grant in grants for path in grant.levels}
    prefixes = {path.rpartition(".")[0] for path in paths} - {CUSTOM, ""}
    found = {frozenset(grant.scope for grant in grants)}
    found |= {frozenset(g.scope for g in grants if g.shows(f"{prefix}.")) for prefix in prefixes}
    found |= {frozenset(g.scope for g in grants if g.level(p) >= least) for p in paths for least in _SHOWN}
    for scopes in sorted(found - {frozenset()}, key=repr):
        yield any_of(compiler.scope(row, scope) for scope in broadest(sorted(scopes, key=repr)))


_SHOWN = (Level.MASKED, Level.READ)
