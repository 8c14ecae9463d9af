// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IRiskParameters} from "../interfaces/IRiskParameters.sol";
import {VOL_DOWN, VOL_NONE, VOL_UP} from "../types/Parameter.sol";

/// @title Default scenarios
/// @notice The 35 scenarios of DPRE-1 (margin.md 2): nine core spot shocks (outer) by three vol directions (inner), then
/// eight tails with vol up, whose weights fall as they become less likely.
library DefaultScenarios {
    uint256 internal constant CORE_SHOCKS = 9;
    uint256 internal constant TAILS = 8;

    function list() internal pure returns (IRiskParameters.Scenario[] memory s) {
        s = new IRiskParameters.Scenario[](3 * CORE_SHOCKS + TAILS);
        uint256 next;
        for (uint256 i; i < CORE_SHOCKS; ++i) {
            int64 shock = -0.18e18 + int64(int256(i)) * 0.045e18;
            s[next++] = IRiskParameters.Scenario(shock, 1e18, true, VOL_UP);
            s[next++] = IRiskParameters.Scenario(shock, 1e18, true, VOL_NONE);
            s[next++] = IRiskParameters.Scenario(shock, 1e18, true, VOL_DOWN);
        }
        s[next++] = IRiskParameters.Scenario(-0.66e18, 0.21e18, false, VOL_UP);
        s[next++] = IRiskParameters.Scenario(-0.33e18, 0.42e18, false, VOL_UP);
        s[next++] = IRiskParameters.Scenario(0.5e18, 0.2772e18, false, VOL_UP);
        s[next++] = IRiskParameters.Scenario(1e18, 0.1386e18, false, VOL_UP);
        s[next++] = IRiskParameters.Scenario(2e18, 0.0693e18, false, VOL_UP);
        s[next++] = IRiskParameters.Scenario(3e18, 0.0462e18, false, VOL_UP);
        s[next++] = IRiskParameters.Scenario(4e18, 0.03465e18, false, VOL_UP);
        s[next++] = IRiskParameters.Scenario(5e18, 0.02772e18, false, VOL_UP);
    }
}
