// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";

/// @title Standard normal distribution from a table of piecewise cubics
/// @notice An argument d is a *position* in the loaded table: (address / 24 + cell) * 2**29 + fraction of the cell, that is
/// d * 2**35 + `bias`. Differences of positions are differences of d in 2**-35. Results are N(d) - 1/2 in 2**-41.
/// @dev Error below 1.2e-11 on [-7.5, 6.5); outside -1/2 or +1/2. The cells: scripts/generate_normal_table.py.
library NormalCdf {
    /// @dev Fraction bits of a position.
    uint256 internal constant POSITION_BITS = 35;
    /// @dev Fraction bits of a result.
    uint256 internal constant RESULT_BITS = 41;
    uint256 internal constant TABLE_SIZE = 21_552;
    uint256 private constant CELL_SIZE = 24;
    uint256 private constant ZERO_CELL = 481; // holds d in [0, 1/64)
    /// @dev The table holds [LOWEST, HIGHEST), relative to the position of d = 0.
    int256 internal constant LOWEST = -15 << 34; // -7.5
    int256 internal constant HIGHEST = 13 << 34; // 6.5
    int256 private constant HALF = 1 << 40;
    int256 private constant FAR = 9 << 35; // the density is below 1e-18
    uint256 private constant INVERSE_SQRT_TWO_PI = 398_942_280_401_432_678;
    uint256 private constant LO_LANE = ((1 << 93) - 1) << 64;

    /// @notice Copies the table from the code of a data contract (its first byte is 0x00) to memory.
    /// @return bias The position of d = 0.
    function load(address pointer) internal view returns (int256 bias) {
        assembly ("memory-safe") {
            // Cells start at a multiple of their size: then the address is part of the position and needs no addition.
            let start := mul(24, div(add(mload(0x40), 23), 24))
            extcodecopy(pointer, start, 1, TABLE_SIZE)
            // The last cell is read with 8 bytes beyond it, which are its noise.
            mstore(0x40, and(add(add(start, TABLE_SIZE), 63), not(31)))
            bias := shl(29, add(div(start, 24), ZERO_CELL))
        }
    }

    /// @notice N(d) - 1/2 at a position inside or outside of the table.
    function centred(int256 position, int256 bias) internal pure returns (int256) {
        unchecked {
            if (position < bias + LOWEST) return -HALF;
            if (position >= bias + HIGHEST) return HALF;
            return inside(uint256(position));
        }
    }

    /// @notice Density exp(-d^2 / 2) / sqrt(2 pi), 1e18. @param d 2**-35, any size.
    function density(int256 d) internal pure returns (uint256) {
        unchecked {
            if (d > FAR || d < -FAR) return 0;
            // d^2 is 2**-70; half of it in 1e18
            return uint256(FixedPointMathLib.expWad(-((d * d * 1e18) >> 71))) * INVERSE_SQRT_TWO_PI / 1e18;
        }
    }

    /// @notice N(d) - 1/2 at a position inside of the table, as `Black76` inlines it:
    ///
    ///      u = fraction of the cell; c0 + c1 u and c2 + c3 u in one multiplication; result = (c0 + c1 u) + (c2 + c3 u) u^2
    function inside(uint256 position) internal pure returns (int256 result) {
        assembly ("memory-safe") {
            let u := and(position, 0x1fffffff)
            let lanes := mload(mul(24, shr(29, position)))
            lanes := add(sar(64, lanes), mul(and(lanes, LO_LANE), u))
            result := sar(151, add(lanes, mul(signextend(14, lanes), mul(u, u))))
        }
    }
}
