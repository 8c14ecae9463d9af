// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ILedger} from "../interfaces/ILedger.sol";
import {IMarginEngine} from "../interfaces/IMarginEngine.sol";
import {GroupReport, IMarginReport, UnderlyingReport} from "../interfaces/IMarginReport.sol";
import {IPriceDoor} from "../interfaces/IPriceDoor.sol";
import {IRiskParameters} from "../interfaces/IRiskParameters.sol";
import {CaseBase} from "./CaseBase.sol";
import {CaseLoader} from "./CaseLoader.sol";
import {MarginCore} from "./MarginCore.sol";
import {Reports} from "./Reports.sol";
import {Case, UnderlyingRisk} from "./Risk.sol";

/// @title Margin report
contract MarginReport is IMarginReport, CaseLoader {
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
        return Reports.report(c, MarginCore.stress(c));
    }
}
