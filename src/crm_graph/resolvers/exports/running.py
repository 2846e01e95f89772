"""An export under way: a cursor in one snapshot, and batches of rows that are fetched as the client takes them."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from crm_graph.errors import TimedOut, Unavailable
from crm_graph.fragments import number, render, sql
from crm_graph.resolvers.derived import Compute, Site, fill_in
from crm_graph.resolvers.exports.preparing import PreparedExport

Connect = Callable[[], Awaitable["asyncpg.Connection[Any]"]]
ComputeOn = Callable[["asyncpg.Connection[Any]"], Mapping[str, Compute]]
"""The functions behind derived fields, on the connection of the rows."""

BATCH_BYTES = 256 * 1024
"""What a batch should have. Rows differ in size by three orders of magnitude, so their number follows it."""
FIRST_ROWS, MOST_ROWS = 25, 2_000
GROWTH = 4
CLOSE_WITHIN_S = 5.0
_LOST = (OSError, asyncpg.InterfaceError, asyncpg.PostgresConnectionError, asyncpg.TooManyConnectionsError)


class Slots:
    """So many exports at once, one of each person; the next is told to come again instead of waiting with an open
    request.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._running = 0
        self._taken: dict[UUID, object] = {}

    @contextmanager
    def one(self, user_id: UUID) -> Iterator[Callable[[], None]]:
        """What the person calls who leaves before the export has ended: it keeps its connection until then, but not
        their place. Raises Unavailable where none is free, or the person has one.
        """
        if user_id in self._taken:
            raise Unavailable("export_under_way")
        if self._running >= self._size:
            raise Unavailable("exports_busy")
        place = object()

        def leave() -> None:
            # By now it may be that of another export.
            if self._taken.get(user_id) is place:
                del self._taken[user_id]

        self._running += 1
        self._taken[user_id] = place
        try:
            yield leave
        finally:
            self._running -= 1
            leave()


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except (asyncpg.QueryCanceledError, TimeoutError):
        raise TimedOut from None
    except (*_LOST, asyncpg.SerializationError):
        # A replica ends a snapshot that holds back what it must replay: a serialization failure.
        raise Unavailable from None


class Rows:
    """The rows of an open cursor, each as its JSON. Raises TimedOut or Unavailable for what the database refuses."""

    def __init__(
        self, connection: "asyncpg.Connection[Any]", derived: Sequence[Site], compute: Mapping[str, Compute]
    ) -> None:
        self._connection = connection
        self._derived = derived
        self._compute = compute
        self._size = FIRST_ROWS

    async def batch(self) -> list[bytes]:
        """The next rows; none at the end."""
        with _refusals():
            fetch = render(sql("FETCH FORWARD {rows} FROM export", rows=number(self._size)))
            rows: list[bytes] = [row[0] for row in await self._connection.fetch(fetch.text)]
            if rows and self._derived:
                rows = await self._filled(rows)
        if rows:
            wanted = BATCH_BYTES * len(rows) // sum(map(len, rows))
            self._size = max(1, min(wanted, GROWTH * self._size, MOST_ROWS))
        return rows

    async def _filled(self, rows: Sequence[bytes]) -> list[bytes]:
        """The rows with their derived fields, computed for all of them at once in the same snapshot."""
        data = [orjson.loads(row) for row in rows]
        await fill_in(data, self._derived, self._compute)
        return [orjson.dumps(row) for row in data]


@asynccontextmanager
async def open_rows(
    connect: Connect, prepared: PreparedExport, arguments: Sequence[Any], compute: ComputeOn
) -> AsyncIterator[Rows]:
    """The rows of an export as they stood at one moment. The connection is its own and ends with it: whatever still
    runs there is cancelled.
    """
    with _refusals():
        connection = await connect()
    try:
        with _refusals():
            await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            await connection.execute(prepared.declare.text, *arguments)
        yield Rows(connection, prepared.derived, compute(connection))
    finally:
        with suppress(*_LOST, TimeoutError):
            await connection.close(timeout=CLOSE_WITHIN_S)
