// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";

import {IPriceDoor} from "../interfaces/IPriceDoor.sol";

/// @title SVI slice
/// @notice Which raw SVI slices are accepted (margin.md 1; Gatheral 2004).
library SviSlice {
    int256 private constant WAD = 1e18;

    /// @notice a + b sigma sqrt(1 - rho^2) >= 0 (the slice's least variance), |rho| < 1, sigma, refTau, refForward > 0.
    /// @dev b >= 0 by its type. The root is rounded down: a slice within 1e-18 of zero variance is refused.
    function isValid(IPriceDoor.ExpiryQuote calldata q) internal pure returns (bool) {
        int256 rho = q.rho;
        if (rho >= WAD || rho <= -WAD || q.sigma == 0 || q.refTau == 0 || q.refForward == 0) return false;
        int256 root = int256(FixedPointMathLib.sqrt(uint256(WAD * WAD - rho * rho)));
        // Each factor is below 2**64: the products need 192 bits at most.
        return int256(q.a) * WAD * WAD + int256(uint256(q.b)) * int256(uint256(q.sigma)) * root >= 0;
    }
}
