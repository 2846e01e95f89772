"""The law for exports: twins give the same file, byte by byte, in each format."""

from random import Random
from zoneinfo import ZoneInfo

from crm_graph.access import Access
from crm_graph.errors import CrmError
from crm_graph.models.exports import ExportFormat
from crm_graph.proof.datasets import Dataset
from crm_graph.proof.engine import SMALL, principal_of, reading
from crm_graph.proof.operations.drafts import Draft
from crm_graph.proof.operations.generated import Generated
from crm_graph.proof.operations.making import OperationMaker
from crm_graph.proof.rows import Connection, insert, load
from crm_graph.proof.twins import Twin
from crm_graph.proof.view import View
from crm_graph.resolvers.exports.encoders import encoder_for
from reference.compiled import Compiled, catalog, schema_of

LISTS = 6


async def told_by_exports(connection: Connection, random: Random, access: Access, attempts: int = 15) -> list[str]:
    """The lists whose files tell two databases apart that look alike."""
    async with reading(connection):
        await insert(connection, Dataset(random, catalog(), 4).build())
        tables = await load(connection)
    who = principal_of(tables, random.choice(tables["users"])["id"], access)
    twin = Twin(random, catalog(), View(catalog(), tables, who, access)).grow(attempts)
    made = []
    for _ in range(LISTS):
        known = random.choice((tables, twin.tables))
        draft = Draft(random, schema_of(access), catalog(), access, known, SMALL, about=twin.about())
        made.append(OperationMaker(draft).make_list())
    one = await files(connection, twin, made, twin=False)
    other = await files(connection, twin, made, twin=True)
    return [m.text for m, a, b in zip(made, one, other, strict=True) if a != b]


async def files(connection: Connection, rows: Twin, lists: list[Generated], *, twin: bool) -> list[list[bytes]]:
    """Each list in each format, or how it is refused."""
    async with reading(connection):
        await insert(connection, rows.tables if twin else rows.view.tables)
        return [await formats(Compiled(connection, SMALL), rows, made) for made in lists]


async def formats(compiled: Compiled, rows: Twin, made: Generated) -> list[bytes]:
    try:
        prepared, found = await compiled.export(rows.view.principal, made.text, made.variables)
    except CrmError as error:
        return [repr((error.code, error.template_key, error.path)).encode()]
    written = []
    for format_ in ExportFormat:
        encoder = encoder_for(format_, prepared.columns, ZoneInfo("Asia/Shanghai"), byte_order_mark=True)
        written.append(encoder.begin() + encoder.rows(found) + encoder.end())
    return written
