"""Command line of the keeper: the names of the commands. What they do is in keeper.commands."""

from __future__ import annotations

import typer

from keeper.commands.history import backfill, simulate_command, tune
from keeper.commands.inspection import account, accounts, journal, liquidatable, status
from keeper.commands.margin import margin_command
from keeper.commands.service import alert_test, doctor, key, run

__all__ = ["app"]

app = typer.Typer(
    name="keeper",
    help="Watches accounts, computes their margin, liquidates where the contracts agree. Settings: KEEPER_* variables or keeper.toml.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)
app.command()(run)
app.command()(doctor)
app.command()(status)
app.command()(accounts)
app.command()(account)
app.command()(liquidatable)
app.command()(journal)
app.command("simulate")(simulate_command)
app.command()(backfill)
app.command()(tune)
app.command("margin")(margin_command)
app.command()(key)
app.command("alert-test")(alert_test)


if __name__ == "__main__":
    app()
