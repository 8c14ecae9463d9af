// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {PositionStore, PositionStoreLib} from "../../../contracts/ledger/PositionStore.sol";
import {FixedPoint} from "../../../contracts/math/FixedPoint.sol";
import {InstrumentId, Kind, instrumentId} from "../../../contracts/types/InstrumentId.sol";
import {Position, position} from "../../../contracts/types/Position.sol";

/// @notice Positions in half a slot against a plain array of whole ones, and their assembly against its readable equivalents.
contract PositionStoreTest {
    using PositionStoreLib for PositionStore;

    uint256 private constant STEPS = 40;
    uint256 private constant BEGIN = 1_735_689_600; // 2025-01-01
    uint256 private constant WIDE = PositionStoreLib.WIDE;

    PositionStore private store;
    uint256[] private plain;

    function testFuzz_a_half_is_its_position(uint256 seed) public pure {
        Position p = _random(seed);
        uint256 half = PositionStoreLib.pack(p);
        require(half >> 128 == 0, "128 bits");
        if (half != WIDE) require(Position.unwrap(PositionStoreLib.unpack(half)) == Position.unwrap(p), "the same position");
    }

    function test_what_is_listed_and_traded_fits() public pure {
        uint256[6] memory strikes = [uint256(3_450e8), 100_000e8, 335_544.31e8, 0.155e8, 33.554431e8, 2_450.25e8];
        int256[4] memory sizes = [int256(3e18), -0.1e18, 26_843.5455e18, -26_843.5456e18];
        for (uint256 i; i < strikes.length; ++i) {
            for (uint256 k; k < sizes.length; ++k) {
                Position p = _option(strikes[i], BEGIN + 104 days + 8 hours, sizes[k]);
                uint256 half = PositionStoreLib.pack(p);
                require(half != WIDE && Position.unwrap(PositionStoreLib.unpack(half)) == Position.unwrap(p), "fits");
            }
        }
        InstrumentId perp = instrumentId(Kind.PERP, 31, 0, 0);
        require(PositionStoreLib.pack(position(perp, 0, 1e14)) != WIDE, "a perp fits");
    }

    /// @dev One step beyond each limit.
    function test_what_has_more_digits_is_wide() public pure {
        uint256 expiry = BEGIN + 104 days;
        require(PositionStoreLib.pack(_option(3_450e8 + 1, expiry, 1e18)) == WIDE, "digits of a strike");
        require(PositionStoreLib.pack(_option(335_544.32e8, expiry, 1e18)) == WIDE, "a large strike");
        require(PositionStoreLib.pack(_option(33.554433e8, expiry, 1e18)) == WIDE, "a small one");
        require(PositionStoreLib.pack(_option(3_450e8, expiry + 1, 1e18)) == WIDE, "not on the hour");
        require(PositionStoreLib.pack(_option(3_450e8, BEGIN - 1 hours, 1e18)) == WIDE, "before the first hour");
        require(PositionStoreLib.pack(_option(3_450e8, BEGIN + 131_072 hours, 1e18)) == WIDE, "late");
        require(PositionStoreLib.pack(_option(3_450e8, expiry, 1e18 + 1)) == WIDE, "digits of a size");
        require(PositionStoreLib.pack(_option(3_450e8, expiry, 26_843.5456e18)) == WIDE, "a large size");
        require(PositionStoreLib.pack(_option(3_450e8, expiry, -26_843.5457e18)) == WIDE, "a large short one");
        require(PositionStoreLib.pack(_option(3_450e8, expiry, 0)) == WIDE, "nothing");
        require(PositionStoreLib.pack(position(instrumentId(Kind.PERP, 32, 0, 0), 0, 1e18)) == WIDE, "an underlying");
        require(PositionStoreLib.pack(position(InstrumentId.wrap(7 << 104), 0, 1e18)) == WIDE, "a kind");
        require(PositionStoreLib.pack(position(InstrumentId.wrap(1e6), 0, 1e18)) == WIDE, "a perp with a strike");
    }

    /// @dev Random steps on the store and on the array; after each, all that is read is the same.
    function testFuzz_the_store_is_an_array(uint256 seed) public {
        for (uint256 i; i < STEPS; ++i) {
            uint256 step = uint256(keccak256(abi.encode(seed, i)));
            uint256 index = plain.length == 0 ? 0 : (step >> 8) % plain.length;
            if (plain.length == 0 || step % 4 == 0) {
                plain.push(Position.unwrap(_random(step)));
                store.write(plain.length - 1, Position.wrap(plain[plain.length - 1]));
            } else if (step % 4 == 1) {
                plain[index] = plain[plain.length - 1];
                plain.pop();
                store.write(index, store.read(plain.length));
                store.clear(plain.length);
            } else {
                Position p = Position.wrap(plain[index]).withSize(_random(step).size());
                plain[index] = Position.unwrap(p);
                store.write(index, p);
            }
            _compare(step);
        }
        _requireClean();
    }

    function _compare(uint256 step) private view {
        uint256 count = plain.length;
        (uint256[] memory words, bool perps) = store.words(count);
        bool expectedPerps;
        require(words.length == count, "as many words");
        for (uint256 i; i < count; ++i) {
            require(words[i] == plain[i] && Position.unwrap(store.read(i)) == plain[i], "the same word");
            if (InstrumentId.unwrap(Position.wrap(plain[i]).instrument()) >> 104 == uint256(Kind.PERP)) expectedPerps = true;
        }
        require(perps == expectedPerps, "the same of perps");
        InstrumentId sought = count != 0 && step % 3 != 0 ? Position.wrap(plain[step % count]).instrument() : _random(step).instrument();
        uint256 index;
        while (index < count && InstrumentId.unwrap(Position.wrap(plain[index]).instrument()) != InstrumentId.unwrap(sought)) ++index;
        require(store.find(count, sought) == index, "found at the same place");
    }

    /// @dev What is beyond the last position, and the wide slots of narrow ones, hold nothing.
    function _requireClean() private view {
        for (uint256 i; i < STEPS; ++i) {
            uint256 half = uint128(store.halves[i / 2] >> (128 * (i % 2)));
            if (i >= plain.length) require(half == 0, "cleared");
            if (half != WIDE) require(Position.unwrap(store.wide[i]) == 0, "no slot that is not used");
        }
    }

    function _option(uint256 strike, uint256 expiry, int256 size) private pure returns (Position) {
        InstrumentId id = instrumentId(Kind.CALL, 3, uint32(expiry), uint64(strike));
        return position(id, FixedPoint.lnStrike(id), size);
    }

    /// @dev Any kind, with many or few digits in each field; a few kinds and strikes, so that some are found.
    function _random(uint256 seed) private pure returns (Position) {
        uint256 kind = uint8(seed) % 4;
        uint256 expiry = kind == 0 ? 0 : BEGIN + (uint8(seed >> 8) % 8 == 0 ? uint32(seed >> 16) % 1e9 : (uint8(seed >> 16) % 5) * 1 hours);
        uint256 strike = (1 + uint8(seed >> 48) % 7) * (uint8(seed >> 56) % 4 == 0 ? (seed >> 64) % 1e12 + 1 : 10 ** (1 + uint8(seed >> 64) % 12));
        int256 size = int256(1 + (seed >> 128) % 1e6) * (uint8(seed >> 104) % 3 == 0 ? int256(1 + (seed >> 160) % 1e14) : int256(1e14));
        InstrumentId id = instrumentId(Kind(kind), uint8(seed >> 112) % 34, uint32(expiry), kind < 2 ? 0 : uint64(strike));
        return position(id, FixedPoint.lnStrike(id), uint8(seed >> 120) % 2 == 0 ? size : -size);
    }
}
