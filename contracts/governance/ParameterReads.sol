// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {SSTORE2} from "solady/utils/SSTORE2.sol";

import {IRiskParameters} from "../interfaces/IRiskParameters.sol";
import {ParameterTable} from "../types/Parameter.sol";

/// @title The governed table in memory
/// @notice For whoever needs several parameters in one call; the engine copies a part (CaseLoader).
library ParameterReads {
    /// @dev One copy of the data contract's code; the table begins behind the length of `raw`.
    function copied(IRiskParameters parameters) internal view returns (ParameterTable table) {
        bytes memory raw = SSTORE2.read(parameters.pointer());
        assembly ("memory-safe") {
            table := add(raw, 0x20)
        }
    }
}
