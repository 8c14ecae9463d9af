"""What the keeper sees now: `status`, `accounts`, `account`, `liquidatable`, `journal`. They write nothing."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from keeper.api import views
from keeper.api.documents import AccountRisk
from keeper.chain import Deployment, Store
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
    usd,
)
from keeper.overview import account_lines, assessed, journal_of, look, status_of
from keeper.roster import moment

__all__ = ["account", "accounts", "journal", "liquidatable", "status"]

_ANYBODY = 1
"""Whose account stands in calldata where nobody said who takes the legs."""


def status(
    deployment: DeploymentOption = None, rpc: RpcOption = None, database: DatabaseOption = None, as_json: JsonOption = False
) -> None:
    """Head, price ages, under-margined accounts, margin calls, transactions, and the periodic jobs as the keeper last wrote them down."""
    with sentence():
        found = status_of(configured(deployment, rpc, database))
    if as_json:
        print_json(found)
        return
    jobs = found.pop("jobs")
    table = Table(show_header=False)
    for name, value in found.items():
        table.add_row(name.replace("_", " "), json.dumps(value) if isinstance(value, dict | list) else str(value))
    out.print(table)
    if jobs:
        table = Table("job", "last, UTC", "took", "next, UTC", "done", "runs", "failed", "error", box=None, pad_edge=False)
        for job in jobs:
            took = "-" if job["seconds"] is None else f"{job['seconds']:.3f} s"
            done = f"{job['done']:,} of {job['total']:,}" if job["total"] else "-"
            table.add_row(
                job["name"], moment(job["started"]), took, moment(job["next"]), done, str(job["runs"]), str(job["failures"]), job["error"]
            )
        out.print(table)


def accounts(
    deployment: DeploymentOption = None, rpc: RpcOption = None, database: DatabaseOption = None, as_json: JsonOption = False
) -> None:
    """Margin of every account, worst health first."""
    with sentence():
        _, assessment, _ = look(configured(deployment, rpc, database))
    lines = [] if assessment is None else account_lines(assessment)
    if as_json:
        print_json([asdict(line) for line in lines])
        return
    # Whole dollars and short heads: nine columns fit a terminal of 80, --json has every digit.
    table = Table("id", "mode", box=None, pad_edge=False)
    for head in ("equity", "margin eq", "initial", "maint.", "health", "legs", "notional"):
        table.add_column(head, justify="right", no_wrap=True)
    for line in lines:
        figures = [usd(value) for value in (line.equity, line.margin_equity, line.initial, line.maintenance)]
        table.add_row(str(line.account), line.mode, *figures, _health(line.health), str(line.positions), usd(line.gross_notional))
    out.print(table)


def account(
    number: Annotated[int, typer.Argument(metavar="ID", help="the account's number in the ledger")],
    deployment: DeploymentOption = None,
    rpc: RpcOption = None,
    database: DatabaseOption = None,
    fast: Annotated[bool, typer.Option("--fast", help="without liquidation prices, which take some hundred revaluations")] = False,
    as_json: JsonOption = False,
) -> None:
    """One account: margin in every mode, positions, Greeks, worst scenarios, liquidation prices, witness."""
    with sentence():
        snapshot, assessment, _ = assessed(configured(deployment, rpc, database))
        found = views.account_risk(snapshot, assessment, number, liquidation_prices=not fast)
    if as_json:
        print_json(found)
    else:
        _print_account(found)


def liquidatable(
    deployment: DeploymentOption = None,
    rpc: RpcOption = None,
    database: DatabaseOption = None,
    taker: AccountOption = None,
    limit: Annotated[int, typer.Option(min=1, help="at most so many, the most urgent")] = 20,
    as_json: JsonOption = False,
) -> None:
    """Accounts under their margin with suggested legs; with --json also witness and calldata for --account."""
    with sentence():
        config = configured(deployment, rpc, database, taker)
        snapshot, assessment, described = assessed(config)
        found = views.liquidatable(snapshot, assessment, described, config.account or _ANYBODY, limit)
    if as_json:
        print_json(found)
        return
    table = Table(
        "account", "tier", "health", "short of", "at stake", "what", "legs", "pays", title=f"{found.found} found", box=None, pad_edge=False
    )
    for each in found.suggestions:
        legs = "\n".join(f"{int(leg.size) / 1e18:,.4g} {leg.instrument}" for leg in each.legs)
        money = [usd(value) for value in (each.shortfall, each.urgency)]
        table.add_row(str(each.account), each.tier.lower(), _health(each.health), *money, each.kind, legs, usd(each.payment))
    out.print(table)


def journal(
    deployment: DeploymentOption = None,
    database: DatabaseOption = None,
    limit: Annotated[int, typer.Option(min=1, help="the latest so many")] = 50,
    number: Annotated[int | None, typer.Option("--of", help="only those that concern this account")] = None,
    as_json: JsonOption = False,
) -> None:
    """Transactions of this keeper, latest first. Asks no node."""
    with sentence():
        config = configured(deployment, None, database)
        store = Store.copy_of(config.database, Deployment.load(config.deployment).fingerprint)
        entries = journal_of(config, store).latest(limit if number is None else 2**31)
        store.close()
    shown = tuple(entry for entry in entries if number is None or entry.account == number)
    if as_json:
        print_json(views.transaction_list(shown, limit))
        return
    table = Table(
        "id", "time, UTC", "purpose", "account", "nonce", "status", "took", "gas", "block", "correlation", "note", box=None, pad_edge=False
    )
    for entry in shown[:limit]:
        took = "-" if entry.settled_at is None else f"{entry.settled_at - entry.detected_at:,.3f} s"
        at = moment(entry.detected_at)
        facts = [entry.purpose, str(entry.account or "-"), str(entry.nonce), entry.status.value, took]
        table.add_row(str(entry.id), at, *facts, usd(entry.gas_used), str(entry.block or "-"), entry.correlation, entry.note)
    out.print(table)


def _print_account(found: AccountRisk) -> None:
    head = Table(show_header=False, box=None)
    facts = {
        "account": f"{found.account} ({found.mode.lower()}), owner {found.owner}",
        "stands": found.band + ("" if found.margin_called is None else f", margin call since block {found.margin_called}"),
        "equity": usd(found.equity),
        "initial, maintenance": f"{usd(found.initial)}, {usd(found.maintenance)}",
        "health, leverage": f"{_health(found.health)}, {'-' if found.leverage is None else f'{found.leverage:.2f}'}",
        "in other modes": ", ".join(f"{name.lower()} {usd(mode.initial)} / {usd(mode.maintenance)}" for name, mode in found.modes.items()),
        "witness": f"{found.witness.underlyings} {found.witness.groups}",
    }
    for name, value in facts.items():
        head.add_row(name, value)
    out.print(head)
    # ADL: how soon the position would be closed against a deficit beyond the fund, 5 first, 0 never.
    positions = Table("position", "contracts", "mark", "notional", "unrealised", "ADL", box=None, pad_edge=False)
    for each in found.positions:
        money = [usd(value) for value in (each.notional, each.unrealised)]
        light = f"{each.adl_light} ({each.adl_ahead:.0%} ahead)" if each.adl_light else "-"
        positions.add_row(each.instrument, f"{each.contracts:,.4g}", f"{each.mark:,.2f}", *money, light)
    out.print(positions)
    risk = Table(
        "underlying",
        "worst scenario",
        "loss",
        "charges",
        "delta",
        "gamma",
        "vega",
        "theta",
        "liq. below",
        "above",
        box=None,
        pad_edge=False,
    )
    for row in found.underlyings:
        greeks = [f"{row.greeks[name]:,.4g}" for name in ("delta", "gamma", "vega", "theta")]
        ends = ["-" if spot is None else f"{spot:,.2f}" for spot in (row.liquidation_below, row.liquidation_above)]
        scenario = f"{row.spot_move:+.1%}, vol {row.vol_direction}"
        risk.add_row(row.symbol, scenario, usd(row.stress_loss), usd(sum(row.charges.values())), *greeks, *ends)
    out.print(risk)


def _health(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
