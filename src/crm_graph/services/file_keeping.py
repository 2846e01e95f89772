"""Uploads that nobody finished are given up, and bytes that nobody needs are deleted, now and then."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

import structlog

from crm_graph.db import DATABASE_FAILURES
from crm_graph.services import files, uploads
from crm_graph.services.files import Connect
from crm_graph.storage.keeping import Storage

log = structlog.get_logger(__name__)

EVERY_S = 60.0


class FileKeeping:
    """Runs beside a hub; of several processes each does a part."""

    def __init__(self, connect: Connect, storage: Storage, clock: Callable[[], datetime]) -> None:
        self._connect = connect
        self._storage = storage
        self._clock = clock
        self._worker: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin."""
        self._worker = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End, whatever is under way: what was not done is done by the next one."""
        if self._worker is not None:
            self._worker.cancel()
            with suppress(asyncio.CancelledError):
                await self._worker

    async def once(self) -> None:
        """Do all that is due now."""
        async with self._connect() as connection:
            await uploads.forget_expired(connection, self._clock())
        while await files.purge(self._connect, self._storage, self._clock()):
            pass

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                await self.once()
            except DATABASE_FAILURES as failure:
                log.warning("files_not_kept", reason=str(failure))
