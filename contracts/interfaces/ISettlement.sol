// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title Expiry settlement
/// @notice Closes futures and options after their expiry at what the price door fixed as settlement price: a future at that price, a
/// call at max(price - strike, 0), a put at max(strike - price, 0). Until an account is settled the margin engine values it at the
/// same prices, so that settling changes no equity and it does not matter when, by whom and in which order it is done.
/// @dev An account that cannot pay is left with negative cash: a debt like any other.
interface ISettlement {
    event PositionsSettled(uint64 indexed account, uint8 indexed underlying, uint32 indexed expiry, uint256 positions);
    /// @notice `settleNext` has visited every account up to `account`.
    event SettlementAdvanced(uint8 indexed underlying, uint32 indexed expiry, uint64 account);

    /// @notice The door has no settlement price yet: see `fix`.
    error NotFixed(uint8 underlying, uint32 expiry);

    /// @notice Has the door fix the settlement price (`IPriceDoor.fixSettlement`, with its errors). Anyone.
    function fix(uint8 underlying, uint32 expiry) external returns (uint256 price);

    /// @notice Settles the positions of these accounts in the expiry. Anyone; accounts without any are skipped. Reverts `NotFixed`.
    /// @return positions How many were closed.
    function settle(uint64[] calldata accounts, uint8 underlying, uint32 expiry) external returns (uint256 positions);

    /// @notice The same for the next `count` accounts by number, from where the last call of this function ended.
    /// @return positions How many were closed.
    /// @return done Whether every account opened so far was visited.
    function settleNext(uint8 underlying, uint32 expiry, uint64 count) external returns (uint256 positions, bool done);

    /// @notice The last account that `settleNext` visited.
    function visited(uint8 underlying, uint32 expiry) external view returns (uint64 account);

    /// @notice What an instrument settles at, USD 1e18. Reverts `NotFixed`, also for perps.
    function settlementValue(uint112 instrument) external view returns (uint256);
}
