// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPoint, SWAD} from "../math/FixedPoint.sol";
import {Memory} from "../math/Memory.sol";
import {Book, Leg} from "../types/Book.sol";
import {InstrumentId} from "../types/InstrumentId.sol";
import {Position, position} from "../types/Position.sol";

/// @title What-if: a book in memory after trades
library Trades {
    using Memory for uint256[];
    using Memory for int256[];

    /// @notice Adds the legs' sizes to the positions and takes what they cost, size x price rounded up, from the balance.
    /// @dev Realised or not, a trade changes cash - costs by -size x price.
    function apply_(Book memory book, Leg[] calldata legs, int256 cashChange) internal pure {
        unchecked {
            uint256[] memory old = book.positions;
            uint256 count = old.length;
            uint256[] memory words = new uint256[](count + legs.length);
            for (uint256 i; i < count; ++i) {
                words.put(i, old.at(i));
            }
            int256 balance = book.balance + cashChange;
            for (uint256 i; i < legs.length; ++i) {
                Leg calldata leg = legs[i];
                balance += FixedPoint.divFloor(-int256(leg.size) * int256(uint256(leg.price)), SWAD);
                // Legs in the order of the positions are found at once.
                uint256 at = i < count && uint112(words.at(i)) == leg.instrument ? i : 0;
                while (at < count && uint112(words.at(at)) != leg.instrument) ++at;
                if (at == count) {
                    InstrumentId id = InstrumentId.wrap(leg.instrument);
                    words.put(count++, Position.unwrap(position(id, FixedPoint.lnStrike(id), leg.size)));
                } else {
                    Position held = Position.wrap(words.at(at));
                    words.put(at, Position.unwrap(held.withSize(held.size() + leg.size)));
                }
            }
            book.balance = balance;
            book.positions = words; // unused words are 0: positions of size 0
        }
    }
}
