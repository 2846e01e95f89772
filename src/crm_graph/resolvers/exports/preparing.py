"""A document with one list becomes an export: a statement that gives a row's object for each row, and its columns."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from crm_graph.access import Access
from crm_graph.catalog import EntityType
from crm_graph.criteria.rows import own_row
from crm_graph.errors import UserFault, ValidationFailed
from crm_graph.fragments import EMPTY, Fragment, Statement, name, param, render, sql
from crm_graph.permissions.principals import Principal
from crm_graph.resolvers.arguments import Leaf, given
from crm_graph.resolvers.binding import Binding
from crm_graph.resolvers.cost import Cost, cost_of_read, require_within
from crm_graph.resolvers.derived import Site, in_object
from crm_graph.resolvers.documents import Document, Operation, check_variables
from crm_graph.resolvers.exports.columns import Column, columns_of
from crm_graph.resolvers.json_sql import as_items
from crm_graph.resolvers.matching import matching_rows
from crm_graph.resolvers.operations import Operations, of_request
from crm_graph.resolvers.paging import order_by, sort_keys
from crm_graph.resolvers.plan import Connection, Limits, ObjectPlan, Part, ReadPlan
from crm_graph.resolvers.planner import Planner
from crm_graph.resolvers.relevance import unranked
from crm_graph.resolvers.rows import Context, columns_used
from crm_graph.resolvers.selection import TYPENAME, Selected, SelectionReader, reader_of
from crm_graph.resolvers.sql import Writer
from crm_graph.scalars import parse_int

PAGE_ARGUMENTS = frozenset({"first", "after", "last", "before", "offset"})
MAX_COLUMNS = 16_384
"""Of a sheet in Excel."""


@dataclass(frozen=True, slots=True)
class PreparedExport:
    """A list compiled for one asker's rights. `declare` opens the cursor `export`, whose rows are one JSON object each;
    the first step of a derived field's path stands for the row. `page` is what a page of it would cost.
    """

    entity: EntityType
    declare: Statement
    columns: tuple[Column, ...]
    derived: tuple[Site, ...]
    page: Cost
    limits: Limits

    def bind(self, variables: Mapping[str, Any], principal: Principal, now: datetime) -> list[Any]:
        """The arguments of `declare`. Raises BadVariables for a value that does not fit; CostExceeded where each row
        has more to it than a query may ask for.
        """
        values = Binding(self.declare.sources).values(variables, principal, now)
        require_within(self.page.of(values), self.limits)
        return values


async def prepare_export(
    operations: Operations,
    text: str,
    operation_name: str | None,
    variables: Mapping[str, Any],
    row_limit: int | None,
    *,
    access: Access,
) -> PreparedExport:
    """The export of a document. Raises ParseFailed or ValidationFailed unless it is a valid query of one list for this
    role set, and what a read raises for its arguments.
    """
    document = await operations.document(text, access)
    operation = document.operation(operation_name)
    asked = (document, operation, variables, row_limit)
    return await asyncio.to_thread(_prepared, *asked, operations=operations, access=access)


def _prepared(
    document: Document,
    operation: Operation,
    variables: Mapping[str, Any],
    row_limit: int | None,
    *,
    operations: Operations,
    access: Access,
) -> PreparedExport:
    """The export, compiled in a thread: a large document takes some 0.2 s."""
    if not operation.is_query:
        raise ValidationFailed("export_one_list")
    check_variables(document, operation, variables)
    try:
        plan = _plan(document, operation, variables, operations, access)
    except UserFault as fault:
        raise of_request(fault) from None
    row = _row_of(plan)
    columns = tuple(columns_of(row))
    if len(columns) > MAX_COLUMNS:
        raise ValidationFailed("export_columns", limit=MAX_COLUMNS)
    query = _rows(plan, row, row_limit, Context(operations.catalog, access, operations.limits))
    declare = render(sql("DECLARE export NO SCROLL CURSOR FOR {query}", query=query))
    page = cost_of_read(ReadPlan((plan,)), declare.sources, operations.limits)
    return PreparedExport(plan.entity, declare, columns, tuple(in_object(row, (None,))), page, operations.limits)


def _plan(
    document: Document, operation: Operation, variables: Mapping[str, Any], operations: Operations, access: Access
) -> Connection:
    """The list of the query. Page arguments, and all that is selected beside the rows, choose what a screen shows; an
    export is of the whole list.
    """
    limits = operations.limits
    selected = _only_field(
        reader_of(document.schema, operation.node, document.fragments, variables, limits.max_depth), operation
    )
    arguments = {key: value for key, value in selected.arguments.items() if key not in PAGE_ARGUMENTS}
    plan = Planner(operations.catalog, access, limits).root(replace(selected, arguments=arguments))
    if not isinstance(plan, Connection):
        raise ValidationFailed("export_one_list").at(selected.key)
    if plan.lookups:
        # What is looked up is limited and written down value by value.
        raise ValidationFailed("lookup_where", path=("where",)).at(selected.key)
    return plan


def _only_field(reader: SelectionReader, operation: Operation) -> Selected:
    """The one field of the query; `__typename` beside it does not count."""
    root = reader.schema.query_type
    if root is None:
        raise ValidationFailed("unknown_operation")
    selections = operation.node.selection_set.selections
    nodes = reader.collect(root, selections)
    beside = [key for key, same in nodes.items() if same[0].name.value == TYPENAME]
    if len(nodes) - len(beside) != 1 or any(same[0].name.value in ("__schema", "__type") for same in nodes.values()):
        raise ValidationFailed("export_one_list")
    (selected,) = reader.read(root, selections, leave_out=beside)
    return selected


def _row_of(plan: Connection) -> ObjectPlan:
    """What is selected of each row, as `nodes` or as the `node` of edges."""
    rows = [row for part in plan.parts if part.part in (Part.NODES, Part.EDGES) for _, row in part.rows]
    if len(rows) != 1:
        raise ValidationFailed("export_one_list").at(plan.key)
    return rows[0]


def _rows(plan: Connection, row_plan: ObjectPlan, row_limit: int | None, context: Context) -> Fragment:
    row = own_row(plan.entity, context.alias())
    matching = matching_rows(plan, None, row, context)
    flags = context.flags(row, few=False)
    item, columns = as_items(Writer(context).object(row_plan, row, flags))
    limit = EMPTY
    if row_limit is not None:
        limit = sql(" LIMIT {rows}", rows=param(given(Leaf((), row_limit), parse_int), "integer"))
    return sql(
        "SELECT to_json({item}) FROM (SELECT {columns} FROM ("
        "SELECT {used}{flags} FROM {source} WHERE {matching} ORDER BY {order}{limit}) AS {a}) AS x",
        item=item,
        columns=columns,
        a=name(row.alias),
        used=columns_used(row, [columns], flags.names),
        flags=flags.flag_columns(),
        source=matching.source,
        matching=matching.condition,
        order=order_by(sort_keys(unranked(plan), row, context.compiler(), context.catalog)),
        limit=limit,
    )
