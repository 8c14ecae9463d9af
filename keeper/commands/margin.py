"""`keeper margin book.json --chain snapshot.csv`: margin in the three modes and Greeks of a file."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from keeper.errors import KeeperError

if TYPE_CHECKING:
    import pandas as pd

    from keeper.portfolio_files import Chain, MarginFrames

__all__ = ["margin_command"]

_WIDTH = 150


def margin_command(
    book: Annotated[Path, typer.Argument(help="accounts and positions as JSON (docs/methods.md, examples/book.json)")],
    chain: Annotated[Path, typer.Option("--chain", help="option chain snapshot as CSV, Deribit's columns; may be gzipped")],
    liquidation: Annotated[bool, typer.Option("--liquidation", help="also liquidation prices (slower)")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON document instead of tables")] = False,
) -> None:
    """Margin in the three modes, stress and Greeks of a book of your own, in the market of an option chain."""
    # pandas and scipy.optimize take a second to import, which the other commands need not wait for.
    from keeper.portfolio_files import margin_of_file, read_book, read_chain  # noqa: PLC0415

    try:
        quotes = read_chain(chain)
        frames = margin_of_file(read_book(book), quotes, liquidation)
    except KeeperError as error:
        Console(stderr=True).print(f"[red]{type(error).__name__}[/]: {error}", highlight=False)
        raise typer.Exit(1) from None
    if as_json:
        typer.echo(json.dumps(_document(frames, quotes)))
    else:
        out = Console()
        if not out.is_terminal:  # a file or a pipe has no width to keep to
            out.width = max(out.width, _WIDTH)
        _print(frames, quotes, out)


def _document(frames: MarginFrames, chain: Chain) -> dict[str, Any]:
    """Per account its modes, underlyings and positions; figures that are not finite are null."""
    accounts = [
        {"account": int(account)}
        | {name: [_without_account(row) for row in _rows(rows) if row["account"] == account] for name, rows in _tables(frames).items()}
        for account in dict.fromkeys(frames.modes["account"].tolist())
    ]
    return {"time": chain.market.time, "accounts": accounts, "expiries_without_slice": _refused(chain)}


def _tables(frames: MarginFrames) -> dict[str, pd.DataFrame]:
    return {"modes": frames.modes, "underlyings": frames.underlyings, "positions": frames.positions}


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(key): value for key, value in record.items()} for record in frame.to_dict("records")]


def _without_account(row: dict[str, Any]) -> dict[str, Any]:
    return {key: _finite(value) for key, value in row.items() if key != "account"}


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _refused(chain: Chain) -> dict[str, str]:
    return {f"{underlying}/{expiry}": reason for (underlying, expiry), reason in chain.refused.items()}


def _print(frames: MarginFrames, chain: Chain, out: Console) -> None:
    modes = Table("account", "mode", "equity", "initial", "maintenance", "health", "notional", "leverage", title="Margin, USD")
    for record in _rows(frames.modes):
        mode = f"[bold]{record['mode']} *[/]" if record["own"] else record["mode"]
        money = [f"{record[name]:,.2f}" for name in ("equity", "initial", "maintenance")]
        ratios = [f"{record['health']:.3f}", f"{record['gross_notional']:,.0f}", f"{record['leverage']:.2f}"]
        modes.add_row(str(record["account"]), mode, *money, *ratios)
    out.print(modes)
    out.print("* the account's own mode", style="dim")

    stress = Table("account", "underlying", "worst scenario", "stress loss", "charges", "liquidation below", "above", title="Stress, USD")
    for record in _rows(frames.underlyings):
        charges = sum(value for name, value in record.items() if name.startswith("charge_"))
        spots = [record.get(f"liquidation_{side}") for side in ("below", "above")]
        shown = ["-" if spot is None or math.isnan(spot) else f"{spot:,.2f}" for spot in spots]
        scenario = f"{record['worst_scenario']}: {record['spot_move']:+.1%}, vol {record['vol'].lower()}"
        loss = [f"{record['stress_loss']:,.2f}", f"{charges:,.2f}"]
        stress.add_row(str(record["account"]), record["underlying"], scenario, *loss, *shown)
    out.print(stress)

    names = ("delta", "gamma", "vega", "theta", "rho", "vanna", "volga")
    greeks = Table("account", "instrument", "size", "mark", "vol", "P&L", *names, title="Greeks of positions and, in bold, of underlyings")
    for record in _rows(frames.positions):
        vol = "" if math.isnan(record["vol"]) else f"{record['vol']:.1%}"
        shown = [f"{record['size']:,.4g}", f"{record['mark']:,.2f}", vol, f"{record['unrealised']:,.2f}"]
        greeks.add_row(str(record["account"]), record["instrument"], *shown, *(f"{record[name]:,.4g}" for name in names))
    for record in _rows(frames.underlyings):
        shown = ["", f"{record['spot']:,.2f}", "", ""]
        greeks.add_row(str(record["account"]), record["underlying"], *shown, *(f"{record[name]:,.4g}" for name in names), style="bold")
    out.print(greeks)
    for expiry, reason in _refused(chain).items():
        out.print(f"[yellow]expiry {expiry} has no vol slice[/]: {reason}", highlight=False)
