// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @notice What the door remembers of an underlying's recent spots, beside the feed words.
struct Watch {
    // --- slot 0: 29 bytes, read by every update, written when the spot leaves the range or a window ends
    uint96 low; // USD 1e18, of the spots stored since `since`
    uint96 high;
    uint32 since; // begin of the running window (unix s)
    bool holding; // slot 2 holds an update that was not applied
    // --- slot 1: 29 bytes, read by every update
    uint96 lowBefore; // the same of the window before
    uint96 highBefore;
    uint32 boundary; // next begin or end of a settlement window (unix s); 0: none known
    bool sourced; // other sources than the signed one are asked
    // --- slot 2: 32 bytes, read while an update is held and while the breaker is tripped
    uint96 held; // spot of the last jump that was not applied, USD 1e18
    uint96 preTrip; // spot before the breaker tripped, USD 1e18
    uint32 heldSince; // signing time of the first update in a row that confirm each other; 0: the last was no jump
    uint32 heldAt; // signing time of the last update that was not applied
}

/// @title Speed limit of the spot
/// @notice A move of more than BREAKER_MOVE within BREAKER_WINDOW is a jump. Spots are compared with the lowest and the highest
/// stored in this window and the one before it, so that no jump escapes by straddling two windows; what is caught besides is a
/// move over up to two windows. After a silence of n > 1 windows n times the move is allowed: there is no knowing how fast it was.
library PriceWatch {
    uint256 private constant WAD = 1e18;

    /// @return move Relative to the farther end of the range, 1e18, rounded down. @return bound What it may be.
    /// @param last Spot that stands, > 0. @param silence Seconds for which it has.
    function measure(Watch storage w, uint256 spot, uint256 last, uint256 silence, uint256 limit, uint256 window)
        internal
        view
        returns (uint256 move, uint256 bound)
    {
        unchecked {
            if (silence > window) {
                // Below 2**96 x 1e18; 1e18 x 2**32.
                move = spot > last ? (spot - last) * WAD / last : (last - spot) * WAD / last;
                return (move, limit * silence / window);
            }
            (uint256 low, uint256 high) = (w.low, w.high);
            if (block.timestamp - w.since < window) {
                // Else the running window is over, and with it the one before is too old.
                if (w.lowBefore < low) low = w.lowBefore;
                if (w.highBefore > high) high = w.highBefore;
            }
            uint256 up = spot > low ? (spot - low) * WAD / low : 0;
            uint256 down = spot < high ? (high - spot) * WAD / high : 0;
            return (up > down ? up : down, limit);
        }
    }

    /// @notice Takes a stored spot into the range. @param last, silence As for `measure`; last = 0 begins anew.
    function include(Watch storage w, uint96 spot, uint96 last, uint256 silence, uint256 window) internal {
        if (last == 0 || silence > window) return restart(w, spot);
        (uint96 low, uint96 high) = (w.low, w.high);
        if (block.timestamp - w.since >= window) {
            (w.lowBefore, w.highBefore) = (low, high);
            (low, high, w.since) = (last, last, uint32(block.timestamp));
            (w.low, w.high) = (low, high);
        }
        if (spot < low) w.low = spot;
        if (spot > high) w.high = spot;
    }

    /// @notice The range is `spot` alone.
    function restart(Watch storage w, uint96 spot) internal {
        (w.low, w.high, w.since) = (spot, spot, uint32(block.timestamp));
        (w.lowBefore, w.highBefore) = (spot, spot);
    }

    /// @notice A jump confirms the one held before it if it is within `limit` of it; applies once that has lasted `confirm` seconds
    /// of signing time.
    function confirms(Watch storage w, uint256 spot, uint256 timestamp, uint256 limit, uint256 confirm)
        internal
        view
        returns (bool applies, uint32 since)
    {
        unchecked {
            since = w.holding ? w.heldSince : 0;
            if (since != 0) {
                uint256 held = w.held;
                uint256 distance = spot > held ? spot - held : held - spot;
                if (distance * WAD > held * limit) since = 0; // another jump
            }
            if (since == 0) since = uint32(timestamp);
            return (timestamp - since >= confirm, since);
        }
    }
}
