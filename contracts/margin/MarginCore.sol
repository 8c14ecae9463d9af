// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IMarginEngine, Requirement, Witness} from "../interfaces/IMarginEngine.sol";
import {FixedPoint, SWAD, WAD} from "../math/FixedPoint.sol";
import {OptionFrame, OptionFrameLib} from "../math/OptionFrame.sol";
import {Memory} from "../math/Memory.sol";
import {FRAME} from "../math/Workspace.sol";
import {MarginMode} from "../types/Book.sol";
import {Parameter} from "../types/Parameter.sol";
import {Charges} from "./Charges.sol";
import {Groups} from "./Groups.sol";
import {Case, Stress, Totals, UnderlyingRisk} from "./Risk.sol";
import {ScenarioMargin} from "./ScenarioMargin.sol";
import {ScenarioChoice} from "./ScenarioChoice.sol";
import {StandardMargin} from "./StandardMargin.sol";
import {Valuation} from "./Valuation.sol";

/// @title The requirement of a book (margin.md sections 2 to 6)
/// @notice The same code for stored accounts and for books in calldata.
library MarginCore {
    using Memory for uint256[];
    using Memory for int256[];

    /// @notice Requirement and margin equity, in the mode of the account or for the witness of the case.
    function requirement(Case memory c) internal pure returns (Requirement memory r) {
        unchecked {
            Totals memory totals;
            if (c.mode == MarginMode.PORTFOLIO) {
                _portfolio(c, totals);
            } else {
                if (c.witnessUnderlyings.length + c.witnessGroups.length != 0) revert IMarginEngine.BadWitness(0, 0);
                standard(c, totals);
            }
            _equity(c, totals, r);
            r.initial = totals.initial;
            r.maintenance = totals.maintenance;
            r.longOptions = totals.longOptions;
            r.grossNotional = totals.gross / WAD;
            r.oldestPrice = c.oldestPrice;
        }
    }

    /// @notice The lower bound of a witness and margin equity.
    function witnessed(Case memory c, Witness calldata witness) internal pure returns (Requirement memory) {
        (c.partially, c.witnessUnderlyings, c.witnessGroups) = (true, witness.underlyings, witness.groups);
        return requirement(c);
    }

    /// @notice Stress loss, charges and greeks per underlying with legs, ascending ids, whatever the mode.
    function stress(Case memory c) internal pure returns (UnderlyingRisk[] memory risks) {
        Totals memory totals;
        (risks,) = _assess(c, totals, true);
    }

    /// @notice Standard margin of every position, added to `totals`. @return marks Per position, USD 1e18.
    function standard(Case memory c, Totals memory totals) internal pure returns (uint256[] memory marks) {
        StandardMargin.Scan memory s;
        (s.table, s.time, s.totals) = (c.table, c.time, totals);
        uint256[] memory positions = c.portfolio.positions;
        marks = new uint256[](positions.length);
        unchecked {
            s.marks = marks.address_() - positions.address_();
        }
        OptionFrame memory f = OptionFrameLib.asFrame()(FRAME);
        (f.links, f.marks) = (c.portfolio.links, s.marks);
        StandardMargin.scan(s, c.portfolio);
    }

    /// @notice Health of a requirement (IMarginEngine).
    function health(Requirement memory r) internal pure returns (int256) {
        unchecked {
            int256 own = r.marginEquityMaintenance - int256(r.longOptions);
            int256 binding = int256(r.maintenance) - int256(r.longOptions);
            if (binding <= 0) return own >= 0 ? type(int256).max : type(int256).min;
            return FixedPoint.divFloor(own * SWAD, binding);
        }
    }

    /// @dev R of margin.md section 4.
    function _portfolio(Case memory c, Totals memory totals) private pure {
        unchecked {
            (UnderlyingRisk[] memory risks, uint256[] memory chosen) = _assess(c, totals, false);
            uint256 sum = Groups.loss(c.table, risks, chosen);
            for (uint256 i; i < risks.length; ++i) {
                sum += Charges.total(risks[i]);
            }
            // No book is free, a box neither.
            uint256 least = FixedPoint.mulWadUp(FixedPoint.divWadUp(totals.gross), c.table.get(Parameter.NOTIONAL_FLOOR));
            if (sum < least) sum = least;
            totals.initial = sum;
            totals.maintenance = FixedPoint.mulWadUp(sum, c.table.get(Parameter.MAINTENANCE_FACTOR));
        }
    }

    function _assess(Case memory c, Totals memory totals, bool greeks)
        private
        pure
        returns (UnderlyingRisk[] memory risks, uint256[] memory chosen)
    {
        unchecked {
            chosen = ScenarioChoice.choose(c);
            Stress memory s;
            (s.table, s.time, s.totals, s.greeks) = (c.table, c.time, totals, greeks);
            OptionFrame memory f = OptionFrameLib.asFrame()(FRAME);
            (f.links, f.marks) = (c.portfolio.links, 0);
            uint256 legged = c.portfolio.legged;
            risks = ScenarioChoice.reserve(legged);
            uint256 count;
            for (uint256 id; legged >> id != 0; ++id) {
                if ((legged >> id) & 1 == 0) continue;
                UnderlyingRisk memory risk =
                    ScenarioMargin.assess(s, c.portfolio, id, ScenarioChoice.mask(c, chosen, id));
                if (c.partially) {
                    risk.worst = chosen.at(id) - 1;
                    int256 pnl = risk.pnl.at(risk.worst);
                    risk.loss = pnl < 0 ? uint256(-pnl) : 0;
                }
                risks[count++] = risk;
            }
        }
    }

    function _equity(Case memory c, Totals memory totals, Requirement memory r) private pure {
        unchecked {
            Valuation.Collateral memory v = Valuation.collateral(c.table, c.mode, c.collateral);
            int256 own = c.balance + FixedPoint.divFloor(totals.value, SWAD);
            r.equity = own + int256(v.value);
            r.marginEquityInitial = own + int256(v.initial);
            r.marginEquityMaintenance = own + int256(v.maintenance);
        }
    }
}
