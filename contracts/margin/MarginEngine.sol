// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {SSTORE2} from "solady/utils/SSTORE2.sol";
import {ILedger} from "../interfaces/ILedger.sol";
import {IMarginEngine, Requirement, Witness} from "../interfaces/IMarginEngine.sol";
import {IPriceDoor} from "../interfaces/IPriceDoor.sol";
import {IRiskParameters} from "../interfaces/IRiskParameters.sol";
import {WAD} from "../math/FixedPoint.sol";
import {NormalCdf} from "../math/NormalCdf.sol";
import {NORMAL_TABLE} from "../math/NormalTable.sol";
import {Book, Leg, Market} from "../types/Book.sol";
import {Parameter, ParameterTable, TABLE_WORDS} from "../types/Parameter.sol";
import {Marks} from "./Marks.sol";
import {MarginCore} from "./MarginCore.sol";
import {MarketLoader} from "./MarketLoader.sol";
import {PortfolioLib} from "./Portfolio.sol";
import {Reads} from "./Reads.sol";
import {Case, Totals} from "./Risk.sol";
import {Trades} from "./Trades.sol";
import {Valuation} from "./Valuation.sol";

/// @title Margin engine
/// @dev Phases of every entry point: parameters and normal table to memory, book, grouping, prices, requirement.
contract MarginEngine is IMarginEngine {
    ILedger private immutable LEDGER;
    IPriceDoor private immutable PRICE_DOOR;
    IRiskParameters private immutable RISK_PARAMETERS;
    /// @inheritdoc IMarginEngine
    address public immutable NORMAL_TABLE_POINTER;

    constructor(ILedger ledger, IPriceDoor priceDoor, IRiskParameters riskParameters) {
        LEDGER = ledger;
        PRICE_DOOR = priceDoor;
        RISK_PARAMETERS = riskParameters;
        NORMAL_TABLE_POINTER = SSTORE2.write(NORMAL_TABLE);
    }

    /// @inheritdoc IMarginEngine
    function requirement(uint64 account) external view returns (Requirement memory r) {
        Case memory c = _stored(account);
        (r,) = MarginCore.requirement(c, false);
    }

    /// @inheritdoc IMarginEngine
    function witnessed(uint64 account, Witness calldata witness) external view returns (Requirement memory r) {
        return _witnessed(_stored(account), witness);
    }

    /// @inheritdoc IMarginEngine
    function proveHealthBelow(uint64 account, Witness calldata witness, uint256 threshold)
        external
        view
        returns (Requirement memory r)
    {
        r = _witnessed(_stored(account), witness);
        if (!_below(r, threshold)) {
            revert HealthNotBelow(account, r.marginEquityMaintenance, r.maintenance, threshold);
        }
    }

    /// @inheritdoc IMarginEngine
    function isLiquidatable(uint64 account, Witness calldata witness) external view returns (bool) {
        Case memory c = _stored(account);
        return _below(_witnessed(c, witness), c.table.get(Parameter.FULL_THRESHOLD));
    }

    /// @inheritdoc IMarginEngine
    function preview(uint64 account, Leg[] calldata legs, int256 cashChange)
        external
        view
        returns (Requirement memory r)
    {
        Case memory c = _begin();
        Book memory book = Reads.book(LEDGER, account);
        Trades.apply_(book, legs, cashChange);
        _load(c, book);
        (r,) = MarginCore.requirement(c, false);
    }

    /// @inheritdoc IMarginEngine
    function marks(uint112[] calldata instruments) external view returns (uint256[] memory prices, uint256 oldestPrice) {
        Case memory c = _begin();
        uint256[] memory positions = Marks.positions(instruments);
        c.portfolio = PortfolioLib.group(positions);
        oldestPrice = MarketLoader.fromDoor(PRICE_DOOR, c.portfolio);
        Totals memory totals;
        prices = MarginCore.standard(c, totals);
    }

    /// @inheritdoc IMarginEngine
    function compute(uint256[] calldata parameters, Market calldata market, Book calldata book)
        external
        view
        returns (Requirement memory r)
    {
        Case memory c = _given(parameters, market, book);
        (r,) = MarginCore.requirement(c, false);
    }

    /// @inheritdoc IMarginEngine
    function computeWitnessed(
        uint256[] calldata parameters,
        Market calldata market,
        Book calldata book,
        Witness calldata witness
    ) external view returns (Requirement memory r) {
        return _witnessed(_given(parameters, market, book), witness);
    }

    /// @inheritdoc IMarginEngine
    function health(Requirement calldata r) external pure returns (int256) {
        return MarginCore.health(r);
    }

    function _witnessed(Case memory c, Witness calldata witness) private pure returns (Requirement memory r) {
        (c.partially, c.witnessUnderlyings, c.witnessGroups) = (true, witness.underlyings, witness.groups);
        (r,) = MarginCore.requirement(c, false);
    }

    /// @dev Health < threshold, without the division: rounding cannot make an account liquidatable.
    function _below(Requirement memory r, uint256 threshold) private pure returns (bool) {
        unchecked {
            int256 own = r.marginEquityMaintenance - int256(r.longOptions);
            int256 binding = int256(r.maintenance) - int256(r.longOptions);
            if (binding <= 0) return own < 0;
            return own * int256(WAD) < binding * int256(threshold);
        }
    }

    function _stored(uint64 account) private view returns (Case memory c) {
        c = _begin();
        _load(c, Reads.book(LEDGER, account));
    }

    /// @dev Tables to memory.
    function _begin() private view returns (Case memory c) {
        c.bias = NormalCdf.load(NORMAL_TABLE_POINTER);
        address pointer = RISK_PARAMETERS.pointer();
        uint256 size = 32 * TABLE_WORDS;
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

    function _load(Case memory c, Book memory book) private view {
        _group(c, book);
        c.oldestPrice = MarketLoader.fromDoor(PRICE_DOOR, c.portfolio);
    }

    function _group(Case memory c, Book memory book) private pure {
        c.mode = book.mode;
        c.balance = book.balance;
        c.collateral = book.collateral;
        c.portfolio = PortfolioLib.group(book.positions);
        Valuation.attach(c.table, c.mode, c.collateral, c.portfolio);
    }

    function _given(uint256[] calldata parameters, Market calldata market, Book calldata book)
        private
        view
        returns (Case memory c)
    {
        if (parameters.length != TABLE_WORDS) revert BadParameterTable(parameters.length, TABLE_WORDS);
        c.bias = NormalCdf.load(NORMAL_TABLE_POINTER);
        uint256[] memory words = parameters;
        ParameterTable table;
        assembly ("memory-safe") {
            table := add(words, 0x20)
        }
        c.table = table;
        c.time = market.time;
        _group(c, Reads.book(book));
        c.oldestPrice = MarketLoader.fromMarket(market, c.portfolio);
    }
}
