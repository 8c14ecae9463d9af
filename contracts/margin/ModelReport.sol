// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IMarginEngine, Requirement} from "../interfaces/IMarginEngine.sol";
import {GroupReport, UnderlyingReport} from "../interfaces/IMarginReport.sol";
import {IModelReport} from "../interfaces/IModelReport.sol";
import {Book, Market} from "../types/Book.sol";
import {CaseBase} from "./CaseBase.sol";
import {CaseReader} from "./CaseReader.sol";
import {MarginCore} from "./MarginCore.sol";
import {Reports} from "./Reports.sol";
import {Case} from "./Risk.sol";

/// @title Model report
contract ModelReport is IModelReport, CaseReader {
    constructor(IMarginEngine engine) CaseBase(engine.NORMAL_TABLE_POINTER()) {}

    /// @inheritdoc IModelReport
    function computeBreakdown(uint256[] calldata parameters, Market calldata market, Book calldata book)
        external
        view
        returns (Requirement memory requirement, UnderlyingReport[] memory underlyings, GroupReport[] memory groups)
    {
        Case memory c = _given(parameters, market, book);
        (underlyings, groups) = Reports.report(c, MarginCore.stress(c));
        c = _given(parameters, market, book); // the scan leaves its marks in the case
        requirement = MarginCore.requirement(c);
    }
}
