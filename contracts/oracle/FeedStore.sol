// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IPriceDoor} from "../interfaces/IPriceDoor.sol";
import {IntegralWord, SmileWord, SpotWord, WingWord, integralWord} from "../types/Feed.sol";
import {ShortSlice} from "./ShortSlice.sol";

/// @title Feed store
/// @notice The words that the door stores (types/Feed.sol), what they add up to over time, and how others read both.
abstract contract FeedStore is IPriceDoor {
    uint256 internal constant WAD = 1e18;
    /// @dev Slots per feed key: a spot feed uses the first.
    uint256 internal constant STRIDE = 4;

    /// @dev Feed words at STRIDE * key (+ 0 spot or quote, + 1 `ShortSlice` or 0, + 2 wing and + 3 smile where that is 0; a settlement
    /// price is always in + 2). One array as long as the key space: a slot is a shift and an addition away from its key, without a
    /// hash, and an expiry's words are neighbours.
    uint256[STRIDE << 40] internal _feeds;

    /// @dev What stored prices add up to over the time for which they stood (types/Feed.sol), per underlying.
    mapping(uint8 underlying => IntegralWord) internal _integrals;

    /// @inheritdoc IPriceDoor
    function read(uint40[] calldata keys) external view returns (uint256[] memory) {
        // Readable equivalent:
        //   for (key in keys) {
        //       words.push(_feeds[STRIDE * key]);
        //       if (uint32(key) == 0) continue;
        //       (smile, wing) = ShortSlice.unpack(_feeds[STRIDE * key + 1]), with the settlement price of _feeds[STRIDE * key + 2];
        //       where there is no short one: (_feeds[STRIDE * key + 3], _feeds[STRIDE * key + 2])
        //       words.push(smile); words.push(wing);
        //   }
        //   return words;
        // The answer is written once, ABI-encoded in place: Solidity would copy it word by word.
        assembly {
            let answer := mload(0x40)
            mstore(answer, 0x20)
            let words := add(answer, 0x40)
            let next := words
            let end := add(keys.offset, shl(5, keys.length))
            for { let at := keys.offset } lt(at, end) { at := add(at, 0x20) } {
                let key := and(calldataload(at), 0xffffffffff)
                let slot := add(_feeds.slot, shl(2, key))
                mstore(next, sload(slot))
                next := add(next, 0x20)
                if and(key, 0xffffffff) {
                    let word := sload(add(slot, 1))
                    let wing
                    switch and(word, 1)
                    case 0 {
                        word := sload(add(slot, 3))
                        wing := sload(add(slot, 2))
                    }
                    default {
                        // sigma 1e8 << 192, refForward 1e10 << 96
                        wing := or(
                            mul(and(shr(71, word), 0x3fffffffff), 0x5f5e100000000000000000000000000000000000000000000000000),
                            mul(and(shr(7, word), 0xffffffffffffffff), 0x2540be400000000000000000000000000)
                        )
                        if and(word, 2) { wing := or(wing, and(sload(add(slot, 2)), 0xffffffffffffffffffffffff)) }
                        // a 1e8 << 192, b 1e8 << 128, rho and m 1e8
                        word := or(
                            or(
                                mul(sar(218, word), 0x5f5e100000000000000000000000000000000000000000000000000),
                                mul(and(shr(181, word), 0x1fffffffff), 0x5f5e10000000000000000000000000000000000)
                            ),
                            or(
                                shl(64, and(mul(sar(221, shl(75, word)), 100000000), 0xffffffffffffffff)),
                                and(mul(sar(219, shl(110, word)), 100000000), 0xffffffffffffffff)
                            )
                        )
                    }
                    mstore(next, word)
                    mstore(add(next, 0x20), wing)
                    next := add(next, 0x40)
                }
            }
            mstore(add(answer, 0x20), shr(5, sub(next, words)))
            return(answer, sub(next, answer))
        }
    }

    /// @inheritdoc IPriceDoor
    function prices(uint8 underlying) external view returns (uint256 spot, uint256 mark, uint256 signedAt) {
        SpotWord word = _spotWord(underlying);
        if (SpotWord.unwrap(word) == 0) revert NoPrice(underlying, 0);
        return (word.spot(), word.mark(), word.signedAt());
    }

    /// @inheritdoc IPriceDoor
    function premiumIntegral(uint8 underlying) external view returns (int256 integral, uint256 at) {
        IntegralWord word = _advanced(underlying);
        return (word.premium(), word.advancedAt());
    }

    /// @inheritdoc IPriceDoor
    function spotIntegral(uint8 underlying) external view returns (uint256 integral, uint256 at) {
        IntegralWord word = _advanced(underlying);
        return (word.spotSeconds(), word.advancedAt());
    }

    /// @dev Integrals to this block, at the stored price. Both rates are constant between two updates, so this is exact; times are
    /// those of arrival, when a price begins to count, so that no later update changes what was read before.
    function _advanced(uint8 underlying) internal view returns (IntegralWord) {
        IntegralWord word = _integrals[underlying];
        SpotWord price = _spotWord(underlying);
        uint256 spot = price.spot();
        if (spot == 0) return integralWord(0, 0, uint32(block.timestamp)); // nothing stood yet
        unchecked {
            // premium: below MAX_BASIS, whose bound is 0.2, times 2**32 s fits int96; spot: 2**96 x 2**32 s fits uint128.
            uint256 elapsed = block.timestamp - word.advancedAt();
            int256 premium = (int256(price.mark()) - int256(spot)) * int256(WAD) / int256(spot);
            return integralWord(
                word.premium() + premium * int256(elapsed), word.spotSeconds() + spot * elapsed, uint32(block.timestamp)
            );
        }
    }

    /// @dev The smile and wing of the expiry whose words begin at `at`.
    function _putSlice(uint256 at, SmileWord smile, WingWord wing) internal {
        uint256 word = ShortSlice.pack(smile, wing);
        _feeds[at + 1] = word;
        if (word == 0) _feeds[at + 3] = SmileWord.unwrap(smile);
        if (word == 0 || wing.settlement() != 0) _feeds[at + 2] = WingWord.unwrap(wing);
    }

    /// @dev Settlement price of that expiry, 0: not fixed.
    function _settled(uint256 at) internal view returns (uint256) {
        uint256 word = _feeds[at + 1];
        bool none = word & ShortSlice.SHORT != 0 && word & ShortSlice.SETTLED == 0;
        return none ? 0 : WingWord.wrap(_feeds[at + 2]).settlement();
    }

    function _settle(uint256 at, uint96 price) internal {
        if (_feeds[at + 1] != 0) _feeds[at + 1] |= ShortSlice.SETTLED;
        _feeds[at + 2] = WingWord.unwrap(WingWord.wrap(_feeds[at + 2]).withSettlement(price));
    }

    function _spotWord(uint8 underlying) internal view returns (SpotWord) {
        return SpotWord.wrap(_feeds[STRIDE * _feedKey(underlying, 0)]);
    }

    function _feedKey(uint8 underlying, uint32 expiry) internal pure returns (uint256) {
        return (uint256(underlying) << 32) | uint256(expiry);
    }
}
