// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";

import {HOUSE, ILedger} from "../interfaces/ILedger.sol";
import {ILiquidator} from "../interfaces/ILiquidator.sol";
import {IMarginEngine, Requirement} from "../interfaces/IMarginEngine.sol";
import {WAD} from "../math/FixedPoint.sol";
import {Leg} from "../types/Book.sol";
import {InstrumentId} from "../types/InstrumentId.sol";

/// @title Stress share
/// @notice How a bankrupt account's deficit D is split between the legs taken (t, by underlying u) and those left (l): by the
/// maintenance requirements R of each part as a book of its own, in the account's mode:
///
///      share of u = R_tu / (sum of R_tu + R_l)      all of it where no leg is left; by notional where no part requires anything
///
/// @dev Requirements are subadditive (a whole nets what its parts do not; but for size tiers and charges with a free amount):
/// sum of R_tu + R_l >= R. What stays with the rest, per unit of its requirement, is D / (sum of R_tu + R_l) <= D / R: it never grows, so
/// nobody can take the good legs and strand the deficit on a crumb [A]. In CROSS and ISOLATED requirements add up and each leg
/// bears exactly its own. In PORTFOLIO collateral may be a risk of its own, which stays where it is and is no leg's: where there is some,
/// parts are measured as the house would hold them, leg by leg and without it [A: a crumb that bears the collateral's stress].
/// One scan per underlying, whatever the number of legs, and one for the rest.
library StressShare {
    /// @notice @param share Of the legs just taken, 1e18, rounded down. @param underlyings Of these legs, distinct.
    /// @param weights How the share divides between them. @param total Sum of the weights, > 0.
    struct Split {
        uint256 share;
        uint8[] underlyings;
        uint256[] weights;
        uint256 total;
    }

    /// @param taken Legs that moved away just now.
    /// @param afterwards Requirement of what is left. @param grossBefore Gross notional before the legs moved.
    function splitDown(
        IMarginEngine engine,
        ILedger ledger,
        uint64 account,
        ILiquidator.LiquidationLeg[] memory taken,
        Requirement memory afterwards,
        uint256 grossBefore
    ) internal view returns (Split memory s) {
        s.underlyings = _underlyings(taken);
        uint256 count = s.underlyings.length;
        s.weights = new uint256[](count);
        ILedger.PositionView[] memory left = ledger.positions(account);
        if (count == 1 && left.length == 0) {
            (s.share, s.weights[0], s.total) = (WAD, 1, 1);
            return s;
        }
        bool alone = ledger.account(account).collateralMask != 0;
        ILedger.PositionView[] memory held = alone ? new ILedger.PositionView[](0) : left;
        for (uint256 i; i < count; ++i) {
            s.weights[i] = engine.preview(alone ? HOUSE : account, _exchange(held, taken, s.underlyings[i]), 0).maintenance;
            s.total += s.weights[i];
        }
        uint256 all = s.total + (alone ? engine.preview(HOUSE, _copied(left), 0).maintenance : afterwards.maintenance);
        if (left.length == 0) s.share = WAD;
        else if (all != 0) s.share = FixedPointMathLib.mulDiv(WAD, s.total, all);
        else if (grossBefore == 0) s.share = WAD;
        else s.share = FixedPointMathLib.mulDiv(WAD, FixedPointMathLib.zeroFloorSub(grossBefore, afterwards.grossNotional), grossBefore);
        if (s.total != 0) return s;
        // Worthless options and nothing else
        for (uint256 i; i < count; ++i) {
            s.weights[i] = 1;
        }
        s.total = count;
    }

    function _underlyings(ILiquidator.LiquidationLeg[] memory legs) private pure returns (uint8[] memory list) {
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
            mstore(list, count) // shorter
        }
    }

    /// @dev Trades that turn what is left into what was taken of `underlying`. At price 0: no requirement depends on the balance.
    function _exchange(ILedger.PositionView[] memory left, ILiquidator.LiquidationLeg[] memory taken, uint8 underlying)
        private
        pure
        returns (Leg[] memory legs)
    {
        uint256 count = left.length;
        legs = new Leg[](count + taken.length);
        for (uint256 i; i < count; ++i) {
            legs[i] = Leg(left[i].instrument, int128(-left[i].size), 0); // sizes are int96 (types/Position.sol)
        }
        for (uint256 i; i < taken.length; ++i) {
            if (InstrumentId.wrap(taken[i].instrument).underlying() != underlying) continue;
            legs[count++] = Leg(taken[i].instrument, taken[i].size, 0);
        }
        assembly ("memory-safe") {
            mstore(legs, count) // shorter
        }
    }

    function _copied(ILedger.PositionView[] memory held) private pure returns (Leg[] memory legs) {
        legs = new Leg[](held.length);
        for (uint256 i; i < held.length; ++i) {
            legs[i] = Leg(held[i].instrument, int128(held[i].size), 0);
        }
    }
}
