// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {DeleveragingScore} from "../../../contracts/waterfall/DeleveragingScore.sol";

contract DeleveragingScoreTest {
    function test_values() public pure {
        // 50 % profit at a leverage of 0.2
        require(DeleveragingScore.scoreDown(50e18, 100e18, 20e18, 100e18) == 0.1e9, "0.1");
        // A short's cost is negative: what it was paid.
        require(DeleveragingScore.scoreDown(50e18, -100e18, 20e18, 100e18) == 0.1e9, "short");
        require(DeleveragingScore.scoreDown(1, 3, 1, 1) == 333_333_333, "rounded down");
        require(DeleveragingScore.scoreDown(1e18, 0, 1e18, 1e18) == type(uint64).max, "free");
    }

    function test_zero() public pure {
        require(DeleveragingScore.scoreDown(0, 1e18, 1e18, 1e18) == 0, "no profit");
        require(DeleveragingScore.scoreDown(-1, 1e18, 1e18, 1e18) == 0, "loss");
        require(DeleveragingScore.scoreDown(1, 1e18, 0, 1e18) == 0, "no risk");
        require(DeleveragingScore.scoreDown(1, 1e18, 1e18, 0) == 0, "no equity");
    }

    /// More profit or more leverage never ranks lower; what it is rounded by is less than one unit.
    function testFuzz_monotone(uint96 profit, uint96 more, int96 cost, uint96 maintenance, uint96 equity) public pure {
        uint64 low = DeleveragingScore.scoreDown(int256(uint256(profit)), cost, int256(uint256(maintenance)), int256(uint256(equity)));
        uint64 richer =
            DeleveragingScore.scoreDown(int256(uint256(profit) + more), cost, int256(uint256(maintenance)), int256(uint256(equity)));
        uint64 riskier =
            DeleveragingScore.scoreDown(int256(uint256(profit)), cost, int256(uint256(maintenance) + more), int256(uint256(equity)));
        require(low <= richer && low <= riskier, "falls");
    }

    /// Closing half of a position at its own price changes neither ratio: profit and cost shrink alike.
    function testFuzz_ratio_of_a_part(uint64 profit, uint64 cost) public pure {
        uint64 whole = DeleveragingScore.scoreDown(int256(uint256(profit)) * 2, int256(uint256(cost)) * 2, 1e18, 5e18);
        uint64 half = DeleveragingScore.scoreDown(int256(uint256(profit)), int256(uint256(cost)), 1e18, 5e18);
        require(whole == half, "ratio");
    }
}
