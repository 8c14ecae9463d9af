// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";

import {ILiquidator} from "../interfaces/ILiquidator.sol";
import {Requirement} from "../interfaces/IMarginEngine.sol";
import {WAD} from "../math/FixedPoint.sol";
import {Parameter, ParameterTable} from "../types/Parameter.sol";

/// @title Proven release
/// @notice Tiers, payments and limits of a liquidation (ledger-and-liquidation.md section 3): pure arithmetic on requirements.
library ProvenRelease {
    /// @notice Tier of an account in `r` with health `health` (1e18).
    function tier(Requirement memory r, int256 health, ParameterTable p) internal pure returns (ILiquidator.Tier) {
        if (r.equity < 0) return ILiquidator.Tier.BANKRUPT;
        if (health < int256(p.get(Parameter.FULL_THRESHOLD))) return ILiquidator.Tier.FULL;
        if (health < int256(p.get(Parameter.PARTIAL_THRESHOLD))) return ILiquidator.Tier.PARTIAL;
        return ILiquidator.Tier.NONE;
    }

    /// @notice What the legs released, of the requirement `before` (the witness's bound) and `afterwards` (exact, before payments):
    ///
    ///      (MM' - MM+) without long options + min(long options taken, shortfall before)
    ///
    /// @dev The second term [A]: MM of margin.md section 6 counts a paid-up long option at its mark, but that is value, not risk. Counted
    /// whole, taking a deep option of 10,000 for a shortfall of 10 would be paid 3,000. Not counted at all, an account whose cash is
    /// below zero and who holds long options only could not be liquidated. As much as is short is what taking them cures.
    function releaseDown(Requirement memory before, Requirement memory afterwards) internal pure returns (uint256) {
        uint256 binding =
            FixedPointMathLib.zeroFloorSub(before.maintenance - before.longOptions, afterwards.maintenance - afterwards.longOptions);
        uint256 taken = FixedPointMathLib.zeroFloorSub(before.longOptions, afterwards.longOptions);
        if (taken == 0) return binding;
        int256 short = int256(before.maintenance) - before.marginEquityMaintenance;
        return binding + FixedPointMathLib.min(taken, short > 0 ? uint256(short) : 0);
    }

    /// @notice Fee rate between LIQUIDATION_FEE_MAX (coverage <= COVERAGE_LOW) and LIQUIDATION_FEE_MIN (>= COVERAGE_HIGH), linear
    /// between them, rounded up. @param coverage Fund over open-interest notional, 1e18.
    function feeRateUp(uint256 coverage, ParameterTable p) internal pure returns (uint256) {
        uint256 least = p.get(Parameter.LIQUIDATION_FEE_MIN);
        uint256 most = p.get(Parameter.LIQUIDATION_FEE_MAX);
        uint256 low = p.get(Parameter.COVERAGE_LOW);
        uint256 high = p.get(Parameter.COVERAGE_HIGH);
        if (coverage >= high) return least;
        if (coverage <= low) return most;
        return least + FixedPointMathLib.mulDivUp(most - least, high - coverage, high - low);
    }

    /// @notice What an account pays for `release` (> 0):
    ///
    ///      payment = discount * release, fee = feeRate * release, payment + fee <= max(0, equity) * release / before
    ///
    /// both scaled down to the bound. It keeps equity >= 0 by itself, so that no payment is ever a deficit for the fund [A].
    /// @dev discount + feeRate <= 0.5 is a rule of the parameter table (ParameterRules). The bound is rounded down, the fee
    /// up, the payment down.
    function paymentDown(uint256 release, uint256 discount, uint256 feeRate, int256 equity, uint256 before)
        internal
        pure
        returns (uint256 payment, uint256 fee)
    {
        payment = FixedPointMathLib.mulDiv(release, discount, WAD);
        fee = FixedPointMathLib.mulDivUp(release, feeRate, WAD);
        uint256 bound = equity <= 0 ? 0 : FixedPointMathLib.mulDiv(uint256(equity), release, before);
        if (payment + fee > bound) {
            payment = FixedPointMathLib.mulDiv(payment, bound, payment + fee);
            fee = bound - payment;
        }
    }

    /// @notice The fund's reward for legs of a bankrupt account: min(rewardRate * notional, LIQUIDATION_FEE * release), rounded down.
    /// @dev The second bound [A]: far out-of-the-money options have any notional and no requirement. Paid by notional alone, an attacker
    /// would stuff a small bankrupt account with them and take them himself.
    function bankruptRewardDown(uint256 notional, uint256 release, ParameterTable p) internal pure returns (uint256) {
        return FixedPointMathLib.min(
            FixedPointMathLib.mulDiv(notional, p.get(Parameter.BANKRUPT_REWARD), WAD),
            FixedPointMathLib.mulDiv(release, p.get(Parameter.LIQUIDATION_FEE), WAD)
        );
    }

    /// @notice INV-LIQ-NOT-TOO-MUCH for an account that is neither bankrupt nor small.
    /// @param before MM' without long options. @param r The exact requirement after the call, payments included, `health` its health.
    function isTooMuch(ILiquidator.Tier tier_, uint256 before, Requirement memory r, int256 health, ParameterTable p)
        internal
        pure
        returns (bool)
    {
        uint256 dust = p.get(Parameter.SMALL_REWARD);
        if (r.maintenance < dust) return true;
        if (tier_ == ILiquidator.Tier.PARTIAL) {
            uint256 closable = FixedPointMathLib.mulDiv(before, p.get(Parameter.CLOSE_FACTOR), WAD);
            if (r.maintenance - r.longOptions < before - closable) return true;
        }
        // Only paid-up longs left: their health jumps from minus to plus infinity, so the margin equity beyond them decides.
        if (r.maintenance == r.longOptions) return r.marginEquityMaintenance > int256(r.longOptions + dust);
        return health > int256(p.get(Parameter.TARGET_HEALTH));
    }
}
