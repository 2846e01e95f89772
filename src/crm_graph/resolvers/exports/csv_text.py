"""Rows as CSV (RFC 4180) that is safe to open in a spreadsheet."""

import csv
import io
from collections.abc import Callable, Sequence
from typing import Any

import orjson

from crm_graph.catalog import Kind
from crm_graph.resolvers.exports.columns import Column

BYTE_ORDER_MARK = "\ufeff"
"""Without it Excel takes UTF-8 for the encoding of the computer, and Chinese is unreadable."""

FORMULA_STARTS = frozenset("=+-@\t\r\n＝＋－＠")
"""What makes a spreadsheet take a cell for a formula, full-width forms among it (OWASP, "CSV Injection")."""


def safe(text: str) -> str:
    """A text that no spreadsheet computes: one that looks like a formula gets an apostrophe in front."""
    return f"'{text}" if text[:1] in FORMULA_STARTS else text


class CsvText:
    """A header of paths, then a line for each row. Numbers, dates and booleans are written as the API writes them and
    lists as JSON; null and empty are the same.
    """

    media_type = "text/csv; charset=utf-8; header=present"
    slice_rows = 64

    def __init__(self, columns: Sequence[Column], *, byte_order_mark: bool) -> None:
        self._cells: list[tuple[Column, Callable[[Any], str]]] = [(c, _WRITERS.get(c.kind, _text)) for c in columns]
        self._text = io.StringIO(newline="")
        self._lines = csv.writer(self._text, lineterminator="\r\n")
        self._text.write(BYTE_ORDER_MARK if byte_order_mark else "")

    def begin(self) -> bytes:
        self._lines.writerow([column.header for column, _ in self._cells])
        return self._written()

    def rows(self, rows: Sequence[bytes]) -> bytes:
        cells = self._cells
        self._lines.writerows(
            ["" if (value := column.value(row)) is None else write(value) for column, write in cells]
            for row in map(orjson.loads, rows)
        )
        return self._written()

    def end(self) -> bytes:
        return b""

    def _written(self) -> bytes:
        text = self._text.getvalue()
        self._text.seek(0)
        self._text.truncate()
        return text.encode()


def _text(value: Any) -> str:
    return safe(value) if isinstance(value, str) else _json(value)


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


def _boolean(value: bool) -> str:  # noqa: FBT001 - a value, not a switch
    return "true" if value else "false"


_WRITERS: dict[Kind | None, Callable[[Any], str]] = {
    None: _json,
    Kind.BOOLEAN: _boolean,
    Kind.INT: str,
    Kind.BIG_INT: str,
    Kind.DECIMAL: str,
    Kind.MONEY: str,
    Kind.DATE: str,
    Kind.DATE_TIME: str,
}
