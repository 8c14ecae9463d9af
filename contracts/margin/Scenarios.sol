// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Black76} from "../math/Black76.sol";
import {FixedPoint, SWAD} from "../math/FixedPoint.sol";
import {ParameterTable, SCENARIOS_AT, SCENARIO_COUNT_AT} from "../types/Parameter.sol";

/// @notice Scenarios that share a vol direction and are of one kind (core or tail): one array of `Black76` records.
/// @param lowest, highest Of ln(1 + x) in the row, 2**-42.
struct Row {
    uint256 first;
    uint256 last;
    int256 lowest;
    int256 highest;
}

/// @notice The scenario table of one underlying, laid out for the kernel.
/// @param count Scenarios in the table. @param mask Bit per scenario that is evaluated.
/// @param shocks Spot shock x with the underlying's spotScale, 1e18.
/// @param records Address of the scenario's record; 0 where options cannot change (x = 0 at the unshocked vol).
/// @param rows By 2 * direction + (core ? 0 : 1); a direction's core row comes before its tail row.
struct ScenarioRows {
    uint256 count;
    uint256 mask;
    int256[] shocks;
    uint256[] records;
    Row[] rows;
}
import {MemoryArray} from "./MemoryArray.sol";

/// @title Scenarios grouped by vol direction into rows of spots (margin.md section 2)
library Scenarios {
    using MemoryArray for uint256[];
    using MemoryArray for int256[];

    uint256 private constant ROWS = 6;

    function count(ParameterTable table) internal pure returns (uint256) {
        return table.word(SCENARIO_COUNT_AT);
    }

    /// @notice Rows of the scenarios in `mask`. Core shocks are multiplied by `spotScale` (1e18).
    function build(ParameterTable table, uint256 spotScale, uint256 mask)
        internal
        pure
        returns (ScenarioRows memory s)
    {
        unchecked {
            uint256 total = count(table);
            s.count = total;
            s.mask = mask;
            s.shocks = new int256[](total);
            s.records = new uint256[](total);
            _reserve(s, table, total, mask);
            int256 lastShock;
            int256 lastLn;
            for (uint256 i; i < total; ++i) {
                if ((mask >> i) & 1 == 0) continue;
                uint256 word = table.word(SCENARIOS_AT + i);
                int256 x = int64(uint64(word >> 128));
                if (word & 0xff00 != 0) x = x * int256(spotScale) / SWAD;
                s.shocks.put(i, x);
                if (x == 0 && word & 0xff == 0) continue;
                if (x != lastShock) {
                    // The table lists the vol directions of one spot together: most logarithms serve three scenarios.
                    lastShock = x;
                    lastLn = FixedPoint.ln(uint256(SWAD + x));
                }
                s.records.put(i, _append(s.rows[_rowOf(word)], lastLn));
            }
        }
    }

    /// @dev Zeroed room for all records, each row's share at its place.
    function _reserve(ScenarioRows memory s, ParameterTable table, uint256 total, uint256 mask) private pure {
        unchecked {
            uint256 counts; // 16 bits per row
            for (uint256 i; i < total; ++i) {
                if ((mask >> i) & 1 != 0) counts += 1 << (_rowOf(table.word(SCENARIOS_AT + i)) << 4);
            }
            uint256[] memory room = new uint256[](total * (Black76.RECORD / 32));
            uint256 at;
            assembly ("memory-safe") {
                at := add(room, 0x20)
            }
            s.rows = new Row[](ROWS);
            for (uint256 i; i < ROWS; ++i) {
                Row memory row = s.rows[i];
                (row.first, row.last) = (at, at);
                at += ((counts >> (i << 4)) & 0xffff) * Black76.RECORD;
            }
        }
    }

    function _append(Row memory row, int256 lnShock) private pure returns (uint256 record) {
        unchecked {
            record = row.last;
            assembly ("memory-safe") {
                mstore(record, lnShock)
            }
            if (record == row.first || lnShock < row.lowest) row.lowest = lnShock;
            if (record == row.first || lnShock > row.highest) row.highest = lnShock;
            row.last = record + Black76.RECORD;
        }
    }

    function _rowOf(uint256 word) private pure returns (uint256) {
        unchecked {
            return 2 * (word & 0xff) + (word & 0xff00 == 0 ? 1 : 0);
        }
    }
}
