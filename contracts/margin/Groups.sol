// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPoint, WAD} from "../math/FixedPoint.sol";
import {Memory} from "../math/Memory.sol";
import {GROUPS_AT, MAX_GROUPS, MAX_UNDERLYINGS, ParameterTable, UNDERLYINGS_AT} from "../types/Parameter.sol";
import {UnderlyingRisk} from "./Risk.sol";

/// @title Losses of correlated underlyings (margin.md section 4)
/// @notice sum_g [(1 - kappa_g) sum W_u + kappa_g max(0, J_g)], J_g the largest joint loss in one scenario for all members.
library Groups {
    using Memory for uint256[];
    using Memory for int256[];

    /// @notice Group of an underlying: 0 for none, else 1..MAX_GROUPS.
    function groupOf(ParameterTable table, uint256 underlying) internal pure returns (uint256) {
        unchecked {
            uint256 id = uint8(table.word(UNDERLYINGS_AT + underlying));
        return id > MAX_GROUPS ? 0 : id;
        }
    }

    /// @notice Loss of all underlyings after the credited offsets, rounded up.
    /// @param chosen `ScenarioChoice.choose`: index + 1 of the witness's scenario per group, 0 for all.
    function loss(ParameterTable table, UnderlyingRisk[] memory risks, uint256[] memory chosen)
        internal
        pure
        returns (uint256 sum)
    {
        unchecked {
            uint256 present;
            for (uint256 i; i < risks.length; ++i) {
                present |= 1 << groupOf(table, risks[i].id);
                sum += risks[i].loss;
            }
            for (uint256 id = 1; present >> id != 0; ++id) {
                uint256 kappa = table.word(GROUPS_AT + id - 1);
                if ((present >> id) & 1 == 0 || kappa == 0) continue;
                (uint256 members, uint256 single, int256[] memory pnl) = joined(table, risks, id);
                uint256 which = chosen.at(MAX_UNDERLYINGS + id);
                if (members == 1 && which == 0) continue; // J = W
                uint256 joint = _loss(pnl, which);
                // Rounded up as a whole, so that it rises with W and J: a witness must not gain a digit. A witness's J may be above
                // its sum of W.
                if (joint <= single) sum -= (single - joint) * kappa / WAD;
                else sum += FixedPoint.mulWadUp(joint - single, kappa);
            }
        }
    }

    /// @notice Members of one group, the sum of their W, and of their profit and loss per scenario.
    function joined(ParameterTable table, UnderlyingRisk[] memory risks, uint256 id)
        internal
        pure
        returns (uint256 members, uint256 single, int256[] memory pnl)
    {
        unchecked {
            for (uint256 i; i < risks.length; ++i) {
                if (groupOf(table, risks[i].id) != id) continue;
                single += risks[i].loss;
                pnl = ++members == 1 ? risks[i].pnl : _sum(pnl, risks[i].pnl);
            }
        }
    }

    /// @dev max(0, J): over all scenarios, or in the one that is chosen (index + 1).
    function _loss(int256[] memory pnl, uint256 chosen) private pure returns (uint256) {
        unchecked {
            int256 least;
            if (chosen != 0) {
                least = pnl.at(chosen - 1);
                return least < 0 ? uint256(-least) : 0;
            }
            for (uint256 i; i < pnl.length; ++i) {
                if (pnl.at(i) < least) least = pnl.at(i);
            }
            return uint256(-least);
        }
    }

    function _sum(int256[] memory a, int256[] memory b) private pure returns (int256[] memory sums) {
        unchecked {
            sums = new int256[](a.length);
            for (uint256 i; i < a.length; ++i) {
                sums.put(i, a.at(i) + b.at(i));
            }
        }
    }
}
