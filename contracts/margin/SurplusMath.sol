// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";

import {FixedPoint, WAD} from "../math/FixedPoint.sol";
import {Memory} from "../math/Memory.sol";
import {Book, MarginMode} from "../types/Book.sol";
import {FULL_CONFIDENCE, QuoteWord, SpotWord, WingWord} from "../types/Feed.sol";
import {InstrumentId} from "../types/InstrumentId.sol";
import {
    COLLATERALS_AT, Parameter, ParameterTable, SCENARIO_COUNT_AT, SCENARIOS_AT, UNDERLYINGS_AT
} from "../types/Parameter.sol";
import {Valuation} from "./Valuation.sol";

/// @title Arithmetic of `ISurplusBound`
/// @dev One pass of sums, in 1e36 USD; shock and rate are the largest that any leg has. Sizes have 95 bits, prices 98, at most 255 legs:
/// nothing overflows. Fuzzed against the engine: tests/forge/margin/SurplusBound.t.sol.
library SurplusMath {
    using Memory for uint256[];

    int256 internal constant NONE = type(int256).min;
    /// @dev What the engine's prices may be off by, of q; its roundings, 1e-18 USD.
    uint256 private constant ERROR = 1e9;
    int256 private constant ROUNDINGS = 1e6;
    uint256 private constant YEAR = 365 days;
    uint256 private constant CALL = 2;
    uint256 private constant PUT = 3;

    /// @notice What positions are in: underlying << 32 | expiry, each once. @param which Index of a position's market.
    struct Markets {
        uint256[] keys;
        uint256[] which;
    }

    /// @param feeds Words of `keys`. @param at The next of them. @param prices Per market: the future's price or the perp's mark.
    /// @param spots Per market: of its underlying. @param least Of all values, without shock and rate. @param moving What a
    /// shock takes its share of. @param gross Sum of q. @param scale, tenor, doubt Largest spot scale, seconds to expiry and
    /// 1 - confidence.
    struct Sums {
        ParameterTable table;
        uint256 time;
        uint256[] feeds;
        uint256 at;
        uint256[] prices;
        uint256[] spots;
        int256 least;
        uint256 moving;
        uint256 gross;
        uint256 joined;
        uint256 scale;
        uint256 tenor;
        uint256 doubt;
        uint256 oldest;
        bool unknown;
    }

    /// @notice The markets of `positions`, in the order in which they first appear. Readable equivalent:
    ///
    ///      for (i < positions.length) {
    ///          key = uint40(positions[i] >> 64);
    ///          which[i] = keys.indexOf(key), or keys.push(key) where it is new;
    ///      }
    function markets(uint256[] memory positions) internal pure returns (Markets memory m) {
        uint256[] memory found = new uint256[](positions.length);
        uint256[] memory which = new uint256[](positions.length);
        assembly ("memory-safe") {
            let first := add(found, 0x20)
            let end := first
            let last := add(positions, shl(5, mload(positions)))
            for { let i := positions } lt(i, last) {} {
                i := add(i, 0x20)
                let key := and(shr(64, mload(i)), 0xffffffffff)
                mstore(end, key) // ends the search; room for as many as there are positions
                let at := first
                for {} xor(mload(at), key) {} { at := add(at, 0x20) }
                if eq(at, end) { end := add(end, 0x20) }
                mstore(add(which, sub(i, positions)), shr(5, sub(at, first)))
            }
            mstore(found, shr(5, sub(end, first))) // shorter
        }
        (m.keys, m.which) = (found, which);
    }

    /// @notice Keys of the feeds wanted: spot and, of what is dated, the expiry, per market; the spots of collateral.
    function keys(ParameterTable p, Markets memory m, uint256[] memory collateral) internal pure returns (uint256[] memory list) {
        unchecked {
            uint256 count;
            list = new uint256[](2 * m.keys.length + collateral.length);
            for (uint256 i; i < m.keys.length; ++i) {
                uint256 key = m.keys.at(i);
                list.put(count++, key >> 32 << 32);
                if (uint32(key) != 0) list.put(count++, key);
            }
            for (uint256 i; i < collateral.length; ++i) {
                if (collateral.at(i) != 0) list.put(count++, uint256(uint8(p.word(COLLATERALS_AT + i))) << 32);
            }
            assembly ("memory-safe") {
                mstore(list, count) // shorter
            }
        }
    }

    /// @param feeds The words of `keys`.
    /// @return surplus As ISurplusBound.
    /// @return oldest As ISurplusBound.
    function surplusDown(ParameterTable p, uint256 time, Book memory book, Markets memory m, uint256[] memory feeds)
        internal
        pure
        returns (int256 surplus, uint256 oldest)
    {
        unchecked {
            if (book.mode != MarginMode.PORTFOLIO) return (NONE, type(uint256).max);
            Sums memory s;
            (s.table, s.time, s.feeds, s.scale, s.oldest) = (p, time, feeds, WAD, type(uint256).max);
            (s.prices, s.spots) = (new uint256[](m.keys.length), new uint256[](m.keys.length));
            for (uint256 i; i < m.keys.length; ++i) {
                _market(s, i, m.keys.at(i));
            }
            for (uint256 i; i < book.positions.length; ++i) {
                _leg(s, book.positions.at(i), m.which.at(i));
            }
            for (uint256 i; i < book.collateral.length; ++i) {
                if (book.collateral.at(i) != 0) _collateral(s, p.word(COLLATERALS_AT + i), book.collateral.at(i));
            }
            if (s.unknown) return (NONE, s.oldest);
            uint256 owed = s.moving / WAD * _shock(p, s.scale) + s.gross / WAD * _rate(s);
            owed += s.joined / WAD * p.get(Parameter.SPOT_CONTINGENCY);
            return (book.balance + FixedPoint.divFloor(s.least - int256(owed), int256(WAD)) - ROUNDINGS, s.oldest);
        }
    }

    function _market(Sums memory s, uint256 index, uint256 key) private pure {
        unchecked {
            (uint256 spot, SpotWord feed) = _spot(s, key >> 32);
            uint256 price = uint32(key) == 0 ? Valuation.perpMark(s.table, SpotWord.unwrap(feed)) : _forward(s, uint32(key));
            s.spots.put(index, spot);
            s.prices.put(index, price);
            uint256 doubt = WAD - feed.confidence() * (WAD / FULL_CONFIDENCE);
            if (doubt > s.doubt) s.doubt = doubt;
        }
    }

    function _leg(Sums memory s, uint256 word, uint256 market) private pure {
        unchecked {
            uint256 kind = uint8(word >> 104);
            int256 size = int256(word) >> 160;
            uint256 contracts = FixedPoint.abs(size);
            uint256 price = s.prices.at(market);
            uint256 most = FixedPointMathLib.max(s.spots.at(market), price);
            if (kind < CALL) {
                s.least += size * int256(price);
                s.moving += contracts * price;
            } else {
                uint256 strike = InstrumentId.wrap(uint112(word)).strike();
                if (strike > most) most = strike;
                if (size < 0) {
                    s.least += size * int256(kind == PUT ? strike : price);
                    if (kind == CALL) s.moving += contracts * price;
                }
            }
            s.gross += contracts * most;
        }
    }

    /// @dev What joins moves like a perp and needs its contingency; the rest counts after its haircut.
    function _collateral(Sums memory s, uint256 config, uint256 quantity) private pure {
        unchecked {
            (uint256 spot,) = _spot(s, uint8(config));
            if (uint8(config >> 16) == 0) return; // does not exist: worth nothing
            uint256 value = quantity * spot;
            if (uint8(config >> 8) == 0) {
                s.least += int256(value / WAD * (WAD - (config >> 192)));
                return;
            }
            s.least += int256(value);
            s.moving += value;
            s.gross += value;
            s.joined += value;
        }
    }

    /// @dev The spot that comes next.
    function _spot(Sums memory s, uint256 underlying) private pure returns (uint256 spot, SpotWord feed) {
        unchecked {
            feed = SpotWord.wrap(s.feeds.at(s.at++));
            spot = feed.spot();
            if (spot == 0) s.unknown = true;
            if (feed.signedAt() < s.oldest) s.oldest = feed.signedAt();
            uint256 scale = uint64(s.table.word(UNDERLYINGS_AT + underlying) >> 32);
            if (scale > s.scale) s.scale = scale;
        }
    }

    /// @dev The expiry that comes next: its future's price (ExpirySlice.future).
    function _forward(Sums memory s, uint256 expiry) private pure returns (uint256 price) {
        unchecked {
            QuoteWord quote = QuoteWord.wrap(s.feeds.at(s.at));
            uint256 settled = WingWord.wrap(s.feeds.at(s.at + 2)).settlement();
            s.at += 3;
            price = quote.forward();
            if (expiry > s.time) {
                if (expiry - s.time > s.tenor) s.tenor = expiry - s.time;
            } else if (settled != 0) {
                price = settled;
            }
            if (settled == 0 && quote.quotedAt() < s.oldest) s.oldest = quote.quotedAt();
            if (price == 0 || quote.rate() < 0) s.unknown = true;
        }
    }

    /// @dev Of q, 1e18: rate, roll, short options, delta, gamma, vega (sqrt T <= (1 + T) / 2, phi(0) < 2 / 5), oracle, floor.
    function _rate(Sums memory s) private pure returns (uint256 rate) {
        unchecked {
            ParameterTable p = s.table;
            rate = p.get(Parameter.ROLL_SLOPE) * s.tenor / YEAR + 1;
            if (rate < p.get(Parameter.ROLL_MIN)) rate = p.get(Parameter.ROLL_MIN);
            rate += p.get(Parameter.RATE_CHARGE) * s.tenor / YEAR + 1;
            rate += p.get(Parameter.SHORT_OPTION_RATE) + p.get(Parameter.DELTA_CAP) + p.get(Parameter.NOTIONAL_FLOOR) + ERROR;
            rate += p.get(Parameter.GAMMA_STEP) * s.scale / WAD + 1;
            rate += p.get(Parameter.VEGA_RATE) * (YEAR + s.tenor) / (5 * YEAR) + 1;
            if (WAD - s.doubt < p.get(Parameter.CONFIDENCE_THRESHOLD)) rate += s.doubt;
        }
    }

    /// @dev Largest w |x|, core shocks scaled, 1e18. Readable equivalent of the loop:
    ///
    ///      for (word of scenarios) if (loss(word) > (isCore(word) ? core : tail)) (isCore(word) ? core : tail) = loss(word);
    function _shock(ParameterTable p, uint256 scale) private pure returns (uint256) {
        unchecked {
            uint256 core;
            uint256 tail;
            uint256 at = ParameterTable.unwrap(p) + 32 * SCENARIOS_AT;
            uint256 end = at + 32 * p.word(SCENARIO_COUNT_AT);
            assembly ("memory-safe") {
                for {} lt(at, end) { at := add(at, 0x20) } {
                    let word := mload(at)
                    let shock := signextend(7, shr(128, word))
                    let sign := sar(255, shock)
                    let loss := mul(sub(xor(shock, sign), sign), and(shr(64, word), 0xffffffffffffffff))
                    switch and(word, 0xff00)
                    case 0 { if gt(loss, tail) { tail := loss } }
                    default { if gt(loss, core) { core := loss } }
                }
            }
            core = (core / WAD + 1) * scale / WAD + 1;
            tail = tail / WAD + 1;
            return core > tail ? core : tail;
        }
    }
}
