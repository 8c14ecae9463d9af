// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IMarginEngine} from "../interfaces/IMarginEngine.sol";
import {IPriceDoor} from "../interfaces/IPriceDoor.sol";
import {Memory} from "../math/Memory.sol";
import {ExpiryMarket, Market, UnderlyingMarket} from "../types/Book.sol";
import {QuoteWord, SpotWord, WingWord} from "../types/Feed.sol";
import {ExpiryLegs, Portfolio, PortfolioLib, UnderlyingLegs} from "./Portfolio.sol";
import {Reads} from "./Reads.sol";

/// @title Feed words for the legs of a portfolio
/// @notice From the price door in one call, or from a `Market` in calldata. Reverts `MissingPrice` for a feed that is absent.
library MarketLoader {
    using Memory for uint256;
    using Memory for uint256[];

    /// @return oldest When the oldest price used was signed; type(uint256).max where none was used. Prices that are final (a
    /// settlement) have no age.
    function fromDoor(IPriceDoor door, Portfolio memory p) internal view returns (uint256 oldest) {
        unchecked {
            oldest = type(uint256).max;
            uint256 mask = p.mask;
            if (mask == 0) return oldest;
            uint256[] memory words = Reads.feeds(door, _keys(p));
            uint256 at;
            for (uint256 id; mask >> id != 0; ++id) {
                if ((mask >> id) & 1 == 0) continue;
                UnderlyingLegs memory legs = PortfolioLib.asUnderlying()(PortfolioLib.entry(id));
                legs.spot = words.at(at++);
                oldest = _checkSpot(legs.spot, id, oldest);
                for (uint256 node = legs.expiries; node != 0;) {
                    ExpiryLegs memory expiry = PortfolioLib.asExpiry()(node);
                    (expiry.quote, expiry.smile, expiry.wing) = (words.at(at), words.at(at + 1), words.at(at + 2));
                    at += 3;
                    oldest = _checkExpiry(expiry, oldest);
                    node = expiry.next;
                }
            }
        }
    }

    /// @notice The same from calldata. @return oldest As `fromDoor`.
    function fromMarket(Market calldata market, Portfolio memory p) internal pure returns (uint256 oldest) {
        unchecked {
            oldest = type(uint256).max;
            uint256 mask = p.mask;
            for (uint256 id; mask >> id != 0; ++id) {
                if ((mask >> id) & 1 == 0) continue;
                UnderlyingLegs memory legs = PortfolioLib.asUnderlying()(PortfolioLib.entry(id));
                UnderlyingMarket calldata found = _find(market, uint8(id));
                legs.spot = found.spot;
                oldest = _checkSpot(legs.spot, id, oldest);
                for (uint256 node = legs.expiries; node != 0;) {
                    ExpiryLegs memory expiry = PortfolioLib.asExpiry()(node);
                    _fill(expiry, found);
                    oldest = _checkExpiry(expiry, oldest);
                    node = expiry.next;
                }
            }
        }
    }

    /// @dev In the order in which `fromDoor` takes the words.
    function _keys(Portfolio memory p) private pure returns (uint256[] memory keys) {
        unchecked {
            keys = new uint256[](p.feeds);
            uint256 at;
            uint256 mask = p.mask;
            for (uint256 id; mask >> id != 0; ++id) {
                if ((mask >> id) & 1 == 0) continue;
                keys.put(at++, id << 32);
                uint256 node = PortfolioLib.asUnderlying()(PortfolioLib.entry(id)).expiries;
                while (node != 0) {
                    keys.put(at++, node.load()); // the key, then the next node
                    node = (node + 0x20).load();
                }
            }
        }
    }

    function _find(Market calldata market, uint8 id) private pure returns (UnderlyingMarket calldata) {
        for (uint256 i; i < market.underlyings.length; ++i) {
            if (market.underlyings[i].underlying == id) return market.underlyings[i];
        }
        revert IMarginEngine.MissingPrice(id, 0);
    }

    function _fill(ExpiryLegs memory expiry, UnderlyingMarket calldata market) private pure {
        for (uint256 i; i < market.expiries.length; ++i) {
            ExpiryMarket calldata e = market.expiries[i];
            if (e.expiry != uint32(expiry.key)) continue;
            (expiry.quote, expiry.smile, expiry.wing) = (e.quote, e.smile, e.wing);
            return;
        }
    }

    function _checkSpot(uint256 word, uint256 id, uint256 oldest) private pure returns (uint256) {
        if (SpotWord.wrap(word).spot() == 0) revert IMarginEngine.MissingPrice(uint8(id), 0);
        uint256 signed = SpotWord.wrap(word).signedAt();
        return signed < oldest ? signed : oldest;
    }

    function _checkExpiry(ExpiryLegs memory expiry, uint256 oldest) private pure returns (uint256) {
        QuoteWord word = QuoteWord.wrap(expiry.quote);
        WingWord wing = WingWord.wrap(expiry.wing);
        if (wing.settlement() != 0) return oldest;
        if (word.forward() == 0 || (expiry.firstOption != 0 && (word.refTau() == 0 || wing.refForward() == 0))) {
            revert IMarginEngine.MissingPrice(uint8(expiry.key >> 32), uint32(expiry.key));
        }
        uint256 signed = word.quotedAt();
        return signed < oldest ? signed : oldest;
    }
}
