// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title Funding
/// @notice Sets what longs and shorts of a perp pay each other, and passes governed rates on to the ledger, which asks nobody.
/// Trusted with nothing: anyone calls, and what is set follows from the price door and the parameters alone.
/// @dev The funding of eight hours is the premium (mark - spot) / spot, averaged over time since the last update, within
/// +-FUNDING_CLAMP, times spot. It is paid continuously: rate per second = clamp(premium) * spot / 8 h per contract, from one update
/// to the next. The average weighs each price by the time it stood, so that it matters neither who updates nor how often, and a
/// premium that stands for a block counts for a block.
interface IFunding {
    /// @param premium Time-weighted over `elapsed` seconds and clamped, 1e18. @param spot USD 1e18.
    /// @param ratePerSecond USD 1e18 per contract; > 0: longs pay shorts.
    event FundingUpdated(uint8 indexed underlying, int256 premium, uint256 spot, int256 ratePerSecond, uint256 elapsed);

    /// @notice The next update is due at `next`: FUNDING_INTERVAL after the last.
    error TooEarly(uint8 underlying, uint256 time, uint256 next);

    /// @notice Sets the funding rate from the average premium since the last update. The first update of an underlying only begins
    /// the average. Anyone. Reverts `TooEarly`, `IPriceDoor.NoPrice`, and `ILedger.FundingEnded` once the perp is being settled.
    /// @return ratePerSecond USD 1e18 per contract, rounded towards 0: the same for both sides.
    function update(uint8 underlying) external returns (int256 ratePerSecond);

    /// @notice Has the ledger charge the governed DEBIT_RATE from now on. Anyone; nothing happens where it does already.
    function updateDebitRate() external;

    /// @notice Has the ledger vest profit over the governed PROFIT_VESTING. Anyone; nothing happens where it does already.
    function updateProfitVesting() external;

    /// @notice The door's premium integral at the last update, 1e18 x seconds, and that update's time; 0 before the first.
    function lastUpdate(uint8 underlying) external view returns (int256 integral, uint256 at);
}
