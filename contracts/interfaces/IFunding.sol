// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title Funding
/// @notice Sets what longs and shorts of a perp pay each other, and passes governed rates on to the ledger, which asks nobody.
/// Trusted with nothing: anyone calls, and what is set follows from the price door and the parameters alone.
/// @dev The funding of eight hours is the premium (mark - spot) / spot, averaged over time since the last update, within
/// +-FUNDING_CLAMP, times the spot, averaged alike. What a window owes so is paid after it, evenly over as many seconds as it had
/// (at most eight hours of it, at most at the clamp's rate), then nothing more; an update before that carries the rest over. So the
/// sum that is paid is what premium and spot were, each for as long as it stood: who updates, when and how often changes when it is
/// paid, not how much; a premium that stands for a block counts for a block; and without updates nothing runs on.
interface IFunding {
    /// @param premium Time-weighted over `elapsed` seconds and clamped, 1e18. @param spot Time-weighted, USD 1e18.
    /// @param ratePerSecond USD 1e18 per contract, for `duration` seconds from now; > 0: longs pay shorts.
    event FundingUpdated(
        uint8 indexed underlying, int256 premium, uint256 spot, int256 ratePerSecond, uint256 elapsed, uint256 duration
    );

    /// @notice The next update is due at `next`: FUNDING_INTERVAL after the last.
    error TooEarly(uint8 underlying, uint256 time, uint256 next);

    /// @notice Sets the funding rate from the averages since the last update and what is still unpaid. The first update of an underlying only begins
    /// the average. Anyone. Reverts `TooEarly`, `IPriceDoor.NoPrice`, and `ILedger.FundingEnded` once the perp is being settled.
    /// @return ratePerSecond USD 1e18 per contract, rounded towards 0: the same for both sides.
    function update(uint8 underlying) external returns (int256 ratePerSecond);

    /// @notice Has the ledger charge the governed DEBIT_RATE from now on. Anyone; nothing happens where it does already.
    function updateDebitRate() external;

    /// @notice Has the ledger vest profit over the governed PROFIT_VESTING. Anyone; nothing happens where it does already.
    function updateProfitVesting() external;

    /// @notice The door's integrals of premium (1e18 x seconds) and spot (USD 1e18 x seconds) at the last update, and that update's
    /// time; 0 before the first.
    function lastUpdate(uint8 underlying) external view returns (int256 premium, uint256 spot, uint256 at);
}
