"""Run apart: for each line on its input another worker process that fires timers, whose number it prints. A fork comes
up sooner than a process that has to import everything.
"""

import os
import sys
from functools import partial

from crm_graph.settings import load_settings
from crm_graph.worker.running import until_stopped, work
from crm_graph.worker.timers import fire_timers


def main(database_url: str, home: str) -> None:
    """Until the input ends."""
    settings = load_settings(database_url=database_url, home=home)
    for _ in sys.stdin:
        pid = os.fork()
        if pid == 0:
            os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
            until_stopped(partial(work, settings, loops={"timers": fire_timers}))
            return
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
