"""Rows written by the set: one statement for a whole batch, its arrays typed by the mapped columns."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Date,
    DateTime,
    FromClause,
    Integer,
    LargeBinary,
    Numeric,
    SmallInteger,
    String,
    Uuid,
    inspect,
)
from sqlalchemy.dialects.postgresql import JSONB

from crm_graph.fragments import Fragment, join, name, param, sql
from crm_graph.transaction import Input, Transaction, to_json

Row = dict[str, Any]

_LARGE = 500
"""Rows from which a statement of its own shape pays."""

_PG_TYPES: tuple[tuple[type[Any], str], ...] = (
    (Uuid, "uuid"),
    (Boolean, "boolean"),
    (SmallInteger, "smallint"),
    (BigInteger, "bigint"),
    (Integer, "integer"),
    (Numeric, "numeric"),
    (DateTime, "timestamptz"),
    (Date, "date"),
    (JSONB, "jsonb"),
    (LargeBinary, "bytea"),
    (String, "text"),
)


def column_types(model: type[Any]) -> Mapping[str, str]:
    """The Postgres type of each column of a table, in the table's order."""
    return _types_of(inspect(model).local_table)


@lru_cache(maxsize=256)
def _types_of(table: FromClause) -> Mapping[str, str]:
    return {column.name: _pg_type(column) for column in table.columns}


def _pg_type(column: ColumnElement[Any]) -> str:
    for sql_type, pg_type in _PG_TYPES:
        if isinstance(column.type, sql_type):
            return pg_type
    raise TypeError(f"no array type for {column!r}")


def table_of(model: type[Any]) -> Fragment:
    """The table of a model as an identifier."""
    return name(str(inspect(model).local_table.name))


def columns_as_read(model: type[Any], alias: str) -> Fragment:
    """Every column of a row, JSON as text."""
    columns = column_types(model).items()
    return join(", ", [_read(alias, column, pg_type) for column, pg_type in columns])


def _read(alias: str, column: str, pg_type: str) -> Fragment:
    if pg_type == "jsonb":
        return sql("{alias}.{column}::text AS {column}", alias=name(alias), column=name(column))
    return sql("{alias}.{column}", alias=name(alias), column=name(column))


async def insert_rows(tx: Transaction, model: type[Any], rows: Sequence[Row]) -> None:
    """Insert rows; a column that no row names takes its default, one that a row lacks is null there."""
    if not rows:
        return
    columns = _named(model, rows)
    arrays = _arrays(columns, rows)
    shared = _shared(arrays) if len(rows) >= _LARGE else frozenset()
    statement = sql(
        "INSERT INTO {table} ({columns}) SELECT {values} FROM {rows}",
        table=table_of(model),
        columns=join(", ", [name(column) for column in columns]),
        values=join(
            ", ",
            [
                _scalar(column, pg_type) if column in shared else _value(column, pg_type)
                for column, pg_type in columns.items()
            ],
        ),
        rows=_unnested({column: pg_type for column, pg_type in columns.items() if column not in shared}),
    )
    await tx.fetch(statement, **{c: values[0] if c in shared else values for c, values in arrays.items()})


def _shared(arrays: Mapping[str, list[Any]]) -> frozenset[str]:
    """The columns that have one value in all rows; in a large batch they travel once. An id always differs."""
    return frozenset(
        column
        for column, values in arrays.items()
        if column != "id" and values[0] == values[-1] and values.count(values[0]) == len(values)
    )


def _scalar(column: str, pg_type: str) -> Fragment:
    if pg_type == "jsonb":
        return sql("{value}::jsonb", value=param(Input(column), "text"))
    return param(Input(column), pg_type)


async def update_rows(tx: Transaction, model: type[Any], rows: Sequence[Row]) -> None:
    """Set every named column but `id` on the row of that `id`. Rows must be locked and all name the same columns."""
    if not rows:
        return
    columns = _named(model, rows)
    statement = sql(
        "UPDATE {table} AS t SET {changes} FROM {rows} WHERE t.id = r.id",
        table=table_of(model),
        changes=join(
            ", ",
            [
                sql("{column} = {value}", column=name(column), value=_value(column, pg_type))
                for column, pg_type in columns.items()
                if column != "id"
            ],
        ),
        rows=_unnested(columns),
    )
    await tx.fetch(statement, **_arrays(columns, rows))


async def delete_rows(tx: Transaction, model: type[Any], ids: Sequence[UUID]) -> None:
    """Delete rows by id; for children that were taken out, and for rows of this transaction that must not stay."""
    if ids:
        statement = sql(
            "DELETE FROM {table} WHERE id = ANY({ids})", table=table_of(model), ids=param(Input("ids"), "uuid[]")
        )
        await tx.fetch(statement, ids=ids)


def _named(model: type[Any], rows: Iterable[Row]) -> dict[str, str]:
    named: set[str] = set()
    for row in rows:
        named.update(row)
    types = column_types(model)
    if unknown := named - types.keys():
        raise TypeError(f"{model.__name__} has no columns {sorted(unknown)}")
    return {column: pg_type for column, pg_type in types.items() if column in named}


def _value(column: str, pg_type: str) -> Fragment:
    if pg_type == "jsonb":
        return sql("r.{column}::jsonb", column=name(column))
    return sql("r.{column}", column=name(column))


def _unnested(columns: Mapping[str, str]) -> Fragment:
    arrays = [param(Input(column), _array_type(pg_type)) for column, pg_type in columns.items()]
    return sql(
        "unnest({arrays}) AS r ({columns})",
        arrays=join(", ", arrays),
        columns=join(", ", [name(column) for column in columns]),
    )


def _array_type(pg_type: str) -> str:
    return "text[]" if pg_type == "jsonb" else f"{pg_type}[]"


def _arrays(columns: Mapping[str, str], rows: Sequence[Row]) -> dict[str, list[Any]]:
    return {
        column: [_json(row.get(column)) for row in rows] if pg_type == "jsonb" else [row.get(column) for row in rows]
        for column, pg_type in columns.items()
    }


def _json(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else to_json(value)


def defaults(model: type[Any]) -> Mapping[str, Any]:
    """What the server would fill in, for columns that services write themselves (enums, flags, counters, rates)."""
    return _defaults_of(inspect(model).local_table)


@lru_cache(maxsize=256)
def _defaults_of(table: FromClause) -> Mapping[str, Any]:
    found: Row = {}
    for column in table.columns:
        if column.server_default is not None and not isinstance(column.type, JSONB):
            text = getattr(column.server_default.arg, "text", column.server_default.arg)
            found[column.name] = _default(column, str(text))
    return found


def _default(column: ColumnElement[Any], text: str) -> Any:
    if isinstance(column.type, Boolean):
        return text == "true"
    if isinstance(column.type, String):
        return text.strip("'")
    return column.type.python_type(text)
