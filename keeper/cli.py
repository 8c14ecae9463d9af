"""Command line of the keeper. Commands parse, call and print; what they show is computed elsewhere."""

from __future__ import annotations

import json
import signal
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from keeper.config import Config, load_config
from keeper.doctor import Verdict, diagnose, require_healthy
from keeper.engine import Engine
from keeper.errors import KeeperError
from keeper.logs import configure_logs, get_logger
from keeper.margin_command import margin_command
from keeper.overview import account_lines, look, status_of
from keeper.service import surroundings

__all__ = ["app"]

app = typer.Typer(
    name="keeper",
    help="Watches accounts, computes their margin, liquidates where the contracts agree. Settings: KEEPER_* variables or keeper.toml.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)
app.command("margin")(margin_command)
_out = Console()
_err = Console(stderr=True)

DeploymentOption = Annotated[Path | None, typer.Option("--deployment", help="deployment file (KEEPER_DEPLOYMENT)")]
RpcOption = Annotated[str | None, typer.Option("--rpc", help="node (KEEPER_RPC_URL)")]
DatabaseOption = Annotated[Path | None, typer.Option("--database", help="the keeper's database (KEEPER_DATABASE)")]
AccountOption = Annotated[int | None, typer.Option("--account", help="the keeper's account (KEEPER_ACCOUNT)")]
JsonOption = Annotated[bool, typer.Option("--json", help="one JSON document instead of a table")]


@app.command()
def run(
    deployment: DeploymentOption = None,
    rpc: RpcOption = None,
    database: DatabaseOption = None,
    account: AccountOption = None,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error")] = "info",
) -> None:
    """Run until SIGINT or SIGTERM. Logs are JSON lines on stderr."""
    configure_logs(log_level)
    log = get_logger("cli")
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        config = _config(deployment, rpc, database, account)
        configure_logs(log_level, config.secrets())
        found, port, signer = require_healthy(config)
        with Engine(config, port, found, signer) as engine:
            engine.start()
            with surroundings(config, engine, found):
                engine.run(stop)
    except KeeperError as error:
        log.critical("cannot_run", error=type(error).__name__, reason=str(error))
        raise typer.Exit(1) from None
    log.info("stopped")


@app.command()
def status(
    deployment: DeploymentOption = None, rpc: RpcOption = None, database: DatabaseOption = None, as_json: JsonOption = False
) -> None:
    """Head, price ages, under-margined accounts, margin calls, transactions."""
    try:
        found = status_of(_config(deployment, rpc, database, None))
    except KeeperError as error:
        _fail(error)
    if as_json:
        _print_json(found)
        return
    table = Table(show_header=False)
    for name, value in found.items():
        table.add_row(name.replace("_", " "), json.dumps(value) if isinstance(value, dict | list) else str(value))
    _out.print(table)


@app.command()
def accounts(
    deployment: DeploymentOption = None, rpc: RpcOption = None, database: DatabaseOption = None, as_json: JsonOption = False
) -> None:
    """Margin of every account, worst health first."""
    try:
        _, assessment, _ = look(_config(deployment, rpc, database, None))
    except KeeperError as error:
        _fail(error)
    lines = [] if assessment is None else account_lines(assessment)
    if as_json:
        _print_json([asdict(line) for line in lines])
        return
    # Whole dollars and short heads: nine columns fit a terminal of 80, --json has every digit.
    table = Table("id", "mode", box=None, pad_edge=False)
    for head in ("equity", "margin eq", "initial", "maint.", "health", "legs", "notional"):
        table.add_column(head, justify="right", no_wrap=True)
    for line in lines:
        figures = [f"{value:,.0f}" for value in (line.equity, line.margin_equity, line.initial, line.maintenance)]
        health = "-" if line.health is None else f"{line.health:.3f}"
        table.add_row(str(line.account), line.mode, *figures, health, str(line.positions), f"{line.gross_notional:,.0f}")
    _out.print(table)


@app.command()
def doctor(
    deployment: DeploymentOption = None,
    rpc: RpcOption = None,
    database: DatabaseOption = None,
    account: AccountOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check settings, chain, key, account, prices and clock, and say how to mend what is wrong. Exit code 1 if it cannot run."""
    try:
        checks = diagnose(_config(deployment, rpc, database, account))
    except KeeperError as error:
        _fail(error)
    if as_json:
        _print_json([asdict(check) for check in checks])
    else:
        colours = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.FAILED: "red"}
        table = Table("check", "verdict", "found", "how to mend it")
        for check in checks:
            table.add_row(check.name, f"[{colours[check.verdict]}]{check.verdict.value}[/]", check.detail, check.remedy)
        _out.print(table)
    if any(check.verdict is Verdict.FAILED for check in checks):
        raise typer.Exit(1)


def _config(deployment: Path | None, rpc: str | None, database: Path | None, account: int | None) -> Config:
    return load_config(deployment=deployment, rpc_url=rpc, database=database, account=account)


def _print_json(content: Any) -> None:
    typer.echo(json.dumps(content))


def _fail(error: KeeperError) -> NoReturn:
    _err.print(f"[red]{type(error).__name__}[/]: {error}", highlight=False)
    raise typer.Exit(1)


if __name__ == "__main__":
    app()
