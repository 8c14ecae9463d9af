// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @dev Fixed addresses in the memory of a margin check. What the inner loop reads and writes has a literal address: a field costs
/// 6 gas instead of 12, and positions in the normal table are constants.
///
///      | 0x0400 frame, 24 words | 0x0720 vol directions, 3 x 4 words | 0x08a0 record of "no change", 2 words |
///      | 0x08e0 records of the rows, 40 x 2 words | 0x12e0 slots of the grouping, 64 words |
///      | 0x1ae0 underlyings, 32 words | 0x1ef0 normal table |
uint256 constant FRAME = 0x400;
uint256 constant DIRECTIONS = 0x720;
uint256 constant NO_CHANGE = 0x8a0;
uint256 constant RECORDS = 0x8e0;
uint256 constant SLOTS = 0x12e0;
uint256 constant UNDERLYINGS = 0x1ae0;
/// @dev A multiple of the table's cell size, 24.
uint256 constant NORMAL_AT = 0x1ef0;
uint256 constant NORMAL_SIZE = 21_552;
/// @dev The first word after it, one left free.
uint256 constant WORKSPACE_END = 0x7340;

/// @title The workspace of a margin check
library Workspace {
    /// @notice More was allocated before the workspace than fits below it.
    error WorkspaceTaken(uint256 free);

    /// @notice Takes the workspace, all zero, before a case is read: at the start of a call. Again in the same call: zero again.
    /// @return fresh Whether it was taken for the first time: then the normal table is still to be loaded.
    function reserve() internal pure returns (bool fresh) {
        uint256 free;
        assembly ("memory-safe") {
            free := mload(0x40)
            fresh := lt(free, WORKSPACE_END)
            switch fresh
            case 1 { mstore(0x40, WORKSPACE_END) }
            default { calldatacopy(FRAME, calldatasize(), sub(NORMAL_AT, FRAME)) }
        }
        if (fresh && free > FRAME) revert WorkspaceTaken(free);
    }
}
