"""A streaming standby of any PostgreSQL 18 server, from the bundled binaries: to try replicas out, and for tests."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from crm_graph.db import dsn
from crm_graph.embedded import EmbeddedServer, EmbeddedServerError

_COPY_TIMEOUT_S = 3600


class StandbyServer(EmbeddedServer):
    """An embedded server that follows another: its first start copies `primary_url`'s cluster, and from then on it
    replays what is written there.

    The primary must let its user replicate, which an embedded one does; as root, both run as the same system user.
    """

    def __init__(
        self,
        home: Path,
        primary_url: str,
        *,
        bin_dir: Path | None = None,
        durable: bool = True,
        options: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(home, bin_dir=bin_dir, durable=durable, options=options)
        self._primary_url = dsn(primary_url)

    def _init(self) -> None:
        """Copy the primary aside and move the copy in place: an interrupted start leaves none that is half made."""
        unfinished = self._data.with_name("postgres-18.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        self._own(unfinished)
        done = self._account.run(
            [
                self._bin / "pg_basebackup",
                f"--dbname={self._primary_url}",
                f"--pgdata={unfinished}",
                "--write-recovery-conf",
                "--wal-method=stream",
                "--checkpoint=fast",
                *([] if self._durable else ["--no-sync"]),
            ],
            cwd=unfinished,
            timeout=_COPY_TIMEOUT_S,
        )
        if done.returncode != 0:
            raise EmbeddedServerError(f"the primary could not be copied to {self._home}:\n{done.stderr.strip()}")
        unfinished.rename(self._data)

    def _make_database(self) -> None:
        """A standby has what its primary has."""
