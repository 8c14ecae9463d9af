// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IMarginModel} from "../interfaces/IMarginModel.sol";
import {IPriceDoor} from "../interfaces/IPriceDoor.sol";
import {FixedPoint} from "../math/FixedPoint.sol";
import {Book, ExpiryMarket, Market, MarginMode, UnderlyingMarket} from "../types/Book.sol";
import {QuoteWord, SpotWord, WingWord} from "../types/Feed.sol";
import {InstrumentId} from "../types/InstrumentId.sol";
import {Position, position} from "../types/Position.sol";

/// @title Marks at another spot
/// @notice What an instrument is worth where the spot is not the stored one: mark and forwards move in proportion, the surface stays
/// where it is (sticky strike), as in the scenarios of margin.md 2. From its expiry on nothing of an instrument moves.
library MovedSpot {
    int256 private constant WAD = 1e18;

    /// @param table The parameter table. @param spot USD 1e18, > 0.
    /// @return USD 1e18 per contract, as the engine would mark it. Reverts `MissingPrice` for a feed that is absent.
    function mark(IMarginModel model, IPriceDoor door, uint256[] memory table, uint112 instrument, uint256 spot)
        internal
        view
        returns (uint256)
    {
        InstrumentId id = InstrumentId.wrap(instrument);
        uint256[] memory one = new uint256[](1);
        one[0] = Position.unwrap(position(id, FixedPoint.lnStrike(id), WAD));
        Book memory book = Book({mode: MarginMode.CROSS, balance: 0, collateral: new uint256[](0), positions: one});
        int256 value = model.compute(table, _market(door, id, spot), book).equity; // one contract and nothing else
        return value > 0 ? uint256(value) : 0;
    }

    function _market(IPriceDoor door, InstrumentId id, uint256 spot) private view returns (Market memory market) {
        uint40[] memory keys = new uint40[](id.expiry() == 0 ? 1 : 2);
        keys[0] = uint40(id.underlying()) << 32;
        if (keys.length == 2) keys[1] = id.feedKey();
        uint256[] memory words = door.read(keys);
        uint256 stored = SpotWord.wrap(words[0]).spot();
        market.time = block.timestamp;
        market.underlyings = new UnderlyingMarket[](1);
        UnderlyingMarket memory u = market.underlyings[0];
        u.underlying = id.underlying();
        u.spot = stored == 0 ? 0 : _withSpot(words[0], spot, stored);
        u.expiries = new ExpiryMarket[](keys.length - 1);
        if (keys.length == 1 || stored == 0) return market;
        uint256 quote = words[1];
        bool moves = id.expiry() > block.timestamp && WingWord.wrap(words[3]).settlement() == 0;
        if (moves) quote = _withForward(quote, spot, stored);
        u.expiries[0] = ExpiryMarket({expiry: id.expiry(), quote: quote, smile: words[2], wing: words[3]});
    }

    /// @dev The mark's field is next to the spot's; what lies below both stays.
    function _withSpot(uint256 word, uint256 spot, uint256 stored) private pure returns (uint256) {
        uint256 moved = SpotWord.wrap(word).mark() * spot / stored;
        return (spot << 160) | (uint256(uint96(moved)) << 64) | uint256(uint64(word));
    }

    function _withForward(uint256 word, uint256 spot, uint256 stored) private pure returns (uint256) {
        uint256 moved = QuoteWord.wrap(word).forward() * spot / stored;
        return (uint256(uint96(moved)) << 160) | uint256(uint160(word));
    }
}
