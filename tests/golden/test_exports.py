"""Golden exports: a list, the cursor that its rows come from, and the rows as a table.

`UPDATE_GOLDEN=1 pytest tests/golden` writes the files anew; read the difference before you commit it.
"""

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from crm_graph.models.exports import ExportFormat
from crm_graph.proof.engine import principal_of, reading
from crm_graph.proof.rows import Connection, insert
from crm_graph.resolvers.exports.encoders import encoder_for
from reference.company import PEOPLE, USER, company
from reference.compiled import Compiled, default_access

from .test_golden import golden, readable

CASES = Path(__file__).parent / "exports"
FILES = {ExportFormat.JSONL: "rows.jsonl.golden", ExportFormat.CSV: "rows.csv.golden"}


@pytest.mark.parametrize("name", sorted(path.name for path in CASES.iterdir()))
async def test_export_is_the_golden_one(name: str, connection: Connection) -> None:
    case = CASES / name
    role, query = (case / "role").read_text().strip(), (case / "query.graphql").read_text()
    rows = company()
    who = principal_of(rows, USER[PEOPLE[role][0]], default_access([role]))
    async with reading(connection):
        await insert(connection, rows)
        prepared, found = await Compiled(connection).export(who, query, {"first": 1})

    assert readable(prepared.declare.text) == golden(case / "sql.golden", readable(prepared.declare.text))
    for format_, file in FILES.items():
        encoder = encoder_for(format_, prepared.columns, ZoneInfo("Asia/Shanghai"), byte_order_mark=False)
        written = (encoder.begin() + encoder.rows(found) + encoder.end()).decode().replace("\r\n", "\n")
        assert written == golden(case / file, written)
