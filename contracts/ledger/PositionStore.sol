// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {InstrumentId, instrumentId, Kind} from "../types/InstrumentId.sol";
import {Position, position} from "../types/Position.sol";

/// @notice An account's positions, two to a slot where they are short. Contiguous slots.
struct PositionStore {
    uint256[128] halves; // of position i: the lower 128 bits of word i / 2 for even i, the upper ones for odd i
    Position[256] wide; // of the positions whose half is `WIDE`; else 0
}

/// @title Positions in half a slot
/// @notice Half of what an account's margin check pays for is the reading of its positions. What is listed and traded has few digits,
/// so that most positions fit 128 bits, without any loss; those that do not take a slot of their own. Half, most significant bits first:
///
///      | 127..99                     | 98..51             | 50..46     | 45             | 44..43 | 42    | 41..25        | 24..0           |
///      | size, int29, 1e-4 contracts | ln(strike), 2**-42 | underlying | unit of strike | kind   | dated | expiry, hours | strike, in units|
///
///      The size is not 0; dated: all but perps; hours count from the beginning of 2025; units: 0: 0.01 USD, 1: 1e-6 USD. So an option
///      shares its slot where its size is a multiple of 1e-4 below 26,843 contracts, its expiry on the hour before December 2039, and
///      its strike a multiple of 0.01 below 335,544 USD or of 1e-6 below 33.55. Anything else is as exact, and costs one more slot.
library PositionStoreLib {
    /// @dev Half of a position in `wide`: of size 0.
    uint256 internal constant WIDE = 1;
    uint256 private constant KEY_BITS = 51;
    /// @dev The key of no instrument: a strike of 0 in 1e-6 USD.
    uint256 private constant NO_KEY = 1 << 45;
    uint256 private constant DATED = 1 << 42;
    int256 private constant LOT = 1e14;
    uint256 private constant HOUR = 1 hours;
    uint256 private constant FIRST_HOUR = 482_136; // 2025-01-01
    uint256 private constant LARGE_UNIT = 1e6; // of the strike field of an instrument, 1e-8 USD
    uint256 private constant SMALL_UNIT = 1e2;

    function read(PositionStore storage s, uint256 index) internal view returns (Position) {
        uint256 half = s.halves[index >> 1] >> ((index & 1) << 7);
        return uint128(half) == WIDE ? s.wide[index] : unpack(half);
    }

    function write(PositionStore storage s, uint256 index, Position p) internal {
        _put(s, index, pack(p), p);
    }

    function clear(PositionStore storage s, uint256 index) internal {
        _put(s, index, 0, Position.wrap(0));
    }

    /// @notice Half of a position, or `WIDE`.
    function pack(Position p) internal pure returns (uint256) {
        unchecked {
            uint256 key = keyOf(p.instrument());
            int256 size = p.size();
            int256 lots = size / LOT;
            if (key == NO_KEY || size % LOT != 0 || lots == 0 || lots >= 1 << 28 || lots < -(1 << 28)) return WIDE;
            return ((uint256(lots) << 99) & type(uint128).max) | (uint256(uint48(p.lnStrike())) << KEY_BITS) | key;
        }
    }

    /// @notice Position of a half that is not `WIDE`; the bits above it do not matter.
    function unpack(uint256 half) internal pure returns (Position) {
        unchecked {
            uint256 expiry = half & DATED == 0 ? 0 : (FIRST_HOUR + ((half >> 25) & 0x1ffff)) * HOUR;
            uint256 strike = (half & 0x1ffffff) * ((half >> 45) & 1 == 0 ? LARGE_UNIT : SMALL_UNIT);
            InstrumentId id = instrumentId(Kind((half >> 43) & 3), uint8((half >> 46) & 31), uint32(expiry), uint64(strike));
            return position(id, int48(uint48(half >> KEY_BITS)), int256(int128(uint128(half)) >> 99) * LOT);
        }
    }

    /// @notice The lower 51 bits of a half of this instrument; `NO_KEY` where there is none.
    function keyOf(InstrumentId id) internal pure returns (uint256) {
        unchecked {
            uint256 raw = InstrumentId.unwrap(id);
            (uint256 strike, uint256 expiry) = (uint64(raw), uint32(raw >> 64));
            if (!id.isCanonical() || id.underlying() > 31 || expiry % HOUR != 0) return NO_KEY;
            if (expiry != 0) {
                expiry /= HOUR;
                if (expiry < FIRST_HOUR || expiry - FIRST_HOUR > 0x1ffff) return NO_KEY;
                expiry = DATED | ((expiry - FIRST_HOUR) << 25);
            }
            if (strike % LARGE_UNIT == 0 && strike < LARGE_UNIT << 25) strike /= LARGE_UNIT;
            else if (strike % SMALL_UNIT == 0 && strike < SMALL_UNIT << 25) strike = (strike / SMALL_UNIT) | (1 << 45);
            else return NO_KEY;
            return (uint256(id.underlying()) << 46) | ((raw >> 104) << 43) | expiry | strike;
        }
    }

    /// @notice The first index below `count` of a position in this instrument, else `count`. Readable equivalent:
    ///
    ///      while (index < count && s.read(index).instrument() != instrument) ++index;
    /// @dev A scan: the margin check that follows every trade reads these slots anyway, whereas a mapping would cost a new slot per
    /// position.
    function find(PositionStore storage s, uint256 count, InstrumentId instrument) internal view returns (uint256 index) {
        uint256 key = keyOf(instrument);
        Position[256] storage wide = s.wide;
        assembly ("memory-safe") {
            let word
            for {} lt(index, count) { index := add(index, 1) } {
                switch and(index, 1)
                case 0 { word := sload(add(s.slot, shr(1, index))) }
                default { word := shr(128, word) }
                if iszero(shl(205, xor(word, key))) { break }
                if eq(shl(128, word), shl(128, WIDE)) {
                    if iszero(shl(144, xor(sload(add(wide.slot, index)), instrument))) { break }
                }
            }
        }
    }

    /// @notice The first `count` positions, and whether a perp is among them. Readable equivalent:
    ///
    ///      for (i < count) { words.push(s.read(i)); perps |= kind(words[i]) == PERP; }
    // solhint-disable-next-line function-max-lines
    function words(PositionStore storage s, uint256 count) internal view returns (uint256[] memory list, bool perps) {
        Position[256] storage wide = s.wide;
        assembly ("memory-safe") {
            // What is not dated: a word of its own, a perp, or none at the end of an odd number.
            function slow(half, slot, perpBefore) -> p, perp {
                perp := perpBefore
                if half {
                    switch sar(227, half)
                    case 0 { p := sload(slot) }
                    default {
                        p := mul(sar(227, half), 0x5af3107a40000000000000000000000000000000000000000000)
                        p := or(p, and(shr(78, half), 0x1f000000000000000000000000))
                    }
                    perp := or(perp, iszero(and(p, 0xff00000000000000000000000000)))
                }
            }
            list := mload(0x40)
            mstore(list, count)
            let to := add(list, 0x20)
            let end := add(to, shl(5, count))
            mstore(0x40, add(end, 0x20)) // with room for the second of the last pair
            let slot := wide.slot
            // `unpack`, in place: 1e14 << 160; 48 bits << 112 and 2 bits << 104; 5 bits << 96; 3600 << 64
            for { let from := s.slot } lt(to, end) { from := add(from, 1) } {
                let half := sload(from)
                let p
                p := shl(128, half)
                switch and(p, 0x4000000000000000000000000000000000000000000)
                case 0 { p, perps := slow(p, slot, perps) }
                default {
                    p := or(
                        or(
                            mul(sar(227, p), 0x5af3107a40000000000000000000000000000000000000000000),
                            and(shr(67, p), 0xffffffffffff0300000000000000000000000000)
                        ),
                        or(
                            or(and(shr(78, p), 0x1f000000000000000000000000), mul(add(and(shr(153, p), 0x1ffff), FIRST_HOUR), 0xe100000000000000000)),
                            mul(and(shr(128, p), 0x1ffffff), sub(1000000, mul(and(shr(173, p), 1), 999900)))
                        )
                    )
                }
                mstore(to, p)
                p := half
                switch and(p, 0x4000000000000000000000000000000000000000000)
                case 0 { p, perps := slow(and(p, not(0xffffffffffffffffffffffffffffffff)), add(slot, 1), perps) }
                default {
                    p := or(
                        or(
                            mul(sar(227, p), 0x5af3107a40000000000000000000000000000000000000000000),
                            and(shr(67, p), 0xffffffffffff0300000000000000000000000000)
                        ),
                        or(
                            or(and(shr(78, p), 0x1f000000000000000000000000), mul(add(and(shr(153, p), 0x1ffff), FIRST_HOUR), 0xe100000000000000000)),
                            mul(and(shr(128, p), 0x1ffffff), sub(1000000, mul(and(shr(173, p), 1), 999900)))
                        )
                    )
                }
                mstore(add(to, 0x20), p)
                to := add(to, 0x40)
                slot := add(slot, 2)
            }
        }
    }

    function _put(PositionStore storage s, uint256 index, uint256 half, Position p) private {
        uint256 shift = (index & 1) << 7;
        uint256 word = s.halves[index >> 1];
        if (half == WIDE) s.wide[index] = p;
        else if (uint128(word >> shift) == WIDE) s.wide[index] = Position.wrap(0);
        s.halves[index >> 1] = (word & ~(uint256(type(uint128).max) << shift)) | (half << shift);
    }
}
