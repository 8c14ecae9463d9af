// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title What open deficits forbid
/// @notice Implemented by the deleverager (ledger-and-liquidation.md 5).
interface IDeficitGate {
    /// @notice False while a deficit is open for the account or on the other side of one of its positions: neither trades that
    /// increase its risk nor withdrawals.
    function mayIncreaseRisk(uint64 account) external view returns (bool);
}
