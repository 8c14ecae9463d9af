// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @notice Every governed scalar, in the order in which it is stored. 1e18 = 1 unless the unit is named.
/// @dev Append only: the position in this list is the position in the stored table.
enum Parameter {
    // Vol rule (margin.md 2)
    VOL_RANGE_UP, // 0.50, relative
    VOL_RANGE_DOWN, // 0.275, relative
    VOL_POWER_SHORT, // 0.30, tenors up to the pivot
    VOL_POWER_LONG, // 0.13
    VOL_TENOR_FLOOR, // 1 days, seconds
    VOL_TENOR_PIVOT, // 30 days, seconds
    VOL_FLOOR_UP, // 0.40 per sqrt(year)
    VOL_FLOOR_DOWN, // 0.01 per sqrt(year)
    // Requirement (margin.md 4)
    MAINTENANCE_FACTOR, // 0.8
    NOTIONAL_FLOOR, // 0.0025 of gross notional
    // Charges (margin.md 3)
    RATE_CHARGE, // 0.01
    ROLL_MIN, // 0.01
    ROLL_SLOPE, // 0.075 per year
    SHORT_OPTION_RATE, // 0.003
    DELTA_FREE, // 20e6 USD
    DELTA_SLOPE, // 1e-9 per USD (1e9 in 1e18 fixed point)
    DELTA_CAP, // 0.10
    GAMMA_TENOR, // 48 hours, seconds
    GAMMA_STEP, // 0.0225: half the spacing of the core grid
    VEGA_RATE, // 0.05
    VEGA_FREE, // 2e6 USD per 1.00 of vol
    CONFIDENCE_THRESHOLD, // 0.90
    SPOT_CONTINGENCY, // 0.03
    // Standard margin (margin.md 6)
    SHORT_OPTION_INITIAL, // 0.15 of spot
    SHORT_OPTION_INITIAL_MIN, // 0.10 of spot
    SHORT_OPTION_MAINTENANCE, // 0.075 of spot (of the mark too, for puts)
    SHORT_INITIAL_OVER_MAINTENANCE, // 1.10
    TIER_1_LIMIT, // 10e6 USD
    TIER_2_LIMIT, // 50e6 USD
    TIER_1_INITIAL, // 0.05
    TIER_1_MAINTENANCE, // 0.025
    TIER_2_INITIAL, // 0.10
    TIER_2_MAINTENANCE, // 0.05
    TIER_3_INITIAL, // 0.20
    TIER_3_MAINTENANCE, // 0.10
    // Prices and trading
    MAX_BASIS, // 0.05: perp mark against spot
    MAX_ACTION_AGE, // 5, seconds
    TRADE_FEE, // 0.0003 of notional, each side
    MAX_POSITIONS, // 64 positions per account
    // Liquidation (ledger-and-liquidation.md 3)
    PARTIAL_THRESHOLD, // 1.05
    FULL_THRESHOLD, // 1.00
    CLOSE_FACTOR, // 0.50
    TARGET_HEALTH, // 1.10
    PARTIAL_DISCOUNT, // 0.02 of the release
    DUTCH_DISCOUNT_START, // 0.02
    DUTCH_DISCOUNT_MAX, // 0.30
    DUTCH_DURATION, // 900, seconds from start to max
    CLOCK_EXPIRY, // 1800, seconds without a renewed proof
    CLOCK_RESUME, // 3600, seconds within which a renewed proof resumes the clock
    LIQUIDATION_FEE, // 0.05 of the release, to the fund
    SMALL_ACCOUNT, // 500 USD of maintenance requirement
    SMALL_REWARD, // 5 USD
    BANKRUPT_REWARD, // 0.001 of the legs' notional
    // Collateral conversion
    DEBT_CAP, // 100 USD of negative cash
    CONVERSION_BUFFER, // 0.02 of the debt
    CONVERSION_DISCOUNT_START, // 0.01
    CONVERSION_DISCOUNT_MAX, // 0.05
    CONVERSION_DURATION, // 600, seconds
    // Insurance fund
    FUND_DRAW_LIMIT, // 1e7 USD per window
    FUND_DRAW_WINDOW // 86400, seconds
}

/// @dev The stored table: 64 words of scalars, then the sections below, each word 32 bytes.
///
/// collateral word | 255..192 haircutInitial | 191..128 haircutMaintenance | 23..16 exists | 15..8 joins | 7..0 underlying |
///      underlying word | 95..32 spotScale | 15..8 exists | 7..0 group (0: none, else 1..MAX_GROUPS) |
///      group word      | kappa, 1e18 | at GROUPS_AT + id - 1, ids from 1
///      scenario word   | 191..128 spot shock, int64 | 127..64 weight, uint64 | 15..8 core | 7..0 vol direction |
uint256 constant SCALARS = 64;
uint256 constant MAX_COLLATERALS = 8;
uint256 constant MAX_UNDERLYINGS = 32;
uint256 constant MAX_GROUPS = 8;
uint256 constant MAX_SCENARIOS = 40;
uint256 constant COLLATERALS_AT = SCALARS;
uint256 constant UNDERLYINGS_AT = COLLATERALS_AT + MAX_COLLATERALS;
uint256 constant GROUPS_AT = UNDERLYINGS_AT + MAX_UNDERLYINGS;
uint256 constant SCENARIO_COUNT_AT = GROUPS_AT + MAX_GROUPS;
uint256 constant SCENARIOS_AT = SCENARIO_COUNT_AT + 1;
uint256 constant TABLE_WORDS = SCENARIOS_AT + MAX_SCENARIOS;

/// @dev Directions of the vol shock in a scenario word.
uint8 constant VOL_NONE = 0;
uint8 constant VOL_UP = 1;
uint8 constant VOL_DOWN = 2;

/// @notice A parameter table in memory: the address of its first word.
/// @dev Unchecked by design: `Parameter` cannot be outside the table, section indices come from the table itself.
type ParameterTable is uint256;

using {get, word} for ParameterTable global;

function get(ParameterTable table, Parameter parameter) pure returns (uint256 value) {
    assembly ("memory-safe") {
        value := mload(add(table, shl(5, parameter)))
    }
}

function word(ParameterTable table, uint256 index) pure returns (uint256 value) {
    assembly ("memory-safe") {
        value := mload(add(table, shl(5, index)))
    }
}
