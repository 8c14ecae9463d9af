// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {DIRECTIONS} from "./Workspace.sol";

/// @notice What the kernel reads and writes for the options of one expiry, at the address FRAME of the workspace; `OptionKernel`
/// names the addresses of the words.
/// @param lnForward ln F, 2**-42. @param discountedForward D F, USD 1e18. @param discount D, 1e18.
/// @param lnRefForward .. varianceScale The SVI slice (math/Svi.sol).
/// @param links From a position's word to what is kept of it (margin/Portfolio.sol), in bytes.
/// @param marks From a position's word to its mark, in bytes; 0: not wanted.
/// @param rows 0: the options are priced at the market only; 1: in the rows of the vol directions too; else the address of the one
/// vol direction with a row, of one record.
/// @param sigma Of the slice too. @param outerRoot Result of the last square root of a variance: where the next one begins.
/// @param base Lanes at the market: sum(size F n1) << 128 - sum(size K n2).
/// @param longCalls .. shortPuts Contracts, 1e18, those of shorts negative.
/// @param spread Sum of -size K of calls and size K of puts, 1e-12 USD. @param strikes Bits of all D K, USD 1e18: at least the highest.
/// @param value Sum of size x mark, 1e36, where marks are wanted; else `lanesValue` says it.
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
    uint256 rows; // 0x1a0
    uint256 sigma; // 0x1c0
    uint256 outerRoot; // 0x1e0
    int256 base; // 0x200
    int256 longCalls; // 0x220
    int256 shortCalls; // 0x240
    int256 longPuts; // 0x260
    int256 shortPuts; // 0x280
    int256 spread; // 0x2a0
    uint256 strikes; // 0x2c0
    int256 value; // 0x2e0
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
    /// @dev 1e36 / 1e24: lanes count USD in 1e-12.
    int256 internal constant LANE_UNIT = 1e24;
    uint256 private constant DIRECTION = 128;
    uint256 private constant RESULT_BITS = 41; // of NormalCdf

    /// @notice The frame, as `asFrame()(FRAME)`. @dev A struct in memory is its address. A function that returned it would first
    /// allocate an empty one, so this returns the cast.
    function asFrame() internal pure returns (function (uint256) internal pure returns (OptionFrame memory) cast) {
        function (uint256) internal pure returns (uint256) same = _same;
        assembly ("memory-safe") {
            cast := same
        }
    }

    /// @notice A vol direction, as `asDirection()(directionAt(number))`.
    function asDirection() internal pure returns (function (uint256) internal pure returns (VolDirection memory) cast) {
        function (uint256) internal pure returns (uint256) same = _same;
        assembly ("memory-safe") {
            cast := same
        }
    }

    function directionAt(uint256 number) internal pure returns (uint256) {
        unchecked {
            return DIRECTIONS + DIRECTION * number;
        }
    }

    /// @notice All sums zero. @param rows As in the frame.
    function reset(OptionFrame memory f, uint256 rows) internal pure {
        f.rows = rows;
        assembly ("memory-safe") {
            calldatacopy(add(f, 0x200), calldatasize(), 0x100)
        }
    }

    /// @notice Sum of size x price of the options by the lanes at the market: the mean of call and put, +- (F - K) D / 2, 1e36.
    function lanesValue(OptionFrame memory f) internal pure returns (int256) {
        unchecked {
            (int256 forwards, int256 strikes) = unpack(f.base);
            int256 net = f.longCalls + f.shortCalls - f.longPuts - f.shortPuts;
            int256 half = (net * int256(f.discountedForward) + f.spread * LANE_UNIT) / 2;
            return (((forwards + strikes) * LANE_UNIT) >> RESULT_BITS) + half;
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
