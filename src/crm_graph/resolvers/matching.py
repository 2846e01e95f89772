"""Which rows a list or aggregate is about: those of a type or relation that the asker sees, if they match."""

from collections.abc import Sequence
from dataclasses import dataclass

from crm_graph.criteria.rows import Row, related_join, related_rows
from crm_graph.criteria.ways import Way, apart, exclusive, ways
from crm_graph.fragments import TRUE, Fragment, all_of, join, name, sql
from crm_graph.resolvers.plan import Archived, Connection, RowSet
from crm_graph.resolvers.rows import Context
from crm_graph.resolvers.search.ranking import Searching


@dataclass(frozen=True, slots=True)
class Matching:
    """All rows that a connection counts, or an aggregate groups: those of a FROM item that the asker sees, by `ways`,
    and that meet a condition.
    """

    table: Fragment
    alias: Fragment
    ways: tuple[Way, ...]
    condition: Fragment

    @property
    def source(self) -> Fragment:
        """A FROM item whose rows the asker sees."""
        if len(self.ways) == 1 and self.ways[0].condition == TRUE:
            return self.table
        seen = [
            sql("SELECT {a}.* FROM {table} WHERE {way}", a=self.alias, table=self.table, way=condition)
            for condition in apart(self.ways)
        ]
        return sql("({seen}) AS {a}", seen=join(" UNION ALL ", seen), a=self.alias)

    def in_order(self, first: "First") -> Fragment:
        """A FROM item of the first rows of each way in which rows are seen."""
        if len(self.ways) == 1 and not self.ways[0].each:
            where = all_of([self.ways[0].condition, self.condition, *first.bounds])
            return sql("{table} WHERE {where}", table=self.table, where=where)
        once = exclusive(self.ways)
        reached = join(" UNION ALL ", [self._along(way, first) for way in once or self.ways])
        if once is None:
            reached = sql("SELECT DISTINCT ON (r.id) r.* FROM ({reached}) AS r ORDER BY r.id DESC", reached=reached)
        return sql("({reached}) AS {a}", reached=reached, a=self.alias)

    def _along(self, way: Way, first: "First") -> Fragment:
        rows = sql(
            "SELECT {columns} FROM {table} WHERE {where} ORDER BY {order} LIMIT {cap}",
            columns=first.columns,
            table=self.table,
            where=all_of([way.one if way.each else way.condition, self.condition, *first.bounds]),
            order=first.order,
            cap=first.cap,
        )
        if not way.each:
            return sql("({rows})", rows=rows)
        return sql(
            "(SELECT {a}.* FROM {each} CROSS JOIN LATERAL (SELECT * FROM ({rows}) AS p LIMIT {reach}) AS {a}"
            " ORDER BY {order} LIMIT {cap})",
            a=self.alias,
            each=way.each,
            rows=rows,
            reach=first.reach,
            order=first.order,
            cap=first.cap,
        )


@dataclass(frozen=True, slots=True)
class First:
    """What is wanted of the first rows in an order: these columns, the id among them, within bounds; at least the first
    `reach` rows, at most `cap`.
    """

    columns: Fragment
    bounds: Sequence[Fragment]
    order: Fragment
    cap: Fragment
    reach: Fragment


def matching_rows(plan: RowSet, parent: Row | None, row: Row, context: Context) -> Matching:
    """The rows of a set: of a type, or of a row's relation."""
    compiler = context.compiler()
    conditions = []
    if plan.relation is not None and parent is not None:
        # Below one parent the candidates are few, and one condition on them is the fastest.
        table = related_rows(plan.relation, plan.entity, row.alias)
        conditions += [related_join(plan.relation, parent, row.alias), compiler.visible(row)]
        seen: tuple[Way, ...] = (Way(TRUE),)
    else:
        table = sql("{table} AS {a}", table=name(plan.entity.table), a=name(row.alias))
        seen = ways(compiler, row)
    if plan.archived is Archived.EXCLUDE and plan.entity.tracked:
        conditions.append(sql("{c} IS NULL", c=row.column("archived_at")))
    elif plan.archived is Archived.ONLY:
        conditions.append(sql("{c} IS NOT NULL", c=row.column("archived_at")))
    found = TRUE
    if isinstance(plan, Connection) and plan.search is not None:
        searching = Searching(context.catalog, row, compiler, plan.search)
        conditions.append(searching.condition())
        if any(group.readable != TRUE for group in searching.groups):
            found = conditions[-1]
    if plan.criteria is not None:
        rights = all_of([compiler.visible(row), found])
        conditions.append(compiler.condition(plan.criteria, row, rights))
    return Matching(table, name(row.alias), seen, all_of(conditions))
