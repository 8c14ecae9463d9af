"""RiskParameters' constructor: DPRE-1 as margin.md states it, here in the keeper's independent form."""

from __future__ import annotations

import math
from typing import Any

import pytest

from keeper.model.parameters import DPRE_1, SCENARIOS_35
from scripts.parameter_list import governed_parameters
from tests.reverts import reverts

WAD = 10**18

# What the keeper's margin model does not know.
OTHERS = {
    "MAX_ACTION_AGE": 5,
    "TRADE_FEE": 3 * 10**14,
    "MAX_POSITIONS": 64,
    "PARTIAL_THRESHOLD": 105 * 10**16,
    "FULL_THRESHOLD": WAD,
    "CLOSE_FACTOR": WAD // 2,
    "TARGET_HEALTH": 11 * 10**17,
    "PARTIAL_DISCOUNT": 2 * 10**16,
    "DUTCH_DISCOUNT_START": 2 * 10**16,
    "DUTCH_DISCOUNT_MAX": 3 * 10**17,
    "DUTCH_DURATION": 900,
    "CLOCK_EXPIRY": 1_800,
    "CLOCK_RESUME": 3_600,
    "LIQUIDATION_FEE": 5 * 10**16,
    "SMALL_ACCOUNT": 500 * WAD,
    "SMALL_REWARD": 5 * WAD,
    "BANKRUPT_REWARD": 10**15,
    "DEBT_CAP": 100 * WAD,
    "CONVERSION_BUFFER": 2 * 10**16,
    "CONVERSION_DISCOUNT_START": 10**16,
    "CONVERSION_DISCOUNT_MAX": 5 * 10**16,
    "CONVERSION_DURATION": 600,
    "FUND_DRAW_LIMIT": 10**7 * WAD,
    "FUND_DRAW_WINDOW": 86_400,
    "MIN_ACCOUNT_MARGIN": 10 * WAD,
    "PROFIT_FRACTION": WAD // 2,
    "PROFIT_VESTING": 86_400,
    "DEBIT_RATE": WAD // 10,
    "OUTFLOW_CAP": WAD // 4,
    "OUTFLOW_FLOOR": 10**6 * WAD,
    "OUTFLOW_WINDOW": 3_600,
    "MIN_FOREIGN_DEPOSIT": 10 * WAD,
    "PRICE_BAND": WAD // 10,
    "PRICE_BAND_SPOT": 2 * 10**16,
    "MAX_LEVERAGE": 200 * WAD,
    "MAX_OI_SHARE": WAD // 2,
    "OI_SHARE_FREE": 10**8 * WAD,
    "FUNDING_CLAMP": 75 * 10**14,
    "FUNDING_INTERVAL": 60,
    "SETTLEMENT_WINDOW": 1_800,
    "BREAKER_MOVE": 15 * 10**16,
    "BREAKER_WINDOW": 60,
    "BREAKER_RELEASE": 300,
    "BREAKER_CONFIRM": 30,
    "STALE_LIMIT": 120,
    "SOURCE_BAND": 5 * 10**16,
    "SOURCE_QUORUM": 1,
    "FUND_EPOCH": 7 * 86_400,
    "FUND_UNDERLYING_CAP": 10**6 * WAD,
    "LIQUIDATION_FEE_MIN": 5 * 10**16,
    "LIQUIDATION_FEE_MAX": 5 * 10**16,
    "COVERAGE_LOW": 10**15,
    "COVERAGE_HIGH": 10**16,
    "NOMINATION_WINDOW": 60,
    "NOMINATION_BLOCKS": 5,
    "NOMINATION_QUEUE": 16,
    "PROFIT_MEMORY": 86_400,
}


@pytest.mark.parametrize("parameter", governed_parameters().values(), ids=lambda p: p.name)
def test_default(parameters: Any, parameter: Any) -> None:
    stored = parameters.value(parameter.index)
    if parameter.name in OTHERS:
        assert stored == OTHERS[parameter.name]
    else:
        assert stored / 10**parameter.unit.decimals == pytest.approx(getattr(DPRE_1, parameter.name.lower()), rel=1e-15)


def test_every_default_is_strictly_inside_its_type_and_within_bounds(parameters: Any) -> None:
    for parameter in governed_parameters().values():
        lower, upper = parameters.bounds(parameter.index)
        assert lower <= parameters.value(parameter.index) <= upper
        assert lower < upper


def test_scenarios(parameters: Any) -> None:
    stored = parameters.scenarios()
    assert len(stored) == 35
    for (shock, weight, core, direction), expected in zip(stored, SCENARIOS_35, strict=True):
        assert shock / WAD == pytest.approx(expected.spot_shock, rel=1e-15)
        assert weight / WAD == pytest.approx(expected.weight, rel=1e-15)
        assert (core, direction) == (expected.core, expected.vol)


def test_starts_without_underlyings_groups_and_collateral(parameters: Any) -> None:
    assert tuple(parameters.underlying(0)) == (0, 0, False)
    assert parameters.group(1) == 0
    assert parameters.collateral(0)[1] is False


def test_announces_its_defaults(parameters: Any) -> None:
    """The table can be rebuilt from events alone."""
    events = parameters.tx.events
    values = {event["parameter"]: event["value"] for event in events["ParameterSet"]}
    table = parameters.table()
    assert values == {p.index: table[p.word] for p in governed_parameters().values()}
    assert list(events["ScenariosSet"]["words"]) == list(table[113 : 113 + 35])


def test_the_pointer_is_the_table(parameters: Any) -> None:
    """A data contract: STOP, then 32-byte words in the order of types/Parameter.sol."""
    from brownie import web3  # noqa: PLC0415 - only once the project is loaded

    code = bytes(web3.eth.get_code(parameters.pointer()))
    assert code[0] == 0
    words = [int.from_bytes(code[at : at + 32], "big") for at in range(1, len(code), 32)]
    governed = [word % 2**192 if 113 <= at < 113 + 40 else word for at, word in enumerate(words)]
    assert governed == list(parameters.table())
    assert len(words) == 64 + 8 + 32 + 8 + 1 + 40 + 64


def test_the_stored_scenarios_are_compiled(parameters: Any) -> None:
    """Above the governed bits: ln(1 + x), and the record in rows (no vol shock, up, down) of ascending spots."""
    from brownie import web3  # noqa: PLC0415 - only once the project is loaded

    code = bytes(web3.eth.get_code(parameters.pointer()))
    words = [int.from_bytes(code[at : at + 32], "big") for at in range(1, len(code), 32)][113 : 113 + 35]
    rows: dict[int, list[tuple[float, int]]] = {0: [], 1: [], 2: []}
    for word in words:
        shock = int.from_bytes((word >> 128 & 2**64 - 1).to_bytes(8, "big"), signed=True) / WAD
        logarithm = int.from_bytes((word >> 208).to_bytes(6, "big"), signed=True)
        assert abs(logarithm - math.log1p(shock) * 2**42) <= 1
        if shock or word & 0xFF:
            rows[word & 0xFF].append((shock, word >> 192 & 0xFF))
        else:
            assert word >> 192 & 0xFF == 0
    assert [word >> 200 & 0xFF for word in words[:3]] == [len(rows[direction]) for direction in (0, 1, 2)] == [8, 17, 9]
    assert [record for row in rows.values() for _, record in sorted(row)] == list(range(1, 35))


def test_the_further_scalars_lie_behind_what_the_engine_copies(parameters: Any, index: Any) -> None:
    table = parameters.table()
    assert (index("DEBIT_RATE"), table[63]) == (63, WAD // 10)
    assert (index("OUTFLOW_CAP"), table[64 + 8 + 32 + 8 + 1 + 40]) == (64, WAD // 4)
    assert not any(table[64:72])  # no collateral yet: nothing is written over the sections


def test_parameters_beyond_the_list_do_not_exist(parameters: Any) -> None:
    with reverts("revert without data"):
        parameters.value(len(governed_parameters()))
