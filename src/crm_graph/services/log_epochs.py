"""Epochs of the log: one for each server that wrote it. Whoever opens a database that came from another server begins
the next one, before anything is written.
"""

from typing import Any

_IS_OF_ANOTHER = """
SELECT COALESCE((SELECT system_identifier FROM log_epochs ORDER BY epoch DESC LIMIT 1)
                <> (SELECT system_identifier FROM pg_control_system()), TRUE)
"""
_BEGIN = """
INSERT INTO log_epochs (epoch, system_identifier, began_at)
SELECT COALESCE((SELECT max(epoch) FROM log_epochs), 0) + 1, system_identifier, now() FROM pg_control_system()
"""


async def begin_epoch(connection: Any) -> None:
    """See to it that the present epoch is one of this server. It waits for whoever writes events, and they for it: so
    all that stands in earlier epochs has ended.
    """
    if not await connection.fetchval(_IS_OF_ANOTHER):
        return
    async with connection.transaction():
        await connection.execute("LOCK TABLE events IN SHARE ROW EXCLUSIVE MODE")
        if await connection.fetchval(_IS_OF_ANOTHER):
            await connection.execute(_BEGIN)
