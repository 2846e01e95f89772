"""The tables of jobs are those that pgqueuer makes itself, and that it has nothing to upgrade about."""

import asyncio
import os
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from pgqueuer import AsyncpgDriver, Queries
from pgqueuer.adapters.persistence.qb import QueryBuilderEnvironment, QueryQueueBuilder, QuerySchedulerBuilder
from pgqueuer.adapters.persistence.schema_ddl import render_install

from crm_graph.services.jobs import QUEUE

from .conftest import Company

MIGRATION = Path(__file__).parents[2] / "migrations" / "versions" / "0034_jobs.py"


def test_the_migration_is_what_pgqueuer_installs() -> None:
    spec = spec_from_file_location("jobs_migration", MIGRATION)
    assert spec is not None
    assert spec.loader is not None
    migration = module_from_spec(spec)
    spec.loader.exec_module(migration)
    # Its first line names the release.
    assert migration._PGQUEUER.strip() == render_install(QUEUE).split("\n", 1)[1].strip()


async def test_pgqueuer_finds_nothing_to_upgrade(company: Company) -> None:
    queries = Queries(
        AsyncpgDriver(company.database),
        QueryBuilderEnvironment(QUEUE),
        QueryQueueBuilder(QUEUE),
        QuerySchedulerBuilder(QUEUE),
    )
    plan = await queries.plan_upgrade()
    assert (list(plan.statements), list(plan.notes)) == ([], [])


async def test_variables_that_pgqueuer_reads_change_no_name() -> None:
    names = (
        "CHANNEL",
        "FUNCTION",
        "TRIGGER",
        "QUEUE_TABLE",
        "PGQUEUER_PREFIX",
        "PGQUEUER_SCHEMA",
        "PGQUEUER_DURABILITY",
    )
    told = "from crm_graph.services.jobs import QUEUE; print(QUEUE.model_dump_json())"
    environment = {**os.environ, **dict.fromkeys(names, "other"), "PGQUEUER_DURABILITY": "volatile"}
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", told], env=environment, capture_output=True, check=False, text=True
    )
    assert (done.stdout.strip(), done.stderr) == (QUEUE.model_dump_json(), "")
