// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {SWAD} from "../math/FixedPoint.sol";

/// @notice Funding of an underlying's perp. 32 bytes.
struct FundingIndex {
    int104 index; // 13 bytes, USD 1e18 per contract, as of `since`
    int80 ratePerSecond; // 10 bytes, USD 1e18 per contract; > 0: longs pay shorts
    uint32 since; // 4 bytes, unix seconds
    uint32 until; // 4 bytes, unix seconds >= since: the rate is paid no longer
    bool ended; // 1 byte, the perp is being settled: the index stands for good
}

/// @notice Losses shared by the holders of an instrument, per side. 32 bytes.
struct LossIndex {
    int128 longs; // 16 bytes, USD 1e18 per contract, rises
    int128 shorts; // 16 bytes, USD 1e18 per contract, falls: size < 0, so that what is owed rises
}

/// @title Carry of positions
/// @notice What a position owes since it last changed: owed = size * (index - entry), whatever its sign; < 0 is received. One index
/// per instrument and side: funding moves both sides alike, a shared loss one of them.
library Carry {
    /// @return USD 1e18 per contract, projected to this block: exact, because the rate is constant from `since` to `until`.
    function current(FundingIndex storage f) internal view returns (int256) {
        uint256 end = block.timestamp < f.until ? block.timestamp : f.until;
        return int256(f.index) + int256(f.ratePerSecond) * int256(end - f.since);
    }

    /// @notice USD 1e18, rounded up: what is owed up, what is received down.
    /// @dev |size| < 2**95 and |index - entry| < 2**129: the product fits.
    function owedUp(int256 size, int256 index, int256 entry) internal pure returns (int256) {
        int256 product = size * (index - entry);
        return product > 0 ? (product - 1) / SWAD + 1 : product / SWAD; // division truncates: up where negative
    }
}
