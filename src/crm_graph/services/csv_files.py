"""CSV as programs and people write it: encoding and delimiter recognised, a broken record kept from its neighbours."""

import codecs
import csv
import io
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from crm_graph.errors import CrmError, Invalid

MAX_CELL = 32_767
"""Characters of a cell; what spreadsheets hold."""

# A record that is longer than this in lines or characters is a quote that nobody closed.
_MAX_RECORD_LINES = 500
_LEAST_RECORD_LINES = 20
_MAX_RECORD = 8 * MAX_CELL
_BLOCK = 1 << 16
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_DELIMITERS = ",;\t，"
_FORMULA = re.compile(r"[=+\-@\t\r]")
_LINE_END = re.compile(r"[\r\n]+$")


@dataclass(frozen=True, slots=True)
class Row:
    """One record. `number` counts as a spreadsheet counts rows: the header is 1.

    `fault` is what is wrong with the record as such; its cells are then what could be read of it.
    """

    number: int
    cells: Sequence[str]
    fault: CrmError | None = None


def encoding_of(path: Path) -> str:
    """UTF-8 with or without a mark, UTF-16, or GB18030 (which holds GBK and GB 2312): the first that the whole file is.

    Raises Invalid when it is none of them, and when the file is empty.
    """
    with path.open("rb") as file:
        start = file.read(_BLOCK)
    if not start.strip():
        raise Invalid("import_empty")
    for mark, encoding in _BOMS:
        if start.startswith(mark):
            return encoding
    if b"\x00" in start[:2]:
        return "utf-16-be" if start[0] == 0 else "utf-16-le"
    for encoding in ("utf-8", "gb18030"):
        if _decodes(path, encoding):
            return encoding
    raise Invalid("import_encoding")


def _decodes(path: Path, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                if encoding == "gb18030" and b"\x00" in block:
                    return False
                decoder.decode(block)
            decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


class CsvFile:
    """A CSV file, read record by record at flat memory. The first record is the header."""

    def __init__(self, path: Path, progress: Callable[[int, int], None] | None = None) -> None:
        self._path = path
        self._progress = progress
        self._pending: deque[str] = deque()
        self._number = 0
        self._max_lines = _MAX_RECORD_LINES
        self._open = False
        self.header: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Row]:
        """The header, then the records; blank ones are left out."""
        size = self._path.stat().st_size
        encoding = encoding_of(self._path)
        with self._path.open("rb") as raw, io.TextIOWrapper(raw, encoding=encoding, newline="") as file:
            line = _line(file)
            if re.fullmatch(r"sep=.\s*", line or ""):
                line = _line(file)
            delimiter = _delimiter(line or "")
            self._pending.appendleft(line or "")
            self.header = self._read_header(file, delimiter)
            yield Row(1, self.header)
            while (row := self._record(file, delimiter)) is not None:
                if self._progress and self._number % 200 == 0:
                    self._progress(raw.tell(), size)
                if row.fault or any(cell and not cell.isspace() for cell in row.cells):
                    yield row
            if self._progress:
                self._progress(size, size)

    def _read_header(self, file: IO[str], delimiter: str) -> tuple[str, ...]:
        row = self._record(file, delimiter, header=True)
        cells = tuple(cell.strip() for cell in row.cells) if row else ()
        while cells and not cells[-1]:
            cells = cells[:-1]
        if not cells:
            raise Invalid("import_empty")
        return cells

    def _record(self, file: IO[str], delimiter: str, *, header: bool = False) -> Row | None:
        taken: list[str] = []
        try:
            cells = next(csv.reader(self._lines(file, taken), delimiter=delimiter), [])
            too_long = False
        except csv.Error:
            cells, too_long = _roughly(taken[0], delimiter), True
        if not taken:
            return None
        self._number += 1
        return self._checked(taken, cells, delimiter, too_long=too_long, width=0 if header else len(self.header))

    def _lines(self, file: IO[str], taken: list[str]) -> Iterator[str]:
        """The lines of one record, remembered in `taken`; the parser asks for one more only while a quote is open."""
        self._open = False
        length = 0
        while len(taken) < self._max_lines and length < _MAX_RECORD:
            line = self._pending.popleft() if self._pending else _line(file)
            if line is None:
                break
            taken.append(line)
            length += len(line)
            yield line
        self._open = True

    def _checked(self, taken: list[str], cells: list[str], delimiter: str, *, too_long: bool, width: int) -> Row:
        """The record, if it is one. A quote that is not closed swallows lines: the first of them is then the broken
        record, and the others are read again on their own.
        """
        while width and len(cells) > width and not cells[-1].strip():
            cells.pop()
        swallowed = len(taken) > 1 and (too_long or len(cells) != width or not _strict(taken, delimiter))
        if width and (self._open or swallowed):
            self._pending.extendleft(reversed(taken[1:]))
            self._max_lines = max(_LEAST_RECORD_LINES, self._max_lines // 2)
            return Row(self._number, _roughly(taken[0], delimiter), Invalid("import_quote"))
        if too_long or any(len(cell) > MAX_CELL for cell in cells):
            shown = [cell[: MAX_CELL + 1] for cell in cells]
            return Row(self._number, shown, Invalid("import_cell_too_long", max=MAX_CELL))
        if width and len(cells) > width:
            return Row(self._number, cells, Invalid("import_row_shape", cells=len(cells), columns=width))
        return Row(self._number, cells)


def _strict(lines: Sequence[str], delimiter: str) -> bool:
    """Whether a record closes its quotes only where a cell ends (RFC 4180, section 2)."""
    try:
        next(csv.reader(lines, delimiter=delimiter, strict=True), None)
    except csv.Error:
        return False
    return True


def _roughly(line: str, delimiter: str) -> list[str]:
    """The cells of a line that is no CSV, as good as can be, none so short that it would pass when it did not."""
    return [cell[: MAX_CELL + 1] for cell in _LINE_END.sub("", line).replace('"', "").split(delimiter)]


def _line(file: IO[str]) -> str | None:
    """The next line, cut where it is longer than any record; None at the end of the file."""
    line = file.readline(_MAX_RECORD)
    if not line:
        return None
    part = line
    while len(part) == _MAX_RECORD and not part.endswith(("\n", "\r")):
        part = file.readline(_MAX_RECORD)
    return line


def _delimiter(header: str) -> str:
    outside = re.sub(r'"[^"]*"', "", header)
    return max(_DELIMITERS, key=outside.count)


def escaped(text: str) -> str:
    """Text that a spreadsheet will not run as a formula (OWASP, CSV injection)."""
    return f"'{text}" if _FORMULA.match(text) else text


class CsvWriter:
    """A CSV file for people: UTF-8 with a mark, so that spreadsheets know; made with the first row."""

    def __init__(self, path: Path | None, header: Sequence[str]) -> None:
        self._path = path
        self._header = header
        self._file: IO[str] | None = None

    def write(self, cells: Sequence[str]) -> None:
        """Append one row. Text is written as it is: escape what a spreadsheet must not run."""
        if self._path is None:
            return
        csv.writer(self._opened(self._path)).writerow(cells)

    def close(self) -> None:
        """Finish the file; without rows it holds the header alone, so that an old one is not taken for new."""
        if self._path is not None:
            self._opened(self._path).close()

    def _opened(self, path: Path) -> IO[str]:
        if self._file is None:
            path.touch(mode=0o600)  # It holds personal data.
            self._file = path.open("w", encoding="utf-8-sig", newline="")
            csv.writer(self._file).writerow(self._header)
        return self._file
