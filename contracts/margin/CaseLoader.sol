// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ILedger} from "../interfaces/ILedger.sol";
import {IPriceDoor} from "../interfaces/IPriceDoor.sol";
import {IRiskParameters} from "../interfaces/IRiskParameters.sol";
import {Book} from "../types/Book.sol";
import {ENGINE_WORDS, ParameterTable} from "../types/Parameter.sol";
import {CaseBase} from "./CaseBase.sol";
import {MarketLoader} from "./MarketLoader.sol";
import {Reads} from "./Reads.sol";
import {Case} from "./Risk.sol";

/// @title From an account to a case for `MarginCore`
/// @dev Phases: tables to memory, book, grouping, prices.
abstract contract CaseLoader is CaseBase {
    ILedger internal immutable LEDGER;
    IPriceDoor internal immutable PRICE_DOOR;
    IRiskParameters internal immutable RISK_PARAMETERS;

    constructor(ILedger ledger, IPriceDoor priceDoor, IRiskParameters riskParameters) {
        LEDGER = ledger;
        PRICE_DOOR = priceDoor;
        RISK_PARAMETERS = riskParameters;
    }

    /// @dev The account as it is stored.
    function _stored(uint64 account) internal view returns (Case memory c) {
        _begin(c);
        _load(c, Reads.book(LEDGER, account));
    }

    /// @dev Workspace and tables to memory; no book yet.
    function _begin(Case memory c) internal view {
        _reserve();
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
}
