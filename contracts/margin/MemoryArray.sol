// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title Elements of arrays in memory without a check of the index
/// @notice For indices that come from the array's own length or from lists built over it. A checked access costs twice as much
/// gas, and all of them together a tenth of the engine's code size.
library MemoryArray {
    /// @notice a[i]
    function at(uint256[] memory a, uint256 i) internal pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := mload(add(add(a, 0x20), shl(5, i)))
        }
    }

    /// @notice a[i]
    function at(int256[] memory a, uint256 i) internal pure returns (int256 value) {
        assembly ("memory-safe") {
            value := mload(add(add(a, 0x20), shl(5, i)))
        }
    }

    /// @notice a[i] = value
    function put(uint256[] memory a, uint256 i, uint256 value) internal pure {
        assembly ("memory-safe") {
            mstore(add(add(a, 0x20), shl(5, i)), value)
        }
    }

    /// @notice a[i] = value
    function put(int256[] memory a, uint256 i, int256 value) internal pure {
        assembly ("memory-safe") {
            mstore(add(add(a, 0x20), shl(5, i)), value)
        }
    }
}
