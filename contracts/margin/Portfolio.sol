// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IMarginEngine} from "../interfaces/IMarginEngine.sol";
import {Memory} from "../math/Memory.sol";
import {UnknownInstrument} from "../types/InstrumentId.sol";
import {MAX_UNDERLYINGS} from "../types/Parameter.sol";

/// @notice The legs of one expiry of one underlying, or its perp (expiry 0). Lists of positions: index + 1, 0 for none.
/// @param key underlying << 32 | expiry. @param next Address of the next expiry's legs, 0 at the end.
/// @param quote, smile, wing Feed words, filled in by `MarketLoader`.
/// @param discountedForward D F, USD 1e18, and @param vegaUnit D F sqrt T, kept by `ScenarioMargin` for the vega charge.
struct ExpiryLegs {
    uint256 key;
    uint256 next;
    uint256 firstLinear;
    uint256 firstOption;
    uint256 quote;
    uint256 smile;
    uint256 wing;
    uint256 discountedForward;
    uint256 vegaUnit;
}

/// @notice What an account holds in one underlying.
/// @param expiries Address of the first dated `ExpiryLegs`. @param undated Address of the perp's, 0 for none.
/// @param joined Collateral that joins the legs, 1e18 tokens. @param spot Feed word.
struct UnderlyingLegs {
    uint256 expiries;
    uint256 undated;
    uint256 joined;
    uint256 spot;
}

/// @notice A book grouped by underlying and expiry.
/// @param next Per position: the link of its list, low 16 bits; above them what `OptionKernel` keeps of the option.
/// @param underlyings Per underlying id: address of its `UnderlyingLegs`, 0 for none.
/// @param mask Bit per underlying that has an entry. @param legged Bit per underlying with legs: where only a collateral's price
/// is needed there are none. @param feeds Number of spots and expiries to be read.
struct Portfolio {
    uint256[] positions;
    uint256[] next;
    uint256[] underlyings;
    uint256 mask;
    uint256 legged;
    uint256 feeds;
}

/// @title Grouping of positions by underlying and expiry
/// @dev Lists in memory, in one pass over the positions. A small table by hash finds the legs of an expiry; where it does not, the
/// underlying's list does.
library PortfolioLib {
    using Memory for uint256;
    using Memory for uint256[];

    uint256 private constant SLOTS = 64;
    uint256 private constant FIRST_LINEAR = 0x40; // offset in ExpiryLegs

    /// @notice Groups `positions`. Sizes of zero are left out. Reverts `UnknownInstrument` for what has no pricer here.
    function group(uint256[] memory positions) internal pure returns (Portfolio memory p) {
        unchecked {
            uint256[] memory next = new uint256[](positions.length);
            (p.positions, p.next, p.underlyings) = (positions, next, new uint256[](MAX_UNDERLYINGS));
            uint256[] memory slots = new uint256[](SLOTS);
            uint256 legs;
            // The array of links is as long: `at` and `link` go along both.
            (uint256 at, uint256 link) = (positions.address_(), next.address_());
            for (uint256 end = at + 32 * positions.length; at < end; (at += 32, link += 32)) {
                uint256 word = at.load();
                if (word >> 160 == 0) continue;
                uint256 key = (word >> 64) & 0xffffffffff;
                uint256 kind = (word >> 104) & 0xff;
                if (kind > 3 || (kind == 0) != (key & 0xffffffff == 0)) revert UnknownInstrument(uint112(word));
                uint256 slot;
                assembly ("memory-safe") {
                    // the six bits above 2**40 of key * 0x9e3779b97f4a7c15
                    slot := add(add(slots, 0x20), and(shr(35, mul(key, 0x9e3779b97f4a7c15)), 0x7e0))
                    legs := mload(slot)
                }
                if (legs == 0 || legs.load() != key) {
                    legs = _legs(p, key);
                    slot.store(legs);
                }
                // firstLinear for perps and futures, firstOption for calls and puts
                assembly ("memory-safe") {
                    legs := add(legs, add(FIRST_LINEAR, shl(4, and(kind, 2))))
                    mstore(link, mload(legs))
                    mstore(legs, shr(5, sub(at, positions)))
                }
            }
        }
    }

    /// @notice Address of the entry of an underlying, created where there is none.
    function underlying(Portfolio memory p, uint256 id, uint32 expiry) internal pure returns (uint256 at) {
        unchecked {
            if (id >= MAX_UNDERLYINGS) revert IMarginEngine.MissingPrice(uint8(id), expiry);
            at = p.underlyings.at(id);
            if (at != 0) return at;
            UnderlyingLegs memory legs;
            assembly ("memory-safe") {
                at := legs
            }
            p.underlyings.put(id, at);
            p.mask |= 1 << id;
            ++p.feeds;
        }
    }

    /// @dev A struct in memory is its address; the detour spares the empty struct that Solidity allocates for a named result.
    function underlyingAt(uint256 at) internal pure returns (UnderlyingLegs memory) {
        function (uint256) internal pure returns (uint256) address_ = _same;
        function (uint256) internal pure returns (UnderlyingLegs memory) struct_;
        assembly ("memory-safe") {
            struct_ := address_
        }
        return struct_(at);
    }

    function expiryAt(uint256 at) internal pure returns (ExpiryLegs memory) {
        function (uint256) internal pure returns (uint256) address_ = _same;
        function (uint256) internal pure returns (ExpiryLegs memory) struct_;
        assembly ("memory-safe") {
            struct_ := address_
        }
        return struct_(at);
    }

    /// @dev Address of the legs with a key, created where there are none.
    function _legs(Portfolio memory p, uint256 key) private pure returns (uint256 at) {
        unchecked {
            UnderlyingLegs memory owner = underlyingAt(underlying(p, key >> 32, uint32(key)));
            p.legged |= 1 << (key >> 32);
            bool dated = uint32(key) != 0;
            at = dated ? owner.expiries : owner.undated;
            while (at != 0) {
                ExpiryLegs memory legs = expiryAt(at);
                if (legs.key == key) return at;
                at = legs.next;
            }
            return _append(p, owner, key, dated);
        }
    }

    function _append(Portfolio memory p, UnderlyingLegs memory owner, uint256 key, bool dated) private pure returns (uint256 at) {
        unchecked {
            ExpiryLegs memory legs;
            assembly ("memory-safe") {
                at := legs
            }
            legs.key = key;
            if (!dated) {
                owner.undated = at;
                return at;
            }
            legs.next = owner.expiries;
            owner.expiries = at;
            ++p.feeds;
        }
    }

    function _same(uint256 at) private pure returns (uint256) {
        return at;
    }
}
