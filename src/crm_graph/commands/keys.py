"""`crm-graph keys`: the keys that sign access tokens."""

import asyncio
from typing import Annotated

import typer

from crm_graph import maintenance
from crm_graph.commands.databases import echo_json
from crm_graph.demo import database
from crm_graph.settings import load_settings

app = typer.Typer(help="The keys that sign access tokens.", no_args_is_help=True)


@app.command()
def rotate() -> None:
    """Publish a new key in the database of DATABASE_URL or of the demo, which signs access tokens once everybody has
    it; the hub may run meanwhile, and tokens that are out stay valid until they end.
    """
    settings = load_settings()
    with database(settings, typer.echo, shared=True) as url:
        key = asyncio.run(maintenance.rotate_keys(url, settings))
    typer.echo(f"The key {key.kid} is published now, and signs from {key.signs_from.isoformat(timespec='seconds')} on.")


@app.command()
def drop(
    kids: Annotated[list[str] | None, typer.Argument(metavar="KID...", help="The keys that leaked.")] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="Drop all keys, as after the database was read.")] = False,
) -> None:
    """Drop keys that leaked, in the database of DATABASE_URL or of the demo: every token that they signed is refused
    within a second, and another key signs at once. Who has a token of theirs gets a new one.
    """
    if bool(kids) is every:
        raise ValueError("name the keys to drop, which crm-graph keys list tells, or say --all")
    settings = load_settings()
    with database(settings, typer.echo, shared=True) as url:
        for kid in asyncio.run(maintenance.drop_keys(url, settings, None if every else kids)):
            typer.echo(f"The key {kid} verifies nothing any more.")


@app.command(name="list")
def list_keys() -> None:
    """Print the keys that sign access tokens as JSON, without their secrets."""
    settings = load_settings()
    with database(settings, typer.echo, shared=True) as url:
        echo_json(asyncio.run(maintenance.list_keys(url, settings)))
