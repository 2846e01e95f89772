"""The command line: thin, every command calls what the rest of the code offers."""

import asyncio
import logging
import socket
import sys
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Annotated, Literal, Self

import asyncpg
import structlog
import typer
from graphql import print_schema
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn

from crm_graph import maintenance
from crm_graph.app import build_app
from crm_graph.catalog import build_catalog
from crm_graph.commands import issuers, keys, rights
from crm_graph.db import UnfitServer
from crm_graph.demo import (
    NoSuchRole,
    NotRunning,
    database,
    fresh_link,
    fresh_token,
    run_demo,
    running_database,
)
from crm_graph.embedded import EmbeddedServerError
from crm_graph.errors import CrmError
from crm_graph.hub import NotMigrated, open_hub
from crm_graph.maintenance import IMPORT_SOURCE, NoSuchUser, UnknownEntity
from crm_graph.messages import render
from crm_graph.permissions.keys import NoSuchKey
from crm_graph.permissions.rules import ADMIN, UnknownRole
from crm_graph.proof import proving, report
from crm_graph.schema.build import build_schema
from crm_graph.seeding import population
from crm_graph.server import AddressTaken, NotStarted, bind, configure_logs, run, serve
from crm_graph.services.import_reports import print_report
from crm_graph.settings import Settings, load_settings
from crm_graph.worker.running import beside, until_stopped, work
from crm_graph.worker.watching import Watch

log = structlog.get_logger(__name__)

LOG_EVERY = 100_000

app = typer.Typer(
    name="crm-graph",
    help="The hub of a company's customer data.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
schema_app = typer.Typer(help="The GraphQL schema.", no_args_is_help=True)
app.add_typer(schema_app, name="schema")
app.add_typer(keys.app, name="keys")
app.add_typer(rights.app, name="rights")
app.add_typer(issuers.app, name="issuers")

_TOLD = (
    AddressTaken, EmbeddedServerError, NoSuchKey, NoSuchRole, NoSuchUser, NotMigrated, NotRunning, NotStarted,
    UnfitServer, UnknownEntity, UnknownRole,
    OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError,
)  # fmt: skip
"""What a user is told in a line; anything else is a defect, and shows its traceback."""

_errors = Console(stderr=True)


def main() -> None:
    """The entry point: what goes wrong by use is told in a line, with exit status 1."""
    configure_logs(level=logging.WARNING, as_json=False)
    try:
        app()
    except ValidationError as error:
        for problem in error.errors():
            name = "_".join(str(part) for part in problem["loc"]) or "settings"
            _fail(f"{name}: {problem['msg']}")
    except CrmError as error:
        _fail(render(error, "en"))
    except _TOLD as error:
        _fail(str(error) or type(error).__name__)
    else:
        return
    sys.exit(1)


def _fail(message: str) -> None:
    _errors.print(f"crm-graph: {message}", style="red", markup=False, highlight=False, soft_wrap=True)


@app.command()
def demo() -> None:
    """Run the hub with demo data: database, migration, seed and server by one command."""
    run_demo(load_settings(), typer.echo)


@app.command(name="serve")
def serve_command(
    migrate_first: Annotated[bool, typer.Option("--migrate", help="Migrate the database before serving.")] = False,
    with_worker: Annotated[
        bool, typer.Option("--worker", help="Run a worker beside, as CRM_GRAPH_WORKER does.")
    ] = False,
) -> None:
    """Serve the database of DATABASE_URL, which `migrate` has brought up to date."""
    configure_logs(level=logging.INFO, as_json=True)
    settings = load_settings()
    with bind(settings) as listener:
        run(_serve(settings, listener, migrate_first=migrate_first, with_worker=with_worker or settings.worker))


@app.command()
def worker(
    unwatched: Annotated[
        bool, typer.Option("--unwatched", help="In this process, without the one that starts it again.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Log warnings alone, for people.")] = False,
) -> None:
    """Do jobs and whatever else comes later, for the database of DATABASE_URL; several may run on one database."""
    configure_logs(level=logging.WARNING if quiet else logging.INFO, as_json=not quiet)
    settings = load_settings()
    if settings.database_url is None:
        raise ValueError("set DATABASE_URL; the demo has a worker of its own")
    until_stopped(partial(work, settings) if unwatched else Watch(settings).run)


async def _serve(settings: Settings, listener: socket.socket, *, migrate_first: bool, with_worker: bool) -> None:
    if settings.database_url is None:
        raise ValueError("set DATABASE_URL; for a try-out without a database there is crm-graph demo")
    if migrate_first:
        await maintenance.migrate(settings.database_url, settings, _log_step)
    async with open_hub(settings) as hub:
        for name, hint in (await maintenance.warnings_of_rights(hub)).items():
            log.warning(name, hint=hint)
    async with beside(settings) if with_worker else nullcontext():
        await serve(build_app(settings), listener)


def _log_step(progress: population.Progress) -> None:
    """A line now and then, for who waits for a hub that fills its search index."""
    if progress.done and progress.done % LOG_EVERY == 0:
        log.info("preparing", step=progress.step, done=progress.done)


@app.command()
def migrate(
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; fail where the database or the migrations miss the models.")
    ] = False,
) -> None:
    """Bring the database of DATABASE_URL, or of the demo, to what this version needs."""
    settings = load_settings()
    if check:
        _check(settings)
        return
    with database(settings, typer.echo, shared=True) as url, _Bars() as bars:
        done = asyncio.run(maintenance.migrate(url, settings, bars.step))
    same = done.before == done.after
    typer.echo(f"The database is at revision {done.after}" + ("." if same else f", from {done.before or 'nothing'}."))


def _check(settings: Settings) -> None:
    if settings.database_url is None:
        lacking = asyncio.run(maintenance.check_scratch(settings))
    else:
        lacking = asyncio.run(maintenance.check(settings.database_url, settings))
    for line in lacking:
        _fail(line)
    if lacking:
        raise typer.Exit(1)
    typer.echo("Migrations and models agree.")


@app.command(name="check-predicates")
def check_predicates() -> None:
    """Read every stored predicate of the database of DATABASE_URL, or of the demo; fail where one does not read, or
    names what its role does not read in full on every record that it sees.
    """
    with database(load_settings(), typer.echo, shared=True) as url:
        unreadable = asyncio.run(maintenance.check_predicates(url))
    for found in unreadable:
        _fail(str(found))
    if unreadable:
        raise typer.Exit(1)
    typer.echo("All stored predicates read.")


@app.command()
def seed(
    customers: Annotated[
        int | None, typer.Option(min=10, help="Make so many customers for measuring, instead of the demo company.")
    ] = None,
    number: Annotated[int, typer.Option("--seed", help="The same seed makes the same data.")] = 1,
) -> None:
    """Fill the database of DATABASE_URL, or of the demo, with made-up data."""
    settings = load_settings()
    with database(settings, typer.echo, shared=True) as url, _Bars() as bars:
        asyncio.run(maintenance.migrate(url, settings))
        if customers is None:
            company = asyncio.run(maintenance.seed_company(url, settings, number, bars.step))
            written, note = company.rows, company.note
        else:
            load = asyncio.run(maintenance.seed_load(url, settings, customers, number, bars.step))
            written, note = load.written, load.note
    for name, count in written.items():
        typer.echo(f"{count:>11,} {name}")
    if note:
        typer.echo(f"Nothing was written: {note}.")
    if customers is None and company.client_secret:
        typer.echo(f"The client `erp` has the secret {company.client_secret}, shown this once.")


@app.command()
def reindex() -> None:
    """Fill or repair the search index of DATABASE_URL, or of the demo; the hub may run meanwhile."""
    settings = load_settings()
    with database(settings, typer.echo, shared=True) as url, _Bars() as bars:
        written = asyncio.run(maintenance.reindex(url, settings, bars.step))
    for name, count in written.items():
        typer.echo(f"{count:>11,} {name}")


@app.command()
def prove(
    role: Annotated[
        list[str] | None,
        typer.Option(help="The rights of this role; several times for a set. Else all roles and sets that are held."),
    ] = None,
    scope: Annotated[
        list[str] | None, typer.Option(help="With these scopes of a client alone; several times for more.")
    ] = None,
    cases: Annotated[int, typer.Option(min=1, max=1_000_000, help="Try so many of each set of roles.")] = proving.CASES,
    number: Annotated[int | None, typer.Option("--seed", min=0, help="The same seed tries the same cases.")] = None,
    seconds: Annotated[float | None, typer.Option(min=0, help="End after so long, whatever was tried.")] = None,
) -> None:
    """Look for a leak in the rights of DATABASE_URL or of a running demo, which is read only: made-up databases that
    look alike to who holds a role, and questions that must not tell them apart. Prints the one that does, and exits 1.
    """
    settings = load_settings()
    url = running_database(settings)
    if url is None:
        raise ValueError("set DATABASE_URL, or start a demo: there are no rights to prove")
    effort = proving.Effort(cases, number, seconds)
    with _Bars() as bars:
        work = proving.prove(url, settings, (role or (), scope or ()), effort, say=_tell, progress=bars.show("cases"))
        proof = asyncio.run(work)
    for line in report.lines(proof):
        typer.echo(line)
    if proof.counter_example is not None:
        raise typer.Exit(1)


def _tell(line: str) -> None:
    typer.echo(line, err=True)


@app.command()
def token(
    role: Annotated[str, typer.Option(help="The role that its user has, such as sales or finance.")],
) -> None:
    """Print a fresh access token for the running demo, alone on the last line."""
    typer.echo(asyncio.run(fresh_token(load_settings(), role)))


@app.command(name="sign-in-link")
def sign_in_link(role: Annotated[str, typer.Option(help="The role that its user has.")] = ADMIN) -> None:
    """Print an address that signs in to the console of the running demo, once, alone on the last line."""
    typer.echo(asyncio.run(fresh_link(load_settings(), role)))


@app.command(name="import")
def import_command(
    entity: Annotated[str, typer.Argument(help="What the rows are, such as customers.")],
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="A CSV file.")],
    *,
    user: Annotated[
        str | None, typer.Option(help="The username whose rights hold and who owns what is new; else the hub itself.")
    ] = None,
    source: Annotated[str, typer.Option(help="The system that the external ids are of.")] = IMPORT_SOURCE,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what would happen, and write nothing.")] = False,
    report: Annotated[Path | None, typer.Option(help="Write each problem as a line of CSV.")] = None,
    rejects: Annotated[Path | None, typer.Option(help="Write the refused rows, to correct and send again.")] = None,
    locale: Annotated[Literal["en", "zh"], typer.Option(help="The language of the report.")] = "en",
) -> None:
    """Import a CSV file through the same service as a bulk upsert; a bad row is refused alone."""
    settings = load_settings()
    with database(settings, typer.echo, shared=True) as url, _Bars() as bars:
        done = asyncio.run(
            maintenance.import_records(
                settings.model_copy(update={"database_url": url}),
                entity,
                file,
                username=user,
                source=source,
                dry_run=dry_run,
                locale=locale,
                report_to=report,
                rejects_to=rejects,
                progress=bars.show(file.name),
            )
        )
    print_report(done, Console(), locale=locale)


@schema_app.command(name="print")
def print_command(
    role: Annotated[
        list[str] | None, typer.Option(help="Only what this role sees; several times for a set of roles.")
    ] = None,
) -> None:
    """Print the schema in the schema definition language: all of it, or what roles see of it.

    Rights and custom fields are those of DATABASE_URL or of a demo that runs, else those of a new database.
    """
    if not role:
        typer.echo(print_schema(build_schema(build_catalog())))
        return
    url = running_database(load_settings())
    if url is None:
        typer.echo("There is no database to ask: these are the built-in rights.", err=True)
    typer.echo(asyncio.run(maintenance.role_sdl(url, role)))


class _Bars:
    """Progress bars on standard error, where that is a terminal."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn(), console=_errors,
            disable=not _errors.is_terminal,
        )  # fmt: skip
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, name: str) -> Callable[[int, int], None]:
        """A function that takes what is done, and of how much."""
        return lambda done, total: self.step(population.Progress(name, done, total))

    def step(self, progress: population.Progress) -> None:
        """Show one step; the first mention of its name adds a bar."""
        if progress.step not in self._tasks:
            self._tasks[progress.step] = self._progress.add_task(progress.step)
        task = self._tasks[progress.step]
        self._progress.update(task, completed=progress.done, total=progress.total)
