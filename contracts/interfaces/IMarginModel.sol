// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Book, Market} from "../types/Book.sol";
import {Requirement, Witness} from "./IMarginEngine.sol";

/// @title Margin model
/// @notice The margin engine's mathematics for a book in a market that are given: what-ifs, vectors, parity with the keeper.
/// @dev Reverts as `IMarginEngine` does. `view` only because the normal table is read from its data contract.
interface IMarginModel {
    /// @notice `parameters` is not a table of types/Parameter.sol.
    error BadParameterTable(uint256 words, uint256 expected);
    error LengthsDiffer(uint256 books, uint256 witnesses);

    /// @notice The requirement of `book` in `market` under `parameters` (the words of types/Parameter.sol).
    function compute(uint256[] calldata parameters, Market calldata market, Book calldata book)
        external
        view
        returns (Requirement memory);

    /// @notice The same for many books in one market.
    function computeBatch(uint256[] calldata parameters, Market calldata market, Book[] calldata books)
        external
        view
        returns (Requirement[] memory);

    /// @notice The witness's lower bound for `book` in `market`.
    function computeWitnessed(
        uint256[] calldata parameters,
        Market calldata market,
        Book calldata book,
        Witness calldata witness
    ) external view returns (Requirement memory);

    /// @notice The same for many books in one market, a witness each.
    function computeWitnessedBatch(
        uint256[] calldata parameters,
        Market calldata market,
        Book[] calldata books,
        Witness[] calldata witnesses
    ) external view returns (Requirement[] memory);
}
