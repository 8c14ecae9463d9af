"""What the engine, its report and the model refuse, through every function that can: missing prices, instruments without a pricer, books
too large for the kernel, witnesses and parameter tables that do not fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from web3.contract import Contract

from keeper.model import Instrument
from scripts.anvil import Anvil
from tests.contracts.margin.conftest import GAS
from tests.contracts.margin.test_prices import TIME, flat_slice
from tests.contracts.margin.words import UNDERLYINGS_AT, wad
from tests.reverts import reverts

WAD = 10**18
CROSS, PORTFOLIO = 1, 2
UNPRICED = 7  # an underlying that was never listed
EXPIRY = TIME + 86_400
CALL = Instrument.call(0, EXPIRY, 3_500).pack()
ODD = 9 << 104 | EXPIRY << 64
HUGE = 2**94
NO_WITNESS, GROUPED, ALONE = (b"", b""), (b"\x00", b"\x00"), (b"\x00", b"")


Functions = dict[str, Callable[..., Any]]


@pytest.fixture
def stored(
    anvil: Anvil, project: Any, ledger: Any, clearing: Any, bob: Any, margin_engine: Contract, margin_report: Contract
) -> Callable[..., Functions]:
    """Functions on an account that holds so much of an instrument, as no trade would give it to anybody."""
    from brownie import accounts  # noqa: PLC0415 - only once the project is loaded

    anvil.rpc("anvil_impersonateAccount", clearing.address)
    anvil.rpc("anvil_setBalance", clearing.address, hex(10**20))
    by = {"from": accounts.at(clearing.address, force=True)}

    def functions(mode: int, instrument: int, size: int = WAD, witness: Any = NO_WITNESS) -> Functions:
        for _ in range(2):
            ledger.openAccount(bob, mode, by)
        account = ledger.accountCount()
        ledger.transferPosition(account - 1, account, instrument, size, 1, 64, by)
        engine, report = margin_engine.functions, margin_report.functions
        return {
            "requirement": lambda: engine.requirement(account).call(GAS),
            "witnessed": lambda: engine.witnessed(account, witness).call(GAS),
            "proveHealthBelow": lambda: engine.proveHealthBelow(account, witness, WAD).call(GAS),
            "isLiquidatable": lambda: engine.isLiquidatable(account, witness).call(GAS),
            "preview": lambda: engine.preview(account, [], 0).call(GAS),
            "greeks": lambda: report.greeks(account).call(GAS),
            "breakdown": lambda: report.breakdown(account).call(GAS),
        }

    return functions


@pytest.fixture
def given(margin_model: Contract, model_report: Contract, default_table: list[int]) -> Callable[..., Functions]:
    """Functions on one position of a book and a market that are arguments; table=... another length of it."""
    table = list(default_table)
    table[UNDERLYINGS_AT] = wad(1) << 32 | 1 << 8

    def functions(mode: int, word: int, market: Any, witness: Any = NO_WITNESS, length: int = len(table)) -> Functions:
        words, book, model = table[:length], (mode, 0, [], [word]), margin_model.functions
        return {
            "compute": lambda: model.compute(words, market, book).call(GAS),
            "computeBatch": lambda: model.computeBatch(words, market, [book]).call(GAS),
            "computeWitnessed": lambda: model.computeWitnessed(words, market, book, witness).call(GAS),
            "computeWitnessedBatch": lambda: model.computeWitnessedBatch(words, market, [book], [witness]).call(GAS),
            "computeBreakdown": lambda: model_report.functions.computeBreakdown(words, market, book).call(GAS),
        }

    return functions


def word(instrument: int, size: int = WAD) -> int:
    return size % 2**96 << 160 | instrument


def market(quote: list[int] | None = None, underlying: int = 0) -> Any:
    """One underlying at 3,500 USD with one expiry."""
    spot = wad(3_500) << 160 | wad(3_500) << 64 | 10_000 << 48 | TIME
    return TIME, [(underlying, spot, [(EXPIRY, *(quote or flat_slice(3_500.0, 0.7, 86_400)))])]


def refused(functions: Functions, error: str, *numbers: Any) -> None:
    for name, call in functions.items():
        with reverts(error, *numbers):
            print(name, call())


def test_positions_without_a_price(stored: Callable[..., Functions], publish: Any) -> None:
    publish()
    refused(stored(CROSS, Instrument.perp(UNPRICED).pack()), "MissingPrice", UNPRICED, 0)
    refused(stored(CROSS, Instrument.perp(200).pack()), "MissingPrice", 200, 0)
    refused(stored(CROSS, Instrument.future(0, EXPIRY).pack()), "MissingPrice", 0, EXPIRY)


def test_books_without_a_price(given: Callable[..., Functions]) -> None:
    refused(given(CROSS, word(CALL), market(underlying=1)), "MissingPrice", 0, 0)
    refused(given(CROSS, word(Instrument.perp(200).pack()), market()), "MissingPrice", 200, 0)
    refused(given(CROSS, word(CALL + (3_600 << 64)), market()), "MissingPrice", 0, EXPIRY + 3_600)
    assert all(call() for call in given(CROSS, word(CALL), market()).values())


def test_instruments_without_a_pricer(
    stored: Callable[..., Functions], given: Callable[..., Functions], margin_engine: Contract, account_of: Any, alice: Any
) -> None:
    refused(given(CROSS, word(ODD), market()), "UnknownInstrument", ODD)
    account, preview = account_of(alice, CROSS).account, margin_engine.functions.preview
    with reverts("UnknownInstrument", ODD | 1):
        preview(account, [(ODD | 1, WAD, WAD)], 0).call(GAS)
    with reverts("LogarithmOfZero"):
        preview(account, [(2 << 104 | EXPIRY << 64, WAD, WAD)], 0).call(GAS)


def test_previewed_sizes_stay_in_a_slot(margin_engine: Contract, account_of: Any, alice: Any, publish: Any) -> None:
    publish()
    account, preview, perp = account_of(alice, CROSS).account, margin_engine.functions.preview, Instrument.perp(0).pack()
    largest = 2**95 - 1
    assert preview(account, [(perp, largest, 1), (perp, -largest, 1)], 0).call(GAS)
    with reverts("SizeOutOfRange", 2**95):
        preview(account, [(perp, largest, 1), (perp, 1, 1)], 0).call(GAS)


def test_more_notional_than_the_kernel_has_digits(
    stored: Callable[..., Functions], given: Callable[..., Functions], publish: Any, expiries: tuple[int, ...]
) -> None:
    publish()
    refused(stored(PORTFOLIO, Instrument.call(0, expiries[0], 3_500).pack(), HUGE, GROUPED), "NotionalOutOfRange", expiries[0], ...)
    notional = HUGE * 2 * 3_500 // 10**6  # 1e-12 USD of forward and strike
    refused(given(PORTFOLIO, word(CALL, HUGE), market(), ALONE), "NotionalOutOfRange", EXPIRY, notional)


def test_witnesses_that_name_too_little(
    stored: Callable[..., Functions], given: Callable[..., Functions], publish: Any, expiries: tuple[int, ...]
) -> None:
    publish()
    on_chain = stored(PORTFOLIO, Instrument.call(0, expiries[0], 3_500).pack())
    refused({name: on_chain[name] for name in ("witnessed", "proveHealthBelow", "isLiquidatable")}, "BadWitness", 1, 1)
    of_book = given(PORTFOLIO, word(CALL), market())
    refused({name: of_book[name] for name in ("computeWitnessed", "computeWitnessedBatch")}, "BadWitness", 1, 0)


def test_tables_and_lists_of_other_lengths(given: Callable[..., Functions], margin_model: Contract, default_table: list[int]) -> None:
    refused(given(CROSS, word(CALL), market(), length=3), "BadParameterTable", 3, 153)
    with reverts("LengthsDiffer", 0, 1):
        margin_model.functions.computeWitnessedBatch(default_table, market(), [], [NO_WITNESS]).call(GAS)


def test_a_settled_expiry_before_its_time_has_no_forward(given: Callable[..., Functions]) -> None:
    """A market that no door would give: settled, but not yet expired, and without a forward."""
    quote = flat_slice(3_500.0, 0.7, 86_400)
    quote[0], quote[2] = quote[0] % 2**160, quote[2] | wad(3_500)
    refused(given(CROSS, word(CALL), market(quote)), "LogarithmOfZero")
