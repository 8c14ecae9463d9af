// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Book, Market} from "../types/Book.sol";
import {Requirement} from "./IMarginEngine.sol";
import {GroupReport, UnderlyingReport} from "./IMarginReport.sol";

/// @title Model report
/// @notice `IMarginReport.breakdown` of a book in a market that are given, as `IMarginModel.compute`, with which it reverts.
interface IModelReport {
    function computeBreakdown(uint256[] calldata parameters, Market calldata market, Book calldata book)
        external
        view
        returns (Requirement memory requirement, UnderlyingReport[] memory underlyings, GroupReport[] memory groups);
}
