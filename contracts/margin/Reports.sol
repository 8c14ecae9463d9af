// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {GroupReport, UnderlyingReport} from "../interfaces/IMarginReport.sol";
import {GROUPS_AT, MAX_GROUPS} from "../types/Parameter.sol";
import {Groups} from "./Groups.sol";
import {Case, UnderlyingRisk} from "./Risk.sol";

/// @title From the risks of a case to a report
library Reports {
    /// @notice Risks of a case as they are reported; groups in ascending order.
    function report(Case memory c, UnderlyingRisk[] memory risks)
        internal
        pure
        returns (UnderlyingReport[] memory underlyings, GroupReport[] memory groups)
    {
        underlyings = new UnderlyingReport[](risks.length);
        uint256 present;
        uint256 count;
        for (uint256 i; i < risks.length; ++i) {
            underlyings[i] = _underlying(risks[i]);
            uint256 group = Groups.groupOf(c.table, risks[i].id);
            if (group != 0 && (present >> group) & 1 == 0) ++count;
            present |= 1 << group;
        }
        groups = new GroupReport[](count);
        count = 0;
        for (uint256 group = 1; group <= MAX_GROUPS; ++group) {
            if ((present >> group) & 1 != 0) groups[count++] = _group(c, risks, group);
        }
    }

    function _underlying(UnderlyingRisk memory r) private pure returns (UnderlyingReport memory u) {
        u.underlying = uint8(r.id);
        u.pnl = r.pnl;
        u.worstScenario = r.worst;
        u.stressLoss = r.loss;
        u.rate = r.rate;
        u.roll = r.roll;
        u.shortOptions = r.shortOptions;
        u.deltaMargin = r.delta;
        u.gammaMargin = r.gamma;
        u.vegaMargin = r.vega;
        u.oracle = r.oracle;
        u.spotContingency = r.spotContingency;
        u.delta = r.deltaUnits;
        u.gamma = r.gammaUnits;
        u.vega = r.vegaUsd;
    }

    function _group(Case memory c, UnderlyingRisk[] memory risks, uint256 id) private pure returns (GroupReport memory g) {
        int256[] memory joint;
        (, g.sumLoss, joint) = Groups.joined(c.table, risks, id);
        g.group = uint8(id);
        g.kappa = c.table.word(GROUPS_AT + id - 1);
        for (uint256 i = 1; i < joint.length; ++i) {
            if (joint[i] < joint[g.worstScenario]) g.worstScenario = i;
        }
        g.jointLoss = -joint[g.worstScenario];
    }
}
