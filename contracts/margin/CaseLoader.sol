// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ILedger} from "../interfaces/ILedger.sol";
import {IMarginEngine} from "../interfaces/IMarginEngine.sol";
import {IPriceDoor} from "../interfaces/IPriceDoor.sol";
import {IRiskParameters} from "../interfaces/IRiskParameters.sol";
import {Memory} from "../math/Memory.sol";
import {NormalCdf} from "../math/NormalCdf.sol";
import {Workspace} from "../math/Workspace.sol";
import {Book, Market} from "../types/Book.sol";
import {ENGINE_WORDS, ParameterTable, TABLE_WORDS} from "../types/Parameter.sol";
import {MarketLoader} from "./MarketLoader.sol";
import {PortfolioLib} from "./Portfolio.sol";
import {Reads} from "./Reads.sol";
import {Case} from "./Risk.sol";
import {Valuation} from "./Valuation.sol";

/// @title From an account, or from calldata, to a case for `MarginCore`
/// @dev Phases: tables to memory, book, grouping, prices.
abstract contract CaseLoader {
    using Memory for uint256[];

    ILedger internal immutable LEDGER;
    IPriceDoor internal immutable PRICE_DOOR;
    IRiskParameters internal immutable RISK_PARAMETERS;
    /// @dev Data contract of the normal table.
    address internal immutable NORMAL;

    constructor(ILedger ledger, IPriceDoor priceDoor, IRiskParameters riskParameters, address normalTable) {
        LEDGER = ledger;
        PRICE_DOOR = priceDoor;
        RISK_PARAMETERS = riskParameters;
        NORMAL = normalTable;
    }

    /// @dev The account as it is stored.
    function _stored(uint64 account) internal view returns (Case memory c) {
        _begin(c);
        _load(c, Reads.book(LEDGER, account));
    }

    /// @dev A book in a market, both given. Reverts `BadParameterTable`.
    function _given(uint256[] calldata parameters, Market calldata market, Book calldata book)
        internal
        view
        returns (Case memory c)
    {
        // The whole table, or the words of it that are read here.
        if (parameters.length != ENGINE_WORDS && parameters.length != TABLE_WORDS) {
            revert IMarginEngine.BadParameterTable(parameters.length, ENGINE_WORDS);
        }
        if (Workspace.reserve()) NormalCdf.load(NORMAL);
        uint256[] memory words = parameters[:ENGINE_WORDS];
        c.table = ParameterTable.wrap(words.address_());
        c.time = market.time;
        Book memory copy = Reads.book(book);
        PortfolioLib.admit(copy.positions);
        _group(c, copy);
        c.oldestPrice = MarketLoader.fromMarket(market, c.portfolio);
    }

    /// @dev Workspace and tables to memory; no book yet.
    function _begin(Case memory c) internal view {
        if (Workspace.reserve()) NormalCdf.load(NORMAL);
        address pointer = RISK_PARAMETERS.pointer();
        uint256 size = 32 * ENGINE_WORDS;
        ParameterTable table;
        assembly ("memory-safe") {
            // The words begin after the data contract's first byte 0x00.
            table := mload(0x40)
            extcodecopy(pointer, table, 1, size)
            mstore(0x40, add(table, size))
        }
        c.table = table;
        c.time = block.timestamp;
    }

    /// @dev The book of a case after `_begin`, at stored prices.
    function _load(Case memory c, Book memory book) internal view {
        _group(c, book);
        c.oldestPrice = MarketLoader.fromDoor(PRICE_DOOR, c.portfolio);
    }

    function _group(Case memory c, Book memory book) private pure {
        c.mode = book.mode;
        c.balance = book.balance;
        c.collateral = book.collateral;
        PortfolioLib.group(c.portfolio, book.positions);
        Valuation.attach(c.table, c.mode, c.collateral, c.portfolio);
    }
}
