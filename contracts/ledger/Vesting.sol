// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @notice Profit an account realised lately, and the entity it belongs to. 32 bytes.
struct Realised {
    uint96 current; // 12 bytes, USD 1e18, since `since`
    uint96 previous; // 12 bytes, USD 1e18, of the period before
    uint32 since; // 4 bytes, unix seconds
    uint32 entity; // 4 bytes, 0: none
}

/// @title Vesting of realised profit
/// @notice Two buckets that take turns every `period` seconds: profit counts for at least one period and at most two, so that
/// nothing vests early and an account costs one slot.
library Vesting {
    /// @notice The buckets as they stand at this block.
    function rotated(Realised memory r, uint256 period) internal view returns (Realised memory) {
        uint256 elapsed = block.timestamp - r.since;
        if (elapsed < period) return r;
        // An empty pair begins anew with the next profit, so that this counts for one whole period.
        if (elapsed >= 2 * period) return Realised({current: 0, previous: 0, since: uint32(block.timestamp), entity: r.entity});
        return Realised({current: 0, previous: r.current, since: uint32(r.since + period), entity: r.entity});
    }

    /// @notice Adds a profit, or takes a loss (`change` < 0) off the older bucket first: what is left vests last.
    /// @dev Saturates at 2**96 (7.9e10 USD).
    function counted(Realised memory r, int256 change) internal pure returns (Realised memory) {
        if (change >= 0) {
            uint256 sum = uint256(r.current) + uint256(change);
            r.current = sum > type(uint96).max ? type(uint96).max : uint96(sum);
            return r;
        }
        uint256 loss = uint256(-change);
        if (loss <= r.previous) {
            r.previous -= uint96(loss);
            return r;
        }
        loss -= r.previous;
        r.previous = 0;
        r.current = loss >= r.current ? 0 : r.current - uint96(loss);
        return r;
    }
}
