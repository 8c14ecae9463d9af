// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IntegralWord} from "../types/Feed.sol";

/// @title Averages before expiries
/// @notice The settlement price of an expiry is the time-weighted spot over the last SETTLEMENT_WINDOW before it. A stored spot
/// stands until the next one, so the spot's integral at any moment since the last update is exact: the first update after a
/// window's begin, and the first after the expiry, record it for that very second. A silence counts with the price that stood.
abstract contract SettlementPrices {
    /// @dev Integrals modulo 2**128, as in types/Feed.sol. 37 bytes.
    struct Average {
        uint128 atStart;
        uint128 atEnd;
        uint32 startedAt; // 0: not begun; later than expiry - window only where no earlier price or no earlier listing was
        bool ended;
    }

    /// @dev By feed key.
    mapping(uint256 feedKey => Average) private _averages;

    /// @notice Records every begin and end of a window since the last update, of all listed expiries.
    /// @param word, spot Integrals as of the last update and the spot that stood since.
    /// @return next The next begin or end after this block; 0 where there is none.
    function _record(uint256 underlying, uint32[] memory expiries, IntegralWord word, uint256 spot, uint256 window)
        internal
        returns (uint32 next)
    {
        uint256 from = word.advancedAt();
        for (uint256 i; i < expiries.length; ++i) {
            uint256 expiry = expiries[i];
            if (expiry <= from) continue; // recorded then
            uint256 begin = expiry - window;
            uint256 due = begin > block.timestamp ? begin : expiry;
            if (begin <= block.timestamp) {
                Average storage a = _averages[(underlying << 32) | expiry];
                if (a.startedAt == 0) {
                    if (begin < from) begin = from;
                    (a.atStart, a.startedAt) = (_at(word, spot, begin), uint32(begin));
                }
                if (expiry <= block.timestamp) {
                    (a.atEnd, a.ended) = (_at(word, spot, expiry), true);
                    continue;
                }
            }
            if (next == 0 || due < next) next = uint32(due);
        }
    }

    /// @notice Forward of an expiry for its settlement: inside the window the part that is averaged already is fixed.
    /// @param word Integrals advanced to this block. @return USD 1e18: (fixed share) x average so far + (remaining share) x forward.
    function _blended(uint256 key, uint256 forward, IntegralWord word, uint256 window) internal returns (uint96) {
        unchecked {
            uint256 expiry = uint32(key);
            if (block.timestamp + window < expiry) return uint96(forward);
            Average storage a = _averages[key];
            uint256 begin = a.startedAt;
            if (begin == 0) {
                // Listed, or the window widened, after its begin.
                if (block.timestamp < expiry) (a.atStart, a.startedAt) = (uint128(word.spotSeconds()), uint32(block.timestamp));
                return uint96(forward);
            }
            if (block.timestamp >= expiry) return uint96(_average(a, expiry));
            uint256 sum = uint128(word.spotSeconds() - a.atStart); // of (now - begin) seconds
            return uint96((sum + forward * (expiry - block.timestamp)) / (expiry - begin)); // a mean of uint96
        }
    }

    /// @return ended Whether price is known. @return price USD 1e18, rounded down. @return begin Of what was averaged.
    function _settlement(uint256 key) internal view returns (bool ended, uint96 price, uint256 begin) {
        Average storage a = _averages[key];
        if (!a.ended) return (false, 0, a.startedAt);
        return (true, uint96(_average(a, uint32(key))), a.startedAt);
    }

    function _average(Average storage a, uint256 expiry) private view returns (uint256) {
        unchecked {
            return uint256(uint128(a.atEnd - a.atStart)) / (expiry - a.startedAt); // begin < expiry, see _record
        }
    }

    function _at(IntegralWord word, uint256 spot, uint256 time) private pure returns (uint128) {
        unchecked {
            return uint128(word.spotSeconds() + spot * (time - word.advancedAt()));
        }
    }
}
