"""Golden reads: what is asked, the one statement that answers it, and the answer, as files to read beside each other.

`UPDATE_GOLDEN=1 pytest tests/golden` writes the files anew; read the difference before you commit it.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from crm_graph.permissions.simulation import within
from crm_graph.proof.engine import principal_of, reading
from crm_graph.proof.rows import Connection, insert
from reference.company import PEOPLE, USER, company
from reference.compiled import Compiled, counted, default_access

CASES = Path(__file__).parent / "cases"
NAMES = sorted(path.name for path in CASES.iterdir())
_BREAK = re.compile(r"\((?=SELECT\b)|\)|\(|\b(?:FROM|WHERE|ORDER BY|LIMIT|WHEN|ELSE)\b|'(?:[^']|'')*'")
_ADDED = re.compile(r"\n *")


def readable(statement: str) -> str:
    """The statement over several lines, sub-selects indented, their clauses on lines; only white space is added."""
    return "".join(_pieces(statement)).strip() + "\n"


def _pieces(statement: str) -> Iterator[str]:
    position, opened = 0, [True]
    for found in _BREAK.finditer(statement):
        yield statement[position : found.start()]
        position, token = found.end(), found.group()
        indent = "\n" + "  " * sum(opened)
        if token == "(":
            subselect = statement.startswith("SELECT", position)
            opened.append(subselect)
            yield "(" + ("\n" + "  " * sum(opened) if subselect else "")
        elif token == ")":
            was_subselect = opened.pop()
            yield ("\n" + "  " * sum(opened) if was_subselect else "") + ")"
        elif token in ("FROM", "WHERE", "ORDER BY", "LIMIT") and opened[-1]:
            yield indent + token
        else:
            yield token
    yield statement[position:]


def golden(path: Path, text: str) -> str:
    """What the file holds; when golden files are being updated, `text` is written to it first."""
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text)
    return path.read_text()


@pytest.mark.parametrize("name", NAMES)
async def test_read_is_the_golden_one(name: str, connection: Connection) -> None:
    case = CASES / name
    role = (case / "role").read_text().strip()
    query = (case / "query.graphql").read_text()
    variables = orjson.loads((case / "variables.json").read_bytes()) if (case / "variables.json").exists() else {}
    rows = company()
    access = default_access([role])
    if (case / "within").exists():
        access = within(access, default_access([(case / "within").read_text().strip()]))
    who = principal_of(rows, USER[PEOPLE[role][0]], access)
    async with reading(connection):
        await insert(connection, rows)
        compiled = Compiled(connection)
        statement = await compiled.statement(who, query, variables)
        await compiled.run(who, query, variables)
        async with counted(connection) as statements:
            answer = await compiled.run(who, query, variables)

    assert statements[0] == statement
    derived = int((case / "derived").read_text()) if (case / "derived").exists() else 0
    assert len(statements) == 1 + derived
    assert _ADDED.sub("", readable(statement)) == statement
    assert readable(statement) == golden(case / "sql.golden", readable(statement))
    pretty = orjson.dumps(orjson.loads(answer), option=orjson.OPT_INDENT_2).decode() + "\n"
    assert pretty == golden(case / "answer.golden", pretty)
