// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IMarginEngine, Requirement, Witness} from "../interfaces/IMarginEngine.sol";
import {IMarginModel} from "../interfaces/IMarginModel.sol";
import {Book, Market} from "../types/Book.sol";
import {CaseBase} from "./CaseBase.sol";
import {CaseReader} from "./CaseReader.sol";
import {MarginCore} from "./MarginCore.sol";

/// @title Margin model
/// @dev Every entry point: a case from `CaseReader`, then `MarginCore`.
contract MarginModel is IMarginModel, CaseReader {
    constructor(IMarginEngine engine) CaseBase(engine.NORMAL_TABLE_POINTER()) {}

    /// @inheritdoc IMarginModel
    function compute(uint256[] calldata parameters, Market calldata market, Book calldata book)
        external
        view
        returns (Requirement memory)
    {
        return MarginCore.requirement(_given(parameters, market, book));
    }

    /// @inheritdoc IMarginModel
    function computeBatch(uint256[] calldata parameters, Market calldata market, Book[] calldata books)
        external
        view
        returns (Requirement[] memory list)
    {
        _reserve(); // before the results are allocated
        list = new Requirement[](books.length);
        for (uint256 i; i < list.length; ++i) {
            list[i] = MarginCore.requirement(_given(parameters, market, books[i]));
        }
    }

    /// @inheritdoc IMarginModel
    function computeWitnessed(
        uint256[] calldata parameters,
        Market calldata market,
        Book calldata book,
        Witness calldata witness
    ) external view returns (Requirement memory) {
        return MarginCore.witnessed(_given(parameters, market, book), witness);
    }

    /// @inheritdoc IMarginModel
    function computeWitnessedBatch(
        uint256[] calldata parameters,
        Market calldata market,
        Book[] calldata books,
        Witness[] calldata witnesses
    ) external view returns (Requirement[] memory list) {
        if (books.length != witnesses.length) revert LengthsDiffer(books.length, witnesses.length);
        _reserve(); // before the results are allocated
        list = new Requirement[](books.length);
        for (uint256 i; i < list.length; ++i) {
            list[i] = MarginCore.witnessed(_given(parameters, market, books[i]), witnesses[i]);
        }
    }
}
