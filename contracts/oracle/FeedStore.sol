// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IPriceDoor} from "../interfaces/IPriceDoor.sol";
import {IntegralWord, SpotWord, integralWord} from "../types/Feed.sol";

/// @title Feed store
/// @notice The words that the door stores (types/Feed.sol), what they add up to over time, and how others read both.
abstract contract FeedStore is IPriceDoor {
    uint256 internal constant WAD = 1e18;
    /// @dev Slots per feed key: a spot feed uses the first, an expiry's the first three.
    uint256 internal constant STRIDE = 4;

    /// @dev Feed words at STRIDE * key (+ 0 spot or quote, + 1 smile, + 2 wing). One array as long as the key space: a slot
    /// is a shift and an addition away from its key, without a hash, and an expiry's words are neighbours.
    uint256[STRIDE << 40] internal _feeds;

    /// @dev What stored prices add up to over the time for which they stood (types/Feed.sol), per underlying.
    mapping(uint8 underlying => IntegralWord) internal _integrals;

    /// @inheritdoc IPriceDoor
    function read(uint40[] calldata keys) external view returns (uint256[] memory) {
        // Readable equivalent:
        //   for (key in keys) {
        //       words.push(_feeds[STRIDE * key]);
        //       if (uint32(key) != 0) { words.push(_feeds[STRIDE * key + 1]); words.push(_feeds[STRIDE * key + 2]); }
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
                    mstore(next, sload(add(slot, 1)))
                    mstore(add(next, 0x20), sload(add(slot, 2)))
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

    function _spotWord(uint8 underlying) internal view returns (SpotWord) {
        return SpotWord.wrap(_feeds[STRIDE * _feedKey(underlying, 0)]);
    }

    function _feedKey(uint8 underlying, uint32 expiry) internal pure returns (uint256) {
        return (uint256(underlying) << 32) | uint256(expiry);
    }
}
