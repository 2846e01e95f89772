"""How rows become a file: one protocol for the three formats."""

from collections.abc import Sequence
from typing import Protocol
from zoneinfo import ZoneInfo

from crm_graph.models.exports import ExportFormat
from crm_graph.resolvers.exports.columns import Column
from crm_graph.resolvers.exports.csv_text import CsvText
from crm_graph.resolvers.exports.workbooks import Workbook


class Encoder(Protocol):
    """Writes rows, each given as its JSON, piece by piece; the pieces go to the client in their order.

    `slice_rows` take about a millisecond: between two slices the event loop serves others.
    """

    media_type: str
    slice_rows: int

    def begin(self) -> bytes:
        """What stands before the first row."""

    def rows(self, rows: Sequence[bytes]) -> bytes:
        """The rows that follow."""

    def end(self) -> bytes:
        """What stands behind the last row; without it a file is not whole."""


class JsonLines:
    """One object a line, as the query's node is (https://jsonlines.org)."""

    media_type = "application/jsonl; charset=utf-8"
    slice_rows = 2_000

    def begin(self) -> bytes:
        return b""

    def rows(self, rows: Sequence[bytes]) -> bytes:
        return b"\n".join(rows) + b"\n" if rows else b""

    def end(self) -> bytes:
        return b""


def encoder_for(wanted: ExportFormat, columns: Sequence[Column], zone: ZoneInfo, *, byte_order_mark: bool) -> Encoder:
    """The encoder of a format. `zone` is where the moments of a workbook are read: its cells cannot hold one."""
    match wanted:
        case ExportFormat.JSONL:
            return JsonLines()
        case ExportFormat.CSV:
            return CsvText(columns, byte_order_mark=byte_order_mark)
        case ExportFormat.XLSX:
            return Workbook(columns, zone)
