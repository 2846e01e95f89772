"""Imports: the rows of a file through the same service as every other upsert, with a report of each refused row."""

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
import structlog

from crm_graph.access import Access
from crm_graph.catalog import EntityType
from crm_graph.errors import CrmError, Duplicate, Invalid, Required, Unavailable
from crm_graph.messages import Locale, render
from crm_graph.services.commands import Mode, Outcome, Result
from crm_graph.services.csv_files import CsvFile, CsvWriter, Row, escaped
from crm_graph.services.import_columns import EXTERNAL_ID, Layout, item_of, layout, point_headers
from crm_graph.services.upsert import upsert
from crm_graph.transaction import Transaction

log = structlog.get_logger(__name__)

CHUNK = 1_000
"""Rows of one transaction."""
KEPT_PROBLEMS = 1_000
"""Problems kept in memory; all of them are in the report file."""
ATTEMPTS = 3
"""How often a chunk is tried that lost a race with another writer."""
_REMEMBERED_IDS = 1_000_000
_SHOWN_VALUE = 200

Item = Mapping[str, Any]
Write = Callable[[Sequence[Item]], Awaitable[Sequence[Outcome]]]
"""Writes one chunk in a transaction of its own and says what became of each item."""
Progress = Callable[[int, int], None]
"""Told the bytes read so far and the bytes of the file."""

REPORT_COLUMNS = ("row", "column", "value", "code", "message")


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a row was not taken. `row` counts as a spreadsheet does; `column` is the file's header, or empty."""

    row: int
    column: str
    value: str
    error: CrmError


@dataclass(slots=True)
class ImportReport:
    """What became of a file. `problems` holds the first KEPT_PROBLEMS of `problem_count`."""

    dry_run: bool
    rows: int = 0
    counts: Counter[Result] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)
    problem_count: int = 0
    ignored_columns: tuple[str, ...] = ()

    @property
    def refused(self) -> int:
        """Rows that are not in: rejected ones, and those that fit several records."""
        return self.counts[Result.REJECTED] + self.counts[Result.AMBIGUOUS]


@dataclass(slots=True)
class _Entry:
    """A row on its way, with the item it became; None where the row itself is broken."""

    row: Row
    item: dict[str, Any] | None
    errors: list[CrmError]


def upserting(
    begin: Callable[[], AbstractAsyncContextManager[Transaction]],
    entity: EntityType,
    source: str,
    *,
    dry_run: bool = False,
) -> Write:
    """A writer that upserts each chunk in a transaction of its own, and repeats one that lost a race."""

    async def once(items: Sequence[Item]) -> Sequence[Outcome]:
        async with begin() as tx:
            return await upsert(tx, entity.name, source, items, mode=Mode.PARTIAL, dry_run=dry_run)

    async def write(items: Sequence[Item]) -> Sequence[Outcome]:
        for _ in range(ATTEMPTS - 1):
            try:
                return await once(items)
            except Unavailable as lost:
                log.info("import_chunk_repeated", rows=len(items), reason=lost.template_key)
        return await once(items)

    return write


async def import_file(
    path: Path,
    entity: EntityType,
    write: Write,
    *,
    access: Access | None = None,
    dry_run: bool = False,
    locale: Locale = "en",
    report_to: Path | None = None,
    rejects_to: Path | None = None,
    progress: Progress | None = None,
) -> ImportReport:
    """Send a CSV file through `write`, CHUNK rows at a time, at flat memory. A bad row is refused alone.

    `report_to` gets a line per problem, `rejects_to` the refused rows in their own columns, to correct and send again.
    Columns that `access` may not write are left out, like those that mean nothing, and named in the report.
    Rows without an external id column are known by what they hold, so that a second run finds them again.
    Raises Invalid when the file as a whole cannot be read: encoding, header. What was written before stays.
    """
    _refuse_overwriting(path, report_to, rejects_to)
    report = ImportReport(dry_run)
    file = CsvFile(path, progress)
    rows = iter(file)
    header = next(rows).cells
    columns = layout(entity, header, access)
    report.ignored_columns = columns.ignored
    files = _Files(report, columns, CsvWriter(report_to, REPORT_COLUMNS), CsvWriter(rejects_to, header), locale)
    seen = _SeenIds()
    try:
        while chunk := [_entry(columns, row, seen) for row in islice(rows, CHUNK)]:
            await _write_chunk(chunk, write, files)
    finally:
        files.close()
    return report


def _refuse_overwriting(path: Path, *targets: Path | None) -> None:
    if any(target is not None and target.resolve() == path.resolve() for target in targets):
        raise Invalid("import_same_file")


async def _write_chunk(chunk: Sequence[_Entry], write: Write, files: "_Files") -> None:
    files.report.rows += len(chunk)
    good = [entry for entry in chunk if entry.item is not None and not entry.errors]
    outcomes = await write([entry.item for entry in good if entry.item is not None]) if good else ()
    results = {id(entry): Result.REJECTED for entry in chunk}
    for outcome in outcomes:
        entry = good[outcome.index]
        results[id(entry)] = outcome.result
        entry.errors.extend(outcome.errors)
    for entry in chunk:
        result = results[id(entry)]
        files.report.counts[result] += 1
        if result in (Result.REJECTED, Result.AMBIGUOUS):
            files.refuse(entry, entry.errors or [Duplicate("import_ambiguous")])


def _entry(columns: Layout, row: Row, seen: "_SeenIds") -> _Entry:
    if row.fault:
        return _Entry(row, None, [row.fault])
    item = item_of(columns, row.cells)
    if not columns.has_external_id:
        item[EXTERNAL_ID] = fingerprint(item)
    elif EXTERNAL_ID not in item:
        return _Entry(row, item, [Required(path=(EXTERNAL_ID,))])
    first = seen.row_of(item[EXTERNAL_ID], row.number)
    if first is not None:
        return _Entry(row, item, [Duplicate("import_repeated", path=(EXTERNAL_ID,), row=first)])
    return _Entry(row, item, [])


def fingerprint(item: Item) -> str:
    """A name for a row that has none: the same for the same content, whatever its case, width and spacing."""
    canonical = orjson.dumps(_folded(item), option=orjson.OPT_SORT_KEYS)
    return f"row:{hashlib.sha256(canonical).hexdigest()[:32]}"


def _folded(value: Any) -> Any:
    if isinstance(value, str):
        return " ".join(unicodedata.normalize("NFKC", value).casefold().split())
    if isinstance(value, Mapping):
        return {key: _folded(inner) for key, inner in value.items()}
    return [_folded(inner) for inner in value] if isinstance(value, list) else value


class _SeenIds:
    """The row in which each external id stood first, for the last million of them."""

    def __init__(self) -> None:
        self._rows: dict[bytes, int] = {}

    def row_of(self, external_id: str, row: int) -> int | None:
        """The earlier row with this id, or None when this one is the first."""
        key = hashlib.blake2b(external_id.strip().encode("utf-8", "surrogatepass"), digest_size=12).digest()
        first = self._rows.setdefault(key, row)
        if first != row:
            return first
        if len(self._rows) > _REMEMBERED_IDS:
            del self._rows[next(iter(self._rows))]
        return None


@dataclass(slots=True)
class _Files:
    """Where refused rows go: the report in memory, its file, and the file of rows to correct."""

    report: ImportReport
    columns: Layout
    problems: CsvWriter
    rejects: CsvWriter
    locale: Locale

    def refuse(self, entry: _Entry, errors: Iterable[CrmError]) -> None:
        for problem in self._problems(entry.row, errors):
            self.report.problem_count += 1
            if len(self.report.problems) < KEPT_PROBLEMS:
                self.report.problems.append(problem)
            message = render(problem.error, self.locale)
            shown = (str(problem.row), problem.column, problem.value, problem.error.code, message)
            self.problems.write([escaped(cell) for cell in shown])
        self.rejects.write(entry.row.cells)

    def close(self) -> None:
        self.problems.close()
        self.rejects.close()

    def _problems(self, row: Row, errors: Iterable[CrmError]) -> Iterator[Problem]:
        by_header = dict(zip((c.header for c in self.columns.columns), self.columns.columns, strict=True))
        for error in errors:
            header = self._header(row, error)
            column = by_header.get(header)
            cell = row.cells[column.position] if column and column.position < len(row.cells) else ""
            yield Problem(row.number, header, cell[:_SHOWN_VALUE], error)

    def _header(self, row: Row, error: CrmError) -> str:
        match error.path:
            case ("contactPoints", int(number), *_):
                headers = point_headers(self.columns, row.cells)
                return headers[number] if number < len(headers) else ""
            case path:
                return self.columns.header_of(path)
