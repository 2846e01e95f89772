"""Lists of what is no record of the catalog, from selection to SQL: pages in the order of a key, with the page
arguments of every list. What they are made of is declared by services (`services/listings.py`).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, LiteralString

from crm_graph.access import Access
from crm_graph.catalog import Field
from crm_graph.criteria.reading import MAX_LIST
from crm_graph.errors import ValidationFailed
from crm_graph.fragments import EMPTY, FALSE, TRUE, Fragment, all_of, any_of, join, name, number, sql, text
from crm_graph.models.fields import DataClass, FieldInfo
from crm_graph.resolvers.arguments import Leaf, ManyOf, Path, given_list
from crm_graph.resolvers.cursors import signature
from crm_graph.resolvers.json_sql import as_object
from crm_graph.resolvers.paging import cursor_text
from crm_graph.resolvers.plan import Limits, Listed, OrderKey, Page, Part
from crm_graph.resolvers.selection import TYPENAME, Selected
from crm_graph.scalars import Parser
from crm_graph.services.audited_reads import AUDITED_READS
from crm_graph.services.client_list import CLIENT_LIST
from crm_graph.services.job_list import JOB_LIST
from crm_graph.services.listings import Items, Listing, Narrowing
from crm_graph.services.rights_changes import RIGHTS_CHANGES
from crm_graph.services.timer_list import TIMER_LIST

LISTINGS: Mapping[str, Listing] = {
    listing.name: listing for listing in (CLIENT_LIST, AUDITED_READS, RIGHTS_CHANGES, JOB_LIST, TIMER_LIST)
}
"""By the root field. Registering one is a line here."""

_TURNED: Mapping[str, LiteralString] = {">": "<", "<": ">", ">=": "<=", "<=": ">="}
_LISTS = (Part.NODES, Part.EDGES)

PageOf = Callable[[Selected, tuple[OrderKey, ...], str], Page]
ValueOf = Callable[[Leaf, Parser, str, Path], Fragment]


def plan_listing(selected: Selected, access: Access, page: PageOf, value: ValueOf) -> Listed:
    """The plan of a list; `page` reads page arguments, `value` one value of `where`. Raises ValidationFailed for who
    may not ask, as for a field that never was.
    """
    listing = LISTINGS[selected.name]
    if not access.may(listing.action):
        raise ValidationFailed("unknown_field").at(selected.key)
    order = by_key(listing)
    sign = signature(listing.name, [("", "key", order[0].direction)])
    return Listed(
        key=selected.key,
        listing=listing,
        conditions=tuple(_conditions(selected, listing, value)),
        signature=sign,
        page=page(selected, order, sign),
        parts=selected.only(),
    )


def by_key(listing: Listing) -> tuple[OrderKey, ...]:
    """The order of a list."""
    key = Field("key", "key", listing.of, nullable=False, has_default=False, info=FieldInfo(DataClass.BASIC))
    return (OrderKey((), key, descending=listing.descending, nulls_first=False),)


def _conditions(selected: Selected, listing: Listing, value: ValueOf) -> Iterable[Fragment]:
    if listing.always != TRUE:
        yield listing.always
    wanted = {key: raw for key, raw in (selected.argument("where") or {}).items() if raw is not None}
    for key, raw in wanted.items():
        yield listing.where[key].condition(_operand(listing.where[key], raw, (selected.key, "where", key), value))
    yield from (condition for key, condition in listing.unless.items() if key not in wanted)


def _operand(narrowing: Narrowing, raw: Any, at: Path, value: ValueOf) -> Fragment:
    if narrowing.many:
        return given_list(raw, ManyOf(narrowing.parse, MAX_LIST, at), narrowing.pg_type)
    return value(raw, narrowing.parse, narrowing.pg_type, at)


def one_of(listing: Listing, key: Fragment, selection: Iterable[Selected]) -> Fragment:
    """One of a list by its key, whatever its `where` would leave out."""
    return sql(
        "SELECT {object} FROM {source} WHERE {by} = {key}",
        object=_object(listing, selection),
        source=listing.source,
        by=listing.key,
        key=key,
    )


def listed(plan: Listed, limits: Limits) -> Fragment:
    """The JSON of a page and what is selected around it."""
    return _ListWriter(plan, limits).write()


@dataclass(frozen=True)
class _ListWriter:
    plan: Listed
    limits: Limits

    def write(self) -> Fragment:
        """Each list is gathered over the page; one row further tells whether there is more."""
        parts = self.plan.parts
        lists = {part.key: name(f"j{place}") for place, part in enumerate(parts) if part.name in _LISTS}
        answer = as_object([(part.key, self._part(part, lists.get(part.key))) for part in parts])
        if not lists and not any(part.name == Part.PAGE_INFO for part in parts):
            return answer
        items = [sql("{item} AS {j}", item=self._item(part), j=lists[part.key]) for part in parts if part.key in lists]
        gathered = [
            sql(
                "array_to_json(array_agg(x.{j} ORDER BY {k}) FILTER (WHERE {inside})) AS {j}",
                j=j,
                k=self._shown(last_first=False),
                inside=self._inside,
            )
            for j in lists.values()
        ]
        return sql(
            "(SELECT {answer} FROM (SELECT {gathered} FROM (SELECT {columns} FROM {source} WHERE {where}"
            " ORDER BY {order} LIMIT {size} + 1{offset}) AS x) AS a)",
            answer=answer,
            gathered=join(
                ", ", [sql("count(*) AS n"), self._end("start"), self._end("stop", last_first=True), *gathered]
            ),
            columns=join(
                ", ",
                [
                    sql("{key} AS k", key=self._key),
                    sql("{cursor} AS c", cursor=self._cursor),
                    sql("row_number() OVER (ORDER BY {order}) AS place", order=self._order),
                    *items,
                ],
            ),
            source=self.plan.listing.source,
            where=all_of([*self.plan.conditions, *(b for b in (self._after(">"), self._before("<")) if b is not None)]),
            order=self._order,
            size=self.plan.page.size,
            offset=sql(" OFFSET {rows}", rows=self.plan.page.offset) if self.plan.page.offset else EMPTY,
        )

    @property
    def _key(self) -> Fragment:
        return self.plan.listing.key

    @property
    def _cursor(self) -> Fragment:
        return cursor_text(self.plan.signature, [sql("({key})::text", key=self._key)])

    @property
    def _order(self) -> Fragment:
        return _ordered(self._key, descending=self.plan.listing.descending is not self.plan.page.backward)

    def _shown(self, *, last_first: bool) -> Fragment:
        """The order in which a page is shown, or from its end."""
        return _ordered(sql("x.k"), descending=self.plan.listing.descending is not last_first)

    @property
    def _inside(self) -> Fragment:
        return sql("x.place <= {size}", size=self.plan.page.size)

    def _end(self, as_: str, *, last_first: bool = False) -> Fragment:
        """The cursor of the page's first or last row."""
        return sql(
            "(array_agg(x.c ORDER BY {order}) FILTER (WHERE {inside}))[1] AS {as_}",
            order=self._shown(last_first=last_first),
            inside=self._inside,
            as_=name(as_),
        )

    def _item(self, part: Selected) -> Fragment:
        node = self.plan.listing
        if part.name == Part.NODES:
            return _object(node, part.only())
        values: Mapping[str, Callable[[Selected], Fragment]] = {
            "node": lambda below: _object(node, below.only()),
            "cursor": lambda _: self._cursor,
            TYPENAME: lambda _: text(f"{node.type_name}Edge"),
        }
        return as_object([(below.key, values[below.name](below)) for below in part.only()])

    def _part(self, part: Selected, column: Fragment | None) -> Fragment:
        match part.name:
            case Part.NODES | Part.EDGES:
                return sql("COALESCE(a.{j}, '[]'::json)", j=column or EMPTY)
            case Part.PAGE_INFO:
                return as_object([(below.key, self._fact(below.name)) for below in part.only()])
            case Part.TOTAL_COUNT:
                return sql("LEAST({count}, {cap})", count=self._count(), cap=number(self.limits.count_cap))
            case Part.TOTAL_COUNT_CAPPED:
                return sql("{count} > {cap}", count=self._count(), cap=number(self.limits.count_cap))
        return text(f"{self.plan.listing.type_name}Connection")

    def _fact(self, what: str) -> Fragment:
        more, backward = sql("a.n > {size}", size=self.plan.page.size), self.plan.page.backward
        match what:
            case "hasNextPage":
                beyond = self._any(self._before(">="))
                return beyond if backward else any_of([more, beyond])
            case "hasPreviousPage":
                behind = self._any(self._after("<="))
                return any_of([more, behind]) if backward else any_of([behind, self._skipped()])
            case "startCursor":
                return sql("a.start")
            case "endCursor":
                return sql("a.stop")
        return text("PageInfo")

    def _skipped(self) -> Fragment:
        if not self.plan.page.offset:
            return FALSE
        return sql("({rows} > 0 AND {any})", rows=self.plan.page.offset, any=self._any(TRUE))

    def _any(self, condition: Fragment | None) -> Fragment:
        """Whether there are rows on the other side of a cursor, its own among them."""
        if condition is None:
            return FALSE
        return sql(
            "EXISTS (SELECT 1 FROM {source} WHERE {where})",
            source=self.plan.listing.source,
            where=all_of([*self.plan.conditions, condition]),
        )

    def _count(self) -> Fragment:
        return sql(
            "(SELECT count(*) FROM (SELECT 1 FROM {source} WHERE {where} LIMIT {cap} + 1) AS m)",
            source=self.plan.listing.source,
            where=all_of(self.plan.conditions),
            cap=number(self.limits.count_cap),
        )

    def _after(self, operator: LiteralString) -> Fragment | None:
        return self._compared(self.plan.page.after, operator)

    def _before(self, operator: LiteralString) -> Fragment | None:
        return self._compared(self.plan.page.before, operator)

    def _compared(self, cursor: tuple[Fragment, ...] | None, operator: LiteralString) -> Fragment | None:
        if cursor is None:
            return None
        turned = _TURNED[operator] if self.plan.listing.descending else operator
        return sql("{key} {operator} {value}", key=self._key, operator=sql(turned), value=cursor[0])


def _ordered(key: Fragment, *, descending: bool) -> Fragment:
    return sql("{key} DESC", key=key) if descending else key


def _object(listing: Listing, selection: Iterable[Selected]) -> Fragment:
    return as_object([(selected.key, _member(listing, selected)) for selected in selection])


def _member(listing: Listing, selected: Selected) -> Fragment:
    if selected.name == TYPENAME:
        return text(listing.type_name)
    member = listing.members[selected.name]
    return _items(member, selected.only()) if isinstance(member, Items) else member


def _items(items: Items, selection: Iterable[Selected]) -> Fragment:
    pairs = [(s.key, text(items.type_name) if s.name == TYPENAME else items.members[s.name]) for s in selection]
    return sql(
        "array_to_json(ARRAY(SELECT {object} FROM {source} ORDER BY {order}))",
        object=as_object(pairs),
        source=items.source,
        order=items.order,
    )
