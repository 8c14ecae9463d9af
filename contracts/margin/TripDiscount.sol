// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ICircuitBreaker} from "../interfaces/ICircuitBreaker.sol";
import {ILedger} from "../interfaces/ILedger.sol";
import {IMarginModel} from "../interfaces/IMarginModel.sol";
import {IPriceDoor} from "../interfaces/IPriceDoor.sol";
import {IRiskParameters} from "../interfaces/IRiskParameters.sol";
import {ITripDiscount} from "../interfaces/ITripDiscount.sol";
import {FixedPoint} from "../math/FixedPoint.sol";
import {Book} from "../types/Book.sol";
import {Position} from "../types/Position.sol";
import {MovedSpot} from "./MovedSpot.sol";

/// @title Trip discount
contract TripDiscount is ITripDiscount {
    ILedger private immutable LEDGER;
    IPriceDoor private immutable DOOR;
    IRiskParameters private immutable PARAMETERS;
    IMarginModel private immutable MODEL;
    ICircuitBreaker private immutable BREAKER;

    constructor(ILedger ledger, IPriceDoor door, IRiskParameters parameters, IMarginModel model, ICircuitBreaker breaker) {
        LEDGER = ledger;
        DOOR = door;
        PARAMETERS = parameters;
        MODEL = model;
        BREAKER = breaker;
    }

    /// @inheritdoc ITripDiscount
    function discount(uint64 account) external view returns (uint256 legs, uint256 collateral) {
        if (!BREAKER.anyTripped()) return (0, 0);
        Book memory book = LEDGER.book(account);
        uint256[] memory table;
        for (uint256 i; i < book.positions.length; ++i) {
            Position p = Position.wrap(book.positions[i]);
            (bool moved, uint256 spot, uint256 before) = _spots(p.instrument().underlying());
            if (!moved) continue;
            if (table.length == 0) table = PARAMETERS.table();
            uint112 id = uint112(Position.unwrap(p));
            int256 gained = int256(MovedSpot.mark(MODEL, DOOR, table, id, spot))
                - int256(MovedSpot.mark(MODEL, DOOR, table, id, before));
            if ((gained > 0) == (p.size() > 0)) legs += FixedPoint.mulWadUp(_magnitude(gained), _magnitude(p.size()));
        }
        for (uint8 i; i < book.collateral.length; ++i) {
            if (book.collateral[i] == 0) continue;
            (IRiskParameters.CollateralConfig memory config, bool exists) = PARAMETERS.collateral(i);
            if (!exists) continue;
            (bool moved, uint256 spot, uint256 before) = _spots(config.underlying);
            if (moved && spot > before) collateral += FixedPoint.mulWadUp(book.collateral[i], spot - before);
        }
    }

    function _spots(uint8 underlying) private view returns (bool moved, uint256 spot, uint256 before) {
        before = DOOR.preTripSpot(underlying);
        if (before == 0) return (false, 0, 0); // no price yet, nothing to value
        (spot,,) = DOOR.prices(underlying);
        return (spot != before, spot, before);
    }

    function _magnitude(int256 x) private pure returns (uint256) {
        return x < 0 ? uint256(-x) : uint256(x);
    }
}
