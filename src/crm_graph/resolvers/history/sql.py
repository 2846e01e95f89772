"""A page of a record's history as SQL: a walk down its events, newest first, of which only what is told counts."""

from collections.abc import Callable
from dataclasses import dataclass

from crm_graph.criteria.rows import Row
from crm_graph.fragments import FALSE, TRUE, Fragment, all_of, join, name, number, sql, text
from crm_graph.resolvers.feed.told import members, told_type
from crm_graph.resolvers.history.told import Told, told
from crm_graph.resolvers.json_sql import as_object
from crm_graph.resolvers.paging import cursor_text
from crm_graph.resolvers.plan import EntryMember, History, HistoryPart, Limits, Lookup, Part
from crm_graph.resolvers.rows import RowFlags


def history(plan: History, row: Row, flags: RowFlags, limits: Limits, lookup: Callable[[Lookup], Fragment]) -> Fragment:
    """The JSON of a record's history; `lookup` gives the object of a record by its id."""
    event = flags.alias()
    type_ = told_type(row.entity, members(row, flags))
    return _HistoryWriter(plan, row, event, told(flags, row, event), type_, limits, lookup).write()


@dataclass(frozen=True, slots=True)
class _HistoryWriter:
    plan: History
    row: Row
    event: str
    told: Told
    type: Fragment
    limits: Limits
    lookup: Callable[[Lookup], Fragment]

    def write(self) -> Fragment:
        listed = [p for p in self.plan.parts if p.part is Part.NODES]
        names = [f"j{i}" for i in range(1, len(listed) + 1)]
        items = [sql("{json} AS {j}", json=self._entry(p), j=name(n)) for p, n in zip(listed, names, strict=True)]
        if any(what in ("startCursor", "endCursor") for part in self.plan.parts for _, what in part.names):
            names.append("c")
            items.append(sql("{cursor} AS c", cursor=self._cursor()))
        answer = [
            (p.key, self._sliced(names[listed.index(p)]) if p in listed else self._part(p)) for p in self.plan.parts
        ]
        if all(part.part is Part.TYPENAME for part in self.plan.parts):
            return as_object(answer)
        e = name(self.event)
        arrays = [sql("array_agg(x.{j} ORDER BY x.v DESC, x.id DESC) AS {j}", j=name(n)) for n in names]
        return sql(
            "(SELECT {answer} FROM (SELECT {arrays} FROM (SELECT {columns} FROM ({page}) AS {e}) AS x) AS a)",
            answer=as_object(answer),
            arrays=join(", ", [*arrays, sql("count(*) AS n")]),
            columns=join(", ", [sql("{e}.entity_version AS v, {e}.id", e=e), *items]),
            page=self._page(),
            e=e,
        )

    def _page(self) -> Fragment:
        """The events of the page and one further. The literal limit tells the planner that they are few."""
        return sql(
            "SELECT * FROM (SELECT {e}.* {events} ORDER BY {e}.entity_version DESC, {e}.id DESC LIMIT {cap}) AS p"
            " LIMIT {size} + 1",
            e=name(self.event),
            events=self._events(self._behind("<")),
            cap=number(self.limits.max_page + 1),
            size=self.plan.page.size,
        )

    def _events(self, bound: Fragment) -> Fragment:
        e = name(self.event)
        mine = sql("{e}.entity_id = {id} AND NOT {e}.is_read", e=e, id=self.row.column("id"))
        return sql("FROM events AS {e} WHERE {where}", e=e, where=all_of([mine, bound, self.told.anything]))

    def _behind(self, operator: str) -> Fragment:
        """On which side of the cursor events lie: `<` for older ones, else those from it on."""
        if self.plan.page.after is None:
            return TRUE
        here = sql("({e}.entity_version, {e}.id)", e=name(self.event))
        there = sql("({values})", values=join(", ", self.plan.page.after))
        if operator == "<":
            return sql("{here} < {there}", here=here, there=there)
        return sql("{here} >= {there}", here=here, there=there)

    def _entry(self, part: HistoryPart) -> Fragment:
        return as_object([(member.key, self._member(member)) for member in part.members])

    def _member(self, member: EntryMember) -> Fragment:
        e = name(self.event)
        match member.name:
            case "__typename":
                return text("HistoryEntry")
            case "actor" | "onBehalfOf" if member.row is not None:
                column = name("actor_id" if member.name == "actor" else "on_behalf_of_id")
                return self.lookup(Lookup(member.key, member.row, id=sql("{e}.{c}", e=e, c=column)))
            case "changes":
                return self._changes(member)
            case "reason":
                return self.told.reason
            case "type":
                return sql("(SELECT {type} FROM (SELECT {e}.*) AS e)", type=self.type, e=e)
        return sql("{e}.{c}", e=e, c=name(_COLUMNS[member.name]))

    def _changes(self, member: EntryMember) -> Fragment:
        pairs = [(key, text("HistoryChange") if what == "__typename" else _change(what)) for key, what in member.names]
        return sql(
            "array_to_json(ARRAY(SELECT {change} FROM ({changes}) AS h ORDER BY h.n, h.item, h.i))",
            change=as_object(pairs),
            changes=self.told.changes,
        )

    def _cursor(self) -> Fragment:
        e = name(self.event)
        return cursor_text(self.plan.signature, [sql("{e}.entity_version::text", e=e), sql("{e}.id::text", e=e)])

    def _sliced(self, array: str) -> Fragment:
        size = self.plan.page.size
        return sql("COALESCE(array_to_json((a.{array})[:{size}]), '[]'::json)", array=name(array), size=size)

    def _part(self, part: HistoryPart) -> Fragment:
        if part.part is Part.PAGE_INFO:
            return as_object([(key, self._fact(what)) for key, what in part.names])
        return text("HistoryConnection")

    def _fact(self, what: str) -> Fragment:
        size = self.plan.page.size
        match what:
            case "hasNextPage":
                return sql("a.n > {size}", size=size)
            case "hasPreviousPage":
                behind = sql("EXISTS (SELECT 1 {events})", events=self._events(self._behind(">=")))
                return FALSE if self.plan.page.after is None else behind
            case "startCursor":
                return sql("CASE WHEN {size} > 0 THEN (a.c)[1] END", size=size)
            case "endCursor":
                return sql("CASE WHEN {size} > 0 THEN (a.c)[LEAST(a.n, {size})] END", size=size)
        return text("PageInfo")


_COLUMNS = {
    "id": "id",
    "occurredAt": "occurred_at",
    "version": "entity_version",
    "source": "source",
}


def _change(what: str) -> Fragment:
    return sql("h.{column}", column=name(what))
