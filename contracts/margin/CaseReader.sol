// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IMarginModel} from "../interfaces/IMarginModel.sol";
import {Memory} from "../math/Memory.sol";
import {Book, Market} from "../types/Book.sol";
import {ENGINE_WORDS, ParameterTable, TABLE_WORDS} from "../types/Parameter.sol";
import {CaseBase} from "./CaseBase.sol";
import {MarketLoader} from "./MarketLoader.sol";
import {PortfolioLib} from "./Portfolio.sol";
import {Reads} from "./Reads.sol";
import {Case} from "./Risk.sol";

/// @title From calldata to a case for `MarginCore`
abstract contract CaseReader is CaseBase {
    using Memory for uint256[];

    /// @dev A book in a market, both given. Reverts `BadParameterTable`.
    function _given(uint256[] calldata parameters, Market calldata market, Book calldata book)
        internal
        view
        returns (Case memory c)
    {
        // The whole table, or the words of it that are read here.
        if (parameters.length != ENGINE_WORDS && parameters.length != TABLE_WORDS) {
            revert IMarginModel.BadParameterTable(parameters.length, ENGINE_WORDS);
        }
        _reserve();
        uint256[] memory words = parameters[:ENGINE_WORDS];
        c.table = ParameterTable.wrap(words.address_());
        c.time = market.time;
        Book memory copy = Reads.book(book);
        PortfolioLib.admit(copy.positions);
        _group(c, copy);
        c.oldestPrice = MarketLoader.fromMarket(market, c.portfolio);
    }
}
