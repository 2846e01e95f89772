"""Reading CSV files as they come."""

import tracemalloc
from pathlib import Path

import pytest

from crm_graph.errors import Invalid
from crm_graph.services.csv_files import MAX_CELL, CsvFile, CsvWriter, encoding_of, escaped

TEXT = "编号,客户名称\nA1,张三\nA2,𠮷田\n"
Read = list[tuple[int, list[str], str | None]]


def read(path: Path) -> Read:
    """(number, cells, template of the fault) of each record, the header included."""
    return [(r.number, list(r.cells), r.fault.template_key if r.fault else None) for r in CsvFile(path)]


def made(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "file.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-16-le", "utf-16-be"])
def test_recognises_the_encoding(tmp_path: Path, encoding: str) -> None:
    text = TEXT if not encoding.startswith("utf-16-") else TEXT.replace("编号", "id")
    path = made(tmp_path, text.encode(encoding))
    assert [cells for _, cells, _ in read(path)[1:]] == [["A1", "张三"], ["A2", "𠮷田"]]
    assert read(path)[0][1] == text.splitlines()[0].split(",")


@pytest.mark.parametrize("data", [b"PK\x03\x04\x00\x00\xff\xfe\x81", b"name\n\xff\xff\xff", b"a,\xc0\x80\x00b"])
def test_refuses_what_is_no_text(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(Invalid, match="import_encoding"):
        encoding_of(made(tmp_path, data))


@pytest.mark.parametrize("data", [b"", b"\n\n", b"\xef\xbb\xbf\n", b",,,\n1,2,3"])
def test_refuses_a_file_without_a_header(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(Invalid, match="import_empty"):
        read(made(tmp_path, data))


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "，"])
def test_recognises_the_delimiter(tmp_path: Path, delimiter: str) -> None:
    path = made(tmp_path, f'"a,b;"{delimiter}c{delimiter}d\n1{delimiter}"2{delimiter}2"{delimiter}3\n')
    assert read(path)[1] == (2, ["1", f"2{delimiter}2", "3"], None)


def test_takes_the_separator_line_of_spreadsheets(tmp_path: Path) -> None:
    assert read(made(tmp_path, "sep=;\r\na;b\r\n1;2\r\n")) == [(1, ["a", "b"], None), (2, ["1", "2"], None)]


def test_counts_rows_as_a_spreadsheet_does(tmp_path: Path) -> None:
    path = made(tmp_path, 'a,b\n1,"two\nlines"\n\n  ,\n2,x\n')
    assert read(path)[1:] == [(2, ["1", "two\nlines"], None), (5, ["2", "x"], None)]


def test_short_rows_and_empty_cells_too_many_are_fine(tmp_path: Path) -> None:
    assert read(made(tmp_path, "a,b,c\n1\n1,2,3,,\n"))[1:] == [(2, ["1"], None), (3, ["1", "2", "3"], None)]


def test_a_row_with_too_many_cells_is_refused_alone(tmp_path: Path) -> None:
    assert read(made(tmp_path, "a,b\n1,2,3\n4,5\n"))[1:] == [
        (2, ["1", "2", "3"], "import_row_shape"),
        (3, ["4", "5"], None),
    ]


@pytest.mark.parametrize("size", [MAX_CELL + 1, 200_000, 10_000_000])
@pytest.mark.parametrize("quoted", [False, True])
def test_a_huge_cell_is_refused_alone(tmp_path: Path, size: int, *, quoted: bool) -> None:
    cell = "x" * size
    path = made(tmp_path, f"a,b\n1,{f'{chr(34)}{cell}{chr(34)}' if quoted else cell}\n2,ok\n")
    rows = read(path)[1:]
    assert [(number, fault) for number, _, fault in rows] == [(2, "import_cell_too_long"), (3, None)]
    assert max(len(c) for c in rows[0][1]) == MAX_CELL + 1


def test_a_quote_that_nobody_closes_costs_its_own_row_only(tmp_path: Path) -> None:
    lines = [f"{n},row {n}" for n in range(2, 2000)]
    lines[5] = '7,"row 7'
    rows = read(made(tmp_path, "\n".join(["a,b", *lines])))[1:]
    assert [(number, fault) for number, _, fault in rows if fault] == [(7, "import_quote")]
    assert len(rows) == 1998
    assert rows[-1] == (1999, ["1999", "row 1999"], None)


def test_many_open_quotes_cost_no_more_than_their_rows(tmp_path: Path) -> None:
    path = made(tmp_path, "a,b,c\n" + "".join(f'"{n},x,y\n' for n in range(3000)) + "1,2,3\n")
    rows = read(path)[1:]
    assert [fault for _, _, fault in rows] == ["import_quote"] * 3000 + [None]
    assert rows[0] == (2, ["0", "x", "y"], "import_quote")
    assert rows[-1] == (3002, ["1", "2", "3"], None)


def test_memory_is_flat(tmp_path: Path) -> None:
    path = made(tmp_path, "a,b\n" + "1,some text that is not short\n" * 50_000)
    tracemalloc.start()
    try:
        count = sum(1 for _ in CsvFile(path))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 50_001
    assert peak < 2_000_000


def test_tells_how_far_it_has_come(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    path = made(tmp_path, "a,b\n" + "1,2\n" * 100_000)
    assert sum(1 for _ in CsvFile(path, lambda done, size: told.append((done, size)))) == 100_001
    size = path.stat().st_size
    assert told == sorted(told)
    assert told[-1] == (size, size)


@pytest.mark.parametrize("text", ["=1+1", "+86 138", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_escapes_what_a_spreadsheet_would_run(text: str) -> None:
    assert escaped(text) == f"'{text}"
    assert escaped(f"a{text}") == f"a{text}"


def test_writes_for_spreadsheets_and_leaves_no_old_file(tmp_path: Path) -> None:
    path = made(tmp_path, "old")
    writer = CsvWriter(path, ("a", "b"))
    writer.close()
    assert path.read_bytes() == b"\xef\xbb\xbfa,b\r\n"
    path.unlink()
    writer = CsvWriter(path, ("a", "b"))
    writer.write(("1", "张三, 李四"))
    writer.close()
    assert path.read_text(encoding="utf-8-sig") == 'a,b\n1,"张三, 李四"\n'
    assert path.stat().st_mode & 0o077 == 0
