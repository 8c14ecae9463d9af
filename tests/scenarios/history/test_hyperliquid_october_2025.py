"""10 October 2025: 30 % down in 20 minutes, a fund that is too small, nobody who bids. The contracts take from the winners what is missing
and not a dollar more; the queues of that evening took several times as much. A short form of `make october`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from scripts.october.__main__ import page, summary
from scripts.october.play import Evening, play
from scripts.october.schemes import Close, Holder, Leg, greedy, outcome, pro_rata

WAD = 10**18
PERP = 1


@pytest.fixture(scope="module")
def evening(compiled: None, tmp_path_factory: pytest.TempPathFactory) -> Evening:
    return play(160, tmp_path_factory.mktemp("october"), 800.0, lambda _: None)


def test_the_haircut_is_the_shortfall(evening: Evening) -> None:
    assert evening.exact
    assert (evening.left_open, evening.negative_after) == (0, 0)
    needed = sum(deficit.shortfall - deficit.fund for deficit in evening.deficits) / WAD
    assert needed > 0.0
    assert evening.schemes["DPRE"].haircut == pytest.approx(needed, rel=1e-12)


def test_the_others_lost_what_the_events_say(evening: Evening) -> None:
    """The margin of everybody else, before and after, knows nothing of haircuts."""
    assert evening.lost == pytest.approx(evening.schemes["DPRE"].haircut, rel=1e-9)


def test_the_fund_is_used_first_and_never_overdrawn(evening: Evening) -> None:
    assert evening.liquidated > 0
    assert 0.0 < evening.fund_paid <= evening.fund
    assert evening.fund_paid > 0.99 * evening.fund
    assert 0 <= evening.drift < 1_000


def test_whole_positions_take_more_and_pro_rata_touches_everybody(evening: Evening) -> None:
    chain, queue, all_winners = (evening.schemes[name] for name in ("DPRE", "greedy", "pro rata"))
    assert queue.haircut > 1.5 * chain.haircut
    assert all_winners.haircut == pytest.approx(chain.haircut, rel=1e-9)
    assert all_winners.touched > 3 * chain.touched
    assert all_winners.hedges_broken > chain.hedges_broken


def test_a_dollar_too_much_is_seen(evening: Evening) -> None:
    """The control."""
    first, *others = evening.deficits
    assert not replace(evening, deficits=(replace(first, haircut=first.haircut + WAD), *others)).exact
    assert not replace(evening, deficits=(replace(first, haircut=first.haircut - WAD), *others)).exact


def test_page_and_line_come_from_the_same_figures(evening: Evening) -> None:
    line, text = summary(evening), page(evening)
    assert line["shortfall"] == pytest.approx(sum(deficit.shortfall for deficit in evening.deficits) / WAD, abs=0.01)
    assert f"{evening.schemes['greedy'].haircut:,.0f}" in text


# --- the other venues' rules, by hand ---

HOLDERS = [Holder(1, PERP, -4.0, 5.0), Holder(2, PERP, -10.0, 9.0), Holder(3, PERP, -6.0, 0.0), Holder(4, PERP, 7.0, 8.0)]
LEGS = [Leg(9, PERP, 8.0, 100.0), Leg(8, PERP, 2.0, 50.0)]


def test_greedy_closes_whole_positions_in_the_order_of_the_scores() -> None:
    """The leg of 8 takes all 10 of account 2, that of 2 all 4 of account 1; who has no profit or is on the same side is left alone."""
    assert greedy(LEGS, HOLDERS) == [Close(2, PERP, 10.0, 1_000.0), Close(1, PERP, 4.0, 200.0)]


def test_pro_rata_takes_the_same_share_of_every_winner() -> None:
    """10 contracts of 14, haircut 900: account 1 holds 4 of them, account 2 holds 10."""
    by_account = {close.account: close for close in pro_rata(LEGS, HOLDERS)}
    assert set(by_account) == {1, 2}
    assert by_account[1].size == pytest.approx(10 * 4 / 14)
    assert by_account[2].haircut == pytest.approx(900 * 10 / 14)


def test_a_hedge_is_broken_where_the_net_delta_grows() -> None:
    """Account 1 is short 4 against 4 coins, account 2 short 10 against nothing."""
    closes = [Close(1, PERP, 4.0, 1.0), Close(2, PERP, 10.0, 1.0)]
    found = outcome(closes, {1: {0: 0.0}, 2: {0: -10.0}}, {PERP: 0}, {0: 2_000.0}, {(1, PERP): -4.0, (2, PERP): -10.0}, {3: 5.0})
    assert (found.hedges_broken, found.unhedged, found.closed, found.touched, found.haircut) == (1, 8_000.0, 2, 3, 7.0)
