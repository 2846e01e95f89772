"""A connection as SQL: one page of rows, and around it the nodes, edges, page info and counts that are selected."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from crm_graph.criteria.rows import Row, own_row
from crm_graph.fragments import EMPTY, FALSE, TRUE, Fragment, all_of, any_of, join, name, negation, number, sql, text
from crm_graph.resolvers.json_sql import Pairs, as_items, as_object
from crm_graph.resolvers.matching import First, Matching, matching_rows
from crm_graph.resolvers.paging import SortKey, cursor, key_columns, keyset, order_by, sort_keys
from crm_graph.resolvers.plan import Connection, ConnectionPart, ObjectPlan, Part
from crm_graph.resolvers.relevance import best_rows, by_rank, counted_rows
from crm_graph.resolvers.rows import Context, RowFlags, columns_used

ObjectWriter = Callable[[ObjectPlan, Row, RowFlags], Pairs]


def connection(plan: Connection, parent: Row | None, context: Context, write: ObjectWriter) -> Fragment:
    """The JSON of a connection; `write` gives the members of one row's object."""
    row = own_row(plan.entity, context.alias())
    if parent is not None and plan.relation is not None:
        row = parent.child(plan.relation, plan.entity, row.alias)
    matching = (best_rows if by_rank(plan) else matching_rows)(plan, parent, row, context)
    keys = sort_keys(plan.order, row, context.compiler(), context.catalog)
    return _ConnectionWriter(plan, parent, row, context, matching, keys, write).write()


@dataclass
class _ConnectionWriter:
    plan: Connection
    parent: Row | None
    row: Row
    context: Context
    matching: Matching
    keys: list[SortKey]
    object: ObjectWriter

    @cached_property
    def counted(self) -> Matching:
        """All that is counted; compiled where something is."""
        return counted_rows(self.plan, self.parent, self.row, self.context)

    def write(self) -> Fragment:
        listed = [p for p in self.plan.parts if p.part in (Part.NODES, Part.EDGES)]
        paged = any(p.part is Part.PAGE_INFO for p in self.plan.parts)
        if not listed and not paged:
            return as_object([(p.key, self._part(p)) for p in self.plan.parts])
        if paged or self.plan.page.backward or [p.part for p in listed] != [Part.NODES]:
            return self._arrays(listed, further=paged)
        return self._nodes()

    def _nodes(self) -> Fragment:
        """The common case, nodes forward without page info: the rows are aggregated as they come."""
        flags = self.context.flags(self.row)
        (nodes,) = (p for p in self.plan.parts if p.part is Part.NODES)
        item, columns = as_items(self.object(nodes.rows[0][1], self.row, flags))
        aggregate = sql(
            "array_to_json(ARRAY(SELECT {item} FROM {rows} AS x))",
            item=item,
            rows=self._page(columns, flags, self._size),
        )
        return as_object([(p.key, aggregate if p is nodes else self._part(p)) for p in self.plan.parts])

    def _arrays(self, listed: list[ConnectionPart], *, further: bool) -> Fragment:
        """Everything else: each part becomes an array over the page and one row further, then is cut to the page."""
        flags = self.context.flags(self.row)
        columns = [
            sql("{json} AS {j}", json=self._item(part, flags), j=name(f"j{i}")) for i, part in enumerate(listed, 1)
        ]
        if any(n in ("startCursor", "endCursor") for part in self.plan.parts for _, n in part.names):
            columns.append(sql("{cursor} AS c", cursor=self._cursor()))
        turned = self.plan.page.backward
        order = sql(" ORDER BY x.n DESC") if turned else EMPTY
        names = [f"j{i + 1}" if i < len(listed) else "c" for i in range(len(columns))]
        arrays = [sql("array_agg(x.{j}{order}) AS {j}", j=name(n), order=order) for n in names]
        size = sql("{size} + 1", size=self._size) if further else self._size
        rows = self._page(join(", ", columns), flags, size)
        if turned:
            rows = sql("(SELECT y.*, row_number() OVER () AS n FROM {rows} AS y)", rows=rows)
        answer = [
            (p.key, self._sliced(names[listed.index(p)]) if p in listed else self._part(p)) for p in self.plan.parts
        ]
        return sql(
            "(SELECT {answer} FROM (SELECT {arrays} FROM {rows} AS x) AS a)",
            answer=as_object(answer),
            arrays=join(", ", [*arrays, sql("count(*) AS n")]),
            rows=rows,
        )

    def _item(self, part: ConnectionPart, flags: RowFlags) -> Fragment:
        rows = {key: as_object(self.object(row, self.row, flags)) for key, row in part.rows}
        if part.part is Part.NODES:
            return rows[part.key]
        edge = f"{self.plan.entity.api_name}Edge"
        return as_object(
            [
                (key, rows[key] if what == "node" else self._cursor() if what == "cursor" else text(edge))
                for key, what in part.names
            ]
        )

    def _cursor(self) -> Fragment:
        return cursor(self.keys, self.row, self.plan.signature)

    @property
    def _size(self) -> Fragment:
        return self.plan.page.size

    def _page(self, columns: Fragment, flags: RowFlags, size: Fragment) -> Fragment:
        """The rows of the page, in order, with `columns`.

        The inner literal LIMIT tells the planner of a generic plan that a page is small; a bare parameter would be
        costed at a tenth of the table.
        """
        page, a = self.plan.page, name(self.row.alias)
        limits = self.context.limits
        keys = [k.reversed() for k in self.keys] if page.backward else self.keys
        bounds = [b for b in (self._after(), self._before()) if b is not None]
        computed = key_columns(self.keys) if self._needs_cursor() else EMPTY
        extra = sql("{keys}{flags}", keys=computed, flags=flags.flag_columns())
        cap = number(limits.max_page + 1 + (limits.max_offset if page.offset else 0))
        window, reach = sql("LIMIT {size}", size=size), size
        if page.offset:
            window = sql("{window} OFFSET {offset}", window=window, offset=page.offset)
            reach = sql("{size} + {offset}", size=size, offset=page.offset)
        order, made = order_by(keys), {*flags.names, *(f"k{i}" for i in range(1, len(keys) + 1))}
        seen = columns_used(self.row, [self.row.column("id"), columns, extra, order], made)
        base = sql("{used}{extra}", used=columns_used(self.row, [columns], made), extra=extra)
        rows = sql(
            "SELECT {columns} FROM {rows} ORDER BY {order} LIMIT {cap}",
            columns=base if extra else columns,
            rows=self.matching.in_order(First(seen, bounds, order, cap, reach)),
            order=order,
            cap=cap,
        )
        if not extra:
            return sql("(SELECT * FROM ({rows}) AS p {window})", rows=rows, window=window)
        return sql(
            "(SELECT {columns} FROM (SELECT * FROM ({rows}) AS p {window}) AS {a})",
            columns=columns,
            rows=rows,
            window=window,
            a=a,
        )

    def _needs_cursor(self) -> bool:
        return any(n in ("cursor", "startCursor", "endCursor") for part in self.plan.parts for _, n in part.names)

    def _after(self) -> Fragment | None:
        return keyset(self.keys, self.plan.page.after) if self.plan.page.after else None

    def _before(self) -> Fragment | None:
        keys = [k.reversed() for k in self.keys]
        return keyset(keys, self.plan.page.before) if self.plan.page.before else None

    def _sliced(self, array: str) -> Fragment:
        """An array cut to the page: its first rows, or for a backward page its last."""
        values = sql("a.{array}", array=name(array))
        backward = self.plan.page.backward
        bounds = sql("{first}:", first=self._first()) if backward else sql(":{size}", size=self._size)
        return sql("COALESCE(array_to_json(({values})[{bounds}]), '[]'::json)", values=values, bounds=bounds)

    def _first(self) -> Fragment:
        """The position of the page's first row in its arrays."""
        return sql("GREATEST(a.n - {size}, 0) + 1", size=self._size) if self.plan.page.backward else sql("1")

    def _last(self) -> Fragment:
        return sql("a.n") if self.plan.page.backward else sql("LEAST(a.n, {size})", size=self._size)

    def _part(self, part: ConnectionPart) -> Fragment:
        match part.part:
            case Part.PAGE_INFO:
                return self._page_info(part)
            case Part.TOTAL_COUNT:
                return sql("LEAST({count}, {cap})", count=self._count(), cap=self._cap())
            case Part.TOTAL_COUNT_CAPPED:
                return sql("{count} > {cap}", count=self._count(), cap=self._cap())
            case Part.FOUND:
                return self._found(part)
            case _:
                return text(f"{self.plan.entity.api_name}Connection")

    def _page_info(self, part: ConnectionPart) -> Fragment:
        return as_object([(key, self._page_fact(what)) for key, what in part.names])

    def _page_fact(self, what: str) -> Fragment:
        match what:
            case "hasNextPage":
                return self._has_next()
            case "hasPreviousPage":
                return self._has_previous()
            case "startCursor":
                return self._cursor_at(self._first())
            case "endCursor":
                return self._cursor_at(self._last())
        return text("PageInfo")

    def _cursor_at(self, position: Fragment) -> Fragment:
        """A cursor of the page; a page of no rows has none, though one row further was read."""
        return sql("CASE WHEN {size} > 0 THEN (a.c)[{position}] END", size=self._size, position=position)

    def _has_next(self) -> Fragment:
        beyond = self._outside(self._before())
        return beyond if self.plan.page.backward else any_of([self._more(), beyond])

    def _has_previous(self) -> Fragment:
        if self.plan.page.offset:
            rows = self._exist(TRUE)
            return sql("({offset} > 0 AND {rows})", offset=self.plan.page.offset, rows=rows)
        behind = self._outside(self._after())
        return any_of([self._more(), behind]) if self.plan.page.backward else behind

    def _more(self) -> Fragment:
        return sql("a.n > {size}", size=self._size)

    def _outside(self, bound: Fragment | None) -> Fragment:
        """Whether matching rows lie on the other side of a cursor, its own row among them."""
        if bound is None:
            return FALSE
        single = len(self.keys) == 1 and not self.keys[0].nullable
        outside = negation(bound) if single else sql("({bound}) IS NOT TRUE", bound=bound)
        return self._exist(outside)

    def _exist(self, condition: Fragment) -> Fragment:
        where = all_of([self.matching.condition, condition])
        return sql("EXISTS (SELECT 1 FROM {source} WHERE {where})", source=self.matching.source, where=where)

    def _count(self) -> Fragment:
        return sql(
            "(SELECT count(*) FROM (SELECT 1 FROM {source} WHERE {where} LIMIT {cap} + 1) AS m)",
            source=self.counted.source,
            where=self.counted.condition,
            cap=self._cap(),
        )

    def _found(self, part: ConnectionPart) -> Fragment:
        """Every record that is counted, whatever the page holds."""
        flags = self.context.flags(self.row)
        ((_, row),) = part.rows
        return sql(
            "array_to_json(ARRAY(SELECT {item} FROM"
            " (SELECT {a}.*{flags} FROM {source} WHERE {where} LIMIT {cap} + 1) AS {a}))",
            item=as_object(self.object(row, self.row, flags)),
            a=name(self.row.alias),
            flags=flags.flag_columns(),
            source=self.counted.source,
            where=self.counted.condition,
            cap=self._cap(),
        )

    def _cap(self) -> Fragment:
        return number(self.context.limits.counted(searched=self.plan.search is not None))
