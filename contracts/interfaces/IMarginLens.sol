// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Leg} from "../types/Book.sol";
import {ILens} from "./ILens.sol";
import {Requirement} from "./IMarginEngine.sol";
import {GroupReport, IMarginReport, UnderlyingReport} from "./IMarginReport.sol";

/// @title Margin lens
/// @notice What-ifs, and batches of what the margin engine and the margin report say of one account. Holds nothing, writes nothing.
/// @dev In batches `ok` false: engine or report reverted (for example a price is missing); figures are then empty.
interface IMarginLens {
    struct GreeksView {
        uint64 id;
        bool ok;
        IMarginReport.Greeks[] greeks;
    }

    struct BreakdownView {
        uint64 id;
        bool ok;
        UnderlyingReport[] underlyings;
        GroupReport[] groups;
    }

    /// @notice As many lists of legs as accounts are expected.
    error LengthsDiffer(uint256 accounts, uint256 trades);

    /// @notice The account's requirement after trading `legs` at their prices, fees not counted. Reverts as the engine does.
    /// @return before As it is. @return after_ As it would be. @return health Its health then, 1e18 (`IMarginEngine.health`).
    function previewTrade(uint64 account, Leg[] calldata legs)
        external
        view
        returns (Requirement memory before, Requirement memory after_, int256 health);

    /// @notice The requirement of each account after its own legs.
    function previewTrades(uint64[] calldata ids, Leg[][] calldata trades) external view returns (ILens.RiskView[] memory);

    /// @notice Delta, gamma and vega per underlying of listed accounts.
    function greeksOf(uint64[] calldata ids) external view returns (GreeksView[] memory);

    /// @notice Scenario P&L, charges, Greeks and groups of listed accounts.
    function breakdownsOf(uint64[] calldata ids) external view returns (BreakdownView[] memory);
}
