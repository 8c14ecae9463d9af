// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ParameterReads} from "../governance/ParameterReads.sol";
import {ILedger} from "../interfaces/ILedger.sol";
import {IPriceDoor} from "../interfaces/IPriceDoor.sol";
import {IRiskParameters} from "../interfaces/IRiskParameters.sol";
import {ISurplusBound} from "../interfaces/ISurplusBound.sol";
import {Book, MarginMode} from "../types/Book.sol";
import {ParameterTable} from "../types/Parameter.sol";
import {Reads} from "./Reads.sol";
import {SurplusMath} from "./SurplusMath.sol";

/// @title Surplus bound
contract SurplusBound is ISurplusBound {
    using ParameterReads for IRiskParameters;

    ILedger private immutable LEDGER;
    IPriceDoor private immutable DOOR;
    IRiskParameters private immutable PARAMETERS;

    constructor(ILedger ledger, IPriceDoor door, IRiskParameters parameters) {
        (LEDGER, DOOR, PARAMETERS) = (ledger, door, parameters);
    }

    /// @inheritdoc ISurplusBound
    function surplusDown(uint64 account) external view returns (int256 surplus, uint256 oldestPrice) {
        Book memory book = Reads.book(LEDGER, account);
        if (book.mode != MarginMode.PORTFOLIO) return (SurplusMath.NONE, type(uint256).max);
        ParameterTable p = PARAMETERS.copied();
        SurplusMath.Markets memory m = SurplusMath.markets(book.positions);
        uint256[] memory feeds = Reads.feeds(DOOR, SurplusMath.keys(p, m, book.collateral));
        return SurplusMath.surplusDown(p, block.timestamp, book, m, feeds);
    }
}
