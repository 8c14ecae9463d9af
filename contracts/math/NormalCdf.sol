// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
// solhint-disable-next-line no-unused-import
import {NORMAL_AT, NORMAL_SIZE} from "./Workspace.sol";

/// @title Standard normal distribution from a table of piecewise cubics
/// @notice An argument d is a *position* in the table: (address / 24 + cell) * 2**29 + fraction of the cell, that is
/// d * 2**35 + `BIAS`. Differences of positions are differences of d in 2**-35. Results are N(d) - 1/2 in 2**-41.
/// @dev Error below 1.2e-11 on [-7.5, 6.5); outside -1/2 or +1/2. The cells: scripts/generate_normal_table.py. The table lies at a
/// fixed address (math/Workspace.sol): its positions are constants.
library NormalCdf {
    /// @dev Fraction bits of a position.
    uint256 internal constant POSITION_BITS = 35;
    /// @dev Fraction bits of a result.
    uint256 internal constant RESULT_BITS = 41;
    uint256 internal constant TABLE_SIZE = NORMAL_SIZE;
    /// @dev Position of d = 0: cell NORMAL_AT / 24 + 481. The table holds [LOW, HIGH), -7.5 to 6.5 in cells of 1/64.
    int256 internal constant BIAS = 811 << 29;
    int256 internal constant LOW = 331 << 29;
    int256 internal constant HIGH = 1227 << 29;
    int256 private constant HALF = 1 << 40;
    int256 private constant FAR = 9 << 35; // the density is below 1e-18
    uint256 private constant INVERSE_SQRT_TWO_PI = 398_942_280_401_432_678;
    uint256 private constant LO_LANE = ((1 << 93) - 1) << 64;

    /// @notice Copies the table from the code of a data contract (its first byte is 0x00) to its place in the workspace.
    function load(address pointer) internal view {
        assembly ("memory-safe") {
            // The last cell is read with 8 bytes beyond it, which are its noise.
            extcodecopy(pointer, NORMAL_AT, 1, NORMAL_SIZE)
        }
    }

    /// @notice N(d) - 1/2 at a position inside or outside of the table.
    function centred(int256 position) internal pure returns (int256) {
        unchecked {
            if (position < LOW) return -HALF;
            if (position >= HIGH) return HALF;
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

    /// @notice N(d) - 1/2 at a position inside of the table, as `OptionKernel` inlines it:
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
