"""A timeline as SQL: short scans of an index for each kind of entries, merged by time, then the JSON of one page."""

from collections.abc import Sequence
from dataclasses import dataclass

from crm_graph.access import Level
from crm_graph.catalog import Relation
from crm_graph.criteria.rows import Row, own_row, related_join, related_rows
from crm_graph.fragments import EMPTY, FALSE, Fragment, all_of, any_of, join, name, number, sql, text
from crm_graph.resolvers.connections import ObjectWriter
from crm_graph.resolvers.json_sql import as_object
from crm_graph.resolvers.paging import cursor_text
from crm_graph.resolvers.plan import ObjectPlan, Part, Timeline, TimelineBranch, TimelinePart, Typename
from crm_graph.resolvers.rows import Context, columns_used

NONE = sql("SELECT 0 AS b, NULL::uuid AS id, NULL::timestamptz AS m WHERE FALSE")


def timeline(plan: Timeline, parent: Row, context: Context, write: ObjectWriter) -> Fragment:
    """The JSON of a customer's timeline; `write` gives the members of one entry's object."""
    return _TimelineWriter(plan, parent, context, write).write()


@dataclass
class _TimelineWriter:
    plan: Timeline
    parent: Row
    context: Context
    object: ObjectWriter

    def write(self) -> Fragment:
        listed = [p for p in self.plan.parts if p.part in (Part.NODES, Part.EDGES)]
        if not listed and not any(p.part is Part.PAGE_INFO for p in self.plan.parts):
            return as_object([(p.key, self._part(p)) for p in self.plan.parts])
        columns = [sql("e.m"), sql("e.id")]
        names = [f"j{i}" for i in range(1, len(listed) + 1)]
        columns.extend(sql("{json} AS {j}", json=self._item(p), j=name(n)) for p, n in zip(listed, names, strict=True))
        if any(what in ("startCursor", "endCursor") for part in self.plan.parts for _, what in part.names):
            columns.append(sql("{cursor} AS c", cursor=self._cursor()))
            names.append("c")
        answer = [
            (p.key, self._sliced(names[listed.index(p)]) if p in listed else self._part(p)) for p in self.plan.parts
        ]
        arrays = [sql("array_agg(x.{j} ORDER BY x.m DESC, x.id DESC) AS {j}", j=name(n)) for n in names]
        return sql(
            "(SELECT {answer} FROM (SELECT {arrays} FROM (SELECT {columns} FROM ({page}) AS e) AS x) AS a)",
            answer=as_object(answer),
            arrays=join(", ", [*arrays, sql("count(*) AS n")]),
            columns=join(", ", columns),
            page=self._page(),
        )

    def _page(self) -> Fragment:
        """Type, id and moment of the entries of the page and of one further."""
        return sql(
            "SELECT u.* FROM ({entries}) AS u ORDER BY {order} LIMIT {size} + 1",
            entries=self._entries(
                [b for b in (self._after("<"), self._before(">")) if b is not None],
                sql(" LIMIT {size} + 1", size=self._size),
            ),
            order=self._order(sql("u.m"), sql("u.id")),
            size=self._size,
        )

    def _entries(self, bounds: Sequence["_Bound"], limit: Fragment) -> Fragment:
        """The first entries of every branch within bounds, as rows of the branch's number, id and moment.

        The literal limit of a branch tells the planner that it is short, the other one is the page.
        """
        branches = [
            sql(
                "(SELECT {b} AS b, u.id, u.m FROM ({rows}) AS u{limit})",
                b=number(index),
                limit=limit,
                rows=self._rows(branch, branch.path, self.parent, bounds),
            )
            for index, branch in enumerate(self.plan.branches)
        ]
        return join(" UNION ALL ", branches) if branches else NONE

    def _rows(
        self, branch: TimelineBranch, path: tuple[Relation, ...], parent: Row, bounds: Sequence["_Bound"]
    ) -> Fragment:
        """The first entries that a path leads to. What lies between is gone through row by row, each a short scan."""
        relation, *rest = path
        target = self.context.catalog[relation.target]
        row = parent.child(relation, target, self.context.alias())
        compiler = self.context.compiler()
        conditions = [related_join(relation, parent, row.alias), compiler.visible(row)]
        if target.tracked:
            conditions.append(sql("{c} IS NULL", c=row.column("archived_at")))
        source = related_rows(relation, target, row.alias)
        if rest:
            inner = self._rows(branch, tuple(rest), row, bounds)
            x = name(self.context.alias())
            source = sql("{source} CROSS JOIN LATERAL ({inner}) AS {x}", source=source, inner=inner, x=x)
            moment, id_ = sql("{x}.m", x=x), sql("{x}.id", x=x)
        else:
            moment, id_ = row.value(branch.moment), row.column("id")
            conditions.append(compiler.cell(row, branch.moment, Level.READ))
            conditions.extend(bound.of(moment, id_) for bound in bounds)
        return sql(
            "SELECT {id} AS id, {m} AS m FROM {source} WHERE {where} ORDER BY {order} LIMIT {cap}",
            id=id_,
            m=moment,
            source=source,
            where=all_of(conditions),
            order=self._order(moment, id_),
            cap=number(self.context.limits.max_page + 1),
        )

    def _order(self, moment: Fragment, id_: Fragment) -> Fragment:
        if self.plan.page.backward:
            return sql("{m}, {id}", m=moment, id=id_)
        return sql("{m} DESC, {id} DESC", m=moment, id=id_)

    def _item(self, part: TimelinePart) -> Fragment:
        rows = {key: self._entry(plans) for key, plans in part.rows}
        if part.part is Part.NODES:
            return rows[part.key]
        pairs = [
            (key, rows[key] if what == "node" else self._cursor() if what == "cursor" else text("TimelineEdge"))
            for key, what in part.names
        ]
        return as_object(pairs)

    def _entry(self, plans: Sequence[ObjectPlan]) -> Fragment:
        """The object of an entry, whose branch tells its type and whose rights decide about it."""
        by_type = {plan.entity.name: plan for plan in plans}
        branches = [
            sql("WHEN {b} THEN {row}", b=number(index), row=self._row(branch, by_type[branch.entity.name]))
            for index, branch in enumerate(self.plan.branches)
        ]
        return sql("CASE e.b {branches} END", branches=join(" ", branches)) if branches else sql("NULL::json")

    def _row(self, branch: TimelineBranch, plan: ObjectPlan) -> Fragment:
        if all(isinstance(member, Typename) for member in plan.members):
            return as_object([(m.key, text(plan.entity.api_name)) for m in plan.members])
        row = own_row(self.parent.entity, self.context.alias())
        for relation in branch.path:
            row = row.child(relation, self.context.catalog[relation.target], self.context.alias())
        return self._single(plan, row, branch.path[-1])

    def _single(self, plan: ObjectPlan, row: Row, relation: Relation) -> Fragment:
        """An entry by its id; that it is visible was asked when it was found. A child is joined to its root."""
        root = own_row(row.root, row.root_alias)
        flags = self.context.flags(root)
        json = as_object(self.object(plan, row, flags))
        found = sql("{table} AS {a}", table=name(plan.entity.table), a=name(row.alias))
        by_id = sql("{id} = e.id", id=row.column("id"))
        if not flags.columns:
            return sql("(SELECT {json} FROM {found} WHERE {by_id})", json=json, found=found, by_id=by_id)
        if not row.entity.is_child:
            return sql(
                "(SELECT {json} FROM (SELECT {used}{flags} FROM {found} WHERE {by_id} OFFSET 0) AS {a})",
                json=json,
                a=name(row.alias),
                used=columns_used(row, [json], flags.names),
                flags=flags.flag_columns(),
                found=found,
                by_id=by_id,
            )
        return sql(
            "(SELECT {json} FROM {found} CROSS JOIN LATERAL"
            " (SELECT {used}{flags} FROM {roots} AS {r} WHERE {join} OFFSET 0) AS {r} WHERE {by_id})",
            json=json,
            found=found,
            r=name(root.alias),
            used=columns_used(root, [json], flags.names),
            flags=flags.flag_columns(),
            roots=name(root.entity.table),
            join=related_join(relation, root, row.alias),
            by_id=by_id,
        )

    def _cursor(self) -> Fragment:
        return cursor_text(self.plan.signature, [sql("e.m::text"), sql("e.id::text")])

    @property
    def _size(self) -> Fragment:
        return self.plan.page.size

    def _sliced(self, array: str) -> Fragment:
        """An array, newest first, cut to the page."""
        bounds = sql("{first}:", first=self._first()) if self.plan.page.backward else sql(":{size}", size=self._size)
        return sql("COALESCE(array_to_json((a.{array})[{bounds}]), '[]'::json)", array=name(array), bounds=bounds)

    def _first(self) -> Fragment:
        return sql("GREATEST(a.n - {size}, 0) + 1", size=self._size) if self.plan.page.backward else sql("1")

    def _last(self) -> Fragment:
        return sql("a.n") if self.plan.page.backward else sql("LEAST(a.n, {size})", size=self._size)

    def _part(self, part: TimelinePart) -> Fragment:
        if part.part is Part.PAGE_INFO:
            return as_object([(key, self._fact(what)) for key, what in part.names])
        return text("TimelineConnection")

    def _fact(self, what: str) -> Fragment:
        more, backward = sql("a.n > {size}", size=self._size), self.plan.page.backward
        match what:
            case "hasNextPage":
                beyond = self._any(self._before("<="))
                return beyond if backward else any_of([more, beyond])
            case "hasPreviousPage":
                behind = self._any(self._after(">="))
                return any_of([more, behind]) if backward else behind
            case "startCursor":
                return self._cursor_at(self._first())
            case "endCursor":
                return self._cursor_at(self._last())
        return text("PageInfo")

    def _cursor_at(self, position: Fragment) -> Fragment:
        return sql("CASE WHEN {size} > 0 THEN (a.c)[{position}] END", size=self._size, position=position)

    def _any(self, bound: "_Bound | None") -> Fragment:
        """Whether entries lie on the other side of a cursor, its own among them."""
        if bound is None or not self.plan.branches:
            return FALSE
        return sql("EXISTS (SELECT 1 FROM ({entries}) AS u)", entries=self._entries([bound], EMPTY))

    def _after(self, operator: str) -> "_Bound | None":
        return None if self.plan.page.after is None else _Bound(operator, self.plan.page.after)

    def _before(self, operator: str) -> "_Bound | None":
        return None if self.plan.page.before is None else _Bound(operator, self.plan.page.before)


@dataclass(frozen=True, slots=True)
class _Bound:
    """On which side of a cursor entries lie."""

    operator: str
    cursor: tuple[Fragment, ...]

    def of(self, moment: Fragment, id_: Fragment) -> Fragment:
        here, there = sql("({m}, {id})", m=moment, id=id_), sql("({values})", values=join(", ", self.cursor))
        match self.operator:
            case "<":
                return sql("{here} < {there}", here=here, there=there)
            case "<=":
                return sql("{here} <= {there}", here=here, there=there)
            case ">":
                return sql("{here} > {there}", here=here, there=there)
        return sql("{here} >= {there}", here=here, there=there)
