"""What an export holds: the rows of the paged query, whatever is selected, in each format and for every role."""

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from python_calamine import CalamineWorkbook

from crm_graph.access import Access
from crm_graph.catalog import Kind
from crm_graph.errors import CostExceeded, CrmError
from crm_graph.models.exports import ExportFormat
from crm_graph.permissions.policy import DEFAULT_ROLES
from crm_graph.permissions.principals import Principal
from crm_graph.permissions.rules import EVERYONE
from crm_graph.proof.datasets import Dataset
from crm_graph.proof.engine import SMALL, principal_of, reading
from crm_graph.proof.operations.drafts import Draft
from crm_graph.proof.operations.making import OperationMaker
from crm_graph.proof.rows import Connection, insert, load
from crm_graph.resolvers.exports.columns import Column
from crm_graph.resolvers.exports.encoders import Encoder, encoder_for
from reference.compiled import Compiled, access_of, catalog, default_access, schema_of
from reference.policies import PolicyMaker
from reference.settings import tried

SHANGHAI = ZoneInfo("Asia/Shanghai")
ROLES = sorted(set(DEFAULT_ROLES) - {EVERYONE})


async def pages_of(compiled: Compiled, who: Principal, text: str, variables: Mapping[str, Any]) -> list[Any]:
    """The nodes of all pages of a query."""
    nodes: list[Any] = []
    after = None
    while True:
        page = await compiled.data(who, text, {**variables, "first": SMALL.max_page, "after": after})
        nodes += page["rows"]["nodes"]
        if not page["rows"]["pageInfo"]["hasNextPage"]:
            return nodes
        after = page["rows"]["pageInfo"]["endCursor"]


async def compare(connection: Connection, random: Random, access: Access, queries: int) -> None:
    """Build data, and compare exports of lists with what the same query gives page by page."""
    async with reading(connection):
        await insert(connection, Dataset(random, catalog(), 12).build())
        tables = await load(connection)
        compiled = Compiled(connection, SMALL)
        who = principal_of(tables, random.choice(tables["users"])["id"], access)
        for _ in range(queries):
            made = OperationMaker(Draft(random, schema_of(access), catalog(), access, tables, SMALL)).make_list()
            nodes = await pages_of(compiled, who, made.text, made.variables)
            given = {**made.variables, "first": random.choice((None, 2, 10_000)), "after": "of another screen"}
            prepared, rows = await compiled.export(who, made.text, given)
            assert [orjson.loads(row) for row in rows] == nodes, f"{made.text}\n{made.variables}"
            assert_csv(rows, prepared.columns, nodes)
            if prepared.columns:
                assert_xlsx(rows, prepared.columns, nodes)


def written(encoder: Encoder, rows: Sequence[bytes], size: int = 7) -> bytes:
    """A whole file."""
    pieces = [encoder.begin()]
    pieces += [encoder.rows(rows[start : start + size]) for start in range(0, len(rows), size)]
    return b"".join([*pieces, encoder.end()])


def at(node: Any, path: str) -> Any:
    for step in path.split("."):
        node = None if node is None else node[step]
    return node


def as_text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def assert_csv(rows: Sequence[bytes], columns: Sequence[Column], nodes: Sequence[Any]) -> None:
    encoder = encoder_for(ExportFormat.CSV, columns, SHANGHAI, byte_order_mark=False)
    header, *lines = csv.reader(io.StringIO(written(encoder, rows).decode(), newline=""))
    assert header == [column.header for column in columns]
    for line, node in zip(lines, nodes, strict=True):
        values = [as_text(at(node, path)) for path in header]
        assert [cell.removeprefix("'") for cell in line] == [value.removeprefix("'") for value in values]


def assert_xlsx(rows: Sequence[bytes], columns: Sequence[Column], nodes: Sequence[Any]) -> None:
    encoder = encoder_for(ExportFormat.XLSX, columns, SHANGHAI, byte_order_mark=False)
    header, *lines = sheets_of(written(encoder, rows))[0]
    # The reader leaves out what is empty at the end.
    lines += [[""] * len(header)] * (len(nodes) - len(lines))
    for line, node in zip(lines, nodes, strict=True):
        for title, cell, column in zip(header, line, columns, strict=True):
            value = at(node, title.removesuffix(" (Asia/Shanghai)"))
            assert_same(cell, in_sheet(value, column.kind), title)


def assert_same(cell: Any, expected: Any, title: str) -> None:
    """Moments are read to the millisecond, the finest that a workbook shows."""
    if isinstance(expected, datetime):
        assert abs(cell - expected) <= timedelta(milliseconds=1), title
    else:
        assert cell == expected, title


def in_sheet(value: Any, kind: Kind | None) -> Any:
    """A value as a reader of workbooks gives it; an empty cell is an empty text."""
    if value is None:
        return ""
    match kind:
        case Kind.DATE if value >= "1900-03-01":
            return date.fromisoformat(value)
        case Kind.DATE_TIME if value >= "1900-03-02":
            return datetime.fromisoformat(value).astimezone(SHANGHAI).replace(tzinfo=None)
        case Kind.INT | Kind.BIG_INT | Kind.DECIMAL | Kind.MONEY if len(str(value)) <= 16:
            return float(value)
    return value if isinstance(value, str | bool) else orjson.dumps(value).decode()


def sheets_of(workbook: bytes) -> list[list[list[Any]]]:
    found = CalamineWorkbook.from_filelike(io.BytesIO(workbook))
    return [found.get_sheet_by_name(name).to_python() for name in found.sheet_names]


@pytest.mark.parametrize("role", ROLES)
@tried(3)
@given(seed=st.integers(0, 2**32))
async def test_default_role_exports_what_it_pages_through(role: str, seed: int, connection: Connection) -> None:
    await compare(connection, Random(seed), default_access([role]), 4)


@tried(8)
@given(seed=st.integers(0, 2**32))
async def test_generated_policy_exports_what_it_pages_through(seed: int, connection: Connection) -> None:
    random = Random(seed)
    access = access_of(PolicyMaker(random, catalog()).roles(("one", "two")), ["one", "two"])
    await compare(connection, random, access, 4)


@pytest.mark.parametrize(
    ("text", "template"),
    [
        ("{ customers { nodes { id } } leads { nodes { id } } }", "export_one_list"),
        ("{ a: customers { nodes { id } } b: customers { nodes { id } } }", "export_one_list"),
        ("{ customers { totalCount } }", "export_one_list"),
        ("{ customers { nodes { id } edges { node { id } } } }", "export_one_list"),
        ("{ customers { edges { cursor } } }", "export_one_list"),
        ("{ __typename }", "export_one_list"),
        ("{ __schema { types { name } } }", "export_one_list"),
        ("{ customers { nodes { id } } __schema { types { name } } }", "export_one_list"),
        ('{ customer(id: "01a20169-2e00-70fe-817c-23c08f0db969") { id } }', "export_one_list"),
        ("{ customers { nodes { id phoney } } }", "validation_failed"),
        ("{ customers { nodes { id }", "parse_failed"),
        ("query A { customers { nodes { id } } } query B { leads { nodes { id } } }", "unknown_operation"),
        ('mutation { archiveCustomer(id: "x") { errors { code } } }', "export_one_list"),
        ("query($a: ID!) { customers(where: { id: { eq: $a } }) { nodes { id } } }", "bad_variables"),
    ],
)
async def test_refuses_what_is_not_one_list(text: str, template: str, connection: Connection) -> None:
    async with reading(connection):
        await insert(connection, Dataset(Random(1), catalog(), 4).build())
        tables = await load(connection)
        who = principal_of(tables, tables["users"][0]["id"], default_access(["crm_manager"]))
        with pytest.raises(CrmError) as error:
            await Compiled(connection).export(who, text)
    assert error.value.template_key == template


async def test_refuses_rows_that_hold_more_than_a_query_may_ask_for(connection: Connection) -> None:
    nested = "{ id }"
    for _ in range(3):
        nested = f"{{ id interactions(first: 200) {{ nodes {{ customer {nested} }} }} }}"
    async with reading(connection):
        await insert(connection, Dataset(Random(1), catalog(), 4).build())
        tables = await load(connection)
        who = principal_of(tables, tables["users"][0]["id"], default_access(["crm_manager"]))
        with pytest.raises(CostExceeded):
            await Compiled(connection).export(who, f"{{ customers {{ nodes {nested} }} }}")
