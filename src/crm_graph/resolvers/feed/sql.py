"""A page of the feed as SQL: the log is walked in order, each event is asked what it tells the reader, and the walk
ends with the page.

Only what lies below the oldest open transaction is read: all of it has ended, and nothing is committed there any more.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

from crm_graph.catalog import EntityType
from crm_graph.criteria.predicates import Criteria
from crm_graph.criteria.rows import own_row
from crm_graph.fragments import (
    EMPTY,
    FALSE,
    TRUE,
    Fragment,
    Now,
    Viewer,
    all_of,
    any_of,
    columns_of,
    const,
    join,
    name,
    number,
    param,
    sql,
    text,
)
from crm_graph.resolvers.feed.as_it_was import any_differs, images, keys_of
from crm_graph.resolvers.feed.cursors import EXPIRED, OTHER_CLUSTER, PLACE
from crm_graph.resolvers.feed.resyncs import resyncs, rights
from crm_graph.resolvers.feed.told import Member, changed, members, told_type, touches
from crm_graph.resolvers.json_sql import as_object
from crm_graph.resolvers.plan import Feed, ObjectPlan
from crm_graph.resolvers.rows import Context, columns_used
from crm_graph.resolvers.selection import TYPENAME, Selected

CHANGED, LEFT, RESYNC = "CHANGED", "LEFT", "RESYNC_REQUIRED"
NODES, CURSOR, HAS_MORE = "nodes", "cursor", "hasMore"

_CLUSTER = sql(
    "(SELECT md5(concat_ws(' ', s.system_identifier, c.timeline_id, d.oid)) FROM pg_control_system() AS s"
    " CROSS JOIN pg_control_checkpoint() AS c CROSS JOIN pg_database AS d WHERE d.datname = current_database())"
)
_EPOCH = sql("(SELECT max(epoch) FROM log_epochs)")
_HORIZON = sql("pg_snapshot_xmin(pg_current_snapshot())")
_PLACE = sql("(u.epoch, u.transaction, u.n, u.s)")
Write = Callable[[ObjectPlan, Fragment], Fragment]
"""Writes the object of a record by its id."""


def feed(plan: Feed, context: Context, write_record: Write) -> Fragment:
    """The JSON of a page and of what is selected around it."""
    return _FeedWriter(plan, context, write_record).write()


@dataclass
class _FeedWriter:
    plan: Feed
    context: Context
    write_record: Write

    def write(self) -> Fragment:
        nodes = [part for part in self.plan.parts if part.name == NODES] or [Selected("", NODES, {}, {"Change": ()})]
        names = [name(f"j{place}") for place in range(len(nodes))]
        lists = dict(zip((part.key for part in nodes), names, strict=True))
        arrays = [
            sql(
                "array_to_json(array_agg(x.{j} ORDER BY x.place) FILTER (WHERE x.place <= {size})) AS {j}",
                j=j,
                size=self.plan.size,
            )
            for j in names
        ]
        return sql(
            "(SELECT {answer} FROM (SELECT {state} AS state) AS f CROSS JOIN LATERAL (SELECT count(*) AS n, {arrays},"
            " (array_agg(x.at ORDER BY x.place) FILTER (WHERE x.place = {size}))[1] AS at"
            " FROM (SELECT row_number() OVER (ORDER BY u.epoch, u.transaction, u.n, u.s) AS place, {shown}, {at} AS at"
            " FROM ({walk}) AS u) AS x) AS a)",
            answer=as_object([(part.key, self._part(part, lists, nodes)) for part in self.plan.parts]),
            state=self._state,
            arrays=join(", ", arrays),
            size=self.plan.size,
            shown=join(", ", [sql("u.{j}", j=j) for j in names]),
            at=self._place(
                sql("u.epoch"),
                sql("u.transaction"),
                sql("u.n"),
                sql("u.s"),
                sql("extract(epoch FROM u.occurred_at)::bigint"),
            ),
            walk=self._walk(nodes, names),
        )

    def _part(self, part: Selected, lists: Mapping[str, Fragment], nodes: list[Selected]) -> Fragment:
        match part.name:
            case "nodes":
                (selected,) = (node for node in nodes if node.key == part.key)
                return sql(
                    "CASE f.state WHEN 'rights' THEN json_build_array({resync}) ELSE COALESCE(a.{j}, '[]'::json) END",
                    resync=self._note(selected, RESYNC),
                    j=lists[part.key],
                )
            case "cursor":
                return self._cursor
            case "hasMore":
                return sql(
                    "f.state = 'rights' OR a.n > {size} OR {beyond} IS NOT NULL", size=self.plan.size, beyond=self._last
                )
        return text("ChangePage")

    @cached_property
    def _state(self) -> Fragment:
        """Whether the walk goes on from the cursor, which is `on`."""
        if self.plan.after is None:
            return text("on")
        return sql(
            "CASE WHEN {after} ->> 4 <> {cluster} THEN {other}"
            " WHEN ({after} ->> 5)::bigint < extract(epoch FROM {since}) THEN {expired}"
            " WHEN {after} ->> 6 <> {rights} THEN 'rights' ELSE 'on' END",
            after=self.plan.after,
            cluster=_CLUSTER,
            other=text(OTHER_CLUSTER),
            since=self._since,
            expired=text(EXPIRED),
            rights=self._rights,
        )

    @property
    def _since(self) -> Fragment:
        """The moment that the feed reaches back to."""
        return sql(
            "({now} - make_interval(days => {days}))",
            now=param(Now(), "timestamptz"),
            days=number(self.context.limits.feed_days),
        )

    @property
    def _rights(self) -> Fragment:
        """What the reader reads with: what the roles give, and the teams that this depends on."""
        return sql(
            "md5(concat_ws(' ', {roles}, {user}, {teams}, {below}))",
            roles=const(self.context.access.fingerprint, "text"),
            user=param(Viewer("id"), "uuid"),
            teams=param(Viewer("team_ids"), "uuid[]"),
            below=param(Viewer("team_tree_ids"), "uuid[]"),
        )

    @property
    def _cursor(self) -> Fragment:
        """The place to go on from, for who seals it."""
        beginning = self._place(_EPOCH, _HORIZON, sql("-1"), sql("1"), self._now)
        end = sql("COALESCE({last}, {beginning})", last=self._last, beginning=beginning)
        if self.plan.after is None:
            return sql("CASE WHEN a.n > {size} THEN a.at ELSE {end} END", size=self.plan.size, end=end)
        stays = [sql("({after} ->> {i})", after=self.plan.after, i=number(i)) for i in (0, 1, 2, 3, 5)]
        return sql(
            "CASE WHEN f.state = 'rights' THEN {here} WHEN f.state <> 'on' THEN json_build_object({key}, f.state)"
            " WHEN a.n > {size} THEN a.at ELSE {end} END",
            here=self._place(*stays),
            key=text(PLACE),
            size=self.plan.size,
            end=end,
        )

    @property
    def _now(self) -> Fragment:
        return sql("extract(epoch FROM {now})::bigint", now=param(Now(), "timestamptz"))

    def _place(self, epoch: Fragment, transaction: Fragment, n: Fragment, s: Fragment, read_to: Fragment) -> Fragment:
        return sql(
            "('{\" place\":[' || concat_ws(',', {epoch}, '\"' || {transaction} || '\"', {n}, {s},"
            " '\"' || {cluster} || '\"', {read_to}, '\"' || {rights} || '\"') || ']}')::json",
            epoch=epoch,
            transaction=transaction,
            n=n,
            s=s,
            cluster=_CLUSTER,
            read_to=read_to,
            rights=self._rights,
        )

    @cached_property
    def _last(self) -> Fragment:
        """The place of the last event that one page looks through, if there are more than that."""
        if self.plan.from_now:
            return sql("NULL::json")
        return sql(
            "(SELECT {place} FROM ({log} OFFSET {window} - 1 LIMIT 1) AS u)",
            place=self._place(
                sql("u.epoch"),
                sql("u.transaction"),
                sql("u.n"),
                sql("1"),
                sql("extract(epoch FROM u.occurred_at)::bigint"),
            ),
            log=self._log,
            window=number(self.context.limits.feed_window),
        )

    @property
    def _log(self) -> Fragment:
        """The events behind the cursor that have been committed for good, in order."""
        bounds = [
            sql("(e.epoch, e.transaction) < ({epoch}, {horizon})", epoch=_EPOCH, horizon=_HORIZON),
        ]
        if self.plan.after is None:
            # Partitions of whole months: in their index the first one stands in front.
            bounds.append(
                sql(
                    "(e.epoch, e.transaction, e.n) >= (SELECT f.epoch, f.transaction, f.n FROM events AS f"
                    " WHERE f.id >= crm_first_id(date_trunc('month', {since} AT TIME ZONE 'UTC') AT TIME ZONE 'UTC')"
                    " ORDER BY f.epoch, f.transaction, f.n LIMIT 1)",
                    since=self._since,
                )
            )
        else:
            at = [
                sql("({after} ->> 0)::smallint", after=self.plan.after),
                sql("({after} ->> 1)::xid8", after=self.plan.after),
                sql("({after} ->> 2)::int", after=self.plan.after),
            ]
            # The last event of the page before may be told of twice, for itself and for what it moved.
            bounds.append(sql("(e.epoch, e.transaction, e.n) >= ({at})", at=join(", ", at)))
        return sql(
            "SELECT e.* FROM events AS e WHERE {bounds} ORDER BY e.epoch, e.transaction, e.n", bounds=all_of(bounds)
        )

    def _walk(self, nodes: list[Selected], names: list[Fragment]) -> Fragment:
        """What is told, in order: so much as the page holds and one further."""
        if self.plan.from_now:
            none = join(", ", [sql("NULL::json AS {j}", j=j) for j in names])
            return sql(
                "SELECT {none}, e.epoch, e.transaction, e.n, 0 AS s, e.occurred_at FROM events AS e WHERE FALSE",
                none=none,
            )
        moves = resyncs(self.context)
        columns = [
            sql("{told} AS {j}", told=self._told(part, moves), j=j) for part, j in zip(nodes, names, strict=True)
        ]
        conditions = [sql("f.state = 'on'")]
        if self.plan.after is None:
            conditions.append(sql("e.id >= crm_first_id({since})", since=self._since))
        else:
            conditions.append(
                sql(
                    "(e.epoch, e.transaction, e.n, k.s) > (({after} ->> 0)::smallint, ({after} ->> 1)::xid8,"
                    " ({after} ->> 2)::int, ({after} ->> 3)::int)",
                    after=self.plan.after,
                )
            )
        twice = (
            sql(
                "generate_series(0, CASE WHEN e.entity_type = ANY({moving}) THEN 1 ELSE 0 END)",
                moving=const(tuple(sorted(moves)), "text[]"),
            )
            if moves
            else sql("(VALUES (0))")
        )
        return sql(
            "SELECT t.* FROM (SELECT {columns}, e.epoch, e.transaction, e.n, k.s, e.occurred_at"
            " FROM ({log} LIMIT {window}) AS e CROSS JOIN LATERAL {twice} AS k(s) WHERE {conditions} AND NOT e.is_read"
            " ORDER BY e.epoch, e.transaction, e.n{s} OFFSET 0) AS t WHERE t.{j} IS NOT NULL"
            " ORDER BY t.epoch, t.transaction, t.n{t} LIMIT {size} + 1",
            s=sql(", k.s") if moves else EMPTY,
            t=sql(", t.s") if moves else EMPTY,
            columns=join(", ", columns),
            log=self._log,
            # Not a literal: that it reads so much would let the planner sort instead of going along the index.
            window=const(self.context.limits.feed_window, "bigint"),
            twice=twice,
            conditions=all_of(conditions),
            j=names[0],
            size=self.plan.size,
        )

    def _told(self, part: Selected, moves: Mapping[str, Fragment]) -> Fragment:
        """The object of an entry; NULL where the reader is told nothing."""
        own = [
            sql("WHEN {type} THEN {entry}", type=text(entity.name), entry=self._entry(part, entity, criteria))
            for entity, criteria in self.plan.entities
        ]
        told_of = sql("CASE e.entity_type {branches} END", branches=join(" ", own)) if own else sql("NULL::json")
        if self._narrowed != TRUE:
            told_of = sql("CASE WHEN {narrowed} THEN {told} END", narrowed=self._narrowed, told=told_of)
        if not moves:
            return told_of
        moved = [
            sql("WHEN {type} THEN {moved}", type=text(type_), moved=condition) for type_, condition in moves.items()
        ]
        return sql(
            "CASE WHEN k.s = 0 THEN {told} WHEN CASE e.entity_type {moved} END THEN {resync} END",
            told=told_of,
            moved=join(" ", moved),
            resync=self._note(part, RESYNC),
        )

    @cached_property
    def _narrowed(self) -> Fragment:
        """What the asker wants to hear of at all."""
        plan, conditions = self.plan, []
        if plan.entity_types is not None:
            conditions.append(sql("e.entity_type = ANY({types})", types=plan.entity_types))
        if plan.ids is not None:
            conditions.append(sql("e.entity_id = ANY({ids})", ids=plan.ids))
        if plan.customer is not None:
            conditions.append(sql("e.customer_id = {id}", id=plan.customer))
            conditions.append(self._customer_is_seen(plan.customer))
        return all_of(conditions)

    def _customer_is_seen(self, id_: Fragment) -> Fragment:
        """That something was done with a customer tells nothing to who does not see that customer."""
        row = own_row(self.context.catalog["customer"], self.context.alias())
        return sql(
            "EXISTS (SELECT 1 FROM customers AS {a} WHERE {a}.id = {id} AND {visible})",
            a=name(row.alias),
            id=id_,
            visible=self.context.compiler().visible(row),
        )

    def _entry(self, part: Selected, entity: EntityType, criteria: Criteria | None) -> Fragment:
        """What is told of the event of a record of a type: by the rights on the record as it is now."""
        row = own_row(entity, self.context.alias())
        flags = self.context.flags(row)
        told = members(row, flags)
        visible, type_ = flags.visible(row), told_type(entity, told)
        wanted = [any_of([sql("e.entity_version = 1"), touches(told), self._moved(entity)])]
        if self.plan.types is not None:
            wanted.append(sql("{type} = ANY({types})", type=type_, types=self.plan.types))
        if criteria is not None:
            wanted.append(flags.condition(criteria, row))
        entry = sql(
            "CASE WHEN {wanted} THEN {json} END", wanted=all_of(wanted), json=self._change(part, entity, told, type_)
        )
        if visible != TRUE:
            entry = sql(
                "CASE WHEN {visible} THEN {entry} WHEN {left} THEN {note} END",
                visible=visible,
                entry=entry,
                left=self._left(entity),
                note=self._note(part, LEFT, entity),
            )
        return sql(
            "(SELECT {entry} FROM (SELECT {columns}{flags} FROM {table} AS {a} WHERE {a}.id = e.entity_id OFFSET 0)"
            " AS {a})",
            entry=entry,
            columns=columns_used(row, [entry], flags.names),
            flags=flags.flag_columns(),
            table=name(entity.table),
            a=name(row.alias),
        )

    def _moved(self, entity: EntityType) -> Fragment:
        """Whether the event moved what the reader sees of its own record, perhaps by a field that they do not read."""
        was, then = own_row(entity, self.context.alias()), own_row(entity, self.context.alias())
        access, compiler = self.context.access, self.context.compiler()
        before, after = (list(rights(access, compiler, row)) for row in (was, then))
        columns = {column for condition in before for column in columns_of(was.alias, condition)} - {"id"}
        if not columns:
            return FALSE
        return sql(
            "(e.before ?| {keys} AND EXISTS (SELECT 1 FROM {table} AS o"
            " CROSS JOIN LATERAL jsonb_populate_record(o, {before}) AS {was}"
            " CROSS JOIN LATERAL jsonb_populate_record(o, {after}) AS {then}"
            " WHERE o.id = e.entity_id AND {differs} OFFSET 0))",
            keys=keys_of(columns),
            table=name(entity.table),
            before=images(columns, since=sql("y.entity_version >= e.entity_version")),
            after=images(columns, since=sql("y.entity_version > e.entity_version")),
            was=name(was.alias),
            then=name(then.alias),
            differs=any_differs(before, after),
        )

    def _left(self, entity: EntityType) -> Fragment:
        """Whether a record that the reader does not see was last seen before this event, by the row rules of today."""
        seen = own_row(entity, self.context.alias())
        visible = self.context.compiler().visible(seen)
        columns = set(columns_of(seen.alias, visible)) - {"id"}
        if not columns or visible == FALSE:
            return FALSE
        keys = keys_of(columns)

        def was_seen(event: Fragment) -> Fragment:
            return sql(
                "EXISTS (SELECT 1 FROM {table} AS o CROSS JOIN LATERAL jsonb_populate_record(o, {image}) AS {a}"
                " WHERE o.id = e.entity_id AND {visible})",
                table=name(entity.table),
                image=images(columns, since=sql("y.entity_version >= {event}.entity_version", event=event)),
                a=name(seen.alias),
                visible=visible,
            )

        return sql(
            "(e.entity_version > 1 AND e.before ?| {keys} AND {seen} AND NOT EXISTS (SELECT 1 FROM events AS z"
            " WHERE z.entity_id = e.entity_id AND z.entity_version > e.entity_version AND NOT z.is_read"
            " AND z.before ?| {keys} AND {again}))",
            keys=keys,
            seen=was_seen(sql("e")),
            again=was_seen(sql("z")),
        )

    def _change(self, part: Selected, entity: EntityType, told: tuple[Member, ...], type_: Fragment) -> Fragment:
        """The object of a change that is told."""
        values: Mapping[str, Callable[[Selected], Fragment]] = {
            "kind": lambda _: text(CHANGED),
            "id": lambda _: sql("e.id"),
            "type": lambda _: type_,
            "entityType": lambda _: text(entity.api_name),
            "entityId": lambda _: sql("e.entity_id"),
            "version": lambda _: sql("e.entity_version"),
            "occurredAt": lambda _: sql("e.occurred_at"),
            "own": lambda _: self._own,
            "backfill": lambda _: sql("e.backfill"),
            "changed": lambda _: changed(told),
            "record": lambda selected: self._record(part, selected, entity),
            TYPENAME: lambda _: text("Change"),
        }
        return as_object([(selected.key, values[selected.name](selected)) for selected in part.only()])

    def _record(self, part: Selected, selected: Selected, entity: EntityType) -> Fragment:
        (plan,) = (row for row in self.plan.records[part.key, selected.key] if row.entity is entity)
        return self.write_record(plan, sql("e.entity_id"))

    def _note(self, part: Selected, kind: str, entity: EntityType | None = None) -> Fragment:
        """The object of an entry that tells of no change: which record it is about, and no more."""
        known = {"kind": text(kind), TYPENAME: text("Change"), "changed": sql("'[]'::json")}
        if entity is not None:
            known |= {"entityType": text(entity.api_name), "entityId": sql("e.entity_id")}
        return as_object([(s.key, known.get(s.name, sql("NULL"))) for s in part.only()])

    @property
    def _own(self) -> Fragment:
        """Whether the change was made by who reads: by the client, or by a person who has none."""
        return sql(
            "(e.actor_id IS NOT DISTINCT FROM {user} AND e.client_id IS NOT DISTINCT FROM {client})",
            user=param(Viewer("id"), "uuid"),
            client=param(Viewer("client_id"), "uuid"),
        )
