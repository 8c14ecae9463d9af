// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPoint, SWAD} from "../math/FixedPoint.sol";
import {OptionFrame, OptionFrameLib, VolDirection} from "../math/OptionFrame.sol";
import {ParameterTable, SCENARIO_COUNT_AT, SCENARIOS_AT} from "../types/Parameter.sol";

/// @notice The scenario table of one underlying, laid out for `OptionKernel`: scenarios of one vol direction form a row, which is
/// part of the frame's `VolDirection`.
/// @param scale Factor of the core shocks, 1e18. @param mask Bit per scenario that is evaluated.
/// @param cells Per scenario: | 255..64 spot shock x with the factor, 1e18 | 63..0 address of the record in its row |; address 0
/// where options cannot change (x = 0 at the unshocked vol).
/// @param records Address of the rows' room.
struct ScenarioGrid {
    uint256 scale;
    uint256 mask;
    uint256[] cells;
    uint256 records;
}

/// @title Scenarios grouped by vol direction into rows of spots (margin.md section 2)
library Scenarios {
    uint256 private constant RECORD = 64;
    uint256 private constant DIRECTIONS = 3;

    function count(ParameterTable table) internal pure returns (uint256) {
        return table.word(SCENARIO_COUNT_AT);
    }

    /// @notice The grid with empty lanes, and the frame's rows. What was built for the same factor and scenarios is used again.
    function prepare(ScenarioGrid memory g, OptionFrame memory frame, ParameterTable table, uint256 mask, uint256 scale)
        internal
        pure
    {
        unchecked {
            uint256 directions = frame.directions;
            if (g.scale == scale && g.mask == mask) return _clear(directions);
            if (g.records == 0) _reserve(g, count(table));
            (g.scale, g.mask) = (scale, mask);
            for (uint256 i; i < DIRECTIONS; ++i) {
                VolDirection memory d = OptionFrameLib.direction(frame, i);
                d.first = d.end = g.records + i * g.cells.length * RECORD;
            }
            _fill(g, table, directions);
            _connect(g.cells, directions);
        }
    }

    /// @dev Each row has room for all scenarios.
    function _reserve(ScenarioGrid memory g, uint256 total) private pure {
        g.cells = new uint256[](total);
        uint256 records;
        assembly ("memory-safe") {
            records := mload(0x40)
            mstore(0x40, add(records, mul(mul(total, RECORD), DIRECTIONS)))
        }
        g.records = records;
    }

    /// @dev The records' first words into ascending rows, their second the index of the scenario for now. The table lists the vol
    /// directions of one spot together: most logarithms serve three scenarios.
    function _fill(ScenarioGrid memory g, ParameterTable table, uint256 directions) private pure {
        unchecked {
            (uint256[] memory cells, uint256 mask, int256 scale) = (g.cells, g.mask, int256(g.scale));
            uint256 words = ParameterTable.unwrap(table) + 32 * SCENARIOS_AT;
            uint256 total = cells.length;
            int256 lastShock;
            int256 ln;
            for (uint256 i; i < total; ++i) {
                if ((mask >> i) & 1 == 0) continue;
                uint256 word;
                assembly ("memory-safe") {
                    word := mload(add(words, shl(5, i)))
                }
                int256 x = int64(uint64(word >> 128));
                if (word & 0xff00 != 0 && scale != SWAD) x = x * scale / SWAD;
                if (x != lastShock) {
                    ln = FixedPoint.ln(uint256(SWAD + x));
                    lastShock = x;
                }
                assembly ("memory-safe") {
                    i := add(i, 1)
                    mstore(add(cells, shl(5, i)), shl(64, x))
                    word := and(word, 0x03)
                    if or(x, word) {
                        word := add(directions, shl(7, word))
                        let at := mload(add(word, 0x60))
                        mstore(add(word, 0x60), add(at, RECORD))
                        word := mload(add(word, 0x40))
                        for {} gt(at, word) { at := sub(at, RECORD) } {
                            let below := sub(at, RECORD)
                            if iszero(sgt(mload(below), ln)) { break }
                            mcopy(at, below, RECORD)
                        }
                        mstore(at, ln)
                        mstore(add(at, 0x20), i)
                    }
                    i := sub(i, 1)
                }
            }
        }
    }

    /// @dev Records that have found their place: their addresses to the cells, their lanes to zero.
    function _connect(uint256[] memory cells, uint256 directions) private pure {
        assembly ("memory-safe") {
            for { let last := add(directions, shl(7, DIRECTIONS)) } lt(directions, last) { directions := add(directions, 0x80) } {
                let end := mload(add(directions, 0x60))
                for { let at := mload(add(directions, 0x40)) } lt(at, end) { at := add(at, RECORD) } {
                    let lanes := add(at, 0x20)
                    let cell := add(cells, shl(5, mload(lanes)))
                    mstore(cell, or(mload(cell), at))
                    mstore(lanes, 0)
                }
            }
        }
    }

    /// @dev Lanes to zero.
    function _clear(uint256 directions) private pure {
        assembly ("memory-safe") {
            for { let last := add(directions, shl(7, DIRECTIONS)) } lt(directions, last) { directions := add(directions, 0x80) } {
                let end := mload(add(directions, 0x60))
                for { let at := mload(add(directions, 0x40)) } lt(at, end) { at := add(at, RECORD) } { mstore(add(at, 0x20), 0) }
            }
        }
    }
}
