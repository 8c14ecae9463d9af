// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ILens} from "../interfaces/ILens.sol";
import {IMarginEngine, Requirement} from "../interfaces/IMarginEngine.sol";
import {IMarginLens} from "../interfaces/IMarginLens.sol";
import {GroupReport, IMarginReport, UnderlyingReport} from "../interfaces/IMarginReport.sol";
import {Leg} from "../types/Book.sol";

/// @title Margin lens
contract MarginLens is IMarginLens {
    IMarginEngine private immutable ENGINE;
    IMarginReport private immutable REPORT;

    constructor(IMarginEngine engine, IMarginReport report) {
        ENGINE = engine;
        REPORT = report;
    }

    /// @inheritdoc IMarginLens
    function previewTrade(uint64 account, Leg[] calldata legs)
        external
        view
        returns (Requirement memory before, Requirement memory after_, int256 health)
    {
        before = ENGINE.requirement(account);
        after_ = ENGINE.preview(account, legs, 0);
        health = ENGINE.health(after_);
    }

    /// @inheritdoc IMarginLens
    function previewTrades(uint64[] calldata ids, Leg[][] calldata trades)
        external
        view
        returns (ILens.RiskView[] memory list)
    {
        if (ids.length != trades.length) revert LengthsDiffer(ids.length, trades.length);
        list = new ILens.RiskView[](ids.length);
        for (uint256 i; i < list.length; ++i) {
            list[i].id = ids[i];
            try ENGINE.preview(ids[i], trades[i], 0) returns (Requirement memory r) {
                (list[i].ok, list[i].requirement, list[i].health) = (true, r, ENGINE.health(r));
            } catch {} // `ok` stays false
        }
    }

    /// @inheritdoc IMarginLens
    function greeksOf(uint64[] calldata ids) external view returns (GreeksView[] memory list) {
        list = new GreeksView[](ids.length);
        for (uint256 i; i < list.length; ++i) {
            list[i].id = ids[i];
            try REPORT.greeks(ids[i]) returns (IMarginReport.Greeks[] memory greeks) {
                (list[i].ok, list[i].greeks) = (true, greeks);
            } catch {} // `ok` stays false
        }
    }

    /// @inheritdoc IMarginLens
    function breakdownsOf(uint64[] calldata ids) external view returns (BreakdownView[] memory list) {
        list = new BreakdownView[](ids.length);
        for (uint256 i; i < list.length; ++i) {
            list[i].id = ids[i];
            try REPORT.breakdown(ids[i]) returns (UnderlyingReport[] memory underlyings, GroupReport[] memory groups) {
                (list[i].ok, list[i].underlyings, list[i].groups) = (true, underlyings, groups);
            } catch {} // `ok` stays false
        }
    }
}
