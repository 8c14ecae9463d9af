"""`keeper run`, and what one does before: `doctor`, `key`, `alert-test`."""

from __future__ import annotations

import gc
import signal
import sys
import threading
from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from keeper.alerts import try_sinks
from keeper.api.guard import hash_of, new_key
from keeper.commands.common import (
    AccountOption,
    DatabaseOption,
    DeploymentOption,
    JsonOption,
    RpcOption,
    configured,
    out,
    print_json,
    sentence,
)
from keeper.config import load_config
from keeper.doctor import Verdict, diagnose, require_healthy
from keeper.engine import Engine
from keeper.errors import KeeperError
from keeper.logs import configure_logs, get_logger
from keeper.observation import Scope

__all__ = ["alert_test", "doctor", "key", "run"]

_SWITCH_SECONDS = 0.0005
"""How long another thread (API, alerts, comparisons) may keep the interpreter from the loop: a tenth of Python's own choice."""


def run(
    deployment: DeploymentOption = None,
    rpc: RpcOption = None,
    database: DatabaseOption = None,
    account: AccountOption = None,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error")] = "info",
) -> None:
    """Run until SIGINT or SIGTERM. Logs are JSON lines on stderr."""
    # A web server takes as long to import as all the rest, which the other commands need not wait for.
    from keeper.service import surroundings  # noqa: PLC0415

    configure_logs(log_level)
    log = get_logger("cli")
    sys.setswitchinterval(_SWITCH_SECONDS)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        config = configured(deployment, rpc, database, account)
        configure_logs(log_level, config.secrets())
        found, port, signer = require_healthy(config)
        with Engine(config, port, found, signer) as engine:
            engine.start()
            gc.collect()  # of what reading all events left; from here on the engine says when
            with surroundings(config, engine, port, found):
                engine.run(stop)
    except KeeperError as error:
        log.critical("cannot_run", error=type(error).__name__, reason=str(error))
        raise typer.Exit(1) from None
    log.info("stopped")


def doctor(
    deployment: DeploymentOption = None,
    rpc: RpcOption = None,
    database: DatabaseOption = None,
    account: AccountOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check settings, nodes, contracts, permissions, key, account, money, prices, clock and disk, and say how to mend what is wrong. Exit
    code 1 if it cannot run."""
    with sentence():
        checks = diagnose(configured(deployment, rpc, database, account))
    if as_json:
        print_json([asdict(check) for check in checks])
    else:
        colours = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.FAILED: "red"}
        table = Table("check", "verdict", "found", "how to mend it")
        for check in checks:
            table.add_row(check.name, f"[{colours[check.verdict]}]{check.verdict.value}[/]", check.detail, check.remedy)
        out.print(table)
    if any(check.verdict is Verdict.FAILED for check in checks):
        raise typer.Exit(1)


def key(
    name: Annotated[str, typer.Argument(help="whose it is, for logs and limits")],
    scope: Annotated[list[Scope], typer.Option("--scope", help="what it may do; may be repeated")],
    rate: Annotated[float, typer.Option(help="requests per second")] = 20.0,
    as_json: JsonOption = False,
) -> None:
    """Make an API key. It is shown once; the settings get its hash."""
    made = new_key()
    if as_json:
        print_json({"name": name, "key": made, "sha256": hash_of(made), "scopes": scope, "rate": rate})
        return
    scopes = ", ".join(f'"{each}"' for each in scope)
    typer.echo(f"# the key, shown this once: {made}")
    typer.echo(f'[[api.keys]]\nname = "{name}"\nsha256 = "{hash_of(made)}"\nscopes = [{scopes}]\nrate = {rate:g}')


def alert_test(as_json: JsonOption = False) -> None:
    """Send a test message and its end to every receiver of alerts. Exit code 1 if one did not take it."""
    with sentence():
        found = try_sinks(load_config().alerts, "keeper alert-test")
    if as_json:
        print_json(found)
    else:
        table = Table("receiver", "result")
        for name, trouble in found.items():
            table.add_row(name, trouble or "delivered")
        out.print(table if found else "no receivers are configured ([[alerts.sinks]] in keeper.toml)")
    if any(found.values()):
        raise typer.Exit(1)
