"""What commands do with the database that they are about, and print of it."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import orjson
import typer

from crm_graph.demo import database
from crm_graph.settings import Settings, load_settings

T = TypeVar("T")


def with_database(work: Callable[[Settings], Coroutine[Any, Any, T]]) -> T:
    """What is done to the database of DATABASE_URL, or of the demo."""
    settings = load_settings()
    with database(settings, typer.echo, shared=True) as url:
        return asyncio.run(work(settings.model_copy(update={"database_url": url})))


def echo_json(value: Any) -> None:
    """Print a value as JSON."""
    typer.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())
