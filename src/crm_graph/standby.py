"""A streaming standby of any PostgreSQL 18 server, from the bundled binaries: to try replicas out, and for tests."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from crm_graph.db import dsn
from crm_graph.embedded import EmbeddedServer


class StandbyServer(EmbeddedServer):
    """An embedded server that follows another: its first start copies `primary_url`'s cluster, and from then on it
    replays what is written there.

    The primary must let its user replicate, which an embedded one does; as root, both run as the same system user.
    """

    _making_timeout_s = 3600.0

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

    def _making(self) -> Sequence[str | Path]:
        return [
            self._bin / "pg_basebackup",
            f"--dbname={self._primary_url}",
            "--write-recovery-conf",
            "--wal-method=stream",
            "--checkpoint=fast",
        ]

    def _make_database(self) -> None:
        """A standby has what its primary has."""
