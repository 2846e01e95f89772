"""What every storage can do, and what goes wrong there."""

from collections.abc import AsyncGenerator, AsyncIterable
from typing import Protocol
from uuid import UUID

PIECE = 256 * 1024
"""Bytes that are handed on at once."""


class StorageFailed(Exception):
    """The storage did not do what was asked; it may do so later."""


class StorageFull(StorageFailed):
    """There is no room left."""


class NotStored(StorageFailed):
    """Nothing is kept under this id."""


class Storage(Protocol):
    """Keeps bytes by the id of their file. Every method raises StorageFailed, or a kind of it."""

    async def store(self, id_: UUID, pieces: AsyncIterable[bytes]) -> None:
        """Keep the pieces, lasting once this returns. What `pieces` raises is raised, and then nothing stays."""

    def read(self, id_: UUID) -> AsyncGenerator[bytes, None]:
        """The bytes in pieces. Raises NotStored before the first one."""

    async def remove(self, id_: UUID) -> None:
        """Delete what is kept; nothing kept is fine, and half of it goes too."""


def key_of(id_: UUID) -> str:
    """The name of a file in a storage: spread over 256 folders by the random end of its id."""
    return f"{id_.hex[-2:]}/{id_.hex}"
