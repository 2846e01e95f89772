"""`crm-graph rights`: the way out where nobody is left who may change rights."""

from typing import Annotated

import typer

from crm_graph import maintenance
from crm_graph.commands.databases import with_database

app = typer.Typer(
    help="Rights, where nobody is left who may change them; whoever holds the database has them all anyway.",
    no_args_is_help=True,
)

_Username = Annotated[str, typer.Argument(help="The username.")]
_RoleKey = Annotated[str, typer.Argument(help="The key of the role.")]


@app.command(name="grant")
def grant_role(username: _Username, role: _RoleKey) -> None:
    """Give a user a role, without a second approver."""
    with_database(lambda settings: maintenance.grant_role(settings, username, role))
    typer.echo(f"{username} has the role {role}.")


@app.command()
def suspend(username: _Username) -> None:
    """Let a user not act, also one of the last two who approve."""
    with_database(lambda settings: maintenance.suspend(settings, username))
    typer.echo(f"{username} is suspended.")


@app.command()
def reinstate(username: _Username) -> None:
    """Let a suspended user act again, without a second approver."""
    with_database(lambda settings: maintenance.reinstate(settings, username))
    typer.echo(f"{username} may act again.")


@app.command()
def reset(
    role: Annotated[str | None, typer.Argument(help="The key of the role.")] = None,
    *,
    every: Annotated[
        bool, typer.Option("--all", help="Reset all built-in roles, or none where one is refused.")
    ] = False,
) -> None:
    """Make a built-in role what the hub comes with; the company's own roles and who holds which stay."""
    if every is (role is not None):
        raise ValueError("name the role to reset, or say --all for all built-in ones")
    if role is not None:
        key = role
        with_database(lambda settings: maintenance.reset_role(settings, key))
        typer.echo(f"The role {role} is what the hub comes with.")
        return
    for key in with_database(maintenance.reset_roles):
        typer.echo(f"The role {key} is what the hub comes with, and was not before.")
    typer.echo("All built-in roles are what the hub comes with.")
