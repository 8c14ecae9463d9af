// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Leg} from "../types/Book.sol";

/// @notice What an account must hold and what it holds, USD 1e18 (margin.md).
/// @param initial Initial margin.
/// @param maintenance Maintenance margin.
/// @param equity Balance + positions at mark + collateral at its price.
/// @param marginEquityInitial Equity with collateral after the initial haircut.
/// @param marginEquityMaintenance Equity with collateral after the maintenance haircut.
/// @param longOptions Sum of long-option marks that support nothing (CROSS, ISOLATED; 0 in PORTFOLIO).
/// @param grossNotional Sum of |size| x spot.
/// @param oldestPrice When the oldest price used was signed; type(uint256).max where none was used.
struct Requirement {
    uint256 initial;
    uint256 maintenance;
    int256 equity;
    int256 marginEquityInitial;
    int256 marginEquityMaintenance;
    uint256 longOptions;
    uint256 grossNotional;
    uint256 oldestPrice;
}

/// @notice One scenario index per underlying the account has legs in (ascending underlying id; base collateral that joins
/// counts as a leg) and one per group of those underlyings (ascending group id). Empty in CROSS and ISOLATED.
struct Witness {
    bytes underlyings;
    bytes groups;
}

/// @title Margin engine
/// @notice Stateless: `requirement` and its kin load a book, its prices and the parameters from the ledger, the price door and the
/// parameter table and call the code that `IMarginModel` offers for any book in any market.
/// @dev Rounds against the account: requirements up, equity down, within 4e-10 of the shocked forward per option.
interface IMarginEngine {
    /// @notice The witness names a scenario that does not exist or has not one index per underlying and group.
    error BadWitness(uint256 expectedUnderlyings, uint256 expectedGroups);
    /// @notice No price has ever been published for a feed the book needs.
    error MissingPrice(uint8 underlying, uint32 expiry);
    /// @notice The account is at least as healthy as claimed: marginEquity >= threshold x the witness's requirement.
    error HealthNotBelow(uint64 account, int256 marginEquity, uint256 requirement, uint256 threshold);

    /// @notice `parameters` is neither a table of types/Parameter.sol nor its first ENGINE_WORDS words.
    error BadParameterTable(uint256 words, uint256 expected);

    /// @notice The data contract whose code (after its first byte 0x00) is the table of the normal distribution.
    function NORMAL_TABLE_POINTER() external view returns (address);

    /// @notice Full scan of an account on stored state.
    function requirement(uint64 account) external view returns (Requirement memory);

    /// @notice Lower bound R' of the requirement from one scenario per underlying and group (margin.md section 5). Exact in
    /// CROSS and ISOLATED.
    function witnessed(uint64 account, Witness calldata witness) external view returns (Requirement memory);

    /// @notice Reverts `HealthNotBelow` unless the witness proves health < threshold (1e18). Returns the proof's figures.
    function proveHealthBelow(uint64 account, Witness calldata witness, uint256 threshold)
        external
        view
        returns (Requirement memory);

    /// @notice Health below FULL_THRESHOLD is proven by the witness.
    function isLiquidatable(uint64 account, Witness calldata witness) external view returns (bool);

    /// @notice The account's requirement as if it had traded `legs` at their prices and its cash had changed by `cashChange`.
    function preview(uint64 account, Leg[] calldata legs, int256 cashChange) external view returns (Requirement memory);

    /// @notice Mark price of each instrument, USD 1e18 per contract, rounded to nearest, and the oldest price used.
    function marks(uint112[] calldata instruments) external view returns (uint256[] memory prices, uint256 oldestPrice);

    /// @notice Health, 1e18: (margin equity - long options) / (maintenance - long options); type(int256).max where the
    /// denominator is 0 and the numerator is not negative, type(int256).min where it is negative.
    function health(Requirement calldata r) external pure returns (int256);
}
