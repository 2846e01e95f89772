"""A search over several types as SQL: the best of each type, ranked together."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from crm_graph.criteria.rows import own_row
from crm_graph.fragments import Fragment, join, name, number, sql, text
from crm_graph.resolvers.json_sql import as_object
from crm_graph.resolvers.plan import ObjectPlan, Search, SearchHits, Typename
from crm_graph.resolvers.rows import Context
from crm_graph.resolvers.search.best import ranked
from crm_graph.resolvers.search.planning import constant
from crm_graph.resolvers.search.queries import Tier
from crm_graph.resolvers.search.ranking import Searching

ByCode = Callable[[Fragment, Sequence[ObjectPlan]], Fragment]


def search(plan: Search, context: Context, by_code: ByCode) -> Fragment:
    """The JSON of a search; `by_code` writes the object of a row by its id."""
    return as_object([(part.key, _part(plan, part, context, by_code)) for part in plan.parts])


def _part(plan: Search, part: SearchHits | Typename, context: Context, by_code: ByCode) -> Fragment:
    if isinstance(part, Typename):
        return text(part.name)
    if not plan.types:
        return sql("'[]'::json")
    fields = [(key, _field(key, what, plan, part, by_code)) for key, what in part.names]
    best = join(" UNION ALL ", [sql("SELECT id, rank FROM {best} AS b", best=best) for best in _best(plan, context)])
    return sql(
        "array_to_json(ARRAY(SELECT {hit} FROM (SELECT id, rank FROM ({best}) AS a"
        " ORDER BY rank, id DESC LIMIT {size}) AS h ORDER BY h.rank, h.id DESC))",
        hit=as_object(fields),
        best=best,
        size=plan.size,
    )


def _best(plan: Search, context: Context) -> list[Fragment]:
    limits = replace(context.limits, search_window=context.limits.search_hits)
    found = []
    for entity in plan.types:
        row = own_row(entity, context.alias())
        searching = Searching(context.catalog, row, context.compiler(), plan.text)
        rows = sql("{table} AS {a}", table=name(entity.table), a=name(row.alias))
        in_use = sql(
            "{seen} AND {archived} IS NULL",
            seen=context.compiler().visible(row),
            archived=row.column("archived_at"),
        )
        found.append(ranked(searching, rows, in_use, limits))
    return found


def _field(key: str, what: str, plan: Search, part: SearchHits, by_code: ByCode) -> Fragment:
    match what:
        case "node":
            return by_code(sql("h.id"), part.rows[key])
        case "type":
            types = [
                sql("WHEN {code} THEN {type}", code=number(e.code), type=text(constant(e.name))) for e in plan.types
            ]
            return sql("CASE get_byte(uuid_send(h.id), 8) & 63 {types} END", types=join(" ", types))
        case "match":
            return sql("(ARRAY[{tiers}])[h.rank + 1]", tiers=join(", ", [text(tier.name) for tier in Tier]))
    return text("SearchHit")
