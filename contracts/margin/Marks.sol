// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPoint} from "../math/FixedPoint.sol";
import {Memory} from "../math/Memory.sol";
import {InstrumentId, UnknownInstrument} from "../types/InstrumentId.sol";
import {Position, position} from "../types/Position.sol";

/// @title A list of instruments as a book of one unit each
library Marks {
    using Memory for uint256[];
    using Memory for int256[];

    /// @notice One contract of each, to be grouped like a book. Reverts `UnknownInstrument` for ids that are not canonical.
    function positions(uint112[] calldata instruments) internal pure returns (uint256[] memory words) {
        unchecked {
            words = new uint256[](instruments.length);
            for (uint256 i; i < words.length; ++i) {
                InstrumentId id = InstrumentId.wrap(instruments[i]);
                if (!id.isCanonical()) revert UnknownInstrument(instruments[i]);
                words.put(i, Position.unwrap(position(id, FixedPoint.lnStrike(id), 1)));
            }
        }
    }
}
