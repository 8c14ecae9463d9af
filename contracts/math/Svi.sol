// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {QuoteWord, SmileWord, WingWord} from "../types/Feed.sol";
import {FixedPoint, SWAD} from "./FixedPoint.sol";

/// @title SVI implied volatility (Gatheral 2004, raw parametrisation; margin.md section 1)
/// @notice w(k) = a + b (rho (k - m) + sqrt((k - m)^2 + sigma^2)), k = ln(K / refForward) clamped to |k| <= 4 sqrt(a + b sigma);
/// implied variance per year w / refTau. What the pricing needs is v sqrt T = sqrt(w T / refTau): one root beside the inner one.
library Svi {
    /// @notice A slice decoded once per expiry.
    /// @param lnRefForward 2**-42. @param bound Largest |k|, 2**-42. @param a, b, rho, m 1e18. @param sigmaSquared 1e36.
    /// @param varianceScale T / refTau, such that (w in 1e36) * varianceScale >> 64 is (v sqrt T)^2 in 2**-120.
    struct Slice {
        int256 lnRefForward;
        int256 bound;
        int256 a;
        int256 b;
        int256 rho;
        int256 m;
        int256 sigmaSquared;
        uint256 varianceScale;
    }

    uint256 private constant YEAR = 365 days;

    /// @notice Decodes into `slice`. @param tenor Seconds to expiry, > 0.
    function decode(Slice memory slice, QuoteWord quote, SmileWord smile, WingWord wing, uint256 tenor) internal pure {
        unchecked {
            int256 a = smile.a() * SWAD;
            int256 b = int256(smile.b());
            int256 sigma = int256(wing.sigma());
            slice.lnRefForward = FixedPoint.ln(wing.refForward());
            int256 least = a + b * sigma; // 1e36, >= 0 for an accepted slice
            slice.bound = least <= 0 ? int256(0) : int256(FixedPointMathLib.sqrt(uint256(least)) << 44) / SWAD;
            slice.a = a;
            slice.b = b;
            slice.rho = smile.rho();
            slice.m = smile.m();
            slice.sigmaSquared = sigma * sigma;
            // (T / YEAR) / (refTau / 1e18) * 2**120 / 1e36 * 2**64, divisions last
            slice.varianceScale = (tenor << 184) / (YEAR * quote.refTau() * 1e18);
        }
    }

    /// @notice Total variance at a strike. @param lnStrike 2**-42. @return 1e36, never negative.
    function totalVariance(Slice memory slice, int256 lnStrike) internal pure returns (uint256) {
        unchecked {
            int256 k = lnStrike - slice.lnRefForward;
            int256 bound = slice.bound;
            if (k > bound) k = bound;
            else if (k < -bound) k = -bound;
            k = ((k * SWAD) >> FixedPoint.LN_BITS) - slice.m;
            int256 root = int256(FixedPointMathLib.sqrt(uint256(k * k + slice.sigmaSquared)));
            int256 w = slice.a + slice.b * (slice.rho * k / SWAD + root);
            return w < 0 ? 0 : uint256(w);
        }
    }

    /// @notice v sqrt T at a strike, 2**-60, rounded down.
    function deviation(Slice memory slice, int256 lnStrike) internal pure returns (uint256) {
        unchecked {
            return FixedPointMathLib.sqrt((totalVariance(slice, lnStrike) * slice.varianceScale) >> 64);
        }
    }
}
