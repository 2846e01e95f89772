"""Stage 3: a plan becomes one SQL statement whose JSON Postgres builds, with the asker's rights compiled in."""

from collections.abc import Sequence
from typing import Any

from crm_graph.access import Access, Level
from crm_graph.catalog import Catalog, Relation
from crm_graph.criteria.rows import Row, own_row, related_join, related_rows
from crm_graph.fragments import (
    EMPTY,
    FALSE,
    TRUE,
    Fragment,
    Statement,
    all_of,
    const,
    join,
    name,
    number,
    render,
    sql,
    text,
)
from crm_graph.resolvers.aggregates.plan import Aggregate
from crm_graph.resolvers.aggregates.sql import aggregate
from crm_graph.resolvers.cells import cell, masked_fields, matched
from crm_graph.resolvers.connections import connection
from crm_graph.resolvers.feed.sql import feed
from crm_graph.resolvers.history.sql import history
from crm_graph.resolvers.json_sql import Pairs, as_items, as_object
from crm_graph.resolvers.listings import listed
from crm_graph.resolvers.plan import (
    Cell,
    Connection,
    CustomValues,
    Derived,
    Feed,
    History,
    Limits,
    Listed,
    Literal,
    Lookup,
    Many,
    MaskedFields,
    MatchedValue,
    NodeList,
    NodeLookup,
    ObjectPlan,
    One,
    Question,
    ReadPlan,
    Root,
    RootOf,
    RowSet,
    Search,
    Timeline,
    Typename,
    ValueLookup,
    WhoAsks,
)
from crm_graph.resolvers.rows import Context, RowFlags, columns_used
from crm_graph.resolvers.search.hits import search
from crm_graph.resolvers.search.lookup import value_lookup
from crm_graph.resolvers.timeline.sql import timeline
from crm_graph.resolvers.viewer import viewer


def compile_read(plan: ReadPlan, catalog: Catalog, access: Access, limits: Limits) -> Statement:
    """The one statement of a plan; its single value is the `data` of the answer as JSON."""
    writer = Writer(Context(catalog, access, limits))
    return render(sql("SELECT {data}", data=as_object([(root.key, writer.root(root)) for root in plan.roots])))


class Writer:
    """Writes objects and what they contain; lists of rows are written by `connections`."""

    def __init__(self, context: Context) -> None:
        self.context = context

    def root(self, root: Root) -> Fragment:
        match root:
            case Typename():
                return text(root.name)
            case RowSet():
                return self.rows(root, None)
            case Lookup():
                return self.lookup(root)
            case NodeLookup():
                return self.by_code(root.id, root.rows)
            case Literal():
                return const(root.json, "json")
            case _:
                return self._several(root)

    def _several(self, root: NodeList | Search | ValueLookup | WhoAsks | Question | Listed | Feed) -> Fragment:
        match root:
            case WhoAsks():
                return viewer(root, self.root)
            case Question():
                return as_object(root.arguments)
            case Listed() | Feed():
                return self._no_records(root)
            case NodeList():
                return self._nodes(root)
            case Search():
                return search(root, self.context, self.by_code)
            case ValueLookup():
                return value_lookup(root, self.context, self.object)

    def _no_records(self, root: Listed | Feed) -> Fragment:
        if isinstance(root, Listed):
            return listed(root, self.context.limits)
        return feed(root, self.context, lambda plan, id_: self.lookup(Lookup("", plan, id=id_)))

    def rows(self, plan: RowSet, parent: Row | None) -> Fragment:
        """What is made of a set of rows: a page of them, or groups."""
        match plan:
            case Connection():
                return connection(plan, parent, self.context, self.object)
            case Aggregate():
                return aggregate(plan, parent, self.context)
        raise TypeError(plan)

    def lookup(self, lookup: Lookup) -> Fragment:
        """The object of one row by id or external ref, null when the asker does not see it."""
        entity = lookup.row.entity
        if entity.is_child:
            return self._child(lookup)
        row = own_row(entity, self.context.alias())
        if lookup.id is not None:
            by = sql("{id} = {value}", id=row.column("id"), value=lookup.id)
        elif lookup.source is not None and lookup.external_id is not None:
            by = self._by_external_ref(row, lookup.source, lookup.external_id)
        else:
            by = FALSE
        source = sql("{table} AS {a}", table=name(entity.table), a=name(row.alias))
        return self._single(lookup.row, row, source, by)

    def _child(self, lookup: Lookup) -> Fragment:
        """The object of what belongs to a record, by its id: it says itself which type its record is of, and with the
        rights on that record it is seen.
        """
        entity, compiler = lookup.row.entity, self.context.compiler()
        alias, branches = self.context.alias(), list[Fragment]()
        for root, relation in self.context.catalog.holders(entity):
            if not self.context.access.grants(root.name):
                continue
            record = own_row(root, self.context.alias())
            child = record.child(relation, entity, alias)
            by = all_of([related_join(relation, record, alias), compiler.visible(child)])
            source = sql("{table} AS {a}", table=name(root.table), a=name(record.alias))
            json = self._single(lookup.row, record, source, by, shown=child)
            branches.append(sql("WHEN {type} THEN {json}", type=text(root.name), json=json))
        if not branches or lookup.id is None:
            return sql("NULL::json")
        return sql(
            "(SELECT CASE {a}.entity_type {branches} END FROM {table} AS {a} WHERE {a}.id = {id})",
            a=name(alias),
            branches=join(" ", branches),
            table=name(entity.table),
            id=lookup.id,
        )

    def _by_external_ref(self, row: Row, source: Fragment, external_id: Fragment) -> Fragment:
        """The row that another system calls so, for who may read what it calls it: a withheld ref finds nothing."""
        relation = row.entity.relations["external_refs"]
        target = self.context.catalog[relation.target]
        ref, compiler = row.child(relation, target, "e"), self.context.compiler()
        found = sql(
            "{id} = (SELECT e.entity_id FROM external_refs AS e"
            " WHERE e.source = {source} AND e.entity_type = {type} AND e.external_id = {external})",
            id=row.column("id"),
            source=source,
            type=const(row.entity.name, "text"),
            external=external_id,
        )
        return all_of([found, *(compiler.cell(ref, target.fields[f], Level.READ) for f in ("source", "external_id"))])

    def by_code(self, id_: Fragment, plans: Sequence[ObjectPlan]) -> Fragment:
        """The object of a row whose type the code in its id tells; null for other types and rows that are not seen."""
        branches = [
            sql("WHEN {code} THEN {row}", code=number(p.entity.code), row=self.lookup(Lookup("", p, id=id_)))
            for p in plans
        ]
        if not branches:
            return sql("NULL::json")
        return sql("CASE get_byte(uuid_send({id}), 8) & 63 {branches} END", id=id_, branches=join(" ", branches))

    def _nodes(self, nodes: NodeList) -> Fragment:
        a = name(self.context.alias())
        return sql(
            "array_to_json(ARRAY(SELECT {node} FROM unnest({ids}) WITH ORDINALITY AS {a}(id, n) ORDER BY {a}.n))",
            node=self.by_code(sql("{a}.id", a=a), nodes.rows),
            ids=nodes.ids,
            a=a,
        )

    def _single(
        self, plan: ObjectPlan, row: Row, source: Fragment, by: Fragment, *, shown: Row | None = None
    ) -> Fragment:
        """The object of the one row of a source, or of what belongs to it."""
        flags = self.context.flags(row)
        json = as_object(self.object(plan, shown or row, flags))
        where = all_of([by, self.context.compiler().visible(row)])
        if not flags.columns:
            return sql("(SELECT {json} FROM {source} WHERE {where})", json=json, source=source, where=where)
        # OFFSET 0 keeps the planner from pulling the flags up and computing them once per cell.
        return sql(
            "(SELECT {json} FROM (SELECT {columns}{flags} FROM {source} WHERE {where} OFFSET 0) AS {a})",
            json=json,
            a=name(row.alias),
            columns=columns_used(row, [json], flags.names),
            flags=flags.flag_columns(),
            source=source,
            where=where,
        )

    def object(self, plan: ObjectPlan, row: Row, flags: RowFlags) -> Pairs:
        """The members of a row's object, whose scopes `flags` computes."""
        return [(m.key, self._member(m, row, flags)) for m in plan.members]

    def _member(self, member: Any, row: Row, flags: RowFlags) -> Fragment:
        match member:
            case Typename():
                return text(member.name)
            case Cell() | MatchedValue():
                return cell(member, row, flags) if isinstance(member, Cell) else matched(member, row)
            case CustomValues():
                return as_object([(m.key, self._member(m, row, flags)) for m in member.cells])
            case MaskedFields():
                return masked_fields(row, flags, self.context.access)
            case Derived():
                return row.column("id")
            case _:
                return self._related(member, row, flags)

    def _related(
        self, member: One | RootOf | Many | RowSet | Timeline | History, row: Row, flags: RowFlags
    ) -> Fragment:
        match member:
            case History():
                return history(member, row, flags, self.context.limits, self.lookup)
            case RootOf():
                (plan,) = (p for p in member.rows if p.entity is row.root)
                return self.lookup(Lookup(member.key, plan, id=row.column("entity_id")))
            case Timeline():
                return timeline(member, row, self.context, self.object)
            case One():
                return self._one(member, row)
            case Many():
                return self._many(member.relation, member.row, row, flags)
            case RowSet():
                return self.rows(member, row)

    def _one(self, one: One, parent: Row) -> Fragment:
        row = own_row(one.row.entity, self.context.alias())
        source = related_rows(one.relation, one.row.entity, row.alias)
        return self._single(one.row, row, source, related_join(one.relation, parent, row.alias))

    def _many(self, relation: Relation, plan: ObjectPlan, parent: Row, flags: RowFlags) -> Fragment:
        row = parent.child(relation, plan.entity, self.context.alias())
        own = flags if plan.entity.is_child else self.context.flags(row)
        item, columns = as_items(self.object(plan, row, own))
        in_use = sql("{c} IS NULL", c=row.column("archived_at")) if plan.entity.tracked else TRUE
        rights = own if plan.entity.is_child else self.context.compiler()
        where = all_of([related_join(relation, parent, row.alias), rights.visible(row), in_use])
        return sql(
            "array_to_json(ARRAY(SELECT {item} FROM (SELECT {columns}"
            " FROM (SELECT {used}{flags} FROM {source} WHERE {where} ORDER BY {a}.id LIMIT {limit}) AS {a}) AS x))",
            item=item,
            columns=columns,
            a=name(row.alias),
            used=columns_used(row, [columns], own.names),
            flags=EMPTY if plan.entity.is_child else own.flag_columns(),
            source=related_rows(relation, plan.entity, row.alias),
            where=where,
            limit=number(self.context.limits.max_children),
        )
