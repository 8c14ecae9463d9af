"""`requirement` and its kin on stored accounts: the loader's result is that of `compute` on the same words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from web3.contract import Contract

from keeper.model import Instrument, MarginMode
from scripts.chain import Chain
from scripts.deploy import Deployment
from tests.contracts.margin.conftest import GAS
from tests.reverts import reverts

WAD = 10**18
ETH, BTC = 0, 1
FULL = 10**18
NO_WITNESS = (b"", b"")


@pytest.fixture
def contract(chain: Chain, deployment: Deployment) -> Callable[[str], Contract]:
    return lambda name: deployment.contract(chain, name)


@pytest.fixture
def compute_stored(contract: Callable[[str], Contract], margin_model: Contract, anvil: Any, default_table: list[int]) -> Callable[..., Any]:
    """`compute` (or `computeWitnessed`) on the ledger's book and the door's words of an account."""

    def run(account: int, witness: tuple[bytes, bytes] | None = None, *, book: Any = None) -> Any:
        book = book or contract("Ledger").functions.book(account).call()
        ids = {(word >> 96) & 0xFF for word in book[3]} | ({ETH} if book[2] else set())
        expiries = sorted({((word >> 96) & 0xFF, (word >> 64) & 0xFFFFFFFF) for word in book[3]} - {(i, 0) for i in ids})
        keys = [i << 32 for i in sorted(ids)] + [i << 32 | e for i, e in expiries]
        words = contract("PriceDoor").functions.read(keys).call()
        spots, rest = words[: len(ids)], words[len(ids) :]
        market = (
            anvil.time(),
            [
                (i, spots[at], [(e, *rest[3 * n : 3 * n + 3]) for n, (u, e) in enumerate(expiries) if u == i])
                for at, i in enumerate(sorted(ids))
            ],
        )
        functions = margin_model.functions
        if witness is None:
            return functions.compute(default_table, market, book).call(GAS)
        return functions.computeWitnessed(default_table, market, book, witness).call(GAS)

    return run


@pytest.fixture
def books(
    account_of: Callable[..., Any],
    trade_at_mark: Callable[..., int],
    publish: Callable[..., Any],
    expiries: tuple[int, ...],
    alice: Any,
    bob: Any,
) -> dict[str, int]:
    """A PORTFOLIO account with legs in both underlyings, its counterparty in CROSS, an ISOLATED perp, and an empty account."""
    portfolio = account_of(alice, MarginMode.PORTFOLIO, usdc=400_000, weth=20)
    cross = account_of(bob, MarginMode.CROSS, usdc=900_000, weth=3)
    isolated = account_of(bob, MarginMode.ISOLATED, usdc=50_000)
    empty = account_of(alice, MarginMode.PORTFOLIO)
    near, far = expiries[0], expiries[-1]
    for buyer, seller, instrument, size in (
        (cross, portfolio, Instrument.call(ETH, near, 3_500), 15),
        (portfolio, cross, Instrument.put(ETH, far, 3_000), 10),
        (portfolio, cross, Instrument.future(ETH, far), 4),
        (portfolio, cross, Instrument.perp(BTC), 0.75),
        (isolated, portfolio, Instrument.perp(ETH), 5),
    ):
        publish()
        trade_at_mark(buyer, seller, instrument, size)
    return {"portfolio": portfolio.account, "cross": cross.account, "isolated": isolated.account, "empty": empty.account}


@pytest.mark.parametrize("who", ["portfolio", "cross", "isolated"])
def test_requirement_is_compute_on_the_stored_words(
    margin_engine: Contract, books: dict[str, int], compute_stored: Callable[..., Any], who: str
) -> None:
    stored = margin_engine.functions.requirement(books[who]).call(GAS)
    assert stored == compute_stored(books[who])
    assert stored[0] > stored[1] > 0


def test_an_empty_account_needs_nothing(margin_engine: Contract, books: dict[str, int]) -> None:
    assert tuple(margin_engine.functions.requirement(books["empty"]).call()) == (0, 0, 0, 0, 0, 0, 0, 2**256 - 1)
    assert margin_engine.functions.health((0, 0, 0, 0, 0, 0, 0, 0)).call() == 2**255 - 1
    assert margin_engine.functions.health((0, 0, -1, -1, -1, 0, 0, 0)).call() == -(2**255)


def test_equity_is_balance_and_marks(
    margin_engine: Contract, contract: Callable[[str], Contract], books: dict[str, int], publish: Any
) -> None:
    publish({"ETH": 3_300.0})
    ledger = contract("Ledger").functions
    account = books["cross"]
    positions = ledger.positions(account).call()
    marks, _ = margin_engine.functions.marks([p[0] for p in positions]).call()
    value = sum(p[1] * mark for p, mark in zip(positions, marks, strict=True)) // WAD
    spot = contract("PriceDoor").functions.prices(ETH).call()[0]
    balance = ledger.cash(account).call() - ledger.costs(account).call()
    assert margin_engine.functions.requirement(account).call(GAS)[2] == balance + value + 3 * spot


def test_the_worst_witness_is_the_requirement_and_no_other_is_more(
    margin_engine: Contract, margin_report: Contract, books: dict[str, int]
) -> None:
    account, functions = books["portfolio"], margin_engine.functions
    full = functions.requirement(account).call(GAS)
    underlyings, groups = margin_report.functions.breakdown(account).call(GAS)
    worst = bytes(u[2] for u in underlyings), bytes(g[3] for g in groups)
    assert functions.witnessed(account, worst).call(GAS) == full
    for scenario in range(0, 35, 4):
        some = functions.witnessed(account, (bytes([scenario] * len(underlyings)), bytes([scenario] * len(groups)))).call(GAS)
        assert some[0] <= full[0]
        assert some[2:] == full[2:]


@pytest.mark.parametrize("witness", [(b"", b""), (b"\x00", b"\x00"), (b"\x00\x00", b""), (b"\x00\x00", b"\x23"), (b"\x00\x23", b"\x00")])
def test_a_witness_names_one_scenario_each(margin_engine: Contract, books: dict[str, int], witness: tuple[bytes, bytes]) -> None:
    with reverts("BadWitness", 2, 1):
        margin_engine.functions.witnessed(books["portfolio"], witness).call(GAS)


def test_cross_has_no_witness(margin_engine: Contract, books: dict[str, int]) -> None:
    functions, account = margin_engine.functions, books["cross"]
    assert functions.witnessed(account, NO_WITNESS).call(GAS) == functions.requirement(account).call(GAS)
    with reverts("BadWitness", 0, 0):
        functions.witnessed(account, (b"\x00", b"")).call(GAS)


def test_health_is_proven_below_only_where_it_is(margin_engine: Contract, books: dict[str, int]) -> None:
    functions, account = margin_engine.functions, books["cross"]
    r = functions.requirement(account).call(GAS)
    health = functions.health(tuple(r)).call()
    assert not functions.isLiquidatable(account, NO_WITNESS).call(GAS)
    assert functions.proveHealthBelow(account, NO_WITNESS, health + 1).call(GAS) == r
    with reverts("HealthNotBelow", account, r[4], r[1], health):
        functions.proveHealthBelow(account, NO_WITNESS, health).call(GAS)


def test_preview_is_the_book_after_the_legs(
    margin_engine: Contract,
    contract: Callable[[str], Contract],
    books: dict[str, int],
    compute_stored: Callable[..., Any],
    expiries: tuple[int, ...],
) -> None:
    account = books["portfolio"]
    book = list(contract("Ledger").functions.book(account).call())
    price, more = 123 * WAD + 7, 10 * WAD
    held = next(i for i, word in enumerate(book[3]) if (word >> 104) & 0xFF == 2)
    instrument = book[3][held] % 2**112
    size = book[3][held] >> 160
    size -= 2**96 if size >> 95 else 0
    book[3] = list(book[3])
    book[3][held] = ((size + more) % 2**96) << 160 | book[3][held] % 2**160
    book[1] += -(more * price) // WAD + 5
    previewed = margin_engine.functions.preview(account, [(instrument, more, price)], 5).call(GAS)
    assert previewed == compute_stored(account, book=tuple(book))

    # a new instrument, and out of it again
    fresh = Instrument.put(ETH, expiries[0], 2_750).pack()
    legs = [(fresh, WAD, price), (fresh, -WAD, price)]
    assert margin_engine.functions.preview(account, legs, 0).call(GAS) == margin_engine.functions.requirement(account).call(GAS)
    assert margin_engine.functions.preview(account, legs[:1], 0).call(GAS) != margin_engine.functions.requirement(account).call(GAS)


def test_marks_keep_the_order_asked(
    margin_engine: Contract, contract: Callable[[str], Contract], publish: Any, expiries: tuple[int, ...]
) -> None:
    market = publish()
    call, put = (kind(ETH, expiries[0], 3_500).pack() for kind in (Instrument.call, Instrument.put))
    future, perp = Instrument.future(ETH, expiries[0]).pack(), Instrument.perp(BTC).pack()
    (first, second, third, fourth, again), oldest = margin_engine.functions.marks([put, perp, call, future, put]).call(GAS)
    spot, mark, signed_at = contract("PriceDoor").functions.prices(BTC).call()
    quoted = next(e for e in market["underlyings"]["ETH"]["expiries"] if e["expiry"] == expiries[0])
    assert (second, again, oldest) == (mark, first, signed_at)
    assert abs(fourth / WAD - quoted["forward"]) < 1e-9
    assert abs((third - first) / WAD - (quoted["forward"] - 3_500)) < 100  # parity up to discounting
    assert spot > 0


def test_instruments_without_meaning_are_refused(margin_engine: Contract) -> None:
    odd = 7 << 104 | 1 << 64
    with reverts("UnknownInstrument", odd):
        margin_engine.functions.marks([odd]).call(GAS)
    not_canonical = Instrument.perp(ETH).pack() | 1
    with reverts("UnknownInstrument", not_canonical):
        margin_engine.functions.marks([not_canonical]).call(GAS)


def test_a_missing_price_is_named(margin_engine: Contract, expiries: tuple[int, ...], publish: Any) -> None:
    publish()
    with reverts("MissingPrice", ETH, expiries[0] + 1):
        margin_engine.functions.marks([Instrument.future(ETH, expiries[0] + 1).pack()]).call(GAS)
    with reverts("MissingPrice", 31, 0):
        margin_engine.functions.marks([Instrument.perp(31).pack()]).call(GAS)
    with reverts("MissingPrice", 200, 0):
        margin_engine.functions.marks([Instrument.perp(200).pack()]).call(GAS)


def test_an_unknown_account_is_named(margin_engine: Contract) -> None:
    with reverts("UnknownAccount", 999):
        margin_engine.functions.requirement(999).call(GAS)


def test_a_table_of_another_size_is_refused(margin_model: Contract, default_table: list[int]) -> None:
    with reverts("BadParameterTable", 3, 153):
        margin_model.functions.compute(default_table[:3], (0, []), (0, 0, [], [])).call(GAS)


def test_previewed_trades(
    margin_engine: Contract, margin_lens: Contract, books: dict[str, int], expiries: tuple[int, ...], publish: Any
) -> None:
    """One account's before and after; several accounts' after; an account that cannot be priced is marked."""
    account, functions = books["portfolio"], margin_engine.functions
    legs = [(Instrument.put(ETH, expiries[0], 2_750).pack(), -20 * WAD, 31 * WAD), (Instrument.perp(BTC).pack(), WAD, 94_000 * WAD)]
    before, after, health = margin_lens.functions.previewTrade(account, legs).call(GAS)
    assert before == functions.requirement(account).call(GAS)
    assert after == functions.preview(account, legs, 0).call(GAS)
    assert after[0] > before[0]
    assert health == functions.health(tuple(after)).call()
    own = [(Instrument.perp(ETH).pack(), -5 * WAD, 3_400 * WAD)]
    listed = margin_lens.functions.previewTrades([account, books["isolated"], 999], [legs, own, legs]).call(GAS)
    assert [(view[0], view[1]) for view in listed] == [(account, True), (books["isolated"], True), (999, False)]
    assert tuple(listed[0][2]) == tuple(after)
    assert listed[1][2][0] == 0  # out of its only position
    assert not any(listed[2][2])
    with reverts("LengthsDiffer", 2, 1):
        margin_lens.functions.previewTrades([1, 2], [legs]).call(GAS)


def test_reports_in_batches(margin_report: Contract, margin_lens: Contract, books: dict[str, int]) -> None:
    ids = [books["portfolio"], 999, books["cross"]]
    greeks = margin_lens.functions.greeksOf(ids).call(GAS)
    breakdowns = margin_lens.functions.breakdownsOf(ids).call(GAS)
    assert [view[:2] for view in greeks] == [view[:2] for view in breakdowns] == [(ids[0], True), (999, False), (ids[2], True)]
    for place in (0, 2):
        assert greeks[place][2] == margin_report.functions.greeks(ids[place]).call(GAS)
        assert list(breakdowns[place][2:]) == margin_report.functions.breakdown(ids[place]).call(GAS)
    assert [len(view[2]) for view in greeks] == [2, 0, 2]
