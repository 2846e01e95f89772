"""Starting the servers to be measured, waiting until they answer, and stopping them with all that they started."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

READY_TIMEOUT_S = 300
"""A peer may install itself at its first start."""
STOP_TIMEOUT_S = 10


class BenchError(RuntimeError):
    """The benchmark cannot go on; the text says what to do about it."""


def free_port() -> int:
    """A TCP port that nobody listens on at this moment."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def run(command: Sequence[str | Path], environment: Mapping[str, str], *, timeout_s: float) -> str:
    """Run to the end and give what it printed."""
    try:
        done = subprocess.run(
            command, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True, timeout=timeout_s, check=True
        )
    except OSError as error:
        raise _not_runnable(command, error) from error
    except subprocess.SubprocessError as error:
        raise BenchError(str(error)) from error
    return done.stdout


@contextmanager
def serving(
    command: Sequence[str | Path], environment: Mapping[str, str], port: int, log: Path
) -> Iterator["subprocess.Popen[bytes]"]:
    """A server in a process group of its own, ready on `port` within the block and gone after it."""
    with log.open("wb") as output:
        try:
            process = subprocess.Popen(
                command,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise _not_runnable(command, error) from error
        try:
            _wait(process, command, port, log)
            yield process
        finally:
            _stop(process)


def _not_runnable(command: Sequence[str | Path], error: OSError) -> BenchError:
    return BenchError(f"{command[0]} cannot be run: {error.strerror}")


def _wait(process: "subprocess.Popen[bytes]", command: Sequence[str | Path], port: int, log: Path) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with closing(socket.socket()) as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    tail = log.read_text(errors="replace")[-2000:]
    raise BenchError(f"{' '.join(map(str, command))} does not listen on port {port}; it said:\n{tail}")


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """Ask the whole group to end, then insist. The group outlives its leader while a child of it does."""
    for how in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, how)
            process.wait(STOP_TIMEOUT_S)
        except ProcessLookupError:
            process.wait(STOP_TIMEOUT_S)
            return
        except subprocess.TimeoutExpired:
            continue
