// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";

/// @notice What every account shares: the debit index and where losses were ever shared. 23 bytes.
struct Terms {
    uint56 index; // 7 bytes, 1e15, modulo 2**56, as of `since`
    uint64 ratePerYear; // 8 bytes, 1e18
    uint32 since; // 4 bytes, unix seconds
    uint32 lossMask; // 4 bytes, bit u: a loss was shared in an instrument of underlying u
}

/// @title Interest on negative cash
/// @notice Simple interest at one flat rate: interest = debt * (index - entry), where the index grows with the rate. What is realised
/// becomes debt itself.
/// @dev The index wraps after 72 (a rate of 100 % for 72 years); differences stay right modulo 2**56.
library DebitInterest {
    uint256 internal constant INDEX_UNIT = 1e15;
    uint256 private constant YEAR = 365 days;

    /// @return Index 1e15 at this block, rounded down.
    function current(Terms memory t) internal view returns (uint56) {
        unchecked {
            return uint56(t.index + uint256(t.ratePerYear) * (block.timestamp - t.since) / (1000 * YEAR)); // 1e18 to 1e15
        }
    }

    /// @notice USD 1e18 owed on `debt`, rounded up.
    function interestUp(uint256 debt, uint56 index, uint56 entry) internal pure returns (uint256) {
        unchecked {
            return FixedPointMathLib.mulDivUp(debt, uint56(index - entry), INDEX_UNIT);
        }
    }
}
