// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";

import {IPriceDoor} from "../interfaces/IPriceDoor.sol";

/// @title SVI slice
/// @notice Which raw SVI slices are accepted (margin.md 1; Gatheral 2004), and what of static arbitrage is looked for in them.
library SviSlice {
    int256 private constant WAD = 1e18;
    /// @dev Lee's moment formula: total variance grows at most twice as fast as |k|.
    int256 private constant MAX_WING_SLOPE = 2e18;

    /// @notice What of a slice is compared with that of another expiry.
    struct Level {
        uint256 variance; // w(0), at the forward, total over refTau, 1e18
        uint256 refTau; // years, 1e18
        uint256 tenor; // seconds to expiry
    }

    /// @notice a + b sigma sqrt(1 - rho^2) >= 0 (the slice's least variance), |rho| < 1, sigma, refTau, refForward > 0.
    /// @dev b >= 0 by its type. The root is rounded down: a slice within 1e-18 of zero variance is refused.
    function isValid(IPriceDoor.ExpiryQuote calldata q) internal pure returns (bool) {
        unchecked {
            // Each factor is below 2**64: the products need 192 bits at most.
            (int256 rho, int256 a, int256 sigma) = (q.rho, q.a, int256(uint256(q.sigma)));
            if (rho >= WAD || rho <= -WAD || sigma == 0 || q.refTau == 0 || q.refForward == 0) return false;
            if (a >= 0) return true; // the rest of the sum is not negative
            int256 root = int256(FixedPointMathLib.sqrt(uint256(WAD * WAD - rho * rho)));
            return a * WAD * WAD + int256(uint256(q.b)) * sigma * root >= 0;
        }
    }

    /// @notice Necessary conditions against butterfly arbitrage in a valid slice: wings no steeper than Lee's bound, and a density
    /// at the forward that is not negative (Durrleman's g(0) >= 0).
    /// @param tenor Seconds to expiry. @param level Takes the slice's total variance at the forward and its times.
    function butterfly(IPriceDoor.ExpiryQuote calldata q, uint256 tenor, Level memory level) internal pure returns (bool) {
        unchecked {
            (int256 b, int256 rho, int256 m, int256 sigma) = (int256(uint256(q.b)), q.rho, q.m, int256(uint256(q.sigma)));
            if (b * (WAD + (rho < 0 ? -rho : rho)) > MAX_WING_SLOPE * WAD) return false;
            int256 root = int256(FixedPointMathLib.sqrt(uint256(m * m + sigma * sigma))); // >= sigma > 0
            int256 w = q.a + b * (root - rho * m / WAD) / WAD;
            int256 slope = b * (rho - m * WAD / root) / WAD;
            int256 curvature = b * sigma * sigma / (root * root) * WAD / root;
            (level.variance, level.refTau, level.tenor) = (w > 0 ? uint256(w) : 0, q.refTau, tenor);
            // g(0) = 1 - slope^2 (1 / w + 1 / 4) / 4 + curvature / 2, times 16 w. Beyond 128 bits nothing can grow: b <= 2.
            return slope * slope / WAD * (4 * WAD + w) <= w * (16 * WAD + 8 * curvature);
        }
    }

    /// @notice Whether total variance at the forward does not fall from an expiry to a later one.
    function calendar(Level memory earlier, Level memory later) internal pure returns (bool) {
        unchecked {
            // w / refTau is variance per year. 2**70 x 2**32 x 2**64 at most.
            return earlier.variance * earlier.tenor * later.refTau <= later.variance * later.tenor * earlier.refTau;
        }
    }
}
