// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title Spot source
/// @notice One outside opinion on one underlying's spot, in the price door's units. The door decides what it is worth.
interface ISpotSource {
    /// @return price USD 1e18 per unit, rounded down; 0 where the source has no usable price.
    /// @return publishedAt When the source says so (unix seconds).
    /// @dev May revert; the door then takes it for silent.
    function spot() external view returns (uint256 price, uint256 publishedAt);
}
