// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title Words of memory without a check of the index
/// @notice For indices that come from an array's own length or from lists built over it, and for structs linked by address. A
/// checked access costs twice as much gas, and all of them together a tenth of the engine's code size.
library Memory {
    /// @notice The word at an address.
    function load(uint256 address_) internal pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := mload(address_)
        }
    }

    function store(uint256 address_, uint256 value) internal pure {
        assembly ("memory-safe") {
            mstore(address_, value)
        }
    }

    /// @notice Address of a[0].
    function address_(uint256[] memory a) internal pure returns (uint256 first) {
        assembly ("memory-safe") {
            first := add(a, 0x20)
        }
    }

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
