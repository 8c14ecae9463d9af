// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {WAD} from "../math/FixedPoint.sol";

/// @title Deleveraging score
/// @notice Who of the winners is closed first (ledger-and-liquidation.md section 5):
///
///      score    = profit ratio * leverage                                  1e-9, rounded down, at most 2**64 - 1
///      ratio    = (size * mark - cost + realised lately) / |cost|          of the position: no deposit moves it
///      leverage = maintenance requirement / margin equity                  of the account
///
/// @dev Leverage by requirement, not by notional: stress nets what the account's positions do for each other, so that a position that
/// hedges another ranks lower than the same position held alone. A requirement proven by a witness is a lower bound: a weak witness
/// ranks the nominee too low, never too high.
library DeleveragingScore {
    /// @dev Of either factor: 4e10.
    uint256 private constant MAX_FACTOR = type(uint96).max;
    /// @dev A score's unit is 1e-9.
    uint256 private constant TO_SCORE = 1e27;

    /// @param profit USD 1e18. @param cost Paid for the open size, signed, USD 1e18 (below 2**127).
    /// @param maintenance Requirement, less the long options that support nothing, USD 1e18.
    /// @param marginEquity The same of margin equity.
    /// @return 0 where there is no profit, no requirement, or no margin equity left to weigh it against.
    function scoreDown(int256 profit, int256 cost, int256 maintenance, int256 marginEquity) internal pure returns (uint64) {
        if (profit <= 0 || maintenance <= 0 || marginEquity <= 0) return 0;
        uint256 ratio = _ratioDown(uint256(profit), FixedPointMathLib.abs(cost));
        uint256 leverage = _ratioDown(uint256(maintenance), uint256(marginEquity));
        uint256 score = ratio * leverage / TO_SCORE;
        return score > type(uint64).max ? type(uint64).max : uint64(score);
    }

    /// @dev Something over nothing is the largest there is.
    function _ratioDown(uint256 x, uint256 y) private pure returns (uint256) {
        if (y == 0) return MAX_FACTOR;
        return FixedPointMathLib.min(FixedPointMathLib.fullMulDiv(x, WAD, y), MAX_FACTOR);
    }
}
