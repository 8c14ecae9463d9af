// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";

/// @title Leaky bucket
/// @notice Bounds what is taken over any span of time: at most `limit` at once, and limit / window per second after it.
///
///      level |   /|  /|          each taking raises the level, which may not pass `limit`;
///            |  / \ / \          between takings it leaks limit / window per second
///            |_/   V   \___ time
library LeakyBucket {
    /// @dev 24 bytes.
    struct Bucket {
        uint128 level; // WAD taken and not leaked at `updatedAt`
        uint64 updatedAt; // unix seconds
    }

    /// @notice Level now, WAD: the leak is rounded down. A window of 0 leaks nothing.
    function levelUp(Bucket storage b, uint256 limit, uint256 window) internal view returns (uint256) {
        uint256 level = b.level;
        if (level == 0 || window == 0) return level;
        return FixedPointMathLib.zeroFloorSub(level, limit * (block.timestamp - b.updatedAt) / window);
    }

    /// @notice What may be taken now, WAD.
    function roomDown(Bucket storage b, uint256 limit, uint256 window) internal view returns (uint256) {
        return FixedPointMathLib.zeroFloorSub(limit, levelUp(b, limit, window));
    }

    /// @notice Takes `amount`, at most `roomDown` (the caller checks), `limit` < 2**128.
    function take(Bucket storage b, uint256 amount, uint256 limit, uint256 window) internal {
        b.level = uint128(levelUp(b, limit, window) + amount);
        b.updatedAt = uint64(block.timestamp);
    }
}
