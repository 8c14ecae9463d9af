// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPoint} from "../../../contracts/math/FixedPoint.sol";
import {Book, ExpiryMarket, MarginMode, Market, UnderlyingMarket} from "../../../contracts/types/Book.sol";
import {InstrumentId, Kind, instrumentId} from "../../../contracts/types/InstrumentId.sol";
import {GROUPS_AT, UNDERLYINGS_AT} from "../../../contracts/types/Parameter.sol";
import {Position, position} from "../../../contracts/types/Position.sol";

/// @title Random PORTFOLIO books of ten legs in two underlyings of one group and one outside, with their market
abstract contract RandomBooks {
    uint256 internal constant TIME = 1_800_000_000;
    uint256 internal constant LEGS = 10;

    /// @dev The governed defaults; whoever inherits fills it.
    uint256[] internal _table;

    function _case(uint256 seed) internal view returns (uint256[] memory parameters, Market memory market, Book memory book) {
        parameters = _table;
        for (uint256 u; u < 3; ++u) {
            uint256 scale = _roll(seed, 1 + u) % 3 == 0 ? 1e18 + _roll(seed, 4 + u) % 2e18 : 1e18;
            parameters[UNDERLYINGS_AT + u] = (scale << 32) | (1 << 8) | (u < 2 ? 1 : 0);
        }
        parameters[GROUPS_AT] = _roll(seed, 8) % 0.5e18;
        market.time = TIME;
        market.underlyings = new UnderlyingMarket[](3);
        for (uint256 u; u < 3; ++u) {
            market.underlyings[u] = _underlying(seed, u);
        }
        book.mode = MarginMode.PORTFOLIO;
        book.balance = int256(_roll(seed, 9) % 1e24);
        book.positions = new uint256[](LEGS);
        for (uint256 i; i < LEGS; ++i) {
            book.positions[i] = _position(seed, i, market);
        }
    }

    function _underlying(uint256 seed, uint256 u) private pure returns (UnderlyingMarket memory m) {
        uint256 spot = 1e18 + _roll(seed, 20 + u) % 1e23;
        m.underlying = uint8(u);
        m.spot = (spot << 160) | (spot << 64) | (uint256(8_500 + _roll(seed, 30 + u) % 1_501) << 48) | TIME;
        m.expiries = new ExpiryMarket[](3);
        for (uint256 e; e < 3; ++e) {
            uint256 tau = (_tenor(e)) * 1e18 / 365 days;
            uint256 forward = spot * (0.95e18 + _roll(seed, 40 + 10 * u + e) % 0.1e18) / 1e18;
            m.expiries[e] = ExpiryMarket({
                expiry: uint32(TIME + _tenor(e)),
                quote: (forward << 160) | (uint256(0.03e18) << 96) | (tau << 32) | TIME,
                smile: ((tau * (1 + _roll(seed, 70 + 10 * u + e) % 150) / 100) << 192) | ((tau * (_roll(seed, 100 + 10 * u + e) % 80) / 100) << 128),
                wing: (uint256(0.2e18) << 192) | (forward << 96)
            });
        }
    }

    function _tenor(uint256 e) private pure returns (uint256) {
        return e == 0 ? 20 hours : e == 1 ? 25 days : 300 days;
    }

    function _position(uint256 seed, uint256 i, Market memory market) private pure returns (uint256) {
        uint256 u = _roll(seed, 200 + i) % 3;
        uint256 kind = _roll(seed, 300 + i) % 8;
        uint256 spot = market.underlyings[u].spot >> 160;
        uint32 expiry = market.underlyings[u].expiries[_roll(seed, 400 + i) % 3].expiry;
        InstrumentId id;
        if (kind == 0) id = instrumentId(Kind.PERP, uint8(u), 0, 0);
        else if (kind == 1) id = instrumentId(Kind.FUTURE, uint8(u), expiry, 0);
        else id = instrumentId(kind % 2 == 0 ? Kind.CALL : Kind.PUT, uint8(u), expiry, _strike(spot, _roll(seed, 500 + i)));
        // up to about a million USD of notional each way
        int256 size = (int256(_roll(seed, 600 + i) % 2e6) - 1e6) * 1e36 / int256(spot);
        return Position.unwrap(position(id, FixedPoint.lnStrike(id), size == 0 ? int256(1) : size));
    }

    function _strike(uint256 spot, uint256 roll) private pure returns (uint64) {
        return uint64(spot * (0.5e18 + roll % 1.2e18) / 1e18 / 1e10) + 1;
    }

    function _roll(uint256 seed, uint256 salt) internal pure returns (uint256) {
        return uint256(keccak256(abi.encode(seed, salt)));
    }
}
