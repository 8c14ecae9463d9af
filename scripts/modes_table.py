"""What ten typical books need in each margin mode, through contract and keeper; writes docs/modes.md.

    python -m scripts.modes_table            (make modes)

The contract is the margin model on a local Anvil with the parameters as deployed; the keeper computes the same books from the same floats.
Where the two differ by more than 1e-9 of gross notional there is no table. ISOLATED holds one instrument: there the legs are accounts of
their own, and what they need is summed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from web3.contract import Contract

from keeper.margin import Book as Accounts
from keeper.margin import margin
from keeper.model import (
    DPRE_1,
    Account,
    Collateral,
    ExpiryMarket,
    Instrument,
    MarginMode,
    Market,
    Parameters,
    Position,
    SviSlice,
    UnderlyingMarket,
    Wad,
)
from scripts.anvil import Anvil
from scripts.artifacts import load
from scripts.chain import Chain
from scripts.market_feed import MarketUpdate, market_updates
from scripts.market_path import market_at
from scripts.roles import DEPLOYER, address_of

__all__ = ["DOCUMENT", "TypicalBook", "document", "requirements", "typical_books"]

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "modes.md"
NOW = 1_735_689_600  # 2025-01-01 00:00 UTC
DAY = 86_400
NEAR, FAR = NOW + 30 * DAY, NOW + 90 * DAY
ETH = 0
SPOT = 3_400.0
WAD = 10**18
TOLERANCE = 1e-9  # of gross notional
ZERO = "0x" + "00" * 20
MODES = (MarginMode.ISOLATED, MarginMode.CROSS, MarginMode.PORTFOLIO)


@dataclass(frozen=True)
class TypicalBook:
    """legs: instrument -> contracts; weth: tokens of collateral, which join the legs in PORTFOLIO."""

    name: str
    text: str
    legs: Mapping[Instrument, float]
    weth: float = 0.0


def typical_books() -> tuple[TypicalBook, ...]:
    """Ten contracts each, on ETH at 3,400 USD."""

    def call(strike: float, expiry: int = NEAR) -> Instrument:
        return Instrument.call(ETH, expiry, strike)

    def put(strike: float, expiry: int = NEAR) -> Instrument:
        return Instrument.put(ETH, expiry, strike)

    perp, future = Instrument.perp(ETH), Instrument.future(ETH, FAR)
    return (
        TypicalBook("Naked short call", "short call 3,700", {call(3_700): -10}),
        TypicalBook("Covered call", "short call 3,700, 10 WETH as collateral", {call(3_700): -10}, weth=10.0),
        TypicalBook("Spread", "long put 3,400, short put 3,000", {put(3_400): 10, put(3_000): -10}),
        TypicalBook(
            "Iron condor",
            "short call 3,800 and put 3,000, long call 4,200 and put 2,600",
            {call(3_800): -10, call(4_200): 10, put(3_000): -10, put(2_600): 10},
        ),
        TypicalBook("Calendar", "short call 3,400 of a month, long the same of a quarter", {call(3_400): -10, call(3_400, FAR): 10}),
        TypicalBook("Straddle", "short call and put 3,400", {call(3_400): -10, put(3_400): -10}),
        TypicalBook("Risk reversal", "long call 3,800, short put 3,000", {call(3_800): 10, put(3_000): -10}),
        TypicalBook("Delta-hedged straddle", "short call and put 3,400, long 0.9 perp", {call(3_400): -10, put(3_400): -10, perp: 0.9}),
        TypicalBook(
            "Box",
            "long call and short put 3,000, short call and long put 3,800",
            {call(3_000): 10, put(3_000): -10, call(3_800): -10, put(3_800): 10},
        ),
        TypicalBook("Perp basis", "long future of a quarter, short perp", {future: 10, perp: -10}),
    )


class _Model:
    """The contract: parameters, engine and model on a node of our own."""

    def __init__(self, chain: Chain, quoted: Mapping[str, Any]) -> None:
        deployer = address_of(DEPLOYER)

        def deploy(name: str, *arguments: Any) -> Contract:
            artifact = load(name)
            return chain.deploy(artifact.abi, artifact.bytecode, arguments, deployer)[0]

        parameters = deploy("RiskParameters", deployer)
        chain.send(parameters.functions.setUnderlying(ETH, 0, WAD), deployer)
        chain.send(parameters.functions.setCollateral(0, (ETH, True, WAD // 10, 7 * WAD // 100)), deployer)
        self._table = parameters.functions.table().call()
        self._model = deploy("MarginModel", deploy("MarginEngine", ZERO, ZERO, parameters.address).address)
        self._market = (NOW, [_market_words(update) for update in market_updates(quoted, {"ETH": ETH}, NOW)])

    def requirements(self, books: Sequence[tuple[MarginMode, Mapping[Instrument, float], float]]) -> list[tuple[float, float]]:
        """(initial, maintenance) per book, USD."""
        encoded = [(int(mode), 0, [round(weth * WAD)], [_word(i, size) for i, size in legs.items()]) for mode, legs, weth in books]
        found = self._model.functions.computeBatch(self._table, self._market, encoded).call({"gas": 290_000_000})
        return [(r[0] / WAD, r[1] / WAD) for r in found]


def _word(instrument: Instrument, size: float) -> int:
    """types/Position.sol"""
    ln_strike = round(math.log(float(instrument.strike)) * 2**42) if instrument.is_option else 0
    return round(size * WAD) % 2**96 << 160 | ln_strike % 2**48 << 112 | instrument.pack()


def _market_words(update: MarketUpdate) -> tuple[int, int, list[tuple[int, int, int, int]]]:
    """types/Feed.sol"""
    spot = update.spot << 160 | update.mark << 64 | update.confidence << 48 | update.timestamp
    expiries = []
    for e in update.expiries:
        quote = e.forward << 160 | e.rate % 2**64 << 96 | e.ref_tau << 32 | update.timestamp
        smile = e.a % 2**64 << 192 | e.b << 128 | e.rho % 2**64 << 64 | e.m % 2**64
        expiries.append((e.expiry, quote, smile, e.sigma << 192 | e.ref_forward << 96))
    return update.underlying, spot, expiries


def _keeper_market(quoted: Mapping[str, Any]) -> Market:
    eth = quoted["underlyings"]["ETH"]
    expiries = tuple(ExpiryMarket(e["expiry"], e["forward"], e["rate"], SviSlice(**e["svi"])) for e in eth["expiries"])
    return Market(NOW, {ETH: UnderlyingMarket(eth["spot"], eth["mark"], eth["confidence"], 1.0, expiries)}, (), {"WETH": eth["spot"]})


def _keeper_requirements(
    quoted: Mapping[str, Any], books: Sequence[tuple[MarginMode, Mapping[Instrument, float], float]]
) -> list[tuple[float, float, float]]:
    """(initial, maintenance, gross notional) per book, USD."""
    parameters: Parameters = DPRE_1.with_collateral(Collateral("WETH", 0.10, 0.07, ETH))
    accounts = [
        Account(
            id=n + 1,
            owner="0x01",
            mode=mode,
            cash=Wad(0),
            collateral={"WETH": Wad.from_float(weth)} if weth else {},
            positions={i: Position(Wad.from_float(size), Wad(0)) for i, size in legs.items()},
        )
        for n, (mode, legs, weth) in enumerate(books)
    ]
    found = margin(Accounts.from_accounts(accounts, parameters), _keeper_market(quoted), parameters)
    return [(float(found.initial[n]), float(found.maintenance[n]), float(found.gross_notional[n])) for n in range(len(accounts))]


def requirements(chain: Chain) -> list[dict[MarginMode, tuple[float, float]]]:
    """(initial, maintenance) of each typical book per mode, USD, by the contract. Raises SystemExit where the keeper differs."""
    quoted = market_at(NOW, (NEAR, FAR), {"ETH": SPOT})
    cases: list[tuple[MarginMode, Mapping[Instrument, float], float]] = []
    places: list[tuple[int, MarginMode]] = []
    for n, book in enumerate(typical_books()):
        for instrument, size in book.legs.items():
            cases.append((MarginMode.ISOLATED, {instrument: size}, 0.0))
            places.append((n, MarginMode.ISOLATED))
        for mode in MODES[1:]:
            cases.append((mode, book.legs, book.weth))
            places.append((n, mode))
    table: list[dict[MarginMode, tuple[float, float]]] = [dict.fromkeys(MODES, (0.0, 0.0)) for _ in typical_books()]
    keeper = _keeper_requirements(quoted, cases)
    for (n, mode), ours, theirs in zip(places, _Model(chain, quoted).requirements(cases), keeper, strict=True):
        for contract, other in zip(ours, theirs, strict=False):
            if abs(contract - other) > TOLERANCE * theirs[2]:
                raise SystemExit(f"{typical_books()[n].name}, {mode.name}: contract {contract}, keeper {other}")
        initial, maintenance = table[n][mode]
        table[n][mode] = (initial + ours[0], maintenance + ours[1])
    return table


def document(table: Sequence[Mapping[MarginMode, tuple[float, float]]]) -> str:
    """docs/modes.md"""
    rows = []
    for book, needs in zip(typical_books(), table, strict=True):
        cells = (f"{needs[mode][0]:,.0f} / {needs[mode][1]:,.0f}" for mode in MODES)
        share = needs[MarginMode.PORTFOLIO][0] / needs[MarginMode.ISOLATED][0]
        rows.append(f"| {book.name} | {book.text} | {' | '.join(cells)} | {share:.0%} |")
    return "\n".join(
        (
            "# What the three modes ask for",
            "",
            "Ten books of ten contracts on ETH at 3,400 USD, expiries in 30 and 90 days, at-the-money vol 55 % at the short end, perp at",
            "spot: initial / maintenance margin in USD with the default parameters. `make modes` computes the table through the margin",
            "model contract and the keeper, which must agree to 1e-9 of gross notional, and writes this file; a test compares it with what",
            "is committed.",
            "",
            "An account opens the book at its marks where its margin equity is at least the initial margin. ISOLATED holds one instrument:",
            "its legs are accounts of their own, and what they need is summed. In PORTFOLIO the WETH of the covered call joins the legs,",
            "counts in full and loses in the scenarios what it loses; in the other modes it is collateral after a haircut of 340 USD per",
            "token, which a requirement does not show. The last column is the initial margin in PORTFOLIO as a share of that in ISOLATED.",
            "",
            "| book | legs | ISOLATED | CROSS | PORTFOLIO | share |",
            "|---|---|---|---|---|---|",
            *rows,
            "",
        )
    )


def main() -> None:
    with Anvil(timestamp=NOW, gas_limit=300_000_000) as node:
        text = document(requirements(Chain(node.url)))
    DOCUMENT.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
