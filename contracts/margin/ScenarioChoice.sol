// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IMarginEngine} from "../interfaces/IMarginEngine.sol";
import {Memory} from "../math/Memory.sol";
import {Scenarios} from "../math/Scenarios.sol";
import {MAX_GROUPS, MAX_UNDERLYINGS} from "../types/Parameter.sol";
import {Groups} from "./Groups.sol";
import {Case, UnderlyingRisk} from "./Risk.sol";

/// @title Which scenarios are evaluated: all, or those a witness names (margin.md section 5)
library ScenarioChoice {
    using Memory for uint256[];

    /// @dev Where groups begin in `chosen`; group 0 is none.
    uint256 internal constant GROUPS_FROM = MAX_UNDERLYINGS;

    /// @notice Index + 1 of the scenario per underlying id, then per group id; 0, without a witness: all scenarios. Reverts `BadWitness`.
    function choose(Case memory c) internal pure returns (uint256[] memory chosen) {
        unchecked {
            chosen = new uint256[](GROUPS_FROM + MAX_GROUPS + 1);
            if (!c.partially) return chosen;
            uint256 groups;
            for (uint256 id; c.portfolio.legged >> id != 0; ++id) {
                if ((c.portfolio.legged >> id) & 1 != 0) groups |= 1 << Groups.groupOf(c.table, id);
            }
            groups = (groups >> 1) << 1;
            uint256 count = Scenarios.count(c.table);
            (uint256 underlyingsNamed, bool good) = _assign(chosen, 0, c.portfolio.legged, c.witnessUnderlyings, count);
            (uint256 groupsNamed, bool alsoGood) = _assign(chosen, GROUPS_FROM, groups, c.witnessGroups, count);
            if (!good || !alsoGood) revert IMarginEngine.BadWitness(underlyingsNamed, groupsNamed);
        }
    }

    /// @notice Bit per scenario that an underlying needs.
    function mask(Case memory c, uint256[] memory chosen, uint256 id) internal pure returns (uint256) {
        unchecked {
            if (!c.partially) return type(uint256).max;
            uint256 group = Groups.groupOf(c.table, id);
            uint256 own = (1 << chosen.at(id)) >> 1;
            return group == 0 ? own : own | ((1 << chosen.at(GROUPS_FROM + group)) >> 1);
        }
    }

    /// @notice Room for one risk per underlying in the mask.
    function reserve(uint256 underlyings) internal pure returns (UnderlyingRisk[] memory) {
        unchecked {
            uint256 count;
            for (; underlyings != 0; underlyings &= underlyings - 1) ++count;
            return new UnderlyingRisk[](count);
        }
    }

    /// @dev The witness's bytes to the set bits in ascending order. `good`: one each, and every scenario exists.
    function _assign(uint256[] memory chosen, uint256 from, uint256 bits, bytes memory named, uint256 count)
        private
        pure
        returns (uint256 expected, bool good)
    {
        unchecked {
            good = true;
            for (uint256 i; bits >> i != 0; ++i) {
                if ((bits >> i) & 1 == 0) continue;
                uint256 scenario = expected < named.length ? uint8(named[expected]) : count;
                if (scenario >= count) good = false;
                chosen.put(from + i, scenario + 1);
                ++expected;
            }
            if (named.length != expected) good = false;
        }
    }
}
