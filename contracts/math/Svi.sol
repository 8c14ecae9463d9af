// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {QuoteWord, SmileWord, WingWord} from "../types/Feed.sol";
import {FixedPoint, SWAD} from "./FixedPoint.sol";
import {OptionFrame} from "./OptionFrame.sol";

/// @title SVI implied volatility (Gatheral 2004, raw parametrisation; margin.md section 1)
/// @notice w(k) = a + b (rho (k - m) + sqrt((k - m)^2 + sigma^2)), k = ln(K / refForward) clamped to |k| <= 4 sqrt(a + b sigma);
/// implied variance per year w / refTau. What the pricing needs is v sqrt T = sqrt(w T / refTau): one root beside the inner one.
library Svi {
    uint256 private constant YEAR = 365 days;

    /// @notice Decodes a slice into the frame, once per expiry: a in 1e36; b, rho, m 1e18; sigma^2 1e36; ln(refForward) and the
    /// bound of |k| 2**-42; varianceScale = T / refTau such that (w in 1e36) * varianceScale >> 64 is (v sqrt T)^2 in 2**-120.
    /// @param tenor Seconds to expiry, > 0.
    function decode(OptionFrame memory frame, QuoteWord quote, SmileWord smile, WingWord wing, uint256 tenor) internal pure {
        unchecked {
            int256 a = smile.a() * SWAD;
            int256 b = int256(smile.b());
            int256 sigma = int256(wing.sigma());
            frame.lnRefForward = FixedPoint.ln(wing.refForward());
            int256 level = a + b * sigma; // 1e36, >= 0 for an accepted slice
            frame.bound = level <= 0 ? int256(0) : int256(FixedPointMathLib.sqrt(uint256(level)) << 44) / SWAD;
            frame.a = a;
            frame.b = b;
            frame.rho = smile.rho();
            frame.m = smile.m();
            frame.sigmaSquared = sigma * sigma;
            // (T / YEAR) / (refTau / 1e18) * 2**120 / 1e36 * 2**64, divisions last
            frame.varianceScale = (tenor << 184) / (YEAR * quote.refTau() * 1e18);
        }
    }
}
