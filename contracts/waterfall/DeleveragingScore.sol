// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {WAD} from "../math/FixedPoint.sol";

import {FixedPoint} from "../math/FixedPoint.sol";
import {Parameter, ParameterTable, SCENARIO_COUNT_AT, SCENARIOS_AT, UNDERLYINGS_AT} from "../types/Parameter.sol";

/// @title Deleveraging score
/// @notice Who of the winners is closed first (ledger-and-liquidation.md section 5):
///
///      score    = profit ratio * leverage                                  1e-9, rounded down, at most 2**64 - 1
///      ratio    = (size * mark - cost + realised lately) / |cost|          of the position: no deposit moves it
///      leverage = maintenance requirement / margin equity                  of the account
///
/// A requirement of CROSS or ISOLATED counts `standardScaleDown` times.
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

    /// @notice What brings a standard margin to the measure of stress, 1e18, at least 1: the maintenance that the underlying's perpetual
    /// alone needs by the worst governed scenario, over what the first tier asks. Without it the same short would rank far lower in
    /// CROSS than in PORTFOLIO [A: choosing the mode].
    function standardScaleDown(ParameterTable p, uint8 underlying) internal pure returns (uint256) {
        uint256 spotScale = uint64(p.word(UNDERLYINGS_AT + underlying) >> 32);
        uint256 worst;
        uint256 count = p.word(SCENARIO_COUNT_AT);
        for (uint256 i; i < count; ++i) {
            uint256 scenario = p.word(SCENARIOS_AT + i);
            uint256 move = FixedPoint.abs(int256(int64(uint64(scenario >> 128)))) * uint64(scenario >> 64);
            if (uint8(scenario >> 8) != 0 && spotScale != 0) move = move * spotScale / WAD; // a core one
            worst = FixedPointMathLib.max(worst, move);
        }
        uint256 least = p.get(Parameter.TIER_1_MAINTENANCE);
        if (least == 0) return WAD;
        return FixedPointMathLib.max(worst / WAD * p.get(Parameter.MAINTENANCE_FACTOR) / least, WAD);
    }

    /// @dev Something over nothing is the largest there is.
    function _ratioDown(uint256 x, uint256 y) private pure returns (uint256) {
        if (y == 0) return MAX_FACTOR;
        return FixedPointMathLib.min(FixedPointMathLib.fullMulDiv(x, WAD, y), MAX_FACTOR);
    }
}
