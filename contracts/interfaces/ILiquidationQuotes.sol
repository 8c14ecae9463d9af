// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ILiquidator} from "./ILiquidator.sol";
import {Witness} from "./IMarginEngine.sol";

/// @title What a liquidation would pay
/// @notice For bots and front ends: nobody on chain reads it. Every figure is for now, at the stored prices, whatever their age.
/// @dev USD 1e18, rates and health 1e18.
interface ILiquidationQuotes {
    /// @param ok False: the account, its prices or the witness do not exist; all else is 0.
    /// @param tier By the witness, as a liquidation in this block would see it.
    /// @param requirement MM' that the witness proves. @param equity, marginEquity, longOptions As in `Requirement`.
    /// @param discount Share of the release that would be paid (0 in NONE and BANKRUPT). @param fee Share that goes to the house.
    /// @param closable Largest share of the whole book that a liquidation may take, 1e18: all legs alike, to the target or the close
    /// factor; 1e18 where the whole may go. Rounded down; shares of selected legs may be larger or smaller.
    /// @param release What that share releases at most. @param payment What is paid for it, flat rewards included; without the
    /// fund's reward in BANKRUPT, which depends on the legs.
    /// @param small The whole book may be taken, for SMALL_REWARD besides.
    /// @param round For `liquidateThrough`.
    /// @param debt Cash below zero, as a positive figure. @param convertible A conversion is allowed.
    /// @param conversionDiscount Share of the collateral's price. @param oldestPrice As in `Requirement`.
    struct Quote {
        bool ok;
        ILiquidator.Tier tier;
        int256 health;
        uint256 requirement;
        int256 equity;
        int256 marginEquity;
        uint256 longOptions;
        uint256 discount;
        uint256 fee;
        uint256 closable;
        uint256 release;
        uint256 payment;
        bool small;
        uint32 round;
        uint256 debt;
        bool convertible;
        uint256 conversionDiscount;
        uint256 oldestPrice;
    }

    error LengthsDiffer(uint256 accounts, uint256 witnesses);

    /// @notice Reverts as the engine does where there is nothing to quote.
    function quote(uint64 account, Witness calldata witness) external view returns (Quote memory);

    /// @notice Several at once; an account that cannot be quoted has `ok` false.
    function quotes(uint64[] calldata accounts, Witness[] calldata witnesses) external view returns (Quote[] memory);

    /// @notice What the fund may pay now for deficits of the underlying (NO_UNDERLYING: of cash alone), USD 1e18.
    function fundAvailable(uint8 underlying) external view returns (uint256);

    /// @notice Fund over open-interest notional, 1e18, and the notional, USD 1e18.
    function coverage() external view returns (uint256 ratio, uint256 openInterest);
}
