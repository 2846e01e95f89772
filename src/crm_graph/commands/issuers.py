"""`crm-graph issuers`: the OpenID Connect issuers that people come through."""

from pathlib import Path
from typing import Annotated

import orjson
import typer

from crm_graph import maintenance
from crm_graph.commands.databases import echo_json, with_database

app = typer.Typer(help="The OpenID Connect issuers that people come through.", no_args_is_help=True)


@app.command(name="save")
def save_issuer(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="A JSON object.")],
) -> None:
    """Make or change an issuer in the database of DATABASE_URL or of the demo, as `saveIssuer` does; the hub may run
    meanwhile. So the first admin comes in, by a claim that gives the role.
    """
    told = orjson.loads(file.read_bytes())
    echo_json(with_database(lambda settings: maintenance.save_issuer(settings, told)))


@app.command(name="list")
def list_issuers() -> None:
    """Print all issuers as JSON, in the form that `save` takes each of."""
    echo_json(with_database(maintenance.all_issuers))
