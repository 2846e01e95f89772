"""Orders, keysets and cursors as SQL, after Winand, "Use The Index, Luke"; NULLs are ordered, never lost."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from crm_graph.access import Level
from crm_graph.catalog import Catalog
from crm_graph.criteria.compiling import Compiler
from crm_graph.criteria.rows import Row, related_join, related_rows
from crm_graph.fragments import FALSE, TRUE, Fragment, all_of, any_of, join, name, sql, text
from crm_graph.resolvers.plan import RANK, OrderKey
from crm_graph.resolvers.search.ranking import ranks


@dataclass(frozen=True, slots=True)
class SortKey:
    """An order key as SQL: its expression over the base rows, and how it sorts."""

    key: OrderKey
    expression: Fragment
    nullable: bool

    def reversed(self) -> "SortKey":
        key = replace(self.key, descending=not self.key.descending, nulls_first=not self.key.nulls_first)
        return replace(self, key=key)


def sort_keys(order: Sequence[OrderKey], row: Row, compiler: Compiler, catalog: Catalog) -> list[SortKey]:
    """The keys of an order; a cell that is withheld sorts as NULL."""
    keys = []
    for key in order:
        expression, masked = _expression(key, row, compiler, catalog)
        keys.append(SortKey(key, expression, masked or key.nullable))
    return keys


def _expression(key: OrderKey, row: Row, compiler: Compiler, catalog: Catalog) -> tuple[Fragment, bool]:
    if key.field is RANK:
        return sql("{ranks}.rank", ranks=ranks(row)), False
    if not key.path:
        # What belongs to a record is listed by id, which whoever sees it reads.
        readable = TRUE if row.entity.is_child else compiler.cell(row, key.field, Level.READ)
        column = row.comparable(key.field)
        if readable == TRUE:
            return column, False
        return sql("CASE WHEN {readable} THEN {column} END", readable=readable, column=column), True
    relation, *rest = key.path
    target = catalog[relation.target]
    inner = row.child(relation, target, compiler.alias())
    expression, _ = _expression(replace(key, path=tuple(rest)), inner, compiler, catalog)
    return sql(
        "(SELECT {expression} FROM {rows} WHERE {where})",
        expression=expression,
        rows=related_rows(relation, target, inner.alias),
        where=all_of([related_join(relation, row, inner.alias), compiler.visible(inner)]),
    ), True


def order_by(keys: Sequence[SortKey]) -> Fragment:
    """The ORDER BY list."""
    return join(", ", [_direction(key) for key in keys])


def _direction(key: SortKey) -> Fragment:
    if key.key.descending:
        if key.nullable and not key.key.nulls_first:
            return sql("{e} DESC NULLS LAST", e=key.expression)
        return sql("{e} DESC", e=key.expression)
    if key.nullable and key.key.nulls_first:
        return sql("{e} NULLS FIRST", e=key.expression)
    return key.expression


def keyset(keys: Sequence[SortKey], values: Sequence[Fragment]) -> Fragment:
    """The rows strictly behind a cursor in the order of `keys`; NULL counts as false."""
    if len({k.key.descending for k in keys}) == 1 and not any(k.nullable for k in keys):
        return _row_comparison(keys, values)
    return _behind(list(zip(keys, values, strict=True)))


def _row_comparison(keys: Sequence[SortKey], values: Sequence[Fragment]) -> Fragment:
    left, right = join(", ", [k.expression for k in keys]), join(", ", values)
    if len(keys) > 1:
        left, right = sql("({l})", l=left), sql("({r})", r=right)
    if keys[0].key.descending:
        return sql("{l} < {r}", l=left, r=right)
    return sql("{l} > {r}", l=left, r=right)


def _behind(pairs: list[tuple[SortKey, Fragment]]) -> Fragment:
    if not pairs:
        return FALSE
    (key, value), rest = pairs[0], _behind(pairs[1:])
    expression = key.expression
    descending = key.key.descending
    later = sql("{e} < {v}", e=expression, v=value) if descending else sql("{e} > {v}", e=expression, v=value)
    if not key.nullable:
        return any_of([later, all_of([sql("{e} = {v}", e=expression, v=value), rest])])
    if key.key.nulls_first:
        beyond = sql("({v} IS NULL AND {e} IS NOT NULL)", e=expression, v=value)
    else:
        beyond = sql("({v} IS NOT NULL AND {e} IS NULL)", e=expression, v=value)
    tie = all_of([sql("{e} IS NOT DISTINCT FROM {v}", e=expression, v=value), rest])
    return any_of([later, beyond, tie])


def key_columns(keys: Sequence[SortKey]) -> Fragment:
    """Computed keys as columns of the base rows, so that a cursor need not compute them again."""
    columns = [
        sql(", {e} AS {k}", e=key.expression, k=name(f"k{i}")) for i, key in enumerate(keys, 1) if _computed(key)
    ]
    return join("", columns)


def cursor(keys: Sequence[SortKey], row: Row, signature: str) -> Fragment:
    """The cursor of a base row: base64 of the JSON array of the order's signature and its keys as text."""
    values = [
        sql("{a}.{k}::text", a=name(row.alias), k=name(f"k{i}"))
        if _computed(key)
        else sql("{e}::text", e=key.expression)
        for i, key in enumerate(keys, 1)
    ]
    return cursor_text(signature, values)


def cursor_text(signature: str, values: Sequence[Fragment]) -> Fragment:
    """A cursor out of the texts of its keys."""
    return sql(
        "translate(encode(convert_to(json_build_array({parts})::text, 'UTF8'), 'base64'), E'\\n', '')",
        parts=join(", ", [text(signature), *values]),
    )


def _computed(key: SortKey) -> bool:
    return bool(key.key.path) or key.key.field is RANK or key.expression.parts[0] == "CASE WHEN "
