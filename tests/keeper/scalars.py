"""Governed scalars of tests without a chain, 1e18 or seconds: enough for margin, tiers and clocks."""

from keeper.model import WAD

__all__ = ["SCALARS"]

SCALARS = {
    "PROFIT_VESTING": 86_400,
    "MAINTENANCE_FACTOR": WAD * 8 // 10,
    "VOL_TENOR_FLOOR": 86_400,
    "VOL_TENOR_PIVOT": 30 * 86_400,
    "MAX_BASIS": WAD // 20,
    "TIER_1_LIMIT": 10**7 * WAD,
    "TIER_2_LIMIT": 5 * 10**7 * WAD,
    "TIER_1_INITIAL": WAD // 20,
    "TIER_1_MAINTENANCE": WAD // 40,
    "PARTIAL_THRESHOLD": WAD * 105 // 100,
    "FULL_THRESHOLD": WAD,
    "CLOSE_FACTOR": WAD // 2,
    "TARGET_HEALTH": WAD * 11 // 10,
    "DEBT_CAP": 100 * WAD,
    "SMALL_REWARD": 5 * WAD,
    "LIQUIDATION_FEE": WAD // 20,
    "LIQUIDATION_FEE_MAX": WAD // 20,
    "MAX_ACTION_AGE": 5,
    "CLOCK_EXPIRY": 1800,
    "DUTCH_DURATION": 900,
}
