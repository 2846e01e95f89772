"""A worker process with handlers of the tests. Started, it does jobs as the command does; with `fork` it starts one for
each line that it reads, and says its process id.
"""

import asyncio
import os
import signal
import sys

import uvloop

from crm_graph.server import STOPPING, configure_logs
from crm_graph.services.jobs import Handler, Job, RunningJob, enqueue
from crm_graph.settings import load_settings
from crm_graph.transaction import Transaction
from crm_graph.worker.jobs import Jobs
from crm_graph.worker.running import work


async def note(tx: Transaction, job: RunningJob) -> None:
    """An effect, and other jobs that come of it. Once it stands, it is told which process it is of."""
    await tx.driver().execute("SELECT pg_notify('tests_effect', $1)", str(os.getpid()))
    insert = "INSERT INTO effects (job, value) VALUES ($1, $2)"
    await tx.driver().execute(insert, job.number, job.payload["value"])
    if job.payload.get("further"):
        further = {"value": f"{job.payload['value']}+", "further": job.payload["further"] - 1}
        await enqueue(tx, Job(job.handler, further, key=job.key))


async def eat(tx: Transaction, job: RunningJob) -> None:
    """Takes more memory than a worker may, and hangs then."""
    eaten = bytearray(os.urandom(1)) * (700 * 1024 * 1024)
    await asyncio.Event().wait()
    del eaten


async def hang(tx: Transaction, job: RunningJob) -> None:
    """Lets nothing else run, for ever."""
    while True:
        pass


HANDLERS = {
    "tests.note": Handler(note, attempts=1_000),
    "tests.together": Handler(note, attempts=1_000, together=20),
    "tests.eat": Handler(eat, attempts=2),
    "tests.hang": Handler(hang, attempts=1),
}


def do() -> None:
    """Do jobs until told to end."""

    async def main() -> None:
        told = asyncio.Event()
        for number in STOPPING:
            asyncio.get_running_loop().add_signal_handler(number, told.set)
        await work(load_settings(), told, {"jobs": lambda hub, told: Jobs(hub, HANDLERS).run(told)})

    uvloop.run(main())


def fork() -> None:
    """A child that does jobs for each line."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    told, silent = os.dup(sys.stdout.fileno()), os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, sys.stdout.fileno())
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            os.close(told)
            do()
            os._exit(0)
        os.write(told, f"{child}\n".encode())


if __name__ == "__main__":
    configure_logs(level=50, as_json=True)
    fork() if "fork" in sys.argv else do()
