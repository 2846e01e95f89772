"""The report of an import, for a terminal."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from crm_graph.messages import Locale, render
from crm_graph.services.commands import Result
from crm_graph.services.imports import REPORT_COLUMNS, ImportReport

_HEADINGS: dict[Locale, tuple[str, ...]] = {"en": REPORT_COLUMNS, "zh": ("行", "列", "值", "代码", "说明")}
_WORDS: dict[Locale, dict[Result, str]] = {
    "en": {result: result.value.lower() for result in Result},
    "zh": {
        Result.CREATED: "新建",
        Result.UPDATED: "更新",
        Result.UNCHANGED: "未变",
        Result.PENDING: "待上级",
        Result.AMBIGUOUS: "有多个候选",
        Result.REJECTED: "拒绝",
    },
}
_SUMMARY: dict[Locale, tuple[str, str, str, str]] = {
    "en": ("{} rows: {}", "Dry run: nothing was written.", "Columns not imported: {}", "… and {} more problems"),
    "zh": ("共 {} 行：{}", "试运行：未写入任何数据。", "未导入的列：{}", "……另有 {} 个问题"),
}


def print_report(report: ImportReport, console: Console, *, locale: Locale = "en", limit: int = 50) -> None:
    """The counts, the columns that were left out, and the first `limit` problems as a table."""
    rows, dry_run, ignored, more = _SUMMARY[locale]
    words = _WORDS[locale]
    counts = ", ".join(f"{report.counts[r]} {words[r]}" for r in Result if report.counts[r])
    console.print(Text(rows.format(report.rows, counts or "0")))
    if report.dry_run:
        console.print(Text(dry_run))
    if report.ignored_columns:
        console.print(Text(ignored.format(", ".join(report.ignored_columns))))
    if not report.problems:
        return
    table = Table(*_HEADINGS[locale])
    for problem in report.problems[:limit]:
        message = render(problem.error, locale)
        cells = (str(problem.row), problem.column, problem.value[:40], problem.error.code, message)
        table.add_row(*(Text(cell) for cell in cells))
    console.print(table)
    if report.problem_count > limit:
        console.print(Text(more.format(report.problem_count - limit)))
