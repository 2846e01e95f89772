"""One cell of an answer as SQL: its value where a grant reads it, its mask where a grant shows that, else null."""

from crm_graph.access import Access, Level
from crm_graph.catalog import Kind
from crm_graph.criteria.compiling import Compiler
from crm_graph.criteria.rows import Row
from crm_graph.fragments import FALSE, TRUE, Fragment, join, name, sql, text
from crm_graph.resolvers.plan import Cell, MatchedValue

NULL = Fragment(("NULL",))


def cell(member: Cell, row: Row, compiler: Compiler) -> Fragment:
    """The JSON value of a scalar for the asker."""
    readable = compiler.cell(row, member.field, Level.READ)
    value = _value(member, row)
    if readable == TRUE:
        return value
    mask = _mask(member, row)
    if readable == FALSE:
        return _when(compiler.cell(row, member.field, Level.MASKED), mask)
    if mask == NULL:
        return sql("CASE WHEN {readable} THEN {value} END", readable=readable, value=value)
    shown = compiler.cell(row, member.field, Level.MASKED)
    if shown == TRUE:
        return sql("CASE WHEN {readable} THEN {value} ELSE {mask} END", readable=readable, value=value, mask=mask)
    return sql(
        "CASE WHEN {readable} THEN {value} WHEN {shown} THEN {mask} END",
        readable=readable,
        value=value,
        shown=shown,
        mask=mask,
    )


def matched(member: MatchedValue, row: Row) -> Fragment:
    """Which of the values that are looked up the row has: for the log of reads, and never for the asker."""
    return sql("array_position({values}, {c})", values=member.values, c=row.comparable(member.field))


def _when(condition: Fragment, value: Fragment) -> Fragment:
    if value == NULL or condition == TRUE:
        return value
    return sql("CASE WHEN {condition} THEN {value} END", condition=condition, value=value)


def _value(member: Cell, row: Row) -> Fragment:
    column = row.value(member.field)
    if member.field.kind is Kind.MONEY:
        return _money(member, row, column)
    if member.field.kind in (Kind.DECIMAL, Kind.BIG_INT):
        return sql("{c}::text", c=column)
    return column


def _money(member: Cell, row: Row, column: Fragment) -> Fragment:
    values = {"amount": sql("{c}::text", c=column), "currency": row.column("currency"), "__typename": text("Money")}
    pairs = join(", ", [sql("{k}: {v}", k=text(key), v=values[part]) for key, part in member.parts])
    return sql("CASE WHEN {c} IS NOT NULL THEN JSON_OBJECT({pairs}) END", c=column, pairs=pairs)


def _mask(member: Cell, row: Row) -> Fragment:
    mask = member.field.mask
    if mask is None:
        return NULL
    return sql("{function}({c})", function=name(f"crm_mask_{mask.value}"), c=row.value(member.field))


def masked_fields(row: Row, compiler: Compiler, access: Access) -> Fragment:
    """The names of the fields that are withheld from this row, masked or empty, as a JSON array."""
    entries = []
    for member in row.entity.cells:
        if access.ceiling(row.root.name, row.prefix + member.name) is Level.HIDDEN:
            continue
        readable = compiler.cell(row, member, Level.READ)
        if readable == FALSE:
            entries.append(text(member.api_path))
        elif readable != TRUE:
            entries.append(sql("CASE WHEN {r} THEN NULL ELSE {n} END", r=readable, n=text(member.api_path)))
    if not entries:
        return sql("'[]'::json")
    return sql("array_to_json(array_remove(ARRAY[{entries}]::text[], NULL))", entries=join(", ", entries))
