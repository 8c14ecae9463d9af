// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IRiskParameters} from "../interfaces/IRiskParameters.sol";
import {
    MAX_SCENARIOS,
    MAX_UNDERLYINGS,
    Parameter,
    SCENARIOS_AT,
    SCENARIO_COUNT_AT,
    UNDERLYINGS_AT,
    VOL_DOWN,
    wordOf
} from "../types/Parameter.sol";

/// @title Parameter rules
/// @notice The one place that says what a governed number starts as, how far it may ever go, and which others it must stay
/// below. What a bound keeps out is a mistake or a captured governance, so bounds are wide: several times the default.
library ParameterRules {
    /// @dev `initial` is the DPRE-1 default (margin.md, ledger-and-liquidation.md); bounds are inclusive.
    struct Row {
        uint256 initial;
        uint256 lower;
        uint256 upper;
    }

    uint256 internal constant WAD = 1e18;
    /// @dev Discount and fee together never exceed this share of what a liquidation releases (ledger-and-liquidation.md 3).
    uint256 internal constant MAX_DISCOUNT_AND_FEE = 0.5e18;
    /// @dev kappa, the share of an offset that a group may credit (margin.md 4).
    uint256 internal constant MAX_KAPPA = 0.5e18;
    uint256 internal constant MAX_SPOT_SCALE = 5e18;
    /// @dev Spot shocks after scaling: above -1 with room for ln(1 + x) to stay small, and inside int64.
    int256 internal constant MIN_SHOCK = -0.99e18;
    int256 internal constant MAX_SHOCK = 9e18;

    /// @notice Rows in the order of `Parameter`.
    function rows() internal pure returns (Row[] memory r) {
        r = new Row[](uint256(type(Parameter).max) + 1);
        _first(r);
        _further(r);
    }

    function _first(Row[] memory r) private pure {
        // Vol rule
        _row(r, Parameter.VOL_RANGE_UP, 0.5e18, 0.1e18, 2e18);
        _row(r, Parameter.VOL_RANGE_DOWN, 0.275e18, 0, 0.9e18);
        _row(r, Parameter.VOL_POWER_SHORT, 0.3e18, 0, 1e18);
        _row(r, Parameter.VOL_POWER_LONG, 0.13e18, 0, 1e18);
        _row(r, Parameter.VOL_TENOR_FLOOR, 1 days, 1 hours, 7 days);
        _row(r, Parameter.VOL_TENOR_PIVOT, 30 days, 1 days, 365 days);
        _row(r, Parameter.VOL_FLOOR_UP, 0.4e18, 0, 2e18);
        _row(r, Parameter.VOL_FLOOR_DOWN, 0.01e18, 0.001e18, 1e18);
        // Requirement
        _row(r, Parameter.MAINTENANCE_FACTOR, 0.8e18, 0.5e18, 1e18);
        _row(r, Parameter.NOTIONAL_FLOOR, 0.0025e18, 0.0001e18, 0.1e18);
        // Charges
        _row(r, Parameter.RATE_CHARGE, 0.01e18, 0, 0.2e18);
        _row(r, Parameter.ROLL_MIN, 0.01e18, 0, 0.2e18);
        _row(r, Parameter.ROLL_SLOPE, 0.075e18, 0, 1e18);
        _row(r, Parameter.SHORT_OPTION_RATE, 0.003e18, 0, 0.1e18);
        _row(r, Parameter.DELTA_FREE, 20e6 * WAD, 0, 10e9 * WAD);
        _row(r, Parameter.DELTA_SLOPE, 1e9, 0, 1e12);
        _row(r, Parameter.DELTA_CAP, 0.1e18, 0, 1e18);
        _row(r, Parameter.GAMMA_TENOR, 48 hours, 0, 30 days);
        _row(r, Parameter.GAMMA_STEP, 0.0225e18, 0, 0.1e18);
        _row(r, Parameter.VEGA_RATE, 0.05e18, 0, 1e18);
        _row(r, Parameter.VEGA_FREE, 2e6 * WAD, 0, 1e9 * WAD);
        _row(r, Parameter.CONFIDENCE_THRESHOLD, 0.9e18, 0, 1e18);
        _row(r, Parameter.SPOT_CONTINGENCY, 0.03e18, 0, 0.5e18);
        // Standard margin
        _row(r, Parameter.SHORT_OPTION_INITIAL, 0.15e18, 0.05e18, 1e18);
        _row(r, Parameter.SHORT_OPTION_INITIAL_MIN, 0.1e18, 0.025e18, 1e18);
        _row(r, Parameter.SHORT_OPTION_MAINTENANCE, 0.075e18, 0.02e18, 1e18);
        _row(r, Parameter.SHORT_INITIAL_OVER_MAINTENANCE, 1.1e18, 1e18, 3e18);
        _row(r, Parameter.TIER_1_LIMIT, 10e6 * WAD, 10e3 * WAD, 10e9 * WAD);
        _row(r, Parameter.TIER_2_LIMIT, 50e6 * WAD, 10e3 * WAD, 10e9 * WAD);
        _row(r, Parameter.TIER_1_INITIAL, 0.05e18, 0.01e18, 1e18);
        _row(r, Parameter.TIER_1_MAINTENANCE, 0.025e18, 0.005e18, 1e18);
        _row(r, Parameter.TIER_2_INITIAL, 0.1e18, 0.01e18, 1e18);
        _row(r, Parameter.TIER_2_MAINTENANCE, 0.05e18, 0.005e18, 1e18);
        _row(r, Parameter.TIER_3_INITIAL, 0.2e18, 0.01e18, 1e18);
        _row(r, Parameter.TIER_3_MAINTENANCE, 0.1e18, 0.005e18, 1e18);
        // Prices and trading
        _row(r, Parameter.MAX_BASIS, 0.05e18, 0.001e18, 0.2e18);
        _row(r, Parameter.MAX_ACTION_AGE, 5, 1, 60);
        _row(r, Parameter.TRADE_FEE, 0.0003e18, 0, 0.01e18);
        _row(r, Parameter.MAX_POSITIONS, 64, 1, 100);
        // Liquidation
        _row(r, Parameter.PARTIAL_THRESHOLD, 1.05e18, 1e18, 1.5e18);
        _row(r, Parameter.FULL_THRESHOLD, 1e18, 0.8e18, 1.2e18);
        _row(r, Parameter.CLOSE_FACTOR, 0.5e18, 0.05e18, 1e18);
        _row(r, Parameter.TARGET_HEALTH, 1.1e18, 1e18, 2e18);
        _row(r, Parameter.PARTIAL_DISCOUNT, 0.02e18, 0, 0.2e18);
        _row(r, Parameter.DUTCH_DISCOUNT_START, 0.02e18, 0, 0.2e18);
        _row(r, Parameter.DUTCH_DISCOUNT_MAX, 0.3e18, 0.01e18, MAX_DISCOUNT_AND_FEE);
        _row(r, Parameter.DUTCH_DURATION, 15 minutes, 1 minutes, 1 days);
        _row(r, Parameter.CLOCK_EXPIRY, 30 minutes, 1 minutes, 1 days);
        _row(r, Parameter.CLOCK_RESUME, 60 minutes, 1 minutes, 7 days);
        _row(r, Parameter.LIQUIDATION_FEE, 0.05e18, 0, 0.2e18);
        _row(r, Parameter.SMALL_ACCOUNT, 500 * WAD, 0, 10e3 * WAD);
        _row(r, Parameter.SMALL_REWARD, 5 * WAD, 0, 100 * WAD);
        _row(r, Parameter.BANKRUPT_REWARD, 0.001e18, 0, 0.01e18);
        // Collateral conversion
        _row(r, Parameter.DEBT_CAP, 100 * WAD, 0, 1e6 * WAD);
        _row(r, Parameter.CONVERSION_BUFFER, 0.02e18, 0, 0.5e18);
        _row(r, Parameter.CONVERSION_DISCOUNT_START, 0.01e18, 0, 0.1e18);
        _row(r, Parameter.CONVERSION_DISCOUNT_MAX, 0.05e18, 0.001e18, 0.25e18);
        _row(r, Parameter.CONVERSION_DURATION, 10 minutes, 1 minutes, 1 days);
        // Insurance fund
        _row(r, Parameter.FUND_DRAW_LIMIT, 10e6 * WAD, 0, 1e9 * WAD);
        _row(r, Parameter.FUND_DRAW_WINDOW, 1 days, 1 hours, 30 days);
    }

    function _further(Row[] memory r) private pure {
        // Accounts
        _row(r, Parameter.MIN_ACCOUNT_MARGIN, 10 * WAD, 0, 10e3 * WAD);
        _row(r, Parameter.PROFIT_FRACTION, 0.5e18, 0, 1e18);
        _row(r, Parameter.PROFIT_VESTING, 1 days, 1 hours, 7 days);
        _row(r, Parameter.DEBIT_RATE, 0.1e18, 0, 2e18);
        // Withdrawals and deposits
        _row(r, Parameter.OUTFLOW_CAP, 0.25e18, 0.01e18, 1e18);
        _row(r, Parameter.OUTFLOW_FLOOR, 1e6 * WAD, 0, 1e9 * WAD);
        _row(r, Parameter.OUTFLOW_WINDOW, 1 hours, 10 minutes, 7 days);
        _row(r, Parameter.MIN_FOREIGN_DEPOSIT, 10 * WAD, 0, 10e3 * WAD);
        // Checks before a trade
        _row(r, Parameter.PRICE_BAND, 0.1e18, 0.001e18, 0.5e18);
        _row(r, Parameter.PRICE_BAND_SPOT, 0.02e18, 0, 0.5e18);
        _row(r, Parameter.MAX_LEVERAGE, 200e18, 1e18, 1000e18);
        _row(r, Parameter.MAX_OI_SHARE, 0.5e18, 0.01e18, 1e18);
        _row(r, Parameter.OI_SHARE_FREE, 100e6 * WAD, 0, 10e9 * WAD);
        // Funding and settlement
        _row(r, Parameter.FUNDING_CLAMP, 0.0075e18, 0, 0.05e18);
        _row(r, Parameter.FUNDING_INTERVAL, 1 minutes, 1, 1 days);
        _row(r, Parameter.SETTLEMENT_WINDOW, 30 minutes, 1 minutes, 1 days);
        // Sources and circuit breaker
        _row(r, Parameter.BREAKER_MOVE, 0.15e18, 0.01e18, 1e18);
        _row(r, Parameter.BREAKER_WINDOW, 1 minutes, 1, 1 days);
        _row(r, Parameter.BREAKER_RELEASE, 5 minutes, 10, 7 days);
        _row(r, Parameter.BREAKER_CONFIRM, 30, 0, 1 days);
        _row(r, Parameter.STALE_LIMIT, 2 minutes, 5, 1 days);
        _row(r, Parameter.SOURCE_BAND, 0.05e18, 0.001e18, 0.5e18);
        _row(r, Parameter.SOURCE_QUORUM, 1, 1, 16);
        // Insurance fund: exits, limits, fee. A fee that does not move with coverage until governance spreads the two.
        _row(r, Parameter.FUND_EPOCH, 7 days, 1 hours, 90 days);
        _row(r, Parameter.FUND_UNDERLYING_CAP, 1e6 * WAD, 0, 1e9 * WAD);
        _row(r, Parameter.LIQUIDATION_FEE_MIN, 0.05e18, 0, 0.2e18);
        _row(r, Parameter.LIQUIDATION_FEE_MAX, 0.05e18, 0, 0.2e18);
        _row(r, Parameter.COVERAGE_LOW, 0.001e18, 0, 1e18);
        _row(r, Parameter.COVERAGE_HIGH, 0.01e18, 0, 1e18);
        // Auto-deleveraging
        _row(r, Parameter.NOMINATION_WINDOW, 1 minutes, 1, 1 hours);
        _row(r, Parameter.NOMINATION_BLOCKS, 5, 1, 1_000);
        _row(r, Parameter.NOMINATION_QUEUE, 16, 1, 64);
        _row(r, Parameter.PROFIT_MEMORY, 1 days, 1 hours, 7 days);
    }

    /// @notice Reverts `Disordered` or `DiscountAndFeeTooHigh` unless the scalars keep their order.
    /// @param words A whole table; only its scalars are read.
    function requireOrdered(uint256[] memory words) internal pure {
        _ordered(words, Parameter.VOL_TENOR_FLOOR, Parameter.VOL_TENOR_PIVOT);
        _ordered(words, Parameter.VOL_FLOOR_DOWN, Parameter.VOL_FLOOR_UP);

        _ordered(words, Parameter.SHORT_OPTION_INITIAL_MIN, Parameter.SHORT_OPTION_INITIAL);
        _ordered(words, Parameter.SHORT_OPTION_MAINTENANCE, Parameter.SHORT_OPTION_INITIAL_MIN);
        _ordered(words, Parameter.TIER_1_LIMIT, Parameter.TIER_2_LIMIT);
        _ordered(words, Parameter.TIER_1_MAINTENANCE, Parameter.TIER_1_INITIAL);
        _ordered(words, Parameter.TIER_2_MAINTENANCE, Parameter.TIER_2_INITIAL);
        _ordered(words, Parameter.TIER_3_MAINTENANCE, Parameter.TIER_3_INITIAL);
        _ordered(words, Parameter.TIER_1_INITIAL, Parameter.TIER_2_INITIAL);
        _ordered(words, Parameter.TIER_2_INITIAL, Parameter.TIER_3_INITIAL);
        _ordered(words, Parameter.TIER_1_MAINTENANCE, Parameter.TIER_2_MAINTENANCE);
        _ordered(words, Parameter.TIER_2_MAINTENANCE, Parameter.TIER_3_MAINTENANCE);

        _ordered(words, Parameter.FULL_THRESHOLD, Parameter.PARTIAL_THRESHOLD);
        _ordered(words, Parameter.PARTIAL_THRESHOLD, Parameter.TARGET_HEALTH);
        _ordered(words, Parameter.DUTCH_DISCOUNT_START, Parameter.DUTCH_DISCOUNT_MAX);
        // A tier 1 discount below the Dutch maximum is covered by the rule for the sum, too.
        _ordered(words, Parameter.PARTIAL_DISCOUNT, Parameter.DUTCH_DISCOUNT_MAX);
        _ordered(words, Parameter.CLOCK_EXPIRY, Parameter.CLOCK_RESUME);
        _ordered(words, Parameter.SMALL_REWARD, Parameter.SMALL_ACCOUNT);
        _ordered(words, Parameter.CONVERSION_DISCOUNT_START, Parameter.CONVERSION_DISCOUNT_MAX);

        // Anybody may trip the breaker on a price that is too old to act on, not on one that is not.
        _ordered(words, Parameter.MAX_ACTION_AGE, Parameter.STALE_LIMIT);
        _ordered(words, Parameter.LIQUIDATION_FEE_MIN, Parameter.LIQUIDATION_FEE_MAX);
        _ordered(words, Parameter.COVERAGE_LOW, Parameter.COVERAGE_HIGH);

        uint256 discount = words[wordOf(Parameter.DUTCH_DISCOUNT_MAX)];
        uint256 fee = words[wordOf(Parameter.LIQUIDATION_FEE)];
        uint256 feeMax = words[wordOf(Parameter.LIQUIDATION_FEE_MAX)];
        if (feeMax > fee) fee = feeMax;
        if (discount + fee > MAX_DISCOUNT_AND_FEE) {
            revert IRiskParameters.DiscountAndFeeTooHigh(discount, fee, MAX_DISCOUNT_AND_FEE);
        }
    }

    /// @notice Reverts `BadScenarioCount` or `BadScenario` unless every scenario can be priced for every underlying.
    function requireScenarios(IRiskParameters.Scenario[] memory list, uint256[] memory words) internal pure {
        if (list.length == 0 || list.length > MAX_SCENARIOS) revert IRiskParameters.BadScenarioCount(list.length, MAX_SCENARIOS);
        int256 scale = int256(largestSpotScale(words));
        for (uint256 i; i < list.length; ++i) {
            IRiskParameters.Scenario memory s = list[i];
            bool priceable = inShockRange(s.shock) && (!s.core || inShockRange(s.shock * scale / int256(WAD)));
            if (!priceable || s.weight == 0 || s.weight > WAD || s.volDirection > VOL_DOWN) {
                revert IRiskParameters.BadScenario(i, s.shock, s.weight, s.volDirection);
            }
        }
    }

    /// @notice Whether every core shock of the table stays in range when multiplied by `spotScale`.
    function scalesAllCoreShocks(uint256 spotScale, uint256[] memory words) internal pure returns (bool) {
        if (spotScale < WAD || spotScale > MAX_SPOT_SCALE) return false;
        uint256 end = SCENARIOS_AT + words[SCENARIO_COUNT_AT];
        for (uint256 i = SCENARIOS_AT; i < end; ++i) {
            bool core = uint8(words[i] >> 8) != 0;
            int256 shock = int64(uint64(words[i] >> 128));
            if (core && !inShockRange(shock * int256(spotScale) / int256(WAD))) return false;
        }
        return true;
    }

    function inShockRange(int256 shock) internal pure returns (bool) {
        return shock >= MIN_SHOCK && shock <= MAX_SHOCK;
    }

    /// @return scale The largest spotScale in the table, 1e18 where it has no underlying.
    function largestSpotScale(uint256[] memory words) internal pure returns (uint256 scale) {
        scale = WAD;
        for (uint256 i = UNDERLYINGS_AT; i < UNDERLYINGS_AT + MAX_UNDERLYINGS; ++i) {
            uint256 own = uint64(words[i] >> 32);
            if (own > scale) scale = own;
        }
    }

    function _row(Row[] memory r, Parameter parameter, uint256 initial, uint256 lower, uint256 upper) private pure {
        r[uint256(parameter)] = Row({initial: initial, lower: lower, upper: upper});
    }

    function _ordered(uint256[] memory words, Parameter lower, Parameter upper) private pure {
        uint256 lowerValue = words[wordOf(lower)];
        uint256 upperValue = words[wordOf(upper)];
        if (lowerValue > upperValue) revert IRiskParameters.Disordered(lower, lowerValue, upper, upperValue);
    }
}
