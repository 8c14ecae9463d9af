// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {InstrumentId} from "../types/InstrumentId.sol";

/// @dev Decimal fixed point, 1e18 = 1.
uint256 constant WAD = 1e18;
int256 constant SWAD = 1e18;

/// @title Fixed-point functions of the margin mathematics
/// @notice Two formats: WAD (1e18) for money, prices and rates; binary for the pricing kernel, where a shift replaces a
/// division. Logarithms are 2**-42 (`LN_BITS`), the format of `lnStrike` in a position.
library FixedPoint {
    /// @dev Fraction bits of a logarithm.
    uint256 internal constant LN_BITS = 42;

    /// @dev sqrt 2, ln 2 and ln(sqrt 2 / 1e18), 2**-96.
    int256 private constant SQRT_TWO = 112045541949572279837463876455;
    int256 private constant LN_TWO = 54916777467707473351141471128;
    int256 private constant LN_SQRT_TWO_OVER_WAD = -3256274158377931116946768159345;

    error LogarithmOfZero();

    /// @notice ln(x), x 1e18, as 2**-42 fixed point, rounded to nearest.
    function ln(uint256 x) internal pure returns (int256) {
        unchecked {
            return ((lnPrecise(x) >> 53) + 1) >> 1;
        }
    }

    /// @notice ln(x), x 1e18, as 2**-96 fixed point; error below 2**-60.
    /// @dev x = 2**e m, m in [1, 2): with z = (m - s) / (m + s), s = sqrt 2, ln(m / s) = 2 (z + z^3 / 3 + z^5 / 5 + ...), |z| < 0.172;
    /// the first term left out is 2 z^23 / 23. Solady's `lnWad` is exact to 1e-18 and takes twice the gas.
    function lnPrecise(uint256 x) internal pure returns (int256 y) {
        if (x == 0) revert LogarithmOfZero();
        unchecked {
            uint256 e = FixedPointMathLib.log2(x);
            int256 m = int256(e > 96 ? x >> (e - 96) : x << (96 - e)); // 2**-96
            int256 z = ((m - SQRT_TWO) << 96) / (m + SQRT_TWO);
            int256 z2 = (z * z) >> 96;
            y = 7545539287072794056527995270; // 2 / 21 in 2**-96, then 2 / 19 .. 2
            y = ((y * z2) >> 96) + 8339806580448877641425678983;
            y = ((y * z2) >> 96) + 9320960295795804422769876510;
            y = ((y * z2) >> 96) + 10563755001901911679139193378;
            y = ((y * z2) >> 96) + 12188948079117590399006761590;
            y = ((y * z2) >> 96) + 14405120457138970471553445516;
            y = ((y * z2) >> 96) + 17606258336503186131898655630;
            y = ((y * z2) >> 96) + 22636617861218382169583985810;
            y = ((y * z2) >> 96) + 31691265005705735037417580134;
            y = ((y * z2) >> 96) + 52818775009509558395695966891;
            y = ((y * z2) >> 96) + 158456325028528675187087900672;
            y = ((y * z) >> 96) + int256(e) * LN_TWO + LN_SQRT_TWO_OVER_WAD;
        }
    }

    /// @notice ln(strike in USD) as a position stores it; 0 for perps and futures.
    function lnStrike(InstrumentId id) internal pure returns (int48) {
        if (!id.isOption()) return 0;
        return int48(ln(id.strike())); // a strike is below 2**64 * 1e-8 USD: |ln| < 26 < 2**5
    }

    /// @notice exp(x), x 1e18, 1e18 (Solady's). Reverts above 135e18.
    function exp(int256 x) internal pure returns (uint256) {
        return uint256(FixedPointMathLib.expWad(x));
    }

    /// @notice base**exponent, both 1e18, base > 0; error below 1e-17 relative where |exponent ln base| < 10.
    function pow(uint256 base, uint256 exponent) internal pure returns (uint256) {
        unchecked {
            return exp((lnPrecise(base) * int256(exponent)) >> 96);
        }
    }

    /// @notice a / b towards minus infinity, b > 0.
    function divFloor(int256 a, int256 b) internal pure returns (int256 c) {
        unchecked {
            c = a / b;
            if (a % b < 0) --c;
        }
    }

    /// @notice a / 1e18, rounded up.
    function divWadUp(uint256 a) internal pure returns (uint256) {
        unchecked {
            return a / WAD + (a % WAD == 0 ? 0 : 1);
        }
    }

    /// @notice a * b / 1e18, rounded up. The product must be below 2**256: USD amounts are below 2**150, rates below 2**64.
    function mulWadUp(uint256 a, uint256 b) internal pure returns (uint256) {
        unchecked {
            return divWadUp(a * b);
        }
    }

    function abs(int256 x) internal pure returns (uint256) {
        unchecked {
            return x < 0 ? uint256(-x) : uint256(x);
        }
    }
}
