// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ILedger} from "../interfaces/ILedger.sol";
import {IMarginEngine, Requirement} from "../interfaces/IMarginEngine.sol";
import {GroupReport, IMarginReport, UnderlyingReport} from "../interfaces/IMarginReport.sol";
import {IPriceDoor} from "../interfaces/IPriceDoor.sol";
import {IRiskParameters} from "../interfaces/IRiskParameters.sol";
import {Book, Market} from "../types/Book.sol";
import {GROUPS_AT, MAX_GROUPS} from "../types/Parameter.sol";
import {CaseBase} from "./CaseBase.sol";
import {CaseLoader} from "./CaseLoader.sol";
import {CaseReader} from "./CaseReader.sol";
import {Groups} from "./Groups.sol";
import {MarginCore} from "./MarginCore.sol";
import {Case, UnderlyingRisk} from "./Risk.sol";

/// @title Margin report
contract MarginReport is IMarginReport, CaseLoader, CaseReader {
    constructor(ILedger ledger, IPriceDoor priceDoor, IRiskParameters riskParameters, IMarginEngine engine)
        CaseBase(engine.NORMAL_TABLE_POINTER())
        CaseLoader(ledger, priceDoor, riskParameters)
    {}

    /// @inheritdoc IMarginReport
    function greeks(uint64 account) external view returns (Greeks[] memory list) {
        UnderlyingRisk[] memory risks = MarginCore.stress(_stored(account));
        list = new Greeks[](risks.length);
        for (uint256 i; i < risks.length; ++i) {
            UnderlyingRisk memory r = risks[i];
            list[i] = Greeks({underlying: uint8(r.id), delta: r.deltaUnits, gamma: r.gammaUnits, vega: r.vegaUsd});
        }
    }

    /// @inheritdoc IMarginReport
    function breakdown(uint64 account)
        external
        view
        returns (UnderlyingReport[] memory underlyings, GroupReport[] memory groups)
    {
        Case memory c = _stored(account);
        return _report(c, MarginCore.stress(c));
    }

    /// @inheritdoc IMarginReport
    function computeBreakdown(uint256[] calldata parameters, Market calldata market, Book calldata book)
        external
        view
        returns (Requirement memory requirement, UnderlyingReport[] memory underlyings, GroupReport[] memory groups)
    {
        Case memory c = _given(parameters, market, book);
        (underlyings, groups) = _report(c, MarginCore.stress(c));
        c = _given(parameters, market, book); // the scan leaves its marks in the case
        requirement = MarginCore.requirement(c);
    }

    function _report(Case memory c, UnderlyingRisk[] memory risks)
        private
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
