"""A list that is searched: its rows are those that a text finds, by relevance where no other order is given."""

from collections.abc import Sequence
from dataclasses import replace

from crm_graph.criteria.rows import Row
from crm_graph.criteria.ways import Way
from crm_graph.fragments import TRUE, all_of, name, sql
from crm_graph.resolvers.matching import Matching, matching_rows
from crm_graph.resolvers.plan import RANK, Connection, OrderKey
from crm_graph.resolvers.rows import Context
from crm_graph.resolvers.search.best import ranked
from crm_graph.resolvers.search.ranking import Searching, ranked_few, ranks


def by_rank(plan: Connection) -> bool:
    """Whether a list is ordered by relevance."""
    return plan.order[0].field is RANK


def unranked(plan: Connection) -> Sequence[OrderKey]:
    """The order of a list that is wanted whole: by relevance there are only the best."""
    return [key for key in plan.order if key.field is not RANK]


def counted_rows(plan: Connection, parent: Row | None, row: Row, context: Context) -> Matching:
    """The rows of a list, at least as many as are counted: of a text that many have, the best are soon found."""
    if plan.search is None or plan.relation is not None:
        return matching_rows(plan, parent, row, context)
    return best_rows(plan, parent, row, replace(context, limits=context.limits.counting))


def best_rows(plan: Connection, parent: Row | None, row: Row, context: Context) -> Matching:
    """The rows that a list by relevance can page through: the best, with their ranks."""
    if plan.search is None:
        return matching_rows(plan, parent, row, context)
    matching = matching_rows(replace(plan, search=None), parent, row, context)
    searching = Searching(context.catalog, row, context.compiler(), plan.search)
    if plan.relation is None:
        seen = all_of([context.compiler().visible(row), matching.condition])
        best = ranked(searching, matching.table, seen, context.limits)
    else:
        best = ranked_few(searching, matching.table, matching.condition, context.limits)
    table = sql(
        "{best} AS {ranks} JOIN {table} AS {a} ON {id} = {ranks}.id",
        best=best,
        ranks=ranks(row),
        table=name(row.entity.table),
        a=matching.alias,
        id=row.column("id"),
    )
    return Matching(table, matching.alias, (Way(TRUE),), TRUE)
