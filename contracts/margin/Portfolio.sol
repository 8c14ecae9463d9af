// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IMarginEngine} from "../interfaces/IMarginEngine.sol";
import {UnknownInstrument} from "../types/InstrumentId.sol";
import {MAX_UNDERLYINGS} from "../types/Parameter.sol";

/// @notice The legs of one expiry: a node of the underlying's list. Feed words are filled in by `MarketLoader`.
/// @param vegaUnit D F sqrt T, USD 1e18: vega of a contract at density 1.
/// @param next Address of the next node, 0 at the end. @param first Index + 1 of the first position, 0 for none.
struct ExpiryLegs {
    uint256 expiry;
    uint256 next;
    uint256 first;
    bool hasOptions;
    uint256 quote;
    uint256 smile;
    uint256 wing;
    uint256 vegaUnit;
}

/// @notice What an account holds in one underlying.
/// @param expiries Address of the first `ExpiryLegs`. @param firstPerp Index + 1 of the perp position, 0 for none.
/// @param joined Collateral that joins the legs, 1e18 tokens.
struct UnderlyingLegs {
    uint256 expiries;
    uint256 firstPerp;
    uint256 joined;
    uint256 spot;
}

/// @notice A book grouped by underlying and expiry.
/// @param next Per position, low 16 bits: index + 1 of the next one of its list, 0 at the end.
/// @param underlyings Per underlying id: address of its `UnderlyingLegs`, 0 for none.
/// @param mask Bit per underlying that has an entry. @param legged Bit per underlying with legs: where only a collateral's price
/// is needed there are none. @param keys Number of feeds all of them need.
struct Portfolio {
    uint256[] positions;
    uint256[] next;
    uint256[] underlyings;
    uint256 mask;
    uint256 legged;
    uint256 keys;
}
import {MemoryArray} from "./MemoryArray.sol";

/// @title Grouping of positions by underlying and expiry
/// @dev Lists in memory, one pass over the positions; an account has few expiries per underlying, so a node is found by
/// walking the list.
library PortfolioLib {
    using MemoryArray for uint256[];
    using MemoryArray for int256[];

    uint256 private constant KIND_AT = 104;
    uint256 private constant UNDERLYING_AT = 96;
    uint256 private constant EXPIRY_AT = 64;
    uint256 private constant SIZE_AT = 160;

    /// @notice Groups `positions`. Sizes of zero are left out. Reverts `UnknownInstrument` for kinds without a pricer here.
    function group(uint256[] memory positions) internal pure returns (Portfolio memory p) {
        unchecked {
            uint256 count = positions.length;
            p.positions = positions;
            p.next = new uint256[](count);
            p.underlyings = new uint256[](MAX_UNDERLYINGS);
            for (uint256 i; i < count;) {
                uint256 word = positions.at(i);
                ++i;
                if (word >> SIZE_AT == 0) continue;
                UnderlyingLegs memory legs = underlying(p, uint8(word >> UNDERLYING_AT), uint32(word >> EXPIRY_AT));
                p.legged |= 1 << uint8(word >> UNDERLYING_AT);
                uint256 kind = uint8(word >> KIND_AT);
                if (kind == 0) {
                    p.next.put(i - 1, legs.firstPerp);
                    legs.firstPerp = i;
                    continue;
                }
                if (kind > 3) revert UnknownInstrument(uint112(word));
                ExpiryLegs memory node = _expiry(p, legs, uint32(word >> EXPIRY_AT));
                if (kind > 1) node.hasOptions = true;
                p.next.put(i - 1, node.first);
                node.first = i;
            }
        }
    }

    /// @notice The entry of an underlying, created where there is none.
    function underlying(Portfolio memory p, uint256 id, uint32 expiry) internal pure returns (UnderlyingLegs memory) {
        if (id >= MAX_UNDERLYINGS) revert IMarginEngine.MissingPrice(uint8(id), expiry);
        uint256 at = p.underlyings.at(id);
        return at == 0 ? _create(p, id) : underlyingAt(at);
    }

    function _create(Portfolio memory p, uint256 id) private pure returns (UnderlyingLegs memory legs) {
        uint256 at;
        assembly ("memory-safe") {
            at := legs
        }
        p.underlyings.put(id, at);
        p.mask |= 1 << id;
        ++p.keys;
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

    function _same(uint256 at) private pure returns (uint256) {
        return at;
    }

    function _expiry(Portfolio memory p, UnderlyingLegs memory legs, uint256 expiry)
        private
        pure
        returns (ExpiryLegs memory)
    {
        uint256 at = legs.expiries;
        while (at != 0) {
            ExpiryLegs memory node = expiryAt(at);
            if (node.expiry == expiry) return node;
            at = node.next;
        }
        return _append(p, legs, expiry);
    }

    function _append(Portfolio memory p, UnderlyingLegs memory legs, uint256 expiry)
        private
        pure
        returns (ExpiryLegs memory node)
    {
        node.expiry = expiry;
        node.next = legs.expiries;
        uint256 at;
        assembly ("memory-safe") {
            at := node
        }
        legs.expiries = at;
        ++p.keys;
    }
}
