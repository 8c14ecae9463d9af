"""The fold: events in, state out; gaps are noticed; the order of batches does not matter to the result."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from keeper.chain import events as ev
from keeper.errors import EventError, MarketError
from keeper.model import WAD, Instrument, MarginMode, Position, VolDirection, Wad
from keeper.portfolio import HOUSE, Parameter, State, differences, fold, table_differences
from keeper.portfolio.reconciliation import account_of_view

OWNER, USDC, WETH = "0x" + "aa" * 20, "0x" + "0c" * 20, "0x" + "0e" * 20
NAMES = {USDC: "USDC", WETH: "WETH"}
PERP = Instrument.perp(0)
CALL = Instrument.call(0, 1_750_000_000, 3000)


def at(kind: type[ev.Event], block: int = 1, **values: Any) -> ev.Event:
    return kind(block=block, index=0, transaction="0x", **values)


def opened(account: int = 1, mode: int = 2) -> ev.Event:
    return at(ev.AccountOpened, account=account, owner=OWNER, mode=mode)


def listed() -> list[ev.Event]:
    return [at(ev.TokenListed, token_index=255, token=USDC, decimals=6), at(ev.TokenListed, token_index=0, token=WETH, decimals=18)]


def cash(change: int, after: int, account: int = 1) -> ev.Event:
    return at(ev.CashChanged, account=account, reason=0, change=change, cash=after)


def position(size: int, cost: int, instrument: Instrument = PERP, account: int = 1) -> ev.Event:
    return at(ev.PositionChanged, account=account, instrument=instrument.pack(), size=size, cost=cost, funding_index=0, price=0)


STORY = [
    *listed(),
    opened(),
    cash(100, 100),
    at(ev.CollateralChanged, account=1, token_index=0, change=7, quantity=7),
    position(5, 50),
    position(-2, -9, CALL),
    cash(-30, 70),
    at(ev.OperatorSet, account=1, operator=USDC, scopes=1),
    position(4, 40),
    cash(3, 3, account=HOUSE),
]


def test_a_story_gives_the_account() -> None:
    state = fold(State(), STORY, NAMES)
    account = state.accounts[1]
    assert (account.owner, account.mode, account.cash) == (OWNER, MarginMode.PORTFOLIO, Wad(70))
    assert dict(account.collateral) == {"WETH": Wad(7)}
    assert dict(account.positions) == {PERP: Position(Wad(4), Wad(40)), CALL: Position(Wad(-2), Wad(-9))}
    assert state.accounts[HOUSE].cash == Wad(3)
    assert state.operators[1, USDC] == 1
    assert dict(state.units) == {255: 10**12, 0: 1}


def test_batches_of_any_size_give_the_same_state_and_leave_the_old_one_alone() -> None:
    whole = fold(State(), STORY, NAMES)
    state = State()
    for event in STORY:
        before = dict(state.accounts)
        following = fold(state, [event], NAMES)
        assert dict(state.accounts) == before
        state = following
    assert state == whole


def test_closed_positions_emptied_collateral_and_revoked_operators_go() -> None:
    end = [
        position(0, 0),
        at(ev.CollateralChanged, account=1, token_index=0, change=-7, quantity=0),
        at(ev.OperatorSet, account=1, operator=USDC, scopes=0),
    ]
    state = fold(State(), STORY + end, NAMES)
    assert set(state.accounts[1].positions) == {CALL}
    assert not state.accounts[1].collateral
    assert not state.operators


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (cash(1, 72), "do not make 72"),
        (at(ev.CollateralChanged, account=1, token_index=0, change=1, quantity=9), "do not make 9"),
        (cash(1, 1, account=99), "never opened"),
        (opened(), "opened twice"),
    ],
)
def test_a_gap_in_the_events_is_noticed(event: ev.Event, message: str) -> None:
    with pytest.raises(EventError, match=message):
        fold(fold(State(), STORY, NAMES), [event], NAMES)


def word64(*parts: int) -> int:
    word = 0
    for part in parts:
        word = word << 64 | part % 2**64
    return word


def test_the_feed_words_become_the_market() -> None:
    quote = 3100 * WAD << 160 | (-WAD // 50) % 2**64 << 96 | (WAD // 4) << 32 | 1_749_000_000
    smile = word64(-WAD // 100, WAD // 10, -WAD // 2, WAD // 20)
    wing = (WAD // 5) << 192 | 3050 * WAD << 96 | 0
    state = fold(
        State(),
        [
            *listed(),
            at(ev.UnderlyingSet, underlying=0, group=1, spot_scale=WAD * 5 // 4),
            at(ev.UnderlyingSet, underlying=1, group=1, spot_scale=WAD),
            at(ev.GroupSet, group=1, kappa=WAD // 4),
            at(ev.CollateralSet, token_index=0, config=(0, True, WAD // 10, WAD // 20)),
            at(ev.MarketUpdated, underlying=0, timestamp=1_749_000_001, spot=3000 * WAD, mark=3001 * WAD, confidence=9_500),
            at(ev.ExpiryUpdated, underlying=0, expiry=1_750_000_000, quote=quote, smile=smile, wing=wing),
            at(ev.ExpiryUpdated, underlying=1, expiry=1_750_000_000, quote=quote, smile=smile, wing=wing),
        ],
        NAMES,
    )
    market = state.market(1_749_000_005)
    eth = market.underlying(0)
    assert (eth.spot, eth.mark, eth.confidence, eth.spot_scale) == (3000.0, 3001.0, 0.95, 1.25)
    [expiry] = eth.expiries
    assert (expiry.expiry, expiry.forward, expiry.rate, expiry.settlement) == (1_750_000_000, 3100.0, -0.02, None)
    assert expiry.svi is not None
    assert (expiry.svi.a, expiry.svi.b, expiry.svi.rho, expiry.svi.m, expiry.svi.sigma) == (-0.01, 0.1, -0.5, 0.05, 0.2)
    assert (expiry.svi.ref_forward, expiry.svi.ref_tau) == (3050.0, 0.25)
    assert dict(market.token_prices) == {"WETH": 3000.0}
    assert [(group.members, group.kappa) for group in market.groups] == [((0, 1), 0.25)]
    assert 1 not in market.underlyings  # its spot was never published


def test_the_age_of_an_account_is_that_of_its_oldest_price() -> None:
    feeds = [
        at(ev.CollateralSet, token_index=0, config=(0, True, 0, 0)),
        at(ev.MarketUpdated, underlying=0, timestamp=1000, spot=WAD, mark=WAD, confidence=10_000),
        at(ev.ExpiryUpdated, underlying=0, expiry=CALL.expiry, quote=900, smile=0, wing=0),
    ]
    state = fold(State(), STORY + feeds, NAMES)
    assert state.oldest_price(state.accounts[1]) == 900
    assert state.oldest_price(state.accounts[HOUSE]) is None
    with pytest.raises(MarketError, match="none was published"):
        fold(State(), STORY, NAMES).oldest_price(state.accounts[1])


def test_the_mode_follows_its_event() -> None:
    state = fold(State(), STORY, NAMES)
    before = state.accounts[1].mode
    other = next(mode for mode in MarginMode if mode != before)
    changed = fold(state, [at(ev.ModeSet, account=1, mode=int(other))], NAMES)
    assert changed.accounts[1].mode == other
    assert changed.accounts[1].positions == state.accounts[1].positions


def test_the_table_follows_its_events() -> None:
    scenario = (-(WAD // 5)) % 2**64 << 128 | WAD << 64 | 1 << 8 | 1
    events = [
        *listed(),
        at(ev.ParameterSet, parameter=int(Parameter.MAINTENANCE_FACTOR), previous=0, value=WAD * 3 // 4),
        at(ev.ParameterSet, parameter=int(Parameter.MAX_ACTION_AGE), previous=0, value=5),
        at(ev.ParameterSet, parameter=int(Parameter.VOL_TENOR_FLOOR), previous=0, value=86_400),
        at(ev.ParameterSet, parameter=int(Parameter.VOL_TENOR_PIVOT), previous=0, value=30 * 86_400),
        at(ev.ParameterSet, parameter=int(Parameter.TARGET_HEALTH), previous=0, value=WAD * 11 // 10),
        at(ev.ScenariosSet, words=(scenario, scenario, scenario)),
        at(ev.CollateralSet, token_index=0, config=(0, False, WAD // 10, WAD // 20)),
    ]
    state = fold(State(), events, NAMES)
    parameters = state.table.parameters(state.tokens)
    assert parameters.maintenance_factor == 0.75
    assert parameters.vol_tenor_floor == 86_400.0
    assert [(s.spot_shock, s.vol, s.weight, s.core) for s in parameters.scenarios] == [(-0.2, VolDirection.UP, 1.0, True)] * 3
    assert [(c.token, c.haircut_initial, c.haircut_maintenance, c.underlying) for c in parameters.collateral] == [("WETH", 0.1, 0.05, None)]
    assert (state.table.rules().max_action_age, state.table.rules().target_health) == (5.0, 1.1)
    further = fold(state, [at(ev.ParameterSet, parameter=int(Parameter.OUTFLOW_CAP), previous=0, value=WAD // 4)], NAMES)
    assert further.table.scalar(Parameter.OUTFLOW_CAP) == 0.25
    assert further.table.words[153] == WAD // 4  # behind the sections
    assert further.table.words[:153] == state.table.words[:153]
    shorter = fold(further, [at(ev.ScenariosSet, words=(scenario,))], NAMES)
    assert len(shorter.table.scenarios()) == 1
    assert shorter.table.words[115] == 0
    assert shorter.table.scalar(Parameter.OUTFLOW_CAP) == 0.25


def test_the_parameter_order_is_the_contracts() -> None:
    """Control against the Solidity source: an insertion there must fail here."""
    source = (Path(__file__).parents[3] / "contracts" / "types" / "Parameter.sol").read_text()
    body = re.sub(r"//.*", "", source.split("enum Parameter {")[1].split("}")[0])
    assert [name.strip() for name in body.split(",") if name.strip()] == [parameter.name for parameter in Parameter]


def view(**changes: Any) -> Any:
    account = {"cash": 70, "collateral": (7, 0), "positions": ((PERP.pack(), 4, 40), (CALL.pack(), -2, -9))} | changes
    return account_of_view((1, OWNER, 2, account["cash"], account["collateral"], account["positions"]), {0: "WETH"})


def test_reconciliation_is_silent_on_the_truth_and_names_each_difference() -> None:
    state = fold(State(), STORY, NAMES)
    assert differences(state, [view()]) == []
    assert "cash 70 in the fold, 71 on chain" in differences(state, [view(cash=71)])[0]
    assert "WETH 7 in the fold, 0 on chain" in differences(state, [view(collateral=())])[0]
    assert len(differences(state, [view(positions=((PERP.pack(), 4, 41),))])) == 2
    words = list(state.table.words)
    assert table_differences(state, words) == []
    words[3] = 1
    assert "word 3" in table_differences(state, words)[0]


def test_a_fixed_settlement_joins_the_words_of_its_expiry() -> None:
    words = {"quote": 3000 * WAD << 160 | 5, "smile": 7, "wing": 2 << 192 | 3000 * WAD << 96}
    quoted = at(ev.ExpiryUpdated, underlying=0, expiry=1_750_000_000, **words)
    fixed = at(ev.SettlementFixed, underlying=0, expiry=1_750_000_000, price=2_950 * WAD, begin=1_749_998_200)
    never_quoted = at(ev.SettlementFixed, underlying=1, expiry=1_750_000_000, price=90_000 * WAD, begin=1_749_998_200)
    state = fold(State(), [quoted, fixed, never_quoted])
    found = state.expiries[0, 1_750_000_000]
    assert (found.quote, found.smile) == (words["quote"], words["smile"])
    assert found.wing == words["wing"] | 2_950 * WAD
    assert set(state.expiries) == {(0, 1_750_000_000)}


# --- deficits ---

LIMIT = 2


def deficit_story() -> list[ev.Event]:
    """Account 1 is short the call and long the perp when its deficit is opened; 2 and 3 are nominated among its shorts, then 4."""
    queue = at(ev.ParameterSet, parameter=int(Parameter.NOMINATION_QUEUE), previous=0, value=LIMIT)
    nominated = [(2, 50), (3, 70), (4, 60), (2, 80)]
    return [
        queue,
        *STORY,
        at(ev.DeficitSet, account=1, open=True),
        at(ev.DeficitOpened, block=7, account=1, by=OWNER, equity=-900, fund_may_pay=0),
        *(at(ev.Nominated, instrument=PERP.pack(), longs=False, account=account, score=score) for account, score in nominated),
    ]


def queue_of(state: State, instrument: Instrument = PERP, *, longs: bool = False) -> list[tuple[int, int]]:
    return [(each.account, each.score) for each in state.deficits.queues.get((instrument, longs), ())]


def test_a_deficit_keeps_its_legs_and_a_queue_the_highest() -> None:
    state = fold(State(), deficit_story(), NAMES)
    deficit = state.deficits.open[1]
    assert (deficit.opened, deficit.equity, dict(deficit.legs)) == (7, -900, {PERP: 4, CALL: -2})
    assert deficit.sides == {(PERP, False), (CALL, True)}
    # 4 pushed 2 out, 2 came back above everybody and pushed 4 out.
    assert queue_of(state) == [(2, 80), (3, 70)]
    assert state.deficits.opposite((PERP, False)) == 4
    assert state.deficits.opposite((PERP, True)) == 0


def test_executions_add_up_and_the_end_empties_the_queues() -> None:
    state = fold(State(), deficit_story(), NAMES)
    paid = [
        at(ev.Dropped, instrument=PERP.pack(), longs=False, count=1),
        at(ev.Executed, account=1, equity=-900, fund_paid=100, haircut=300, shared=0, closes=2),
        at(ev.Executed, account=1, equity=-500, fund_paid=0, haircut=100, shared=400, closes=1),
    ]
    executed = fold(state, paid)
    deficit = executed.deficits.open[1]
    assert (deficit.fund_paid, deficit.haircut, deficit.shared, deficit.closes) == (100, 400, 400, 3)
    assert queue_of(executed) == [(3, 70)]
    assert dict(executed.deficits.claims) == {1: 500}
    closed = fold(executed, [at(ev.DeficitSet, account=1, open=False), at(ev.DeficitClosed, account=1, equity=0, claim=500)])
    assert not closed.deficits.open
    assert not closed.deficits.queues
    assert dict(closed.deficits.claims) == {1: 500}
    assert not fold(closed, [at(ev.ClaimRepaid, account=1, amount=500, left=0)]).deficits.claims


def test_a_queue_outlives_a_deficit_while_another_is_opposite() -> None:
    second = [opened(9), position(8, 80, account=9), at(ev.DeficitOpened, account=9, by=OWNER, equity=-1, fund_may_pay=0)]
    state = fold(State(), [*deficit_story(), *second, at(ev.DeficitClosed, account=1, equity=0, claim=0)], NAMES)
    assert set(state.deficits.open) == {9}
    assert queue_of(state) == [(2, 80), (3, 70)]


@pytest.mark.parametrize(("elapsed", "expected"), [(0, 30), (99, 30), (100, 20), (199, 20), (200, 0)])
def test_profit_realised_lately_counts_for_one_period_at_least_and_two_at_most(elapsed: int, expected: int) -> None:
    events = [at(ev.ProfitVestingSet, period=100), at(ev.ProfitCounted, account=1, current=20, previous=10, since=1_000)]
    state = fold(State(), events)
    assert state.realised[1].unvested(1_000 + elapsed, state.vesting) == expected
