// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @notice Every governed scalar, in the order in which it is stored. The tag is its unit: [s] and [count] are integers, all
/// others have 18 decimals: [1] ratio, [USD], [1/USD], [1/year], [vol] per sqrt(year), [USD/vol] per 1.00 of vol.
/// @dev Append only: the position in this list is the position in the stored table. Defaults, bounds and the order that values
/// keep among each other: governance/ParameterRules.sol; as a table: docs/parameters.md, which is made from these lines.
enum Parameter {
    // Vol rule (margin.md 2)
    VOL_RANGE_UP, // [1] relative vol shock up at a tenor of VOL_TENOR_PIVOT
    VOL_RANGE_DOWN, // [1] relative vol shock down at a tenor of VOL_TENOR_PIVOT
    VOL_POWER_SHORT, // [1] power of (pivot / tenor) that scales the shock up to the pivot
    VOL_POWER_LONG, // [1] the same power beyond the pivot
    VOL_TENOR_FLOOR, // [s] shorter tenors are shocked like this one
    VOL_TENOR_PIVOT, // [s] tenor at which the shock is VOL_RANGE
    VOL_FLOOR_UP, // [vol] a vol shocked up is at least this (and not below its own value)
    VOL_FLOOR_DOWN, // [vol] a vol shocked down is at least this
    // Requirement (margin.md 4)
    MAINTENANCE_FACTOR, // [1] maintenance margin as a share of initial margin
    NOTIONAL_FLOOR, // [1] least initial margin as a share of gross notional
    // Charges (margin.md 3)
    RATE_CHARGE, // [1] of rho per expiry: the shift of rates that is charged
    ROLL_MIN, // [1] of delta per expiry: basis charge at short tenors
    ROLL_SLOPE, // [1/year] of delta per expiry: basis charge per year of tenor
    SHORT_OPTION_RATE, // [1] of spot per net short option
    DELTA_FREE, // [USD] delta per underlying free of the liquidity charge
    DELTA_SLOPE, // [1/USD] growth of the liquidity charge per USD of delta beyond that
    DELTA_CAP, // [1] highest liquidity charge on delta beyond that
    GAMMA_TENOR, // [s] options that expire within this count for the gamma charge
    GAMMA_STEP, // [1] spot move charged for short gamma: half the spacing of the core grid
    VEGA_RATE, // [1] of vega beyond VEGA_FREE
    VEGA_FREE, // [USD/vol] vega per underlying free of charge
    CONFIDENCE_THRESHOLD, // [1] below this oracle confidence its shortfall from 1 is charged on notional
    SPOT_CONTINGENCY, // [1] of the value of collateral that joined the legs
    // Standard margin (margin.md 6)
    SHORT_OPTION_INITIAL, // [1] of spot, before the out-of-the-money amount
    SHORT_OPTION_INITIAL_MIN, // [1] of spot, at least
    SHORT_OPTION_MAINTENANCE, // [1] of spot; of the mark too, for puts, the larger counts
    SHORT_INITIAL_OVER_MAINTENANCE, // [1] initial margin of a short option over its maintenance margin, at least
    TIER_1_LIMIT, // [USD] notional of a linear position up to which tier 1 applies
    TIER_2_LIMIT, // [USD] notional up to which tier 2 applies
    TIER_1_INITIAL, // [1] of the notional inside the tier
    TIER_1_MAINTENANCE, // [1] of the notional inside the tier
    TIER_2_INITIAL, // [1] of the notional inside the tier
    TIER_2_MAINTENANCE, // [1] of the notional inside the tier
    TIER_3_INITIAL, // [1] of the notional inside the tier
    TIER_3_MAINTENANCE, // [1] of the notional inside the tier
    // Prices and trading
    MAX_BASIS, // [1] the perp mark stays within spot (1 +- this)
    MAX_ACTION_AGE, // [s] oldest price that risk-increasing actions accept
    TRADE_FEE, // [1] of notional, each side
    MAX_POSITIONS, // [count] positions per account
    // Liquidation (ledger-and-liquidation.md 3)
    PARTIAL_THRESHOLD, // [1] health below which tier 1 begins
    FULL_THRESHOLD, // [1] health below which tier 2 begins
    CLOSE_FACTOR, // [1] of the requirement that tier 1 may release
    TARGET_HEALTH, // [1] health that no liquidation exceeds
    PARTIAL_DISCOUNT, // [1] of the release, tier 1
    DUTCH_DISCOUNT_START, // [1] of the release, tier 2 at the first proof
    DUTCH_DISCOUNT_MAX, // [1] of the release, tier 2 at the end of DUTCH_DURATION
    DUTCH_DURATION, // [s] from the first discount to the largest
    CLOCK_EXPIRY, // [s] without a renewed proof after which the Dutch clock stops
    CLOCK_RESUME, // [s] within which a renewed proof resumes it
    LIQUIDATION_FEE, // [1] of the release that the reward of tier 3 does not exceed; the fee itself is LIQUIDATION_FEE_MIN to _MAX
    SMALL_ACCOUNT, // [USD] maintenance requirement below which an account may be closed whole
    SMALL_REWARD, // [USD] flat reward for liquidating such an account
    BANKRUPT_REWARD, // [1] of the legs' notional, tier 3
    // Collateral conversion
    DEBT_CAP, // [USD] negative cash beyond which collateral may be converted
    CONVERSION_BUFFER, // [1] of the debt that a conversion may exceed it by
    CONVERSION_DISCOUNT_START, // [1] of the price, at first
    CONVERSION_DISCOUNT_MAX, // [1] of the price, at the end of CONVERSION_DURATION
    CONVERSION_DURATION, // [s] from the first discount to the largest
    // Insurance fund
    FUND_DRAW_LIMIT, // [USD] draws per window
    FUND_DRAW_WINDOW, // [s] of the draw limit
    // Accounts (ledger-and-liquidation.md 1)
    MIN_ACCOUNT_MARGIN, // [USD] margin equity that an account with positions keeps at least
    PROFIT_FRACTION, // [1] of unrealised profit that withdrawals and transfers may count on
    PROFIT_VESTING, // [s] for which realised profit counts as unrealised there
    DEBIT_RATE, // [1/year] interest on negative cash
    // Withdrawals and deposits (ledger-and-liquidation.md 1)
    OUTFLOW_CAP, // [1] of a token's recorded quantity that may leave per window
    OUTFLOW_FLOOR, // [USD] that may always leave per window
    OUTFLOW_WINDOW, // [s] of the outflow cap
    MIN_FOREIGN_DEPOSIT, // [USD] least deposit into somebody else's account
    // Checks before a trade
    PRICE_BAND, // [1] of the mark: how far from it a fill may be
    PRICE_BAND_SPOT, // [1] of the spot: the same; the larger of the two counts
    MAX_LEVERAGE, // [1] gross notional over equity
    MAX_OI_SHARE, // [1] of the open interest of an instrument that one side of an account may hold
    OI_SHARE_FREE, // [USD] notional free of the share rule
    // Funding and settlement
    FUNDING_CLAMP, // [1] per 8 hours: largest funding rate
    FUNDING_INTERVAL, // [s] between two updates of a funding rate, at least
    SETTLEMENT_WINDOW, // [s] before the expiry over which the settlement price is averaged
    // Sources and circuit breaker (ledger-and-liquidation.md 6)
    BREAKER_MOVE, // [1] move of the spot that trips
    BREAKER_WINDOW, // [s] within which it trips
    BREAKER_RELEASE, // [s] after which an automatic trip ends
    BREAKER_CONFIRM, // [s] for which a quorum must confirm a jump before it applies
    STALE_LIMIT, // [s] age of a price from which anybody may trip the breaker
    SOURCE_BAND, // [1] deviation from the median beyond which a source is dropped
    SOURCE_QUORUM, // [count] sources that must remain
    // Insurance fund: exits, limits, fee (ledger-and-liquidation.md 4)
    FUND_EPOCH, // [s] at whose ends requested exits settle
    FUND_UNDERLYING_CAP, // [USD] draws per underlying per FUND_DRAW_WINDOW
    LIQUIDATION_FEE_MIN, // [1] of the release: the fee at a coverage of COVERAGE_HIGH
    LIQUIDATION_FEE_MAX, // [1] of the release: the fee at a coverage of COVERAGE_LOW
    COVERAGE_LOW, // [1] fund balance over open-interest notional at which the fee is largest
    COVERAGE_HIGH, // [1] the same at which it is least
    // Auto-deleveraging (ledger-and-liquidation.md 5)
    NOMINATION_WINDOW, // [s] for nominations before the first close
    NOMINATION_BLOCKS, // [count] blocks for nominations, at least
    NOMINATION_QUEUE, // [count] accounts that a queue keeps
    PROFIT_MEMORY // [s] within which profit realised in an instrument counts for the score
}

/// @dev The stored table, each word 32 bytes: the first 64 scalars, the sections below, then the further scalars. What the
/// engine reads lies in the first ENGINE_WORDS; it copies no more than those.
///
/// collateral word | 255..192 haircutInitial | 191..128 haircutMaintenance | 23..16 exists | 15..8 joins | 7..0 underlying |
///      underlying word | 95..32 spotScale | 15..8 exists | 7..0 group (0: none, else 1..MAX_GROUPS) |
///      group word      | kappa, 1e18 | at GROUPS_AT + id - 1, ids from 1
///      scenario word   | 191..128 spot shock, int64 | 127..64 weight, uint64 | 15..8 core | 7..0 vol direction |
uint256 constant FIRST_SCALARS = 64;
uint256 constant FURTHER_SCALARS = 64;
uint256 constant MAX_COLLATERALS = 8;
uint256 constant MAX_UNDERLYINGS = 32;
uint256 constant MAX_GROUPS = 8;
uint256 constant MAX_SCENARIOS = 40;
uint256 constant COLLATERALS_AT = FIRST_SCALARS;
uint256 constant UNDERLYINGS_AT = COLLATERALS_AT + MAX_COLLATERALS;
uint256 constant GROUPS_AT = UNDERLYINGS_AT + MAX_UNDERLYINGS;
uint256 constant SCENARIO_COUNT_AT = GROUPS_AT + MAX_GROUPS;
uint256 constant SCENARIOS_AT = SCENARIO_COUNT_AT + 1;
uint256 constant ENGINE_WORDS = SCENARIOS_AT + MAX_SCENARIOS;
uint256 constant TABLE_WORDS = ENGINE_WORDS + FURTHER_SCALARS;

/// @dev Directions of the vol shock in a scenario word.
uint8 constant VOL_NONE = 0;
uint8 constant VOL_UP = 1;
uint8 constant VOL_DOWN = 2;

/// @notice A parameter table in memory: the address of its first word.
/// @dev Unchecked by design: `Parameter` cannot be outside the table, section indices come from the table itself. A copy of
/// ENGINE_WORDS words holds the first scalars only.
type ParameterTable is uint256;

using {get, word} for ParameterTable global;

function get(ParameterTable table, Parameter parameter) pure returns (uint256 value) {
    assembly ("memory-safe") {
        // word(table, wordOf(parameter)). Literals, or it is not inlined (28,000 gas more per check): 63 = FIRST_SCALARS - 1,
        // 2848 = 32 * (ENGINE_WORDS - FIRST_SCALARS).
        value := mload(add(table, add(shl(5, parameter), mul(2848, gt(parameter, 63)))))
    }
}

/// @return index Of the word that holds `parameter`.
function wordOf(Parameter parameter) pure returns (uint256 index) {
    index = uint256(parameter);
    unchecked {
        if (index >= FIRST_SCALARS) index += ENGINE_WORDS - FIRST_SCALARS;
    }
}

function word(ParameterTable table, uint256 index) pure returns (uint256 value) {
    assembly ("memory-safe") {
        value := mload(add(table, shl(5, index)))
    }
}
