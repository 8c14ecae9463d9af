// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";

import {ILedger} from "../interfaces/ILedger.sol";
import {ILiquidator} from "../interfaces/ILiquidator.sol";
import {IMarginEngine, Requirement} from "../interfaces/IMarginEngine.sol";
import {Leg} from "../types/Book.sol";
import {InstrumentId} from "../types/InstrumentId.sol";

/// @title Stress share
/// @notice How a bankrupt account's deficit D is split between the legs taken (t) and those left (l): by the maintenance requirements
/// R of either part as a book of its own, in the account's mode and with its collateral:
///
///      share = R_t / (R_t + R_l)          all of it where no leg is left; by notional where neither part requires anything
///
/// @dev Requirements are subadditive (a whole nets what its parts do not; but for size tiers and charges with a free amount):
/// R_t + R_l >= R. What stays with the rest, per unit of its
/// requirement, is D / (R_t + R_l) <= D / R: it never grows, so nobody can take the good legs and strand the deficit on a
/// crumb [A]. In CROSS and ISOLATED requirements add up and each leg bears exactly its own. One scan, whatever the number of legs.
library StressShare {
    uint256 private constant WAD = 1e18;
    uint256 private constant ANY = type(uint256).max;

    /// @notice Share of the legs just taken, 1e18, rounded down.
    /// @param afterwards Requirement of what is left. @param grossBefore Gross notional before the legs moved.
    function shareDown(
        IMarginEngine engine,
        ILedger ledger,
        uint64 account,
        ILiquidator.LiquidationLeg[] calldata taken,
        Requirement memory afterwards,
        uint256 grossBefore
    ) internal view returns (uint256) {
        ILedger.PositionView[] memory left = ledger.positions(account);
        if (left.length == 0) return WAD;
        uint256 requiredTaken = engine.preview(account, _exchange(left, taken, ANY), 0).maintenance;
        uint256 total = requiredTaken + afterwards.maintenance;
        if (total != 0) return FixedPointMathLib.mulDiv(WAD, requiredTaken, total);
        if (grossBefore == 0) return WAD;
        return FixedPointMathLib.mulDiv(WAD, FixedPointMathLib.zeroFloorSub(grossBefore, afterwards.grossNotional), grossBefore);
    }

    /// @notice Which underlyings caused what the legs just taken cost: by the requirement of each one's legs as a book of its own,
    /// alike where none requires anything. One scan per underlying, none where there is one alone.
    /// @return underlyings Distinct, in the order of the legs. @return weights_ Of each. @return total Their sum; 0 where there is one.
    function weights(IMarginEngine engine, ILedger ledger, uint64 account, ILiquidator.LiquidationLeg[] calldata taken)
        internal
        view
        returns (uint8[] memory underlyings, uint256[] memory weights_, uint256 total)
    {
        underlyings = _underlyings(taken);
        weights_ = new uint256[](underlyings.length);
        if (underlyings.length == 1) return (underlyings, weights_, 0);
        ILedger.PositionView[] memory left = ledger.positions(account);
        for (uint256 i; i < weights_.length; ++i) {
            weights_[i] = engine.preview(account, _exchange(left, taken, underlyings[i]), 0).maintenance;
            total += weights_[i];
        }
        if (total != 0) return (underlyings, weights_, total);
        // Worthless options and nothing else: the draw is the reward and next to nothing.
        for (uint256 i; i < weights_.length; ++i) {
            (weights_[i], total) = (1, total + 1);
        }
    }

    function _underlyings(ILiquidator.LiquidationLeg[] calldata legs) private pure returns (uint8[] memory list) {
        uint256 seen;
        uint256 count;
        list = new uint8[](legs.length);
        for (uint256 i; i < legs.length; ++i) {
            uint8 id = InstrumentId.wrap(legs[i].instrument).underlying();
            if ((seen >> id) & 1 != 0) continue;
            seen |= 1 << id;
            list[count++] = id;
        }
        assembly ("memory-safe") {
            mstore(list, count)
        }
    }

    /// @dev Trades that turn what is left into what was taken. At price 0: no requirement depends on the balance.
    /// @param underlying Of what was taken, these legs only; ANY: all.
    function _exchange(ILedger.PositionView[] memory left, ILiquidator.LiquidationLeg[] calldata taken, uint256 underlying)
        private
        pure
        returns (Leg[] memory legs)
    {
        uint256 count = left.length;
        legs = new Leg[](count + taken.length); // shortened below
        for (uint256 i; i < count; ++i) {
            legs[i] = Leg(left[i].instrument, int128(-left[i].size), 0); // sizes are int96 (types/Position.sol)
        }
        for (uint256 i; i < taken.length; ++i) {
            if (underlying != ANY && InstrumentId.wrap(taken[i].instrument).underlying() != underlying) continue;
            legs[count++] = Leg(taken[i].instrument, taken[i].size, 0);
        }
        assembly ("memory-safe") {
            mstore(legs, count)
        }
    }
}
