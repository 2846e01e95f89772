"""The formats of exports, cell by cell: what a spreadsheet must not compute, and what it cannot hold."""

import csv
import io
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from zipfile import ZipFile
from zoneinfo import ZoneInfo

import orjson
import pytest
from python_calamine import CalamineWorkbook

from crm_graph.catalog import Kind
from crm_graph.resolvers.exports.columns import Column
from crm_graph.resolvers.exports.csv_text import CsvText
from crm_graph.resolvers.exports.encoders import Encoder, JsonLines
from crm_graph.resolvers.exports.workbooks import MAX_CELL, Workbook

SHANGHAI = ZoneInfo("Asia/Shanghai")
DANGEROUS = ("=1+1", "+8613800138000", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1+1", "＋1", "－1", "＠x")
HARMLESS = ("", "a=1", " =1", "'=1", "138****0001", "***@example.com", "王府井", "https://example.com/?a=b", "1e5")


def written(encoder: Encoder, *rows: Any) -> bytes:
    """A whole file of rows."""
    return encoder.begin() + encoder.rows([orjson.dumps(row) for row in rows]) + encoder.end()


def text_column(name: str = "name") -> Column:
    return Column((name,), Kind.TEXT)


def csv_cells(columns: Sequence[Column], *rows: Any) -> list[list[str]]:
    file = written(CsvText(columns, byte_order_mark=False), *rows)
    return list(csv.reader(io.StringIO(file.decode(), newline="")))


def sheets_of(file: bytes) -> list[list[list[Any]]]:
    book = CalamineWorkbook.from_filelike(io.BytesIO(file))
    return [book.get_sheet_by_name(name).to_python() for name in book.sheet_names]


def test_xlsx_escapes_what_xml_cannot_hold() -> None:
    file = written(Workbook([text_column()], SHANGHAI), {"name": "\ufffe\uffff"})
    assert b"_xFFFE__xFFFF_" in ZipFile(io.BytesIO(file)).read("xl/worksheets/sheet1.xml")


def xlsx_cell(kind: Kind | None, value: Any) -> Any:
    """A value as a reader of the workbook gets it."""
    column = Column(("value",), kind)
    return sheets_of(written(Workbook([column], SHANGHAI), {"value": value}))[0][1][0]


@pytest.mark.parametrize("text", DANGEROUS)
def test_csv_text_that_looks_like_a_formula_gets_an_apostrophe(text: str) -> None:
    assert csv_cells([text_column()], {"name": text})[1:] == [[f"'{text}"]]


@pytest.mark.parametrize("text", HARMLESS)
def test_csv_text_that_does_not_stays_as_it_is(text: str) -> None:
    assert csv_cells([text_column()], {"name": text})[1:] == [[text]]


def test_csv_numbers_dates_and_lists_are_as_the_api_has_them() -> None:
    columns = [
        Column(("n",), Kind.INT),
        Column(("big",), Kind.BIG_INT),
        Column(("rate",), Kind.DECIMAL),
        Column(("owner", "name"), Kind.TEXT),
        Column(("price", "amount"), Kind.MONEY),
        Column(("price", "currency"), Kind.TEXT),
        Column(("held",), Kind.BOOLEAN),
        Column(("day",), Kind.DATE),
        Column(("at",), Kind.DATE_TIME),
        Column(("refs",), None),
    ]
    row = {
        "n": -5,
        "big": "-9223372036854775808",
        "rate": "-0.10",
        "owner": {"name": "林晓彤"},
        "price": {"amount": "-1200.50", "currency": "CNY"},
        "held": False,
        "day": "2026-11-22",
        "at": "2026-11-22T04:00:00+00:00",
        "refs": [{"source": "erp", "externalId": '=K"1'}],
    }
    nothing = dict.fromkeys(row)
    header, full, empty = csv_cells(columns, row, nothing)
    assert header == ["n", "big", "rate", "owner.name", "price.amount", "price.currency", "held", "day", "at", "refs"]
    assert full == [
        "-5",
        "-9223372036854775808",
        "-0.10",
        "林晓彤",
        "-1200.50",
        "CNY",
        "false",
        "2026-11-22",
        "2026-11-22T04:00:00+00:00",
        '[{"source":"erp","externalId":"=K\\"1"}]',
    ]
    assert empty == [""] * 10


def test_csv_is_rfc_4180_and_begins_with_a_byte_order_mark_where_wanted() -> None:
    columns = [text_column("a"), text_column("b")]
    row = {"a": 'says "hi", ok', "b": "two\r\nlines"}
    body = b'a,b\r\n"says ""hi"", ok","two\r\nlines"\r\n'
    assert written(CsvText(columns, byte_order_mark=False), row) == body
    assert written(CsvText(columns, byte_order_mark=True), row) == b"\xef\xbb\xbf" + body


def test_json_lines_end_each_row_and_nothing_else() -> None:
    lines = JsonLines()
    rows = [b'{"a":"x\\ny"}', b'{"a":null}']
    assert lines.begin() + lines.rows(rows) + lines.rows(rows[:1]) + lines.end() == (
        b'{"a":"x\\ny"}\n{"a":null}\n{"a":"x\\ny"}\n'
    )


@pytest.mark.parametrize("text", [*DANGEROUS, *HARMLESS[1:], "<b>&amp;\"'", "_x0041_", "a\x00b\x1f\r", " x\n\ty "])
def test_xlsx_texts_are_texts(text: str) -> None:
    file = written(Workbook([text_column()], SHANGHAI), {"name": text})
    sheet = ZipFile(io.BytesIO(file)).read("xl/worksheets/sheet1.xml").decode()
    assert "<f>" not in sheet
    assert sheet.count('<c r="A2" t="inlineStr">') == 1
    assert sheets_of(file)[0][1][0] == text


@pytest.mark.parametrize(
    ("kind", "value", "found"),
    [
        (Kind.INT, -7, -7.0),
        (Kind.BIG_INT, "123456789012345", 123456789012345.0),
        (Kind.BIG_INT, "1234567890123456", "1234567890123456"),
        (Kind.BIG_INT, "1230000000000000000", 1.23e18),
        (Kind.DECIMAL, "0.00012300", 0.000123),
        (Kind.DECIMAL, "-0.1000000000000000", -0.1),
        (Kind.MONEY, "9999999999999.99", 9999999999999.99),
        (Kind.MONEY, "12345678901234.56", "12345678901234.56"),
        (Kind.BOOLEAN, True, True),
        (Kind.DATE, "2026-11-22", date(2026, 11, 22)),
        (Kind.DATE, "1900-03-01", date(1900, 3, 1)),
        (Kind.DATE, "1900-02-28", "1900-02-28"),
        (Kind.DATE, "0001-01-01", "0001-01-01"),
        (Kind.DATE_TIME, "2026-11-22T16:30:15.5+00:00", datetime.fromisoformat("2026-11-23T00:30:15.500")),
        (Kind.DATE_TIME, "1850-01-01T00:00:00+00:00", "1850-01-01T00:00:00+00:00"),
        (Kind.ID, "01a20169-2e00-70fe-874c-23c08f0db969", "01a20169-2e00-70fe-874c-23c08f0db969"),
        (Kind.ENUM, "ORGANIZATION", "ORGANIZATION"),
        (None, [{"a": 1}], '[{"a":1}]'),
        (Kind.TEXT, "0086", "0086"),
        (Kind.TEXT, None, ""),
    ],
)
def test_xlsx_values_keep_their_kind(kind: Kind | None, value: Any, found: Any) -> None:
    read = sheets_of(
        written(Workbook([Column(("id",), Kind.TEXT), Column(("value",), kind)], SHANGHAI), {"id": "x", "value": value})
    )[0][1]
    assert (read[1:] or [""])[0] == found


def test_xlsx_moments_name_their_zone() -> None:
    columns = [Column(("createdAt",), Kind.DATE_TIME), Column(("day",), Kind.DATE)]
    assert sheets_of(written(Workbook(columns, SHANGHAI)))[0] == [["createdAt (Asia/Shanghai)", "day"]]


@pytest.mark.parametrize(("text", "kept"), [("字" * MAX_CELL, MAX_CELL), ("😀" * 16_383, 16_383)])
def test_xlsx_cell_of_full_length_is_whole(text: str, kept: int) -> None:
    assert xlsx_cell(Kind.TEXT, text) == text[:kept]


@pytest.mark.parametrize("text", ["字" * (MAX_CELL + 1), "😀" * 16_384, "a" * 100_000])
def test_xlsx_cell_that_is_cut_says_so(text: str) -> None:
    note = f"… [cut 已截断: {len(text)}]"
    cell = xlsx_cell(Kind.TEXT, text)
    assert cell.endswith(note)
    assert text.startswith(cell.removesuffix(note))
    assert MAX_CELL - 1 <= len(cell.encode("utf-16-le")) // 2 <= MAX_CELL


def test_xlsx_goes_on_in_further_sheets() -> None:
    rows = [{"name": f"n{i}"} for i in range(5)]
    assert sheets_of(written(Workbook([text_column()], SHANGHAI, max_rows=3), *rows)) == [
        [["name"], ["n0"], ["n1"]],
        [["name"], ["n2"], ["n3"]],
        [["name"], ["n4"]],
    ]


def test_xlsx_sheet_ends_before_it_is_too_large_for_a_zip() -> None:
    book, rows = Workbook([text_column()], SHANGHAI, max_bytes=1_000), [b'{"name":"x"}'] * 8
    file = b"".join([book.begin(), book.rows(rows), book.rows(rows), book.rows(rows), book.end()])
    assert [len(sheet) for sheet in sheets_of(file)] == [9, 9, 9]


def test_xlsx_of_no_rows_is_a_header() -> None:
    assert sheets_of(written(Workbook([text_column()], SHANGHAI))) == [[["name"]]]


def test_xlsx_of_equal_rows_is_equal() -> None:
    rows = [{"name": "x"}, {"name": "y"}]
    assert written(Workbook([text_column()], SHANGHAI), *rows) == written(Workbook([text_column()], SHANGHAI), *rows)


def test_xlsx_numbers_columns_as_spreadsheets_do() -> None:
    columns = [Column((f"c{i}",), Kind.INT) for i in range(703)]
    file = written(Workbook(columns, SHANGHAI), {f"c{i}": i for i in range(703)})
    sheet = ZipFile(io.BytesIO(file)).read("xl/worksheets/sheet1.xml").decode()
    assert all(f'<c r="{ref}2"' in sheet for ref in ("A", "Z", "AA", "AZ", "BA", "ZZ", "AAA"))
    assert sheets_of(file)[0][1] == [float(i) for i in range(703)]
