// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ILiquidator} from "../../../contracts/interfaces/ILiquidator.sol";
import {DutchClock} from "../../../contracts/waterfall/DutchClock.sol";

contract DutchClockTest {
    using DutchClock for ILiquidator.Clock;

    uint256 private constant EXPIRY = 1800;
    uint256 private constant RESUME = 3600;
    uint256 private constant BEGIN = 1_735_689_600;

    /// Against proven time counted gap by gap: short gaps count, medium ones stand still, long ones start over.
    function testFuzz_clock_counts_proven_time(uint16[] memory gaps) public pure {
        ILiquidator.Clock memory c;
        uint256 time = BEGIN;
        uint256 provenTime;
        c = c.proven(time, EXPIRY, RESUME);
        require(c.startedAt == time && c.provenAt == time, "first proof");
        for (uint256 i; i < gaps.length; ++i) {
            uint256 gap = uint256(gaps[i]) % 5000;
            time += gap;
            if (gap <= EXPIRY) provenTime += gap;
            else if (gap > RESUME) provenTime = 0;
            c = c.proven(time, EXPIRY, RESUME);
            require(time - c.startedAt == provenTime, "elapsed");
            require(c.provenAt == time, "proven at");
        }
    }

    function test_boundaries() public pure {
        ILiquidator.Clock memory c = ILiquidator.Clock(uint40(BEGIN), uint40(BEGIN + 600));
        require(c.proven(BEGIN + 600 + EXPIRY, EXPIRY, RESUME).startedAt == BEGIN, "runs at expiry");
        uint256 after_ = BEGIN + 600 + EXPIRY + 1;
        require(c.proven(after_, EXPIRY, RESUME).startedAt == after_ - 600, "resumes with 600 s proven");
        after_ = BEGIN + 600 + RESUME;
        require(c.proven(after_, EXPIRY, RESUME).startedAt == after_ - 600, "resumes at the limit");
        require(c.proven(after_ + 1, EXPIRY, RESUME).startedAt == after_ + 1, "starts over");
    }

    function test_discount_rises_linearly_and_stops() public pure {
        ILiquidator.Clock memory c = ILiquidator.Clock(uint40(BEGIN), uint40(BEGIN));
        require(c.discountDown(BEGIN, 0.02e18, 0.3e18, 900) == 0.02e18, "start");
        require(c.discountDown(BEGIN + 450, 0.02e18, 0.3e18, 900) == 0.16e18, "half way");
        require(c.discountDown(BEGIN + 1, 0.02e18, 0.3e18, 900) == 20_311_111_111_111_111, "rounded down");
        require(c.discountDown(BEGIN + 900, 0.02e18, 0.3e18, 900) == 0.3e18, "end");
        require(c.discountDown(BEGIN + 90_000, 0.02e18, 0.3e18, 900) == 0.3e18, "stays");
    }

    function testFuzz_discount_never_falls(uint32 early, uint32 late) public pure {
        if (early > late) (early, late) = (late, early);
        ILiquidator.Clock memory c = ILiquidator.Clock(uint40(BEGIN), uint40(BEGIN));
        uint256 first = c.discountDown(BEGIN + early, 0.02e18, 0.3e18, 900);
        require(first <= c.discountDown(BEGIN + late, 0.02e18, 0.3e18, 900), "falls");
        require(first >= 0.02e18 && first <= 0.3e18, "range");
    }
}
