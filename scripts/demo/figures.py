"""What the page shows, as plain numbers: series per step and rows per account, from the evidence.

Only the stress grids and the bars of the three modes are computed here, by `keeper.margin` on books as the chain's events tell them; all
else is read off events and views. USD throughout, times in unix seconds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from keeper.margin import Book, margin, modes_side_by_side
from keeper.model import Account, Instrument, MarginMode, Market, Position, Wad
from scripts.demo.crash import market_of, parameters
from scripts.demo.evidence import Evidence, Step
from scripts.demo.readings import Risk
from scripts.demo.report import TIERS, instrument_name
from scripts.demo.story import Story, Trader
from scripts.demo.summary import BANKRUPT, FULL_THRESHOLD, INT256_MAX, MARGIN_CALL, PARTIAL_THRESHOLD, margin_calls
from scripts.deploy import UNDERLYINGS

__all__ = ["Figures"]

WAD = 10**18
TWIN_SUFFIXES = ("-portfolio", "-cross")
SPOT_SHOCKS = (-0.5, -0.4, -0.3, -0.2, -0.1, 0.0, 0.1, 0.2, 0.3)
VOL_SHOCKS = (0.6, 0.3, 0.0, -0.3)
NO_LIMIT = 1_000.0
SYMBOLS = {index: symbol for symbol, index in UNDERLYINGS.items()}


class Figures:
    """Of one run."""

    def __init__(self, evidence: Evidence, story: Story) -> None:
        self._evidence = evidence
        self._story = story
        self._names = {account: name for name, account in evidence.accounts.items()} | {0: "house"}
        self._traders = {evidence.accounts[trader.name]: trader for trader in story.traders}
        self._markets = {step.index: market for step, market in zip(evidence.steps, story.markets, strict=True)}

    # --- series ---

    def times(self) -> list[int]:
        return [step.time for step in self._evidence.steps]

    def prices(self) -> dict[str, list[float]]:
        """Spot per symbol as the price door stored it with each step."""
        by_block: dict[int, dict[int, int]] = defaultdict(dict)
        for record in self._evidence.of("MarketUpdated"):
            by_block[record["block"]][record["args"]["underlying"]] = record["args"]["spot"]
        return {symbol: [by_block[step.block][index] / WAD for step in self._evidence.steps] for symbol, index in UNDERLYINGS.items()}

    def opening_prices(self) -> dict[str, float]:
        before = self._evidence.steps[0].block
        found: dict[str, float] = {}
        for record in self._evidence.of("MarketUpdated"):
            if record["block"] < before:
                found[SYMBOLS[record["args"]["underlying"]]] = record["args"]["spot"] / WAD
        return found

    def marks(self) -> list[dict[str, Any]]:
        """Margin calls, liquidations and bankruptcies on the price of the underlying they are about."""
        found = []
        for account, step in margin_calls(self._evidence).items():
            if account in self._traders:
                underlying = self._traders[account].legs[0].instrument.underlying
                found.append({"kind": "call", "step": step.index - 1, "symbol": SYMBOLS[underlying], "name": self._names[account]})
        seen: set[tuple[int, int, bool]] = set()
        for record in self._evidence.of("Liquidated"):
            a = record["args"]
            step, bankrupt = self._evidence.step_of(record["block"]), a["tier"] == BANKRUPT
            if (a["account"], step.index, bankrupt) in seen:
                continue
            seen.add((a["account"], step.index, bankrupt))
            legs = self._legs(record["transaction"])
            underlying = Instrument.unpack(legs[0]["instrument"]).underlying if legs else UNDERLYINGS["ETH"]
            kind = "bankrupt" if bankrupt else "liquidated"
            found.append({"kind": kind, "step": step.index - 1, "symbol": SYMBOLS[underlying], "name": self._names[a["account"]]})
        return found

    def bands(self) -> dict[str, list[int]]:
        """Traders per band of health right after each step's prices."""
        found: dict[str, list[int]] = {"safe": [], "called": [], "partial": [], "full": [], "out": []}
        for step in self._evidence.steps:
            counts = dict.fromkeys(found, 0)
            for account in self._traders:
                counts[_band(self._evidence.risk(account, step.block))] += 1
            for band, count in counts.items():
                found[band].append(count)
        return found

    def fund(self) -> dict[str, list[float]]:
        """Per step when it was quiet: the fund's tokens, fees that the house still owes it, open interest at spot, all USD."""
        prices, openings = self.prices(), {index: symbol for symbol, index in UNDERLYINGS.items()}
        tokens, owed, longs = self._running_fund(), self._running_house(), self._running_longs()
        balance, fees, interest = [], [], []
        for i, _step in enumerate(self._evidence.steps):
            balance.append(tokens[i])
            fees.append(owed[i])
            interest.append(sum(size * prices[openings[underlying]][i] for underlying, size in longs[i].items()))
        return {"balance": balance, "fees": fees, "interest": interest}

    def course(self, name: str) -> dict[str, Any]:
        """Margin equity and maintenance margin of an account: with each step's prices, and again when that step was quiet."""
        account = self._evidence.accounts[name]
        points: list[tuple[float, Risk]] = []
        steps = self._evidence.steps
        for i, step in enumerate(steps):
            end = steps[i + 1].before if i + 1 < len(steps) else self._evidence.last_block
            length = steps[i + 1].time - step.time if i + 1 < len(steps) else step.time - steps[i - 1].time
            for time, block in ((float(step.time), step.block), (step.time + length / 2, end)):
                risk = self._evidence.risk(account, block)
                if risk is not None:
                    points.append((time, risk))
        trader = self._traders[account]
        return {
            "name": name,
            "mode": trader.mode.name,
            "moral": trader.moral,
            "book": self._book_text(trader),
            "fate": self.fate(account),
            "times": [time for time, _ in points],
            "equity": [risk.margin_equity / WAD for _, risk in points],
            "maintenance": [risk.maintenance / WAD for _, risk in points],
        }

    # --- rows ---

    def liquidations(self) -> list[dict[str, Any]]:
        rows = []
        for record in self._evidence.of("Liquidated"):
            a, step = record["args"], self._evidence.step_of(record["block"])
            release = max(0, a["requirementBefore"] - a["requirementAfter"])
            trader = self._traders.get(a["account"])
            rows.append(
                {
                    "time": step.time,
                    "account": self._names[a["account"]],
                    "mode": trader.mode.name if trader else "",
                    "tier": TIERS[a["tier"]],
                    "before": _ratio(a["healthBefore"]),
                    "after": _ratio(a["healthAfter"]),
                    "legs": [
                        {
                            "size": leg["size"] / WAD,
                            "instrument": instrument_name(leg["instrument"], SYMBOLS),
                            "price": leg["price"] / WAD,
                        }
                        for leg in self._legs(record["transaction"])
                    ],
                    "release": release / WAD,
                    "payment": a["payment"] / WAD,
                    "fee": a["fee"] / WAD,
                    "fund": a["fundPaid"] / WAD,
                    "milliseconds": self._milliseconds(step, record["block"]),
                    "transaction": record["transaction"],
                }
            )
        return rows

    def twins(self) -> list[dict[str, Any]]:
        """Pairs of the same book and cash in PORTFOLIO and CROSS, with what became of each."""
        pairs = []
        for name in self._twin_names():
            pair: dict[str, Any] = {"name": name, "book": self._book_text(self._traders[self._evidence.accounts[f"{name}-portfolio"]])}
            for suffix in TWIN_SUFFIXES:
                account = self._evidence.accounts[name + suffix]
                lowest = min((risk.health for _, risk in self._evidence.history(account)), default=INT256_MAX)
                first, last = self._ends(account)
                pair[suffix[1:]] = {
                    "fate": self.fate(account),
                    "survived": not self._liquidated(account),
                    "lowest": _ratio(lowest),
                    "first": first.equity / WAD,
                    "last": last.equity / WAD,
                }
            pairs.append(pair)
        return pairs

    def fate(self, account: int) -> str:
        """`survived`, or the tiers of its liquidations in their order."""
        tiers = [TIERS[r["args"]["tier"]] for r in self._evidence.of("Liquidated") if r["args"]["account"] == account]
        if account in {r["args"]["account"] for r in self._evidence.of("DeficitOpened")}:
            tiers.append("deleveraged")
        if not tiers:
            last = self._evidence.risk(account, self._evidence.last_block)
            return "survived" if last is None or last.health >= FULL_THRESHOLD else "left under-margined"
        counted = {tier: tiers.count(tier) for tier in dict.fromkeys(tiers)}
        return ", ".join(f"{tier} × {n}" if n > 1 else tier for tier, n in counted.items())

    def money(self) -> list[tuple[str, float]]:
        liquidated = [r["args"] for r in self._evidence.of("Liquidated")]
        drawn = sum(r["args"]["amount"] for r in self._evidence.of("Drawn", "InsuranceFund"))
        rows: list[tuple[str, float]] = [
            ("Paid to the liquidator for proven release", sum(a["payment"] for a in liquidated) / WAD),
            ("Liquidation fees, to the fund", sum(a["fee"] for a in liquidated) / WAD),
            ("Deficits and rewards paid by the insurance fund", drawn / WAD),
            *self.deleveraging(),
            ("Insurance fund at the opening", self._evidence.fund["first"] / WAD),
            ("Insurance fund at the end, fees collected", self._evidence.fund["last"] / WAD),
        ]
        for name, label in (("keeper", "Keeper's equity, change"), ("maker", "Market maker's equity, change")):
            first, last = self._ends(self._evidence.accounts[name])
            rows.append((label, (last.equity - first.equity) / WAD))
        return rows

    def deleveraging(self) -> list[tuple[str, float]]:
        """What others paid of deficits beyond the fund, USD; nothing where there was none."""
        if not self._evidence.of("DeficitOpened"):
            return []
        haircuts = sum(r["args"]["haircut"] for r in self._evidence.of("Deleveraged"))
        shared = sum(r["args"]["amount"] for r in self._evidence.of("LossShared"))
        return [
            ("Paid by winners who were closed below their mark (ADL)", haircuts / WAD),
            ("Shared by all holders of a side (loss index)", shared / WAD),
        ]

    # --- computed on the chain's books ---

    def stress(self, name: str) -> dict[str, Any]:
        """Profit and loss of the trader's opening book over spot x vol shocks at the opening's prices, and what its mode asks for."""
        trader = next(t for t in self._story.traders if t.name == name)
        account, market = self._opening_account(trader), market_of(self._story.opening)
        rules = parameters()
        book = Book.from_accounts([account], rules)
        before = margin(book, market, rules)
        grid = [
            [float(margin(book, _shocked(market, spot, vol), rules).equity[0] - before.equity[0]) for spot in SPOT_SHOCKS]
            for vol in VOL_SHOCKS
        ]
        return {
            "name": name,
            "mode": trader.mode.name,
            "book": self._book_text(trader),
            "fate": self.fate(self._evidence.accounts[name]),
            "spots": list(SPOT_SHOCKS),
            "vols": list(VOL_SHOCKS),
            "grid": grid,
            "equity": float(before.margin_equity_maintenance[0]),
            "maintenance": float(before.maintenance[0]),
        }

    def modes(self, names: Sequence[str]) -> list[dict[str, Any]]:
        """Initial margin that each mode would ask of the traders' opening books, beyond what their options are worth in it."""
        rules, market = parameters(), market_of(self._story.opening)
        rows = []
        for name in names:
            trader = next(t for t in self._story.traders if t.name == name)
            book = Book.from_accounts([self._opening_account(trader)], rules)
            asked = modes_side_by_side(book, market, rules)
            rows.append(
                {
                    "name": name.removesuffix("-portfolio"),
                    "book": self._book_text(trader),
                    "notional": float(asked[MarginMode.CROSS].gross_notional[0]),
                    **{mode.name.lower(): float(asked[mode].initial[0]) for mode in MarginMode},
                }
            )
        return rows

    # --- who is shown ---

    def shown_twins(self) -> str:
        """The pair that shows the difference best: PORTFOLIO untouched, CROSS taken; the largest of them. Raises LookupError."""
        names = self._twin_names()
        telling = [n for n in names if self._survived(f"{n}-portfolio") and not self._survived(f"{n}-cross")]
        if not names:
            raise LookupError("the story has no twins")
        return max(telling or names, key=lambda n: self._ends(self._evidence.accounts[f"{n}-cross"])[0].gross_notional)

    def has_twins(self) -> bool:
        return bool(self._twin_names())

    def shown_bankrupt(self) -> str | None:
        """The trader with one position for whom the fund paid most."""
        paid: dict[int, int] = defaultdict(int)
        for record in self._evidence.of("Liquidated"):
            trader = self._traders.get(record["args"]["account"])
            if record["args"]["tier"] == BANKRUPT and trader is not None and len(trader.legs) == 1:
                paid[record["args"]["account"]] += record["args"]["fundPaid"]
        return self._names[max(paid, key=lambda account: paid[account])] if paid else None

    def shown_short_volatility(self) -> str | None:
        """A PORTFOLIO book that sells options on both sides, liquidated if there is one."""
        sellers = [
            t.name
            for t in self._story.traders
            if t.mode is MarginMode.PORTFOLIO and len(t.legs) > 1 and all(leg.size < 0 and leg.instrument.is_option for leg in t.legs)
        ]
        return min(sellers, key=self._survived, default=None)

    def mode_examples(self) -> list[str]:
        """One PORTFOLIO trader per hedged archetype."""
        found: dict[str, str] = {}
        for trader in self._story.traders:
            kind = trader.name.removesuffix("-portfolio").rstrip("0123456789-")
            if trader.mode is MarginMode.PORTFOLIO and len(trader.legs) > 1:
                found.setdefault(kind, trader.name)
        return list(found.values())

    # --- pieces ---

    def _twin_names(self) -> list[str]:
        names = [t.name.removesuffix("-portfolio") for t in self._story.traders if t.name.endswith("-portfolio")]
        return [name for name in names if f"{name}-cross" in self._evidence.accounts]

    def _survived(self, name: str) -> bool:
        return not self._liquidated(self._evidence.accounts[name])

    def _liquidated(self, account: int) -> bool:
        return any(r["args"]["account"] == account for r in self._evidence.of("Liquidated"))

    def _ends(self, account: int) -> tuple[Risk, Risk]:
        first = self._evidence.risk(account, self._evidence.steps[0].before)
        last = self._evidence.risk(account, self._evidence.last_block)
        if first is None or last is None:
            raise LookupError(f"account {account} was not read at the opening or at the end")
        return first, last

    def _legs(self, transaction: str) -> list[Mapping[str, Any]]:
        return [r["args"] for r in self._evidence.of("LegTaken") if r["transaction"] == transaction]

    def _milliseconds(self, step: Step, block: int) -> float:
        return (self._evidence.seen[block] - self._evidence.seen[step.block]) / 1e6

    def _book_text(self, trader: Trader) -> str:
        legs = [f"{leg.size:+,.4g} {instrument_name(leg.instrument.pack(), SYMBOLS)}" for leg in trader.legs]
        return ", ".join([*legs, *([f"{trader.weth:,.4g} WETH"] if trader.weth else [])])

    def _opening_account(self, trader: Trader) -> Account:
        """Cash and positions before the first step, as the ledger's events tell them."""
        number, before = self._evidence.accounts[trader.name], self._evidence.steps[0].before
        cash, weth = 0, 0
        positions: dict[Instrument, Position] = {}
        for record in self._evidence.events:
            a = record["args"]
            if record["block"] > before or record["contract"] != "Ledger" or a.get("account") != number:
                continue
            if record["event"] == "CashChanged":
                cash = a["cash"]
            elif record["event"] == "CollateralChanged":
                weth = a["quantity"]
            elif record["event"] == "PositionChanged":
                positions[Instrument.unpack(a["instrument"])] = Position(Wad(a["size"]), Wad(a["cost"]))
        held = {instrument: position for instrument, position in positions.items() if position.size.raw}
        collateral = {"WETH": Wad(weth)} if weth else {}
        return Account(id=number, owner=trader.name, mode=trader.mode, cash=Wad(cash), collateral=collateral, positions=held)

    def _until_quiet(self) -> list[int]:
        """Per step the last block that still belongs to it."""
        steps = self._evidence.steps
        return [steps[i + 1].before if i + 1 < len(steps) else self._evidence.last_block for i in range(len(steps))]

    def _running_fund(self) -> list[float]:
        address = self._evidence.contracts["InsuranceFund"].lower()
        changes = []
        for record in self._evidence.of("Transfer", "USDC"):
            a = record["args"]
            if address in (a["to"], a["from"]):
                changes.append((record["block"], (a["value"] if a["to"] == address else -a["value"]) / 10**6))
        return self._running(changes)

    def _running_house(self) -> list[float]:
        changes = [(r["block"], r["args"]["change"] / WAD) for r in self._evidence.of("CashChanged", "Ledger") if r["args"]["account"] == 0]
        return self._running(changes)

    def _running(self, changes: Sequence[tuple[int, float]]) -> list[float]:
        found, total, position = [], 0.0, 0
        for end in self._until_quiet():
            while position < len(changes) and changes[position][0] <= end:
                total += changes[position][1]
                position += 1
            found.append(total)
        return found

    def _running_longs(self) -> list[dict[int, float]]:
        """Per step and underlying: contracts that are long, all instruments and accounts."""
        sizes: dict[tuple[int, int], int] = {}
        longs: dict[int, float] = defaultdict(float)
        records, position, found = self._evidence.of("PositionChanged", "Ledger"), 0, []
        for end in self._until_quiet():
            while position < len(records) and records[position]["block"] <= end:
                a = records[position]["args"]
                key, underlying = (a["account"], a["instrument"]), Instrument.unpack(a["instrument"]).underlying
                longs[underlying] += (max(0, a["size"]) - max(0, sizes.get(key, 0))) / WAD
                sizes[key] = a["size"]
                position += 1
            found.append(dict(longs))
        return found


def _band(risk: Risk | None) -> str:
    if risk is None or risk.gross_notional == 0:
        return "out"
    if risk.health < FULL_THRESHOLD:
        return "full"
    if risk.health < PARTIAL_THRESHOLD:
        return "partial"
    return "called" if risk.health < MARGIN_CALL else "safe"


def _ratio(health: int) -> float | None:
    """None where there is nothing to divide by: no position needs margin."""
    value = health / WAD
    return value if abs(value) < NO_LIMIT else None


def _shocked(market: Market, spot: float, vol: float) -> Market:
    """Every price times 1 + spot (the basis unchanged), every vol times 1 + vol."""
    factor, variance = 1.0 + spot, (1.0 + vol) ** 2
    underlyings = {}
    for index, u in market.underlyings.items():
        expiries = []
        for e in u.expiries:
            svi = None
            if e.svi is not None:
                svi = replace(e.svi, a=e.svi.a * variance, b=e.svi.b * variance, ref_forward=e.svi.ref_forward * factor)
            expiries.append(replace(e, forward=e.forward * factor, svi=svi))
        underlyings[index] = replace(u, spot=u.spot * factor, mark=u.mark * factor, expiries=tuple(expiries))
    return replace(market, underlyings=underlyings, token_prices={token: price * factor for token, price in market.token_prices.items()})
