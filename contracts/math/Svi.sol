// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {QuoteWord, SmileWord, WingWord} from "../types/Feed.sol";
import {FixedPoint, SWAD, WAD} from "./FixedPoint.sol";
import {OptionFrame} from "./OptionFrame.sol";

/// @title SVI implied volatility (Gatheral 2004, raw parametrisation; margin.md section 1)
/// @notice w(k) = a + b (rho (k - m) + sqrt((k - m)^2 + sigma^2)), k = ln(K / refForward) clamped to |k| <= 4 sqrt(a + b sigma);
/// implied variance per year w / refTau. What the pricing needs is v sqrt T = sqrt(w T / refTau): one root beside the inner one.
library Svi {
    uint256 private constant YEAR = 365 days;

    /// @notice Decodes a slice into the frame, once per expiry, in binary: a, sigma^2 2**-120; b, rho, m, sigma 2**-60; ln(refForward) and
    /// the bound of |k| 2**-42; varianceScale = T / refTau 2**-64, such that w * varianceScale >> 64 is (v sqrt T)^2 in 2**-120.
    /// @param tenor Seconds to expiry, > 0.
    function decode(OptionFrame memory frame, QuoteWord quote, SmileWord smile, WingWord wing, uint256 tenor) internal pure {
        unchecked {
            int256 a = smile.a();
            int256 b = int256(smile.b());
            int256 sigma = int256(wing.sigma());
            frame.lnRefForward = FixedPoint.ln(wing.refForward());
            int256 level = a * SWAD + b * sigma; // 1e36, >= 0 for an accepted slice
            frame.bound = level <= 0 ? 0 : (FixedPointMathLib.sqrt(uint256(level)) << 44) / WAD;
            frame.a = (a << 120) / SWAD;
            frame.b = (b << 60) / SWAD;
            frame.rho = (smile.rho() << 60) / SWAD;
            frame.m = (smile.m() << 60) / SWAD;
            sigma = (sigma << 60) / SWAD;
            (frame.sigma, frame.sigmaSquared) = (uint256(sigma), sigma * sigma);
            frame.varianceScale = (tenor << 64) * WAD / (YEAR * quote.refTau());
        }
    }
}
