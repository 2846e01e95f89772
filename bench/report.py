"""What was measured, as a table for people and as JSON for machines."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.load import Series

OURS = "crm-graph"
LIMIT = "limit"


def table(series: Sequence[Series]) -> Table:
    """One row per page size and contender. Ratios are ours by theirs, medians over the rounds."""
    result = Table(title="customers(first: N) with interactions and opportunities")
    result.add_column("N", justify="right")
    result.add_column("server")
    for column in ("req/s", "p50 ms", "p99 ms", "crm-graph is"):
        result.add_column(column, justify="right")
    size = None
    for row in series:
        ours = _ours(series, row.size)
        if size is not None and row.size != size:
            result.add_section()
        size = row.size
        ratio = f"{ours.ratio(row):.2f} x" if ours is not None and row is not ours else ""
        result.add_row(
            str(row.size), row.contender, f"{row.rate:,.0f}", f"{row.p50_ms:.2f}", f"{row.p99_ms:.2f}", ratio
        )
    return result


def as_json(series: Sequence[Series]) -> list[dict[str, Any]]:
    """Every sample, with the medians beside it."""
    rows = []
    for row in series:
        ours = _ours(series, row.size)
        rows.append(
            {
                "n": row.size,
                "server": row.contender,
                "requests_per_second": row.rate,
                "p50_ms": row.p50_ms,
                "p99_ms": row.p99_ms,
                "ratio_of_ours": ours.ratio(row) if ours is not None else None,
                "rounds": [asdict(s) for s in row.samples],
            }
        )
    return rows


@dataclass(frozen=True, slots=True)
class Section:
    """A table of its own: what is told in words, its columns, its rows as text."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def table(self) -> Table:
        result = Table(title=self.title)
        for index, column in enumerate(self.columns):
            result.add_column(column, justify="right" if index else "left")
        for row in self.rows:
            result.add_row(*row)
        return result


class Report:
    """What was measured so far; each part is printed when it is there."""

    def __init__(self) -> None:
        self._console = Console()
        self._parts: list[Any] = []

    def add(self, *sections: Section) -> None:
        """Print sections and keep them."""
        for section in sections:
            self._console.print(section.table())
            self._parts.append(asdict(section))

    def add_series(self, series: Sequence[Series]) -> None:
        """Print the side by side and keep every sample."""
        self._console.print(table(series))
        self._parts.append({"title": "side by side", "samples": as_json(series)})

    def save(self, path: Path) -> None:
        """Write the JSON."""
        path.write_text(json.dumps(self._parts, indent=2) + "\n")


def _ours(series: Sequence[Series], size: int) -> Series | None:
    return next((s for s in series if s.contender == OURS and s.size == size), None)
