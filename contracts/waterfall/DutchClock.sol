// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ILiquidator} from "../interfaces/ILiquidator.sol";

/// @title Dutch clock
/// @notice The time a discount has had to rise, as proofs put on record. There is nothing to unflag, so nobody gains by making an
/// account look healthy for a moment; a clock without proofs dies by itself.
///
///      first proof             startedAt = provenAt = now
///      within `expiry`         the clock ran on: provenAt = now
///      within `resume`         it stood still since the last proof: startedAt = now - (provenAt - startedAt), provenAt = now
///      later                   as the first proof
///
/// Both spans count from the last proof. What resumes is proven time alone: an old proof, never renewed, is worth nothing later.
library DutchClock {
    /// @notice The clock after a proof at `time`. `expiry <= resume` (ParameterRules).
    function proven(ILiquidator.Clock memory c, uint256 time, uint256 expiry, uint256 resume)
        internal
        pure
        returns (ILiquidator.Clock memory)
    {
        uint256 idle = time - c.provenAt;
        if (c.startedAt == 0 || idle > resume) return ILiquidator.Clock(uint40(time), uint40(time));
        uint256 startedAt = idle > expiry ? time - (c.provenAt - c.startedAt) : c.startedAt;
        return ILiquidator.Clock(uint40(startedAt), uint40(time));
    }

    /// @notice start + (max - start) * min(elapsed, duration) / duration, rounded down; start <= max, duration > 0 (ParameterRules).
    function discountDown(ILiquidator.Clock memory c, uint256 time, uint256 start, uint256 max, uint256 duration)
        internal
        pure
        returns (uint256)
    {
        uint256 elapsed = time - c.startedAt;
        if (elapsed >= duration) return max;
        return start + (max - start) * elapsed / duration;
    }
}
