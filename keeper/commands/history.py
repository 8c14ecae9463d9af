"""The past and what may come: `backfill`, `simulate`, `tune`."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

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
from keeper.errors import SimulationError
from keeper.overview import assessed, backfilled
from keeper.schedule import price_history, scale_proposals, write_proposals
from keeper.simulation import interpolated, load_crash, simulate
from keeper.tuning import ScaleRules

__all__ = ["backfill", "simulate_command", "tune"]

Step = tuple[str, Mapping[int, float], float]

_SHOCK = re.compile(r"(?:(?P<symbol>[A-Za-z]+)=)?(?P<percent>[+-]?\d+(?:\.\d+)?)%")


def backfill(
    deployment: DeploymentOption = None,
    rpc: RpcOption = None,
    database: DatabaseOption = None,
    to: Annotated[int | None, typer.Option("--to", help="last block to read; default: the head")] = None,
    again: Annotated[bool, typer.Option("--again", help="forget what is stored and read everything anew; the journal stays")] = False,
    as_json: JsonOption = False,
) -> None:
    """Fill the keeper's database from the chain, as far as it is not filled. The keeper must not be running on it."""
    with sentence(), _bar(transient=as_json) as bar:
        task = bar.add_task("blocks", total=None)
        result = None
        for result in backfilled(configured(deployment, rpc, database), to, again=again):
            bar.update(task, total=result.until - result.first + 1, completed=max(0, result.block - result.first + 1))
    if as_json:
        print_json(None if result is None else asdict(result))
    elif result is not None:
        out.print(f"block {result.block:,}: {result.accounts:,} accounts, {result.events:,} events read")


def simulate_command(
    shock: Annotated[str | None, typer.Option("--shock", help="-20% for all, or ETH=-25%,BTC=-15%")] = None,
    vol: Annotated[float, typer.Option("--vol", help="vols times this at the end of the shock")] = 1.0,
    steps: Annotated[int, typer.Option("--steps", help="steps on the way to the shock")] = 1,
    path: Annotated[
        Path | None, typer.Option("--path", help="CSV: a column per symbol, prices of any level; the first row is today")
    ] = None,
    crash: Annotated[str | None, typer.Option("--crash", help="covid-2020 or ftx-2022, from today's prices")] = None,
    deployment: DeploymentOption = None,
    rpc: RpcOption = None,
    database: DatabaseOption = None,
    account: AccountOption = None,
    as_json: JsonOption = False,
) -> None:
    """Present accounts under a shock or along a path of prices, if nobody acts: who falls, and what it costs."""
    with sentence():
        if sum(each is not None for each in (shock, path, crash)) != 1:
            raise SimulationError("expected one of --shock, --path and --crash")
        config = configured(deployment, rpc, database, account)
        _, assessment, described = assessed(config)
        symbols = {symbol: index for symbol, index in described.underlyings.items() if index in assessment.market.underlyings}
        if shock is not None:
            course: Iterable[Step] = interpolated(_factors(shock, symbols), vol, steps)
        else:
            course = _relative(_rows(path) if path is not None else _crash(crash or ""), symbols, vol)
        own = frozenset() if config.account is None else frozenset({config.account})
        results = list(simulate(assessment, course, config.margin_call_health, own))
    names = {index: symbol for symbol, index in symbols.items()}
    if as_json:
        documents = [{**asdict(step), "factors": {names[index]: factor for index, factor in step.factors.items()}} for step in results]
        print_json({"block": assessment.block.number, "accounts": len(assessment.state.accounts) - 1, "steps": documents})
        return
    table = Table(
        "step", *(f"{names[index]}" for index in sorted(names)), "vol", "called", "liquidated", "short of", "deficits", "at stake"
    )
    for step in results:
        prices = [f"{step.factors.get(index, 1.0) - 1.0:+.1%}" for index in sorted(names)]
        tiers = ", ".join(f"{count} {tier.lower()}" for tier, count in sorted(step.tiers.items())) or "none"
        table.add_row(
            step.name, *prices, f"x {step.vol:.2f}", str(step.called), tiers, usd(step.shortfall), usd(step.deficit), usd(step.urgency)
        )
    out.print(table)


def tune(
    deployment: DeploymentOption = None,
    rpc: RpcOption = None,
    database: DatabaseOption = None,
    prices: Annotated[
        Path | None, typer.Option("--prices", help="CSV: time (unix seconds) and a column per symbol; default: the database")
    ] = None,
    deviations: Annotated[float, typer.Option(help="of a day's vol that the core shocks should span")] = ScaleRules().deviations,
    write: Annotated[Path | None, typer.Option("--write", help="also write them as a proposal with calldata for the timelock")] = None,
    as_json: JsonOption = False,
) -> None:
    """Shock scales that the volatility of prices asks for (EWMA and GARCH), within the governed bounds. Proposes; changes nothing."""
    with sentence(), _bar(transient=True) as bar:
        config = configured(deployment, rpc, database)
        _, assessment, described = assessed(config)
        history = price_history(config, described) if prices is None else _history(prices, described.underlyings)
        task, rules = bar.add_task("underlyings", total=len(history)), replace(ScaleRules(), deviations=deviations)
        found = scale_proposals(assessment, history, rules, lambda done, _total: bar.update(task, completed=done))
        if write is not None:
            write_proposals(write, assessment, described, found)
    if as_json:
        print_json([asdict(each) for each in found])
        return
    for each in found:
        name = assessment.state.symbols.get(each.underlying, str(each.underlying))
        out.print(f"{name}: {each.now:.2f} -> {each.proposed:.2f} ({each.why})")
    if not found:
        out.print("nothing to propose: scales fit, or the history is shorter than two days")


def _bar(*, transient: bool) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), transient=transient)


def _history(path: Path, symbols: Mapping[str, int]) -> dict[int, tuple[list[int], list[float]]]:
    found: dict[int, tuple[list[int], list[float]]] = {}
    for time, row in _rows(path):
        for symbol, price in row.items():
            if symbol not in symbols or not time.isdecimal():
                raise SimulationError(f"{path}: expected time in unix seconds and columns of {', '.join(symbols)}, got {time} and {symbol}")
            times, values = found.setdefault(symbols[symbol], ([], []))
            times.append(int(time))
            values.append(price)
    return found


def _factors(shock: str, symbols: Mapping[str, int]) -> dict[int, float]:
    factors: dict[int, float] = {}
    for part in shock.split(","):
        found = _SHOCK.fullmatch(part.strip())
        if found is None or (found["symbol"] is not None and found["symbol"].upper() not in symbols):
            raise SimulationError(f"shock: expected -20% or a list like ETH=-25%,BTC=-15% of {', '.join(symbols)}, got {part.strip()!r}")
        named = symbols.values() if found["symbol"] is None else [symbols[found["symbol"].upper()]]
        factors |= dict.fromkeys(named, 1.0 + float(found["percent"]) / 100.0)
    return factors


def _rows(path: Path) -> Iterator[tuple[str, dict[str, float]]]:
    """(name, price by symbol): the first column names the row where it is no price."""
    try:
        with path.open(newline="") as file:
            for number, row in enumerate(csv.DictReader(file)):
                prices = {name.upper(): float(value) for name, value in row.items() if name.upper() != "TIME"}
                yield row.get("time", str(number)), prices
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise SimulationError(f"{path}: expected a CSV with a header of symbols and rows of prices ({error})") from error


def _crash(name: str) -> Iterator[tuple[str, dict[str, float]]]:
    for point in load_crash(name).path():
        yield str(point.time), dict(point.spots)


def _relative(rows: Iterable[tuple[str, dict[str, float]]], symbols: Mapping[str, int], vol: float) -> Iterator[Step]:
    """Prices as factors of the first row's."""
    first: dict[str, float] | None = None
    for name, prices in rows:
        unknown = sorted(set(prices) - set(symbols))
        if unknown:
            raise SimulationError(f"expected columns of {', '.join(symbols)}, got {', '.join(unknown)}")
        first = first or prices
        yield name, {symbols[symbol]: price / first[symbol] for symbol, price in prices.items()}, vol
