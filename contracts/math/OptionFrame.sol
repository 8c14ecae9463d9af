// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {NormalCdf} from "./NormalCdf.sol";

/// @notice What the kernel reads and writes for the options of one expiry: the frame. The assembly below addresses its words by
/// their offsets.
/// @param lnForward ln F, 2**-42. @param discountedForward D F, USD 1e18. @param discount D, 1e18.
/// @param lnRefForward .. varianceScale The SVI slice (math/Svi.sol).
/// @param bias, low, high Positions of d = 0 and of the ends of the normal table (math/NormalCdf.sol).
/// @param positions, next, marks Addresses of arrays; `marks` 0: not wanted.
/// @param directions Address of three shocks, below. @param directionsEnd Their end; the same address: price at the market only.
/// @param innerRoot, outerRoot Results of the last two square roots: where the next ones begin.
/// @param base Lanes at the market: sum(size F n1) << 128 - sum(size K n2). @param calls, puts Net contracts, 1e18.
/// @param shorts Short contracts. @param highestStrike D K, USD 1e18. @param value Sum of size x mark, 1e36.
struct OptionFrame {
    int256 lnForward; // 0x000
    uint256 discountedForward; // 0x020
    uint256 discount; // 0x040
    int256 lnRefForward; // 0x060
    int256 bound; // 0x080
    int256 a; // 0x0a0
    int256 b; // 0x0c0
    int256 rho; // 0x0e0
    int256 m; // 0x100
    int256 sigmaSquared; // 0x120
    uint256 varianceScale; // 0x140
    int256 bias; // 0x160
    int256 low; // 0x180
    int256 high; // 0x1a0
    uint256 positions; // 0x1c0
    uint256 next; // 0x1e0
    uint256 marks; // 0x200
    uint256 directions; // 0x220
    uint256 directionsEnd; // 0x240
    uint256 innerRoot; // 0x260
    uint256 outerRoot; // 0x280
    int256 base; // 0x2a0
    int256 calls; // 0x2c0
    int256 puts; // 0x2e0
    uint256 shorts; // 0x300
    uint256 highestStrike; // 0x320
    int256 value; // 0x340
}

/// @notice A vol direction (types/Parameter.sol) at one expiry, and the row of spots that is priced with its vol.
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
    uint256 private constant DIRECTIONS = 3;
    uint256 private constant DIRECTION = 128;

    /// @notice Connects the frame with the normal table and a portfolio's arrays. @param marks Address or 0.
    function connect(OptionFrame memory f, int256 bias, uint256[] memory positions, uint256[] memory next, uint256 marks)
        internal
        pure
    {
        uint256[] memory room = new uint256[](DIRECTIONS * DIRECTION / 32);
        unchecked {
            (f.bias, f.low, f.high) = (bias, bias + NormalCdf.LOWEST, bias + NormalCdf.HIGHEST);
        }
        assembly ("memory-safe") {
            mstore(add(f, 0x1c0), positions)
            mstore(add(f, 0x1e0), next)
            mstore(add(f, 0x200), marks)
            mstore(add(f, 0x220), add(room, 0x20))
        }
    }

    /// @notice All sums zero. @param rows Whether the options are also priced in the rows.
    function reset(OptionFrame memory f, bool rows) internal pure {
        unchecked {
            f.directionsEnd = f.directions + (rows ? DIRECTIONS * DIRECTION : 0);
        }
        assembly ("memory-safe") {
            calldatacopy(add(f, 0x2a0), calldatasize(), 0xc0)
        }
    }

    /// @notice One of the three directions, by its number.
    function direction(OptionFrame memory f, uint256 number) internal pure returns (VolDirection memory) {
        function (uint256) internal pure returns (uint256) address_ = _same;
        function (uint256) internal pure returns (VolDirection memory) struct_;
        assembly ("memory-safe") {
            struct_ := address_
        }
        unchecked {
            return struct_(f.directions + DIRECTION * number);
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
