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
/// @dev `expWad`, `lnWad`, `powWad` and `sqrt` are Solady's: errors below 2e-18 relative over the domain used here.
library FixedPoint {
    /// @dev Fraction bits of a logarithm.
    uint256 internal constant LN_BITS = 42;

    error LogarithmOfZero();

    /// @notice ln(x), x 1e18, as 2**-42 fixed point, rounded to nearest.
    function ln(uint256 x) internal pure returns (int256) {
        if (x == 0 || x > uint256(type(int256).max)) revert LogarithmOfZero();
        unchecked {
            // |lnWad| < 2**67: the shift cannot overflow. Adding half a unit and flooring rounds to nearest; the division
            // truncates, so it is floored by hand where the logarithm is negative.
            int256 scaled = FixedPointMathLib.lnWad(int256(x)) << (LN_BITS + 1);
            int256 halves = scaled / SWAD;
            if (scaled % SWAD < 0) --halves;
            return (halves + 1) >> 1;
        }
    }

    /// @notice ln(strike in USD) as a position stores it; 0 for perps and futures.
    function lnStrike(InstrumentId id) internal pure returns (int48) {
        if (!id.isOption()) return 0;
        return int48(ln(id.strike())); // a strike is below 2**64 * 1e-8 USD: |ln| < 26 < 2**5
    }

    /// @notice exp(x), x 1e18, 1e18. Reverts above 135e18.
    function exp(int256 x) internal pure returns (uint256) {
        return uint256(FixedPointMathLib.expWad(x));
    }

    /// @notice base**exponent, both 1e18, base > 0.
    function pow(uint256 base, uint256 exponent) internal pure returns (uint256) {
        return uint256(FixedPointMathLib.powWad(int256(base), int256(exponent)));
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
