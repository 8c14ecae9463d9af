// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ILedger} from "../interfaces/ILedger.sol";
import {IPriceDoor} from "../interfaces/IPriceDoor.sol";
import {Book} from "../types/Book.sol";

/// @title Calls of the engine whose answers stay where they arrive
/// @notice Solidity copies the words of an answer one by one, which costs more than reading the table of a one-option account.
/// Here the ABI encoding is used in place: its offsets become the addresses that a memory struct consists of.
/// @dev Only for the system's own contracts: their answers are well formed.
library Reads {
    /// @notice Readable equivalent: return ledger.book(account).
    function book(ILedger ledger, uint64 account) internal view returns (Book memory) {
        bytes4 selector = ILedger.book.selector;
        uint256 at;
        assembly ("memory-safe") {
            mstore(0x00, selector)
            mstore(0x04, account)
            at := mload(0x40)
            if iszero(staticcall(gas(), ledger, 0x00, 0x24, 0x00, 0x00)) {
                returndatacopy(at, 0, returndatasize())
                revert(at, returndatasize())
            }
            // | offset of the struct | mode | balance | offset of collateral | offset of positions | ...
            returndatacopy(at, 0x20, sub(returndatasize(), 0x20))
            mstore(0x40, add(at, sub(returndatasize(), 0x20)))
        }
        return placed(at);
    }

    /// @notice Readable equivalent: Book memory copy = given; return copy.
    function book(Book calldata given) internal pure returns (Book memory) {
        uint256 at;
        assembly ("memory-safe") {
            at := mload(0x40)
            let size := sub(calldatasize(), given)
            calldatacopy(at, given, size)
            mstore(0x40, and(add(add(at, size), 31), not(31)))
        }
        return placed(at);
    }

    /// @notice Readable equivalent: return door.read(keys). @param keys One per word.
    function feeds(IPriceDoor door, uint256[] memory keys) internal view returns (uint256[] memory words) {
        bytes4 selector = IPriceDoor.read.selector;
        assembly ("memory-safe") {
            // | selector | 0x20 | length | keys |
            words := mload(0x40)
            let size := add(0x44, shl(5, mload(keys)))
            mstore(words, selector)
            mstore(add(words, 0x04), 0x20)
            mcopy(add(words, 0x24), keys, sub(size, 0x24))
            if iszero(staticcall(gas(), door, words, size, 0x00, 0x00)) {
                returndatacopy(words, 0, returndatasize())
                revert(words, returndatasize())
            }
            returndatacopy(words, 0x20, sub(returndatasize(), 0x20))
            mstore(0x40, add(words, sub(returndatasize(), 0x20)))
        }
    }

    /// @dev An ABI-encoded `Book` in memory becomes the struct: its two offsets count from its start.
    function placed(uint256 at) private pure returns (Book memory) {
        assembly ("memory-safe") {
            mstore(add(at, 0x40), add(at, mload(add(at, 0x40))))
            mstore(add(at, 0x60), add(at, mload(add(at, 0x60))))
        }
        function (uint256) internal pure returns (uint256) address_ = _same;
        function (uint256) internal pure returns (Book memory) struct_;
        assembly ("memory-safe") {
            struct_ := address_
        }
        return struct_(at);
    }

    function _same(uint256 at) private pure returns (uint256) {
        return at;
    }
}
