"""Rows as a workbook (ECMA-376, the XLSX of Excel), written as it goes: nothing is kept but what is not yet sent."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile
from zoneinfo import ZoneInfo

import orjson

from crm_graph.catalog import Kind
from crm_graph.resolvers.exports.columns import Column
from crm_graph.resolvers.exports.workbook_parts import (
    DATE,
    DATE_TIME,
    FIXED_PARTS,
    HEADER,
    MONEY,
    NUMBER,
    SHEET_BEGIN,
    SHEET_END,
    SHEET_PATH,
    numbered_parts,
)

MAX_ROWS = 1_048_576
"""Of a sheet, the header among them; what is more goes to further sheets."""
MAX_SHEET_BYTES = 3 * 2**30
"""A part of a plain zip file ends at 4 GiB."""
MAX_CELL = 32_767
"""Of a text cell, in UTF-16 units."""
EXACT_DIGITS = 15
"""Excel counts in binary doubles: a number with more digits would come out as another one."""
_FAST = 1
"""Level of compression: the file grows by a fifth against the usual 6, the time halves."""


class Workbook:
    """A header of paths, then a row for each row. Texts are texts whatever they look like; numbers that a double holds
    are numbers, others texts; dates are dates, and moments are in the zone that their header names.
    """

    media_type = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    slice_rows = 32

    def __init__(
        self, columns: Sequence[Column], zone: ZoneInfo, *, max_rows: int = MAX_ROWS, max_bytes: int = MAX_SHEET_BYTES
    ) -> None:
        self._headers = [f"{c.header} ({zone.key})" if c.kind is Kind.DATE_TIME else c.header for c in columns]
        self._cells = [(c, ref, _writer(c.kind, zone)) for c, ref in zip(columns, _letters(), strict=False)]
        self._max_rows, self._max_bytes = max_rows, max_bytes
        self._sink = _Sink()
        self._zip = ZipFile(self._sink, "w", ZIP_DEFLATED, compresslevel=_FAST)
        self._sheets = 0
        self._row = 0
        self._bytes = 0
        self._sheet: Any = None

    def begin(self) -> bytes:
        self._add(FIXED_PARTS)
        self._open_sheet()
        return self._sink.taken()

    def rows(self, rows: Sequence[bytes]) -> bytes:
        lines: list[str] = []
        for row in rows:
            if self._row >= self._max_rows or self._bytes >= self._max_bytes:
                self._write(lines)
                lines = []
                self._close_sheet()
                self._open_sheet()
            self._row += 1
            lines.append(self._line(orjson.loads(row)))
        self._write(lines)
        return self._sink.taken()

    def end(self) -> bytes:
        self._close_sheet()
        self._add(numbered_parts(self._sheets))
        self._zip.close()
        return self._sink.taken()

    def _add(self, parts: Mapping[str, str]) -> None:
        # `open` dates a part to 1980, `writestr` to now: bytes are to depend on the rows alone.
        for path, part in parts.items():
            with self._zip.open(path, "w") as opened:
                opened.write(part.encode())

    def _line(self, row: Any) -> str:
        number = self._row
        cells = [
            write(f"{letters}{number}", value)
            for column, letters, write in self._cells
            if (value := column.value(row)) is not None
        ]
        return f'<row r="{number}">{"".join(cells)}</row>'

    def _open_sheet(self) -> None:
        self._sheets += 1
        self._sheet = self._zip.open(SHEET_PATH.format(self._sheets), "w")
        header = [
            f'<c r="{letters}1" s="{HEADER}" t="inlineStr"><is><t>{_escaped(title)}</t></is></c>'
            for title, (_, letters, _) in zip(self._headers, self._cells, strict=True)
        ]
        self._row, self._bytes = 1, 0
        self._write([SHEET_BEGIN, '<row r="1">', *header, "</row>"])

    def _close_sheet(self) -> None:
        self._write([SHEET_END])
        self._sheet.close()

    def _write(self, lines: Sequence[str]) -> None:
        text = "".join(lines).encode()
        self._bytes += len(text)
        self._sheet.write(text)


class _Sink:
    """Takes what the zip writes until it is sent. There is no way back in it, so the sizes stand behind each part."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, part: bytes) -> int:
        self._parts.append(bytes(part))
        return len(part)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass

    def taken(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)


def _letters() -> Iterator[str]:
    """A, B, … Z, AA, AB, …"""
    names = [""]
    while True:
        names = [name + chr(letter) for name in names for letter in range(ord("A"), ord("Z") + 1)]
        yield from names


CellWriter = Callable[[str, Any], str]
_EPOCH = date(1899, 12, 30)
_FIRST_DAY = date(1900, 3, 1)
"""Excel believes in a 29 February 1900; days before are not counted alike by all programs."""
_DAY_S = 86_400


def _writer(kind: Kind | None, zone: ZoneInfo) -> CellWriter:
    def moment_cell(ref: str, value: str) -> str:
        local = datetime.fromisoformat(value).astimezone(zone).replace(tzinfo=None)
        days = (local.date() - _EPOCH).days
        if local.date() < _FIRST_DAY:
            return _text_cell(ref, value)
        seconds = local.hour * 3600 + local.minute * 60 + local.second + local.microsecond / 1e6
        return f'<c r="{ref}" s="{DATE_TIME}"><v>{days + seconds / _DAY_S!r}</v></c>'

    return moment_cell if kind is Kind.DATE_TIME else _WRITERS.get(kind, _any_cell)


def _text_cell(ref: str, value: str) -> str:
    return f'<c r="{ref}" t="inlineStr"><is><t xml:space="preserve">{_escaped(_cut(value))}</t></is></c>'


def _any_cell(ref: str, value: Any) -> str:
    return _text_cell(ref, value if isinstance(value, str) else orjson.dumps(value).decode())


def _json_cell(ref: str, value: Any) -> str:
    return _text_cell(ref, orjson.dumps(value).decode())


def _boolean_cell(ref: str, value: bool) -> str:  # noqa: FBT001 - a value, not a switch
    return f'<c r="{ref}" t="b"><v>{value:d}</v></c>'


def _date_cell(ref: str, value: str) -> str:
    day = date.fromisoformat(value)
    if day < _FIRST_DAY:
        return _text_cell(ref, value)
    return f'<c r="{ref}" s="{DATE}"><v>{(day - _EPOCH).days}</v></c>'


def _number_cell(ref: str, value: str | int, style: int = NUMBER) -> str:
    text = str(value)
    if len(text) > EXACT_DIGITS and len(text.lstrip("-").replace(".", "").strip("0")) > EXACT_DIGITS:
        return _text_cell(ref, text)
    return f'<c r="{ref}" s="{style}"><v>{text}</v></c>'


def _money_cell(ref: str, value: str) -> str:
    return _number_cell(ref, value, MONEY)


_WRITERS: dict[Kind | None, CellWriter] = {
    None: _json_cell,
    Kind.BOOLEAN: _boolean_cell,
    Kind.INT: _number_cell,
    Kind.BIG_INT: _number_cell,
    Kind.DECIMAL: _number_cell,
    Kind.MONEY: _money_cell,
    Kind.DATE: _date_cell,
}


def _cut(text: str) -> str:
    """A text that a cell can hold; one that is cut says so and how long it was."""
    if len(text) <= MAX_CELL // 2 or _units(text) <= MAX_CELL:
        return text
    note = f"… [cut 已截断: {len(text)}]"
    kept = text.encode("utf-16-le")[: 2 * (MAX_CELL - len(note))]
    return kept.decode("utf-16-le", "ignore") + note


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


# `_x000D_` is how a cell writes a character that XML cannot hold, and so `_x005F_` an underscore that would begin one.
_SPECIAL = re.compile(r"[&<>\x00-\x08\x0b-\x1f\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)")
_NAMED = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def _escaped(text: str) -> str:
    return _SPECIAL.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    return _NAMED.get(character) or f"_x{ord(character):04X}_"
