// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {SmileWord, WingWord, smileWord, wingWord} from "../types/Feed.sol";

/// @title An SVI slice in one word
/// @notice The smile word and what the wing word says besides the settlement price, where they have few digits, without any loss. Fixed
/// point 1e10, refForward 1e-8 USD; most significant bits first:
///
///      | 255..218 | 217..181  | 180..146   | 145..109 | 108..71       | 70..7              | 6..2   | 1       | 0 |
///      | a, int38 | b, uint37 | rho, int35 | m, int37 | sigma, uint38 | refForward, uint64 | unused | settled | 1 |
///
///      settled: there is a settlement price, kept in the wing word. The publisher rounds to these digits; a slice with more is
///      stored in two words, and an update of it and every check that reads it cost a slot more.
library ShortSlice {
    uint256 internal constant SHORT = 1;
    uint256 internal constant SETTLED = 2;
    int256 private constant UNIT = 1e8; // of 1e18
    uint256 private constant PRICE_UNIT = 1e10;

    /// @return word 0 where the slice has more digits.
    function pack(SmileWord smile, WingWord wing) internal pure returns (uint256 word) {
        unchecked {
            (int256 a, int256 b, int256 rho, int256 m) = (smile.a(), int256(smile.b()), smile.rho(), smile.m());
            (int256 sigma, uint256 refForward) = (int256(wing.sigma()), wing.refForward());
            if ((a % UNIT | b % UNIT | rho % UNIT | m % UNIT | sigma % UNIT) != 0 || refForward % PRICE_UNIT != 0) return 0;
            (a, b, rho, m, sigma, refForward) = (a / UNIT, b / UNIT, rho / UNIT, m / UNIT, sigma / UNIT, refForward / PRICE_UNIT);
            // any int64 of a and uint64 of sigma fits
            if (b >> 37 != 0 || !_fits(rho, 34) || !_fits(m, 36) || refForward >> 64 != 0) return 0;
            word = (uint256(a) << 218) | (uint256(b) << 181) | ((uint256(rho) & (2 ** 35 - 1)) << 146)
                | ((uint256(m) & (2 ** 37 - 1)) << 109) | (uint256(sigma) << 71) | (refForward << 7) | SHORT;
            if (wing.settlement() != 0) word |= SETTLED;
        }
    }

    /// @return smile And @return wing As packed, the latter without a settlement price.
    function unpack(uint256 word) internal pure returns (SmileWord smile, WingWord wing) {
        unchecked {
            int256 rho = (int256(word << 75) >> 221) * UNIT;
            int256 m = (int256(word << 110) >> 219) * UNIT;
            uint256 b = ((word >> 181) & (2 ** 37 - 1)) * uint256(UNIT);
            smile = smileWord(int64((int256(word) >> 218) * UNIT), uint64(b), int64(rho), int64(m));
            uint256 sigma = ((word >> 71) & (2 ** 38 - 1)) * uint256(UNIT);
            wing = wingWord(uint64(sigma), uint96(uint64(word >> 7) * PRICE_UNIT), 0);
        }
    }

    function _fits(int256 value, uint256 bits) private pure returns (bool) {
        int256 rest = value >> bits;
        return rest == 0 || rest == -1;
    }
}
