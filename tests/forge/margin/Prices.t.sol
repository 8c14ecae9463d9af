// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {MarginMathMock} from "../../../contracts/mocks/MarginMathMock.sol";
import {FixedPoint} from "../../../contracts/math/FixedPoint.sol";
import {InstrumentId, Kind, instrumentId} from "../../../contracts/types/InstrumentId.sol";
import {position, Position} from "../../../contracts/types/Position.sol";

/// @notice No free lunch in the marks: monotone and convex in the strike up to twice the price error, parity, bounds. Random
/// forwards, vols of 1 % to 500 %, tenors of a minute to three years, strikes of e^-4 to e^4 forwards.
contract PricesTest {
    MarginMathMock private immutable MATH = new MarginMathMock();
    uint32 private constant TIME = 1_800_000_000;
    uint256 private constant YEAR = 365 days;

    struct Slice {
        uint256 forward;
        uint32 expiry;
        uint256[3] words;
    }

    function testFuzz_calls_fall_and_puts_rise_with_the_strike(uint256 seed) public view {
        Slice memory s = _slice(seed);
        uint64[] memory strikes = _ladder(s, seed);
        uint256[] memory calls = _marks(s, Kind.CALL, strikes);
        uint256[] memory puts = _marks(s, Kind.PUT, strikes);
        uint256 error = _error(s);
        for (uint256 i = 1; i < strikes.length; ++i) {
            require(calls[i] <= calls[i - 1] + 2 * error, "a call at a higher strike is worth less");
            require(puts[i] + 2 * error >= puts[i - 1], "a put at a higher strike is worth more");
        }
    }

    function testFuzz_butterflies_are_not_free(uint256 seed) public view {
        Slice memory s = _slice(seed);
        uint64[] memory strikes = _ladder(s, seed);
        uint256[] memory calls = _marks(s, Kind.CALL, strikes);
        uint256 error = _error(s);
        for (uint256 i = 1; i + 1 < strikes.length; ++i) {
            require(calls[i - 1] + calls[i + 1] + 4 * error >= 2 * calls[i], "convex");
        }
    }

    function testFuzz_parity_and_bounds(uint256 seed) public view {
        Slice memory s = _slice(seed);
        uint64[] memory strikes = _ladder(s, seed);
        uint256[] memory calls = _marks(s, Kind.CALL, strikes);
        uint256[] memory puts = _marks(s, Kind.PUT, strikes);
        uint256 error = _error(s);
        for (uint256 i; i < strikes.length; ++i) {
            uint256 strike = uint256(strikes[i]) * 1e10;
            int256 gap = int256(calls[i]) - int256(puts[i]) - int256(s.forward) + int256(strike);
            // exact, but where a mark below zero counts as zero
            require((gap <= 1 && gap >= -1) || calls[i] == 0 || puts[i] == 0, "parity");
            require(gap <= int256(error) && gap >= -int256(error), "parity at the floor");
            require(calls[i] <= s.forward + error && puts[i] <= strike + error, "bounds");
        }
    }

    /// 4e-10 of the forward.
    function _error(Slice memory s) private pure returns (uint256) {
        return s.forward * 4 / 1e10 + 2;
    }

    function _slice(uint256 seed) private pure returns (Slice memory s) {
        s.forward = uint256(FixedPoint.exp(int256(_roll(seed, 1) % 16e18) - 4e18)); // 0.02 to 160,000 USD
        uint256 seconds_ = 60 + uint256(FixedPoint.exp(int256(_roll(seed, 2) % 14.3e18))) / 1e18 * 58 % (3 * YEAR);
        uint256 vol = uint256(FixedPoint.exp(int256(_roll(seed, 3) % 6.2e18) - 4.6e18)); // 0.01 to 5
        s.expiry = uint32(TIME + seconds_);
        uint256 refTau = (seconds_ < 90 days ? seconds_ : 90 days) * 1e18 / YEAR;
        s.words[0] = (s.forward << 160) | (refTau << 32) | TIME;
        s.words[1] = (vol * vol / 1e18 * refTau / 1e18) << 192;
        s.words[2] = (uint256(1e18) << 192) | (s.forward << 96);
    }

    /// @dev Equally spaced: narrow around the forward or wide.
    function _ladder(Slice memory s, uint256 seed) private pure returns (uint64[] memory strikes) {
        strikes = new uint64[](24);
        uint256 low = s.forward * FixedPoint.exp(-int256(_roll(seed, 4) % 4e18)) / 1e18;
        uint256 high = s.forward * FixedPoint.exp(int256(_roll(seed, 5) % 4e18)) / 1e18;
        for (uint256 i; i < strikes.length; ++i) {
            strikes[i] = uint64((low + (high - low) * i / strikes.length) / 1e10) + 1;
        }
        // whole strike units: an equal step
        uint64 step = (strikes[strikes.length - 1] - strikes[0]) / uint64(strikes.length) + 1;
        for (uint256 i = 1; i < strikes.length; ++i) {
            strikes[i] = strikes[i - 1] + step;
        }
    }

    function _marks(Slice memory s, Kind kind, uint64[] memory strikes) private view returns (uint256[] memory marks) {
        uint256[] memory positions = new uint256[](strikes.length);
        for (uint256 i; i < strikes.length; ++i) {
            InstrumentId id = instrumentId(kind, 0, s.expiry, strikes[i]);
            positions[i] = Position.unwrap(position(id, FixedPoint.lnStrike(id), 1e18));
        }
        (marks,) = MATH.price(s.words, s.expiry, TIME, positions);
    }

    function _roll(uint256 seed, uint256 salt) private pure returns (uint256) {
        return uint256(keccak256(abi.encode(seed, salt)));
    }
}
