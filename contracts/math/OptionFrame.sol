// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {DIRECTIONS, FRAME} from "./Workspace.sol";

/// @notice What the kernel reads and writes for the options of one expiry, at the address FRAME of the workspace; `OptionKernel`
/// names the addresses of the words.
/// @param lnForward ln F, 2**-42. @param discountedForward D F, USD 1e18. @param discount D, 1e18.
/// @param lnRefForward .. varianceScale The SVI slice (math/Svi.sol).
/// @param links From a position's word to what is kept of it (margin/Portfolio.sol), in bytes.
/// @param marks From a position's word to its mark, in bytes; 0: not wanted.
/// @param rowsEnd Address after the last vol direction whose row is priced; DIRECTIONS: price at the market only.
/// @param innerRoot, outerRoot Results of the last two square roots: where the next ones begin.
/// @param base Lanes at the market: sum(size F n1) << 128 - sum(size K n2). @param calls, puts Net contracts, 1e18.
/// @param shorts Short contracts. @param highestStrike D K, USD 1e18. @param value Sum of size x mark, 1e36.
struct OptionFrame {
    int256 lnForward; // 0x000
    uint256 discountedForward; // 0x020
    uint256 discount; // 0x040
    int256 lnRefForward; // 0x060
    uint256 bound; // 0x080
    int256 a; // 0x0a0
    int256 b; // 0x0c0
    int256 rho; // 0x0e0
    int256 m; // 0x100
    int256 sigmaSquared; // 0x120
    uint256 varianceScale; // 0x140
    uint256 links; // 0x160
    uint256 marks; // 0x180
    uint256 rowsEnd; // 0x1a0
    uint256 innerRoot; // 0x1c0
    uint256 outerRoot; // 0x1e0
    int256 base; // 0x200
    int256 calls; // 0x220
    int256 puts; // 0x240
    uint256 shorts; // 0x260
    uint256 highestStrike; // 0x280
    int256 value; // 0x2a0
}

/// @notice A vol direction (types/Parameter.sol) at one expiry, and the row of spots that is priced with its vol; three of them at
/// DIRECTIONS. The first is VOL_NONE: what is unshocked needs no factor.
/// @param factor Of v, 2**-60. @param least v sqrt T, 2**-35, at least 1. @param first, end Address of the row: records of two
/// words | ln(1 + x), 2**-42 | lanes |, x ascending.
struct VolDirection {
    uint256 factor; // 0x00
    uint256 least; // 0x20
    uint256 first; // 0x40
    uint256 end; // 0x60
}

/// @title Around the kernel's frame
library OptionFrameLib {
    uint256 private constant COUNT = 3;
    uint256 private constant DIRECTION = 128;

    /// @notice The frame. @dev A struct in memory is its address.
    function frame() internal pure returns (OptionFrame memory) {
        function (uint256) internal pure returns (uint256) address_ = _same;
        function (uint256) internal pure returns (OptionFrame memory) struct_;
        assembly ("memory-safe") {
            struct_ := address_
        }
        return struct_(FRAME);
    }

    /// @notice All sums zero. @param rows Whether the options are also priced in the rows.
    function reset(OptionFrame memory f, bool rows) internal pure {
        unchecked {
            f.rowsEnd = DIRECTIONS + (rows ? COUNT * DIRECTION : 0);
        }
        assembly ("memory-safe") {
            calldatacopy(add(f, 0x200), calldatasize(), 0xc0)
        }
    }

    /// @notice One of the three directions, by its number.
    function direction(uint256 number) internal pure returns (VolDirection memory) {
        function (uint256) internal pure returns (uint256) address_ = _same;
        function (uint256) internal pure returns (VolDirection memory) struct_;
        assembly ("memory-safe") {
            struct_ := address_
        }
        unchecked {
            return struct_(DIRECTIONS + DIRECTION * number);
        }
    }

    /// @notice The two sums of lanes: sum(size F n1) and -sum(size K n2), 1e-12 USD times 2**-41.
    function unpack(int256 lanes) internal pure returns (int256 forwards, int256 strikes) {
        unchecked {
            strikes = int128(lanes);
            forwards = (lanes - strikes) >> 128;
        }
    }

    function _same(uint256 at) private pure returns (uint256) {
        return at;
    }
}
