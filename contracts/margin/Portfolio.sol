// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IMarginEngine} from "../interfaces/IMarginEngine.sol";
import {Memory} from "../math/Memory.sol";
// solhint-disable-next-line no-unused-import
import {SLOTS, UNDERLYINGS} from "../math/Workspace.sol";
import {UnknownInstrument} from "../types/InstrumentId.sol";
import {MAX_UNDERLYINGS} from "../types/Parameter.sol";

/// @notice The legs of one expiry of one underlying, or its perp (expiry 0). Lists of positions: address of the first word, 0: none.
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

/// @notice A book grouped by underlying and expiry. The addresses of the `UnderlyingLegs` are in the workspace (UNDERLYINGS).
/// @param positions The words. @param links From a position's word to its link, in bytes: the address of the next word of its list
/// in the low 24 bits, above them what `OptionKernel` keeps of the option.
/// @param mask Bit per underlying that has an entry. @param legged Bit per underlying with legs: where only a collateral's price
/// is needed there are none. @param feeds Number of spots and expiries to be read.
struct Portfolio {
    uint256[] positions;
    uint256 links;
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

    /// @dev Offsets in ExpiryLegs.
    uint256 private constant FIRST_LINEAR = 0x40;
    uint256 private constant FIRST_OPTION = 0x60;
    /// @dev A tag: the position's kind without its last bit, which options differ in, underlying and expiry.
    uint256 private constant TAG = 0xfeffffffffff;

    /// @notice Takes words of a caller: leaves out sizes of zero, reverts `UnknownInstrument` for what has no pricer here.
    function admit(uint256[] memory positions) internal pure {
        unchecked {
            uint256 count;
            for (uint256 i; i < positions.length; ++i) {
                uint256 word = positions.at(i);
                if (word >> 160 == 0) continue;
                uint256 kind = (word >> 104) & 0xff;
                if (kind > 3 || (kind == 0) != (uint32(word >> 64) == 0)) revert UnknownInstrument(uint112(word));
                positions.put(count++, word);
            }
            assembly ("memory-safe") {
                mstore(positions, count)
            }
        }
    }

    /// @notice Groups `positions` into `p`: words of the ledger, which lists canonical instruments and no size of zero, or admitted.
    function group(Portfolio memory p, uint256[] memory positions) internal pure {
        unchecked {
            p.positions = positions;
            uint256 links;
            uint256 at = positions.address_();
            uint256 end = at + 32 * positions.length;
            assembly ("memory-safe") {
                let room := mload(0x40)
                links := sub(room, at)
                mstore(0x40, add(room, sub(end, at)))
                mstore(SLOTS, not(0)) // the slot of tag 0 is not one of tag 0 while it is empty
            }
            p.links = links;
            while (true) {
                uint256 slot;
                (at, slot) = _link(at, end, links);
                if (at == end) return;
                // The first position of its list, or one whose slot another list took.
                uint256 word = at.load();
                uint256 list = _legs(p, (word >> 64) & 0xffffffffff) + ((word >> 104) & 0xff < 2 ? FIRST_LINEAR : FIRST_OPTION);
                slot.store((((word >> 64) & TAG) << 24) | list);
            }
        }
    }

    /// @dev Puts positions at the head of their lists as long as their slot holds their list. Readable equivalent:
    ///
    ///      for (; at < end; at += 32) {
    ///          slot = SLOTS + 32 * hash(tag(at));
    ///          if (slot.tag != tag(at)) break;
    ///          (link(at), slot.list) = (slot.list, at);
    ///      }
    function _link(uint256 from, uint256 end, uint256 links) private pure returns (uint256 at, uint256 slot) {
        assembly ("memory-safe") {
            for { at := from } lt(at, end) { at := add(at, 0x20) } {
                let tag := and(shr(64, mload(at)), TAG)
                // the six bits above 2**40 of tag * 0x9e3779b97f4a7c15
                slot := add(SLOTS, and(shr(35, mul(tag, 0x9e3779b97f4a7c15)), 0x7e0))
                let list := mload(slot)
                if xor(shr(24, list), tag) { break }
                list := and(list, 0xffffff)
                mstore(add(at, links), mload(list))
                mstore(list, at)
            }
        }
    }

    /// @notice The position after this one in its list, 0 at the end.
    function next(Portfolio memory p, uint256 at) internal pure returns (uint256) {
        unchecked {
            return uint24((at + p.links).load());
        }
    }

    /// @notice Address of the entry of an underlying, created where there is none.
    function underlying(Portfolio memory p, uint256 id, uint32 expiry) internal pure returns (uint256 at) {
        unchecked {
            if (id >= MAX_UNDERLYINGS) revert IMarginEngine.MissingPrice(uint8(id), expiry);
            at = entry(id);
            if (at != 0) return at;
            UnderlyingLegs memory legs;
            assembly ("memory-safe") {
                at := legs
            }
            (UNDERLYINGS + 32 * id).store(at);
            p.mask |= 1 << id;
            ++p.feeds;
        }
    }

    /// @notice Address of the entry of an underlying that is in the mask.
    function entry(uint256 id) internal pure returns (uint256) {
        unchecked {
            return (UNDERLYINGS + 32 * id).load();
        }
    }

    /// @notice The struct at an address, as `asUnderlying()(address)`. @dev A struct in memory is its address. A function that
    /// returned it would first allocate an empty one, so this returns the cast.
    function asUnderlying() internal pure returns (function (uint256) internal pure returns (UnderlyingLegs memory) cast) {
        function (uint256) internal pure returns (uint256) same = _same;
        assembly ("memory-safe") {
            cast := same
        }
    }

    function asExpiry() internal pure returns (function (uint256) internal pure returns (ExpiryLegs memory) cast) {
        function (uint256) internal pure returns (uint256) same = _same;
        assembly ("memory-safe") {
            cast := same
        }
    }

    /// @dev Address of the legs with a key, created where there are none.
    function _legs(Portfolio memory p, uint256 key) private pure returns (uint256 at) {
        unchecked {
            UnderlyingLegs memory owner = asUnderlying()(underlying(p, key >> 32, uint32(key)));
            p.legged |= 1 << (key >> 32);
            bool dated = uint32(key) != 0;
            at = dated ? owner.expiries : owner.undated;
            while (at != 0) {
                ExpiryLegs memory legs = asExpiry()(at);
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
