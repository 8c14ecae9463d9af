"""The liquidation rules of contracts/types/Parameter.sol's comments, for tests without a chain."""

from keeper.portfolio import Rules

__all__ = ["RULES"]

RULES = Rules(
    max_action_age=5.0,
    trade_fee=0.0003,
    max_positions=64.0,
    partial_threshold=1.05,
    full_threshold=1.0,
    close_factor=0.5,
    target_health=1.1,
    partial_discount=0.02,
    dutch_discount_start=0.02,
    dutch_discount_max=0.30,
    dutch_duration=900.0,
    clock_expiry=1800.0,
    clock_resume=3600.0,
    liquidation_fee=0.05,
    liquidation_fee_max=0.05,
    small_account=500.0,
    small_reward=5.0,
    bankrupt_reward=0.001,
    debt_cap=100.0,
    conversion_buffer=0.02,
    conversion_discount_start=0.01,
    conversion_discount_max=0.05,
    conversion_duration=600.0,
)
