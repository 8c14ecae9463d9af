"""A witness never overstates the requirement, and the worst one states it exactly."""

import numpy as np
import pytest

from keeper.errors import WitnessError
from keeper.margin import Book, MarginResult, Witness, margin, requirement_bound, witness, witnessed
from keeper.model import MarginMode, Market, Parameters


@pytest.fixture(scope="module")
def portfolio(book: Book, market: Market, parameters: Parameters) -> MarginResult:
    return margin(book.in_mode(MarginMode.PORTFOLIO), market, parameters)


def test_random_witnesses_never_overstate(portfolio: MarginResult) -> None:
    rng = np.random.default_rng(5)
    slack = 1e-12 * portfolio.gross_notional + 1e-9
    strictly_lower = 0
    for _ in range(200):
        bound = requirement_bound(
            portfolio,
            rng.integers(0, 35, portfolio.stress.worst_index.shape),
            rng.integers(0, 35, portfolio.groups.worst_index.shape),
        )
        assert (bound.initial <= portfolio.initial + slack).all()
        assert (bound.maintenance <= portfolio.maintenance + slack).all()
        strictly_lower += int((bound.initial < portfolio.initial - slack).sum())
    assert strictly_lower > 10_000


def test_the_worst_witness_states_the_requirement(portfolio: MarginResult) -> None:
    bound = requirement_bound(portfolio, portfolio.stress.worst_index, portfolio.groups.worst_index)
    np.testing.assert_array_equal(bound.initial, portfolio.initial)
    np.testing.assert_array_equal(bound.maintenance, portfolio.maintenance)
    for row in range(0, portfolio.book.accounts, 7):
        initial, maintenance = witnessed(portfolio, row, witness(portfolio, row))
        assert (initial, maintenance) == (portfolio.initial[row], portfolio.maintenance[row])


def test_a_witness_has_one_index_per_underlying_with_legs_and_per_group(portfolio: MarginResult) -> None:
    for row, account_id in enumerate(portfolio.book.account_id.tolist()):
        mine = portfolio.book.segment_account == row
        legs = sorted(set(portfolio.book.segment_underlying[mine].tolist()))
        proof = witness(portfolio, row)
        assert len(proof.underlyings) == len(legs), account_id
        assert len(proof.groups) == int(bool({0, 1} & set(legs)))
        for scenario, g in zip(proof.underlyings, np.flatnonzero(mine), strict=True):
            assert portfolio.stress.pnl[g, scenario] == portfolio.stress.pnl[g].min()


def test_cross_and_isolated_need_no_witness(result: MarginResult) -> None:
    for row in range(30):
        if result.book.mode[row] != MarginMode.PORTFOLIO:
            assert witness(result, row) == Witness()
            assert witnessed(result, row, Witness()) == (result.initial[row], result.maintenance[row])


def test_a_witness_that_does_not_fit_is_refused(portfolio: MarginResult) -> None:
    row = next(r for r in range(portfolio.book.accounts) if len(witness(portfolio, r).underlyings) == 3)
    good = witness(portfolio, row)
    for bad in (
        Witness(good.underlyings[:2], good.groups),
        Witness(good.underlyings, ()),
        Witness((*good.underlyings[:2], 35), good.groups),
        Witness((*good.underlyings[:2], -1), good.groups),
        Witness(good.underlyings, (35,)),
    ):
        with pytest.raises(WitnessError, match="expected"):
            witnessed(portfolio, row, bad)


def test_encoding_is_a_byte_per_index() -> None:
    assert Witness((0, 34, 7), (2,)).encode() == (b"\x00\x22\x07", b"\x02")
