// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ILiquidator} from "./ILiquidator.sol";
import {IPriceDoor} from "./IPriceDoor.sol";

/// @title Liquidation batch
/// @notice Prices and the liquidations that they make possible, in one transaction; what one member cannot do does not stop the others.
/// @dev A caller for others: the account that takes legs makes this contract its operator with SCOPE_TRADE, and whoever may act for the
/// account may have the batch act for it, nobody else. It holds no funds, no state and no right of its own, and calls
/// `PriceDoor.submitBatch` and `Liquidator.liquidate` alone. The simulation of a batch (eth_call) tells of each member what it would do
/// and what gas it takes.
interface ILiquidationBatch {
    /// @param done False: the member was refused, `reason` is the revert data and the outcome is zero.
    /// @param gasUsed By the member, inside this transaction (what earlier members touched is warm).
    struct Result {
        bool done;
        uint256 gasUsed;
        ILiquidator.Outcome outcome;
        bytes reason;
    }

    /// @notice The signed prices were refused: newer ones are stored already, or they are no good. The members judge by what is stored.
    event PricesRefused(bytes reason);
    event MemberRefused(uint64 indexed account, bytes reason);

    error NotAuthorised(uint64 account, address caller);

    /// @notice Submits the updates, if any, then liquidates one member after the other.
    /// @param updates, signatures As of `IPriceDoor.submitBatch`. @param members A member with a callback is refused: there is nobody to call.
    /// @dev Reverts `NotAuthorised` where the caller may not act for the `to` of a member.
    function liquidate(
        IPriceDoor.MarketUpdate[] calldata updates,
        bytes[][] calldata signatures,
        ILiquidator.Liquidation[] calldata members
    ) external returns (Result[] memory results);
}
