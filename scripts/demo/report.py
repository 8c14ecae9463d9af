"""The demo on a terminal: progress, then who was called, flagged, liquidated, at what health and price, what it cost, how fast."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from keeper.model.account import MarginMode
from keeper.model.instrument import Instrument, Kind
from scripts.demo.events import Record
from scripts.demo.evidence import Evidence, Step
from scripts.demo.readings import Risk
from scripts.demo.story import Story
from scripts.demo.summary import (
    FULL_THRESHOLD,
    INT256_MAX,
    MARGIN_CALL,
    PARTIAL_THRESHOLD,
    failures,
    ledger_operations,
    margin_calls,
    summarise,
)
from scripts.demo.world import World

__all__ = ["Narrator", "instrument_name"]

WAD = 10**18
TIERS = ("none", "partial", "full", "bankrupt")
TOLD = (
    "Flagged",
    "DebtFlagged",
    "Liquidated",
    "LegTaken",
    "CollateralConverted",
    "Drawn",
    "DeficitOpened",
    "Deleveraged",
    "LossShared",
)
LONG_STORY = 40  # markets
QUIET_EVERY = 16
NO_LIMIT = 1_000.0  # health above this is shown as unbounded


def instrument_name(word: int, symbols: dict[int, str]) -> str:
    """`ETH-PERP`, `BTC-31JAN25`, `BTC-31JAN25-90000-P`."""
    instrument = Instrument.unpack(word)
    symbol = symbols[instrument.underlying]
    if instrument.kind is Kind.PERP:
        return f"{symbol}-PERP"
    day = time.strftime("%d%b%y", time.gmtime(instrument.expiry)).upper()
    if instrument.kind is Kind.FUTURE:
        return f"{symbol}-{day}"
    return f"{symbol}-{day}-{instrument.strike:g}-{instrument.kind.name[0]}"


class Narrator:
    """Tells a run as it happens (`progress`, `step`) and sums it up (`finish`)."""

    def __init__(self, console: Console, story: Story) -> None:
        self._console = console
        self._story = story
        self._names: dict[int, str] = {}
        self._symbols: dict[int, str] = {}
        self._stage = ""

    def open(self) -> None:
        self._console.print(f"[bold]DPRE: {escape(self._story.title)}[/bold]")
        self._console.print(
            f"{len(self._story.traders)} traders in three margin modes; every deposit, trade and liquidation is a contract call."
        )
        for note in self._story.notes:
            self._console.print(escape(note), style="dim")

    def progress(self, stage: str, what: str) -> None:
        """One line per stage of the set-up, its items one after the other."""
        if stage != self._stage:
            self._console.print(("\n" if self._stage else "") + f"  {stage:<8}", end="")
            self._stage = stage
        self._console.print(f" {what}", end="", style="dim")

    def enter(self, world: World) -> None:
        """The world is set up; names are known from here."""
        self._names = {party.account: name for name, party in world.traders.items()}
        self._names |= {world.maker.account: "maker", world.keeper_account.account: "keeper", 0: "house"}
        self._symbols = {underlying: symbol for symbol, underlying in world.deployment.underlyings.items()}
        running = "on" if world.keeper is not None else "OFF: nobody will liquidate"
        self._console.print(f"\n  keeper   {running}")
        if not world.deleverage:
            self._console.print("  ADL      OFF: what the fund cannot pay nobody pays")
        self._console.print()

    def step(self, step: Step, after: Sequence[Risk], quiet: Sequence[Risk], events: Sequence[Record]) -> None:
        """One block of lines per market; of a long story's quiet markets every sixteenth (four hours) has one."""
        events = [record for record in events if record["event"] in TOLD]
        quiet_markets = len(self._story.markets) > LONG_STORY
        if quiet_markets and not events and step.index % QUIET_EVERY and step.index != len(self._story.markets):
            return
        prices = "  ".join(f"{symbol} {spot:>9,.0f}" for symbol, spot in step.spots.items())
        bands = _bands(after)
        self._console.print(
            f"[bold]{step.index:>3}/{len(self._story.markets)}[/bold]  {_clock(step.time)}  {prices}   health after the move: "
            f"[green]{bands[0]} ≥ 1.25[/green]  [yellow]{bands[1]} called[/yellow]  [magenta]{bands[2]} < 1.05[/magenta]  "
            f"[red]{bands[3]} < 1.00[/red]"
        )
        flagged = [self._name(r["args"]["account"]) for r in events if r["event"] in ("Flagged", "DebtFlagged")]
        if flagged:
            self._console.print(f"          flagged: {', '.join(dict.fromkeys(flagged))}", style="dim")
        for record in events:
            if record["event"] == "Liquidated":
                self._console.print(f"          {self._liquidation(record, events)}")
            elif record["event"] == "CollateralConverted":
                self._console.print(f"          {self._conversion(record)}")
            elif record["event"] == "Drawn":
                amount = record["args"]["amount"] / WAD
                self._console.print(f"          [red]insurance fund pays {amount:,.2f} for {self._name(record['args']['account'])}[/red]")
            elif line := self._deleveraging(record):
                self._console.print(f"          {line}")
        left = [self._name(risk.account) for risk in quiet if risk.health < FULL_THRESHOLD]
        if left:
            self._console.print(f"          [bold red]left below 1.00: {', '.join(left)}[/bold red]")

    def finish(self, evidence: Evidence, story: Story) -> None:
        """Tables of accounts and of liquidations, then the checks."""
        self._console.print()
        self._console.print(self._accounts_table(evidence, story))
        if evidence.of("Liquidated"):
            self._console.print(self._liquidations_table(evidence))
        self._console.print(self._money_table(evidence))
        self._checks(evidence)

    def _accounts_table(self, evidence: Evidence, story: Story) -> Table:
        table = Table(title="Accounts", title_justify="left", header_style="bold")
        for column, justify in (
            ("account", "left"),
            ("mode", "left"),
            ("equity at first", "right"),
            ("at last", "right"),
            ("lowest health", "right"),
            ("at last", "right"),
            ("called", "right"),
            ("fate", "left"),
            ("what it shows", "left"),
        ):
            table.add_column(column, justify=justify, no_wrap=column != "what it shows")
        calls = margin_calls(evidence)
        first = evidence.steps[0].before
        for trader in story.traders:
            account = evidence.accounts[trader.name]
            history = [risk for _, risk in evidence.history(account)]
            opening, final = evidence.risk(account, first), evidence.risk(account, evidence.last_block)
            if opening is None or final is None:
                raise LookupError(f"no view of account {account} at block {first} or {evidence.last_block}")
            table.add_row(
                trader.name,
                MarginMode(trader.mode).name,
                f"{opening.equity / WAD:,.0f}",
                f"{final.equity / WAD:,.0f}",
                _health(min(risk.health for risk in history)),
                _health(final.health),
                f"step {calls[account].index}" if account in calls else "",
                _fate(account, evidence),
                trader.moral,
            )
        return table

    def _liquidations_table(self, evidence: Evidence) -> Table:
        table = Table(title="Liquidations (legs move to the keeper's account at mark)", title_justify="left", header_style="bold")
        for column, justify in (
            ("step", "right"),
            ("account", "left"),
            ("tier", "left"),
            ("health", "right"),
            ("legs", "left"),
            ("margin released", "right"),
            ("to liquidator", "right"),
            ("fee to fund", "right"),
            ("fund paid", "right"),
            ("ms", "right"),
        ):
            table.add_column(column, justify=justify, no_wrap=column != "legs")
        for record in evidence.of("Liquidated"):
            a = record["args"]
            step = evidence.step_of(record["block"])
            legs = [r for r in evidence.of("LegTaken") if r["transaction"] == record["transaction"]]
            milliseconds = (evidence.seen[record["block"]] - evidence.seen[step.block]) / 1e6
            table.add_row(
                str(step.index),
                self._name(a["account"]),
                TIERS[a["tier"]],
                f"{_health(a['healthBefore'])} → {_health(a['healthAfter'])}",
                "\n".join(self._leg(leg) for leg in legs),
                f"{(a['requirementBefore'] - a['requirementAfter']) / WAD:,.0f}",
                f"{a['payment'] / WAD:,.2f}",
                f"{a['fee'] / WAD:,.2f}",
                f"{a['fundPaid'] / WAD:,.2f}",
                f"{milliseconds:,.0f}",
            )
        return table

    def _money_table(self, evidence: Evidence) -> Table:
        table = Table(title="Who bears it (USD)", title_justify="left", show_header=False)
        table.add_column()
        table.add_column(justify="right")
        liquidated = [r["args"] for r in evidence.of("Liquidated")]
        paid_out = sum(r["args"]["amount"] for r in evidence.of("Drawn", "InsuranceFund"))
        rows = (
            ("paid to the liquidator for proven release", sum(a["payment"] for a in liquidated)),
            ("liquidation fees", sum(a["fee"] for a in liquidated)),
            ("paid by the insurance fund", paid_out),
            ("paid by winners who were closed below their mark (ADL)", sum(r["args"]["haircut"] for r in evidence.of("Deleveraged"))),
            ("shared by all holders of a side (loss index)", sum(r["args"]["amount"] for r in evidence.of("LossShared"))),
            ("insurance fund at first", evidence.fund["first"]),
            ("insurance fund at last, fees collected", evidence.fund["last"]),
            ("equity of the keeper's account, change", self._change("keeper", evidence)),
            ("inventory left with the keeper, gross notional", self._inventory(evidence)),
            ("equity of the maker's account, change", self._change("maker", evidence)),
        )
        for label, amount in rows:
            table.add_row(label, f"{amount / WAD:,.2f}")
        return table

    def _checks(self, evidence: Evidence) -> None:
        summary, found = summarise(evidence), failures(evidence)
        self._console.print(
            f"INV-LEDGER on chain: vault recorded {evidence.totals['recorded'] / WAD:,.6f} USDC; drift {summary['ledger_drift_units']} of "
            f"1e-18 USD after {ledger_operations(evidence)} operations (0 to 1 each is rounding against accounts)"
        )
        p50, p99 = summary["detect_to_inclusion_ms_p50"], summary["detect_to_inclusion_ms_p99"]
        if p50 is not None:
            self._console.print(
                f"From the price that made an account liquidatable to its liquidation in a block: p50 {p50} ms, p99 {p99} ms"
            )
        left = [risk for risk in evidence.risks[evidence.last_block] if risk.health < FULL_THRESHOLD]
        for risk in left:
            self._console.print(
                f"[bold red]LEFT UNDER-MARGINED: {self._name(risk.account)}: "
                f"health {_health(risk.health)}, equity {risk.equity / WAD:,.2f}, "
                f"maintenance margin {risk.maintenance / WAD:,.2f}[/bold red]"
            )
        for failure in found:
            self._console.print(f"[bold red]FAILED: {failure}[/bold red]")
        if not found:
            self._console.print("[bold green]No account is under-margined, every deficit is allocated, the ledger adds up.[/bold green]")

    def _change(self, name: str, evidence: Evidence) -> int:
        account = evidence.accounts[name]
        first, last = evidence.risk(account, evidence.steps[0].before), evidence.risk(account, evidence.last_block)
        return 0 if first is None or last is None else last.equity - first.equity

    def _inventory(self, evidence: Evidence) -> int:
        last = evidence.risk(evidence.accounts["keeper"], evidence.last_block)
        return 0 if last is None else last.gross_notional

    def _liquidation(self, record: Record, events: Sequence[Record]) -> str:
        a = record["args"]
        legs = [self._leg(r) for r in events if r["event"] == "LegTaken" and r["transaction"] == record["transaction"]]
        colour = {1: "yellow", 2: "magenta"}.get(a["tier"], "red")
        return (
            f"[{colour}]{TIERS[a['tier']]:<8}[/{colour}] {self._name(a['account']):<6} health {_health(a['healthBefore'])} → "
            f"{_health(a['healthAfter'])}  {'; '.join(legs)}  [dim]paid {a['payment'] / WAD:,.0f}, fee {a['fee'] / WAD:,.0f}[/dim]"
        )

    def _conversion(self, record: Record) -> str:
        a = record["args"]
        return (
            f"[cyan]collateral[/cyan] {self._name(a['account'])}: {a['quantity'] / WAD:,.4f} sold out of a debt for "
            f"{a['paid'] / WAD:,.2f}, "
            f"oracle price {a['price'] / WAD:,.2f}"
        )

    def _deleveraging(self, record: Record) -> str:
        """Empty for what is no part of it."""
        a = record["args"]
        if record["event"] == "DeficitOpened":
            missing, payable = -a["equity"] / WAD, a["fundMayPay"] / WAD
            return f"[red]deficit[/red]  {self._name(a['account'])}: {missing:,.2f} missing, the fund may pay {payable:,.2f}"
        if record["event"] == "Deleveraged":
            return (
                f"[magenta]closed[/magenta]   {self._name(a['counterparty'])} gives {a['size'] / WAD:,.3f} "
                f"{instrument_name(a['instrument'], self._symbols)} to {self._name(a['account'])} @ {a['price'] / WAD:,.2f}, "
                f"mark {a['mark'] / WAD:,.2f}: bears {a['haircut'] / WAD:,.2f}"
            )
        if record["event"] == "LossShared":
            side = "longs" if a["longs"] else "shorts"
            return (
                f"[magenta]shared[/magenta]   {a['amount'] / WAD:,.2f} of {self._name(a['debtor'])} among all {side} of "
                f"{instrument_name(a['instrument'], self._symbols)}"
            )
        return ""

    def _leg(self, record: Record) -> str:
        a = record["args"]
        return f"{a['size'] / WAD:+,.3f} {instrument_name(a['instrument'], self._symbols)} @ {a['price'] / WAD:,.2f}"

    def _name(self, account: int) -> str:
        return self._names.get(account, f"account {account}")


def _fate(account: int, evidence: Evidence) -> str:
    tiers = [TIERS[r["args"]["tier"]] for r in evidence.of("Liquidated") if r["args"]["account"] == account]
    if account in {r["args"]["account"] for r in evidence.of("DeficitOpened")}:
        tiers.append("deleveraged")
    if tiers:
        counted = {tier: tiers.count(tier) for tier in dict.fromkeys(tiers)}
        return ", ".join(f"{tier} × {n}" if n > 1 else tier for tier, n in counted.items())
    final = evidence.risk(account, evidence.last_block)
    if final is not None and final.health < FULL_THRESHOLD:
        return "left under-margined"
    return "survived"


def _bands(risks: Sequence[Risk]) -> tuple[int, int, int, int]:
    """Accounts at or above 1.25, called, liquidatable, under-margined."""
    full = sum(risk.health < FULL_THRESHOLD for risk in risks)
    partial = sum(FULL_THRESHOLD <= risk.health < PARTIAL_THRESHOLD for risk in risks)
    called = sum(PARTIAL_THRESHOLD <= risk.health < MARGIN_CALL for risk in risks)
    return len(risks) - full - partial - called, called, partial, full


def _health(value: int) -> str:
    if value == INT256_MAX or value > NO_LIMIT * WAD:
        return "∞"
    if value <= -NO_LIMIT * WAD:
        return "-∞"
    colour = "red" if value < FULL_THRESHOLD else "magenta" if value < PARTIAL_THRESHOLD else "yellow" if value < MARGIN_CALL else "green"
    return f"[{colour}]{value / WAD:.2f}[/{colour}]"


def _clock(seconds: int) -> str:
    return time.strftime("%H:%M", time.gmtime(seconds))
