"""The law for exports: twins give the same file in each format."""

from random import Random

from crm_graph.access import Access
from crm_graph.proof.engine import SMALL
from crm_graph.proof.further import some_files
from crm_graph.proof.queries import TellTale, alike, telling
from crm_graph.proof.rows import Connection
from reference.compiled import Compiled, schema_of

LISTS = 6


async def told_by_exports(connection: Connection, random: Random, access: Access, attempts: int = 15) -> list[TellTale]:
    """The lists whose files tell two databases apart that look alike."""
    engine = Compiled(connection, SMALL)
    twin = (await alike(engine, random, access, size=4)).grow(attempts)
    return await telling(engine, twin, some_files(random, twin, schema_of(access), SMALL, LISTS))
