// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IMarginEngine} from "../interfaces/IMarginEngine.sol";
import {IPriceDoor} from "../interfaces/IPriceDoor.sol";
import {ExpiryMarket, Market, UnderlyingMarket} from "../types/Book.sol";
import {QuoteWord, SpotWord, WingWord} from "../types/Feed.sol";
import {ExpiryLegs, Portfolio, PortfolioLib, UnderlyingLegs} from "./Portfolio.sol";
import {Reads} from "./Reads.sol";
import {MemoryArray} from "./MemoryArray.sol";

/// @title Feed words for the legs of a portfolio
/// @notice From the price door in one call, or from a `Market` in calldata. Reverts `MissingPrice` for a feed that is absent.
library MarketLoader {
    using MemoryArray for uint256[];
    using MemoryArray for int256[];

    /// @return oldest When the oldest price used was signed; type(uint256).max where none was used. Prices that are final (a
    /// settlement) have no age.
    function fromDoor(IPriceDoor door, Portfolio memory p) internal view returns (uint256 oldest) {
        oldest = type(uint256).max;
        if (p.keys == 0) return oldest;
        uint256[] memory words = Reads.feeds(door, _keys(p));
        unchecked {
            uint256 at;
            uint256 mask = p.mask;
            for (uint256 id; mask != 0; (++id, mask >>= 1)) {
                if (mask & 1 == 0) continue;
                UnderlyingLegs memory legs = PortfolioLib.underlyingAt(p.underlyings.at(id));
                legs.spot = words.at(at++);
                oldest = _checkSpot(legs, id, oldest);
                for (uint256 node = legs.expiries; node != 0;) {
                    ExpiryLegs memory expiry = PortfolioLib.expiryAt(node);
                    expiry.quote = words.at(at++);
                    expiry.smile = words.at(at++);
                    expiry.wing = words.at(at++);
                    oldest = _checkExpiry(expiry, id, oldest);
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
            for (uint256 id; mask != 0; (++id, mask >>= 1)) {
                if (mask & 1 == 0) continue;
                UnderlyingLegs memory legs = PortfolioLib.underlyingAt(p.underlyings.at(id));
                UnderlyingMarket calldata found = _find(market, uint8(id));
                legs.spot = found.spot;
                oldest = _checkSpot(legs, id, oldest);
                for (uint256 node = legs.expiries; node != 0;) {
                    ExpiryLegs memory expiry = PortfolioLib.expiryAt(node);
                    _fill(expiry, found);
                    oldest = _checkExpiry(expiry, id, oldest);
                    node = expiry.next;
                }
            }
        }
    }

    function _keys(Portfolio memory p) private pure returns (uint256[] memory keys) {
        unchecked {
            keys = new uint256[](p.keys);
            uint256 at;
            uint256 mask = p.mask;
            for (uint256 id; mask != 0; (++id, mask >>= 1)) {
                if (mask & 1 == 0) continue;
                keys.put(at++, id << 32);
                uint256 node = PortfolioLib.underlyingAt(p.underlyings.at(id)).expiries;
                while (node != 0) {
                    ExpiryLegs memory expiry = PortfolioLib.expiryAt(node);
                    keys.put(at++, (id << 32) | expiry.expiry);
                    node = expiry.next;
                }
            }
        }
    }

    function _find(Market calldata market, uint8 id) private pure returns (UnderlyingMarket calldata) {
        unchecked {
            for (uint256 i; i < market.underlyings.length; ++i) {
                if (market.underlyings[i].underlying == id) return market.underlyings[i];
            }
            revert IMarginEngine.MissingPrice(id, 0);
        }
    }

    function _fill(ExpiryLegs memory expiry, UnderlyingMarket calldata market) private pure {
        unchecked {
            for (uint256 i; i < market.expiries.length; ++i) {
                ExpiryMarket calldata e = market.expiries[i];
                if (e.expiry != expiry.expiry) continue;
                expiry.quote = e.quote;
                expiry.smile = e.smile;
                expiry.wing = e.wing;
                return;
            }
        }
    }

    function _checkSpot(UnderlyingLegs memory legs, uint256 id, uint256 oldest) private pure returns (uint256) {
        SpotWord word = SpotWord.wrap(legs.spot);
        if (word.spot() == 0) revert IMarginEngine.MissingPrice(uint8(id), 0);
        uint256 signed = word.signedAt();
        return signed < oldest ? signed : oldest;
    }

    function _checkExpiry(ExpiryLegs memory expiry, uint256 id, uint256 oldest) private pure returns (uint256) {
        QuoteWord word = QuoteWord.wrap(expiry.quote);
        WingWord wing = WingWord.wrap(expiry.wing);
        if (wing.settlement() != 0) return oldest;
        if (word.forward() == 0 || (expiry.hasOptions && (word.refTau() == 0 || wing.refForward() == 0))) {
            revert IMarginEngine.MissingPrice(uint8(id), uint32(expiry.expiry));
        }
        uint256 signed = word.quotedAt();
        return signed < oldest ? signed : oldest;
    }
}
