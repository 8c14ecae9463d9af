// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {SSTORE2} from "solady/utils/SSTORE2.sol";
import {ILedger} from "../interfaces/ILedger.sol";
import {IMarginEngine, Requirement, Witness} from "../interfaces/IMarginEngine.sol";
import {IPriceDoor} from "../interfaces/IPriceDoor.sol";
import {IRiskParameters} from "../interfaces/IRiskParameters.sol";
import {WAD} from "../math/FixedPoint.sol";
import {NORMAL_TABLE} from "../math/NormalTable.sol";
import {Book, Leg} from "../types/Book.sol";
import {Parameter} from "../types/Parameter.sol";
import {Marks} from "./Marks.sol";
import {MarginCore} from "./MarginCore.sol";
import {CaseBase} from "./CaseBase.sol";
import {CaseLoader} from "./CaseLoader.sol";
import {MarketLoader} from "./MarketLoader.sol";
import {PortfolioLib} from "./Portfolio.sol";
import {Reads} from "./Reads.sol";
import {Case, Totals} from "./Risk.sol";
import {Trades} from "./Trades.sol";

/// @title Margin engine
/// @dev Every entry point: a case from `CaseLoader`, then `MarginCore`.
contract MarginEngine is IMarginEngine, CaseLoader {
    constructor(ILedger ledger, IPriceDoor priceDoor, IRiskParameters riskParameters)
        CaseBase(SSTORE2.write(NORMAL_TABLE))
        CaseLoader(ledger, priceDoor, riskParameters)
    {}

    /// @inheritdoc IMarginEngine
    function NORMAL_TABLE_POINTER() external view returns (address) {
        return NORMAL;
    }

    /// @inheritdoc IMarginEngine
    function requirement(uint64 account) external view returns (Requirement memory r) {
        return MarginCore.requirement(_stored(account));
    }

    /// @inheritdoc IMarginEngine
    function witnessed(uint64 account, Witness calldata witness) external view returns (Requirement memory r) {
        return MarginCore.witnessed(_stored(account), witness);
    }

    /// @inheritdoc IMarginEngine
    function proveHealthBelow(uint64 account, Witness calldata witness, uint256 threshold)
        external
        view
        returns (Requirement memory r)
    {
        r = MarginCore.witnessed(_stored(account), witness);
        if (!_below(r, threshold)) {
            revert HealthNotBelow(account, r.marginEquityMaintenance, r.maintenance, threshold);
        }
    }

    /// @inheritdoc IMarginEngine
    function isLiquidatable(uint64 account, Witness calldata witness) external view returns (bool) {
        Case memory c = _stored(account);
        return _below(MarginCore.witnessed(c, witness), c.table.get(Parameter.FULL_THRESHOLD));
    }

    /// @inheritdoc IMarginEngine
    function preview(uint64 account, Leg[] calldata legs, int256 cashChange)
        external
        view
        returns (Requirement memory r)
    {
        Case memory c;
        _begin(c);
        Book memory book = Reads.book(LEDGER, account);
        Trades.apply_(book, legs, cashChange);
        PortfolioLib.admit(book.positions);
        _load(c, book);
        return MarginCore.requirement(c);
    }

    /// @inheritdoc IMarginEngine
    function marks(uint112[] calldata instruments) external view returns (uint256[] memory prices, uint256 oldestPrice) {
        Case memory c;
        _begin(c);
        PortfolioLib.group(c.portfolio, Marks.positions(instruments));
        oldestPrice = MarketLoader.fromDoor(PRICE_DOOR, c.portfolio);
        Totals memory totals;
        prices = MarginCore.standard(c, totals);
    }

    /// @inheritdoc IMarginEngine
    function health(Requirement calldata r) external pure returns (int256) {
        return MarginCore.health(r);
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
}
