// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {MAX_SCENARIOS, ParameterTable, SCENARIO_COUNT_AT, SCENARIOS_AT} from "../types/Parameter.sol";
import {FixedPoint, SWAD} from "./FixedPoint.sol";
import {Memory} from "./Memory.sol";
// solhint-disable-next-line no-unused-import
import {DIRECTIONS, NO_CHANGE, RECORDS} from "./Workspace.sol";

/// @title Scenarios grouped by vol direction into rows of ascending spots (margin.md section 2)
/// @notice A *compiled* scenario word says in its upper 64 bits, which are 0 in the table as it is governed, where it stands:
///
///      | 255..208 ln(1 + x), int48, 2**-42 | 207..200 of the first three words: length of a row (none, up, down) |
///      | 199..192 its record in the rows, which follow each other, from 1; 0 where options cannot change: x = 0, unshocked vol |
///
/// @dev `RiskParameters` stores the table compiled, for a spot scale of 1. Other scales and a witness's scenarios are compiled here.
library Scenarios {
    using Memory for uint256;
    using Memory for uint256[];

    /// @dev The governed bits of a scenario word.
    uint256 internal constant PLAIN = (1 << 192) - 1;
    uint256 private constant RECORD = 64;
    uint256 private constant ROWS = 3;

    function count(ParameterTable table) internal pure returns (uint256) {
        return table.word(SCENARIO_COUNT_AT);
    }

    /// @notice Address of the first scenario word of a table.
    function words(ParameterTable table) internal pure returns (uint256) {
        unchecked {
            return ParameterTable.unwrap(table) + 32 * SCENARIOS_AT;
        }
    }

    /// @notice Whether the words at `from` are compiled: then some row is not empty.
    function isCompiled(uint256 from) internal pure returns (bool) {
        unchecked {
            return (from.load() | (from + 32).load() | (from + 64).load()) & (0xff << 200) != 0;
        }
    }

    /// @notice Compiles the scenarios of a mask, core shocks times `scale`, into MAX_SCENARIOS words at `to`, which hold nothing yet.
    /// Shocks x must be above -1 and ln(1 + x) below 32.
    function compile(uint256 from, uint256 to, uint256 mask, int256 scale) internal pure {
        unchecked {
            for (uint256 rest = mask; rest != 0; rest &= rest - 1) {
                uint256 at = 32 * FixedPointMathLib.log2(rest & (~rest + 1));
                (to + at).store(_shocked(from, at, scale));
            }
            uint256 record;
            for (uint256 row; row < ROWS; ++row) {
                uint256 length = _sort(to, mask, row, record);
                record += length;
                (to + 32 * row).store((to + 32 * row).load() | (length << 200));
            }
        }
    }

    /// @notice The scenario `index` alone, compiled, and its record, with empty lanes, in the workspace.
    /// @return at Address such that the word lies at + 32 index.
    /// @return rows As in `OptionFrame`: the address of its vol direction, or 0 where options cannot change.
    function single(uint256 from, uint256 index, int256 scale) internal pure returns (uint256 at, uint256 rows) {
        unchecked {
            uint256 word = _shocked(from, 32 * index, scale);
            uint256 direction = uint8(word);
            rows = DIRECTIONS + 128 * direction;
            if (direction == 0) {
                if (uint64(word >> 128) == 0) rows = 0;
                DIRECTIONS.store(1 << 60); // the factor and the least of an unshocked vol
                (DIRECTIONS + 32).store(1);
            }
            if (rows != 0) word |= 1 << 192;
            RECORDS.store(uint256(int256(word) >> 208));
            (RECORDS + 32).store(0);
            uint256[] memory room = new uint256[](1);
            at = room.address_();
            at.store(word);
            at -= 32 * index;
        }
    }

    /// @notice The rows of compiled scenarios, with empty lanes, into the workspace.
    function place(uint256 from, uint256 total) internal pure {
        assembly ("memory-safe") {
            let row := DIRECTIONS
            let at := RECORDS
            for { let word := from } lt(word, add(from, 0x60)) { word := add(word, 0x20) } {
                mstore(add(row, 0x40), at)
                at := add(at, shl(6, and(shr(200, mload(word)), 0xff)))
                mstore(add(row, 0x60), at)
                row := add(row, 0x80)
            }
            for { let end := add(from, shl(5, total)) } lt(from, end) { from := add(from, 0x20) } {
                let word := mload(from)
                at := add(NO_CHANGE, shl(6, and(shr(192, word), 0xff)))
                mstore(at, sar(208, word))
                mstore(add(at, 0x20), 0)
            }
        }
    }

    /// @dev The word at `from` + `at`, its spot shock times `scale` where it is a core one, with its logarithm.
    function _shocked(uint256 from, uint256 at, int256 scale) private pure returns (uint256 word) {
        unchecked {
            word = (from + at).load();
            if (scale == SWAD && isCompiled(from)) return word & ~uint256(0xffff << 192);
            word &= PLAIN;
            int256 x = int64(uint64(word >> 128));
            if (word & 0xff00 != 0 && scale != SWAD) x = x * scale / SWAD;
            return (word & type(uint128).max) | (uint256(uint64(int64(x))) << 128) | (uint256(FixedPoint.ln(uint256(SWAD + x))) << 208);
        }
    }

    /// @dev Numbers the records of a row by ascending x: insertion into a list of indices, which the table mostly is in order of.
    function _sort(uint256 to, uint256 mask, uint256 row, uint256 before) private pure returns (uint256 length) {
        unchecked {
            uint256[] memory order = new uint256[](MAX_SCENARIOS);
            for (uint256 rest = mask; rest != 0; rest &= rest - 1) {
                uint256 at = to + 32 * FixedPointMathLib.log2(rest & (~rest + 1));
                uint256 word = at.load();
                if (uint8(word) != row || (row == 0 && uint64(word >> 128) == 0)) continue;
                uint256 place_ = length++;
                for (; place_ != 0 && int256(order.at(place_ - 1).load()) >> 208 > int256(word) >> 208; --place_) {
                    order.put(place_, order.at(place_ - 1));
                }
                order.put(place_, at);
            }
            for (uint256 i; i < length; ++i) {
                uint256 at = order.at(i);
                at.store(at.load() | ((before + i + 1) << 192));
            }
        }
    }
}
