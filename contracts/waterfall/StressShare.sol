// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";

import {ILiquidator} from "../interfaces/ILiquidator.sol";
import {IMarginEngine} from "../interfaces/IMarginEngine.sol";
import {IPriceDoor} from "../interfaces/IPriceDoor.sol";
import {FixedPoint} from "../math/FixedPoint.sol";
import {Book, ExpiryMarket, MarginMode, Market, UnderlyingMarket} from "../types/Book.sol";
import {InstrumentId} from "../types/InstrumentId.sol";
import {position, Position} from "../types/Position.sol";

/// @title Stress share
/// @notice How a bankrupt account's deficit is spread over its legs: in proportion to what each leg alone would require in PORTFOLIO
/// mode, whatever the account's own mode. That is the leg's stress loss and charges, and by notional where it has no stress loss
/// (NOTIONAL_FLOOR), so that no leg counts nothing.
/// @dev Taken alone, legs add up: splitting a book over several calls leaves the deficit spread as before [A: good legs taken, the
/// deficit stranded on a crumb]. The measure is linear in size but for the charges beyond DELTA_FREE and VEGA_FREE.
library StressShare {
    /// @notice Share of `taken` in `taken` and `left` together, 1e18, rounded down. 1e18 where nothing is left.
    /// @param left Packed positions that the account still holds. @param words The whole parameter table.
    function shareDown(
        IMarginEngine engine,
        IPriceDoor door,
        uint256[] memory words,
        ILiquidator.LiquidationLeg[] calldata taken,
        uint256[] memory left
    ) internal view returns (uint256) {
        if (left.length == 0) return 1e18;
        uint256 moved;
        for (uint256 i; i < taken.length; ++i) {
            InstrumentId id = InstrumentId.wrap(taken[i].instrument);
            moved += _alone(engine, door, words, position(id, FixedPoint.lnStrike(id), taken[i].size));
        }
        uint256 total = moved;
        for (uint256 i; i < left.length; ++i) {
            total += _alone(engine, door, words, Position.wrap(left[i]));
        }
        return total == 0 ? 0 : FixedPointMathLib.mulDiv(1e18, moved, total);
    }

    /// @dev Initial margin of one position as a book of its own.
    function _alone(IMarginEngine engine, IPriceDoor door, uint256[] memory words, Position p) private view returns (uint256) {
        Book memory book;
        book.mode = MarginMode.PORTFOLIO;
        book.positions = new uint256[](1);
        book.positions[0] = Position.unwrap(p);
        return engine.compute(words, _market(door, p.instrument()), book).initial;
    }

    function _market(IPriceDoor door, InstrumentId id) private view returns (Market memory market) {
        uint32 expiry = id.expiry();
        uint40[] memory keys = new uint40[](expiry == 0 ? 1 : 2);
        keys[0] = uint40(id.underlying()) << 32;
        if (expiry != 0) keys[1] = id.feedKey();
        uint256[] memory feed = door.read(keys);

        UnderlyingMarket memory u;
        u.underlying = id.underlying();
        u.spot = feed[0];
        u.expiries = new ExpiryMarket[](expiry == 0 ? 0 : 1);
        if (expiry != 0) u.expiries[0] = ExpiryMarket(expiry, feed[1], feed[2], feed[3]);

        market.time = block.timestamp;
        market.underlyings = new UnderlyingMarket[](1);
        market.underlyings[0] = u;
    }
}
