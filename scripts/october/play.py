"""The evening from the first deposit to the last deficit, and the same deficits under other venues' rules."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.venue import EXPIRIES
from keeper.deleveraging import holders
from keeper.model import Instrument
from keeper.monitoring import Assessment
from keeper.portfolio import HOUSE
from scripts.deploy import UNDERLYINGS
from scripts.october.crowd import crowd
from scripts.october.schemes import Close, Holder, Leg, Outcome, greedy, outcome, pro_rata
from scripts.october.stage import FALL, MINUTES, Stage

__all__ = ["Evening", "play"]

WAD = 10**18
QUEUE = 16  # NOMINATION_QUEUE
LEGS = 2  # of an account of the crowd at most
PASSES = 2_000
AT_ONCE = 8  # executions between two nominations
SYMBOLS = {index: symbol for symbol, index in UNDERLYINGS.items()}


@dataclass(frozen=True, slots=True)
class Deficit:
    """Sums over the executions of one account, 1e-18 USD. shortfall: minus its equity before the first of them; allowed: INV-ADL-EXACT's
    rounding, one unit of the price per contract closed, one per close, and one per leg whose rest was shared or paid by the fund."""

    account: int
    shortfall: int
    fund: int
    haircut: int
    shared: int
    closes: int
    allowed: int

    @property
    def left(self) -> int:
        """What nobody paid; below zero: paid too much. INV-ADL-EXACT bounds it by the rounding."""
        return self.shortfall - self.fund - self.haircut - self.shared


@dataclass(frozen=True)
class Evening:
    """bankrupt: with negative equity at the low; liquidated: of them, with the fund's money; deficits: of the others; lost: what the equity
    of all who were not bankrupt fell by from the first deficit to the last, by the keeper's margin of before and after; left_open,
    negative_after: deficits and accounts below zero at the end; drift: of the ledger, 1e-18 USD; schemes: by name. Money in USD."""

    accounts: int
    fills: int
    fund: float
    bankrupt: int
    shortfall: float
    liquidated: int
    fund_paid: float
    deficits: tuple[Deficit, ...]
    lost: float
    left_open: int
    negative_after: int
    drift: int
    transactions: int
    gas: int
    schemes: dict[str, Outcome]

    @property
    def exact(self) -> bool:
        """Every deficit was paid in full and nobody paid more than the rounding beyond."""
        return all(abs(deficit.left) <= deficit.allowed for deficit in self.deficits)

    def document(self) -> dict[str, Any]:
        content = asdict(self)
        return {**content, "exact": self.exact, "fall": FALL, "minutes": MINUTES}


def play(accounts: int, folder: Path, fund_usdc: float, progress: Callable[[str], None]) -> Evening:
    """Raises TransactionFailedError and VenueError."""
    made = crowd(accounts, EXPIRIES[-1])
    with Stage(made, folder, fund_usdc, progress) as stage:
        stage.fall()
        low = stage.assess()
        equity = dict(zip(low.figures.account_id.tolist(), low.figures.equity.tolist(), strict=True))
        bankrupt = sorted((account for account, value in equity.items() if value < 0.0), key=lambda account: equity[account])
        shortfall = -sum(equity[account] for account in bankrupt)
        progress(f"    {len(bankrupt):,} bankrupt accounts owe {shortfall:,.0f} USD at the low; the fund holds {fund_usdc:,.0f}")
        since = low.block.number + 1

        liquidated = _with_the_fund(stage, low, bankrupt)
        fund_paid = fund_usdc - stage.holdings()
        progress(f"    {len(liquidated):,} liquidated while the fund could pay, {fund_paid:,.0f} USD of it used")

        after = stage.assess()  # the liquidator's own positions are in it
        book = _Positions.of(after, stage)
        opened = [each.account for each in stage.open_deficits([a for a in bankrupt if a not in liquidated]) if each.refused is None]
        legs = [leg for account in opened for leg in stage.legs_of(account, book.marks)]
        progress(f"    {len(opened):,} deficits open")
        left = _deleverage(stage, after, book, set(opened), progress)

        executed = stage.logs("Deleverager", "Executed", since)
        deleveraged = stage.logs("Deleverager", "Deleveraged", since)
        deficits = _deficits(executed, deleveraged)
        closes = [Close(each["counterparty"], each["instrument"], each["size"] / WAD, each["haircut"] / WAD) for each in deleveraged]
        end = stage.assess()
        shared = _shared(stage.logs("Ledger", "LossShared", since), end)
        deltas = book.deltas
        underlyings = {instrument: Instrument.unpack(instrument).underlying for instrument in book.marks}
        spots = {UNDERLYINGS[symbol]: spot for symbol, spot in stage.spots.items()}
        winners = [holder for holder in book.holders if holder.account not in set(bankrupt)]
        fund_share = 1.0 - sum(d.fund for d in deficits) / max(1, sum(d.shortfall for d in deficits))
        legs = [Leg(leg.account, leg.instrument, leg.size, leg.haircut * fund_share) for leg in legs]

        def outcome_of(found: list[Close], by_index: dict[int, float] | None = None) -> Outcome:
            return outcome(found, deltas, underlyings, spots, book.sizes, by_index)

        return Evening(
            accounts=len(stage.accounts),
            fills=len(made.fills),
            fund=fund_usdc,
            bankrupt=len(bankrupt),
            shortfall=shortfall,
            liquidated=len(liquidated),
            fund_paid=fund_usdc - stage.holdings(),
            deficits=deficits,
            lost=_equity(after, set(bankrupt)) - _equity(end, set(bankrupt)),
            left_open=len(left),
            negative_after=int((end.figures.equity < -1e-6).sum()),
            drift=stage.drift(),
            transactions=stage.bulk.transactions,
            gas=stage.bulk.gas,
            schemes={
                "DPRE": outcome_of(closes, shared),
                "greedy": outcome_of(greedy(legs, winners)),
                "pro rata": outcome_of(pro_rata(legs, winners)),
            },
        )


@dataclass(frozen=True)
class _Positions:
    """marks: packed instrument -> USD; sizes: (account, instrument) -> contracts; deltas: account -> underlying -> coins, collateral
    included; holders: every position with its score."""

    marks: dict[int, float]
    sizes: dict[tuple[int, int], float]
    deltas: dict[int, dict[int, float]]
    holders: list[Holder]

    @classmethod
    def of(cls, book: Assessment, stage: Stage) -> _Positions:
        marks = stage.marks({i.pack() for account in book.state.accounts.values() for i in account.positions})
        sizes: dict[tuple[int, int], float] = {}
        deltas: dict[int, dict[int, float]] = {}
        for account in book.state.accounts.values():
            coins: dict[int, float] = defaultdict(float)
            for symbol, quantity in account.collateral.items():
                coins[UNDERLYINGS[symbol.removeprefix("W")]] += quantity.to_float()
            for instrument, position in account.positions.items():
                packed, size = instrument.pack(), position.size.to_float()
                sizes[account.id, packed] = size
                coins[instrument.underlying] += size
            deltas[account.id] = dict(coins)
        sides = {(i, position.size.raw > 0) for account in book.state.accounts.values() for i, position in account.positions.items()}
        ranked = [
            Holder(each.account, instrument.pack(), each.size / WAD if longs else -each.size / WAD, float(each.score))
            for (instrument, longs), listed in holders(book, sides).items()
            for each in listed
        ]
        return cls(marks, sizes, deltas, ranked)


def _with_the_fund(stage: Stage, low: Assessment, bankrupt: Iterable[int]) -> set[int]:
    """Who could be liquidated before the fund was empty, smallest shortfalls last."""
    return {attempt.account for attempt in stage.liquidate(low, list(bankrupt)) if attempt.refused is None}


def _deleverage(stage: Stage, book_at: Assessment, book: _Positions, opened: set[int], progress: Callable[[str], None]) -> set[int]:
    """Nominates from the top, executes, again, until no deficit is open. What is still open after PASSES passes is returned."""
    legs = {(instrument, book.sizes[account, instrument] < 0.0) for account, instrument in book.sizes if account in opened}
    ranked = {
        (instrument, longs): sorted(
            (
                h
                for h in book.holders
                if h.instrument == instrument and (h.size > 0.0) == longs and h.score > 0.0 and h.account not in opened
            ),
            key=lambda holder: -holder.score,
        )
        for instrument, longs in legs
    }
    since = stage.follow_from()
    for number in range(PASSES):
        if not opened:
            break
        for (instrument, longs), waiting in ranked.items():
            room = QUEUE - len(stage.queue(instrument, longs=longs))
            opposite = sum(abs(size) for (account, held), size in book.sizes.items() if account in opened and held == instrument)
            # The contract refuses crumbs; they come of age as the deficits close.
            batch = [holder for holder in waiting if abs(holder.size) > opposite / (4 * QUEUE)][:room]
            if batch:
                chosen = {holder.account for holder in batch}
                waiting[:] = [holder for holder in waiting if holder.account not in chosen]
                stage.nominate(book_at, [(holder.account, instrument) for holder in batch])
        if number == 0:
            stage.pass_window()
        # Few at a time: what one leaves of the queue the next must find filled again.
        attempts = stage.execute(sorted(opened)[:AT_ONCE])
        closed = {each["account"] for each in stage.logs("Deleverager", "DeficitClosed", since)}
        opened -= closed
        if opened and all(each.refused is not None for each in attempts):
            stage.pass_window()
        if number % 20 == 0:
            progress(f"    pass {number + 1}: {len(closed):,} deficits closed, {len(opened):,} open")
    return opened


def _equity(book: Assessment, without: set[int]) -> float:
    """Of all other accounts together, the house left out."""
    figures = zip(book.figures.account_id.tolist(), book.figures.equity.tolist(), strict=True)
    return float(sum(equity for account, equity in figures if account not in without and account != HOUSE))


def _deficits(executed: Iterable[dict[str, Any]], deleveraged: Iterable[dict[str, Any]]) -> tuple[Deficit, ...]:
    """From the events alone."""
    rounding: dict[int, int] = defaultdict(int)
    for each in deleveraged:
        rounding[each["account"]] += -(-each["size"] // WAD) + 1
    by_account: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for each in executed:
        by_account[each["account"]].append(each)
    return tuple(
        Deficit(
            account,
            max(0, -found[0]["equity"]),
            sum(each["fundPaid"] for each in found),
            sum(each["haircut"] for each in found),
            sum(each["shared"] for each in found),
            sum(each["closes"] for each in found),
            rounding[account] + LEGS * len(found),
        )
        for account, found in by_account.items()
    )


def _shared(events: Iterable[dict[str, Any]], end: Assessment) -> dict[int, float]:
    """What the loss index took, by account: in proportion to the sizes that are left at the end."""
    owed: dict[tuple[int, bool], float] = defaultdict(float)
    for each in events:
        owed[each["instrument"], each["longs"]] += each["amount"] / WAD
    paid: dict[int, float] = defaultdict(float)
    for (instrument, longs), amount in owed.items():
        held = {
            account.id: abs(position.size.to_float())
            for account in end.state.accounts.values()
            for i, position in account.positions.items()
            if i.pack() == instrument and (position.size.raw > 0) == longs
        }
        total = sum(held.values())
        for account, size in held.items():
            paid[account] += amount * size / total
    return dict(paid)
