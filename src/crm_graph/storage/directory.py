"""A directory of this machine: written beside its place, brought to the disk, then put in its place."""

import asyncio
import errno
import os
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, TypeVar
from uuid import UUID

from crm_graph.storage.keeping import PIECE, NotStored, StorageFailed, StorageFull, key_of

T = TypeVar("T")

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_PART = ".part"
"""The end of the name under which bytes arrive. One upload is received once at a time, so that nobody shares it."""


class Directory:
    """A folder that is made when the first file comes. Only the hub's own user can read in it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _path(self, id_: UUID) -> Path:
        return self._folder / key_of(id_)

    async def store(self, id_: UUID, pieces: AsyncIterable[bytes]) -> None:
        """See `Storage`."""
        path = self._path(id_)
        part = path.with_name(path.name + _PART)
        file = await _in_thread(_open, part)
        try:
            async for piece in pieces:
                await _in_thread(file.write, piece)
            await _in_thread(_put_in_place, file, part, path)
        except BaseException:
            await _in_thread(_drop, file, part)
            raise

    async def read(self, id_: UUID) -> AsyncGenerator[bytes, None]:
        """See `Storage`."""
        file = await _in_thread(_open_to_read, self._path(id_))
        try:
            while piece := await _in_thread(file.read, PIECE):
                yield piece
        finally:
            file.close()

    async def remove(self, id_: UUID) -> None:
        """See `Storage`."""
        path = self._path(id_)
        await _in_thread(path.with_name(path.name + _PART).unlink, missing_ok=True)
        await _in_thread(path.unlink, missing_ok=True)


async def _in_thread(call: Callable[..., T], *arguments: Any, **named: Any) -> T:
    """Call in a thread. Whoever is cancelled waits until the call is done: its file must not be closed under it."""
    running = asyncio.ensure_future(asyncio.to_thread(call, *arguments, **named))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise
    except FileNotFoundError as failure:
        raise NotStored(str(failure)) from failure
    except OSError as failure:
        raise (StorageFull if failure.errno in _NO_ROOM else StorageFailed)(str(failure)) from failure


def _open_to_read(path: Path) -> BinaryIO:
    return path.open("rb")


def _open(part: Path) -> BinaryIO:
    part.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "wb")


def _put_in_place(file: BinaryIO, part: Path, path: Path) -> None:
    """Bring the bytes to the disk before they get their name, and then the name."""
    file.flush()
    os.fsync(file.fileno())
    file.close()
    part.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _drop(file: BinaryIO, part: Path) -> None:
    # What could not be written is still in the buffer, and closing tries once more.
    with suppress(OSError):
        file.close()
    part.unlink(missing_ok=True)
