// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title Trip discount
/// @notice While an underlying has tripped by itself, withdrawals value each leg at the worse of its price now and before the trip
/// (ledger-and-liquidation.md 6): what somebody gained by the very move that tripped cannot be taken out.
interface ITripDiscount {
    /// @notice What the account is worth less than at present prices, each leg at the worse of the two. 0 where nothing has tripped.
    /// @dev Before the trip: spot as `IPriceDoor.preTripSpot`, mark and forwards in proportion, the surface as it is.
    /// @return legs Of the positions, USD 1e18, rounded up per leg.
    /// @return collateral Of the collateral, before any haircut, USD 1e18, rounded up per token.
    function discount(uint64 account) external view returns (uint256 legs, uint256 collateral);
}
