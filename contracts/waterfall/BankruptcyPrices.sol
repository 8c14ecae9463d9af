// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {WAD} from "../math/FixedPoint.sol";

/// @title Bankruptcy prices
/// @notice Prices at which closing every leg of a bankrupt account leaves its equity at zero (ledger-and-liquidation.md section 5):
///
///      haircut_i = deficit * weight_i / sum of weights             exactly the deficit in total
///      price_i   = mark_i + haircut_i / size_i                     size > 0: sold above the mark, size < 0: bought back below it
///
/// A price is never below zero (nor beyond the ledger's range): what a leg cannot bear moves to those that can, by their weights.
/// @dev Sizes contracts 1e18, prices USD 1e18 per contract, amounts USD 1e18. Prices are rounded against the counterparties: the
/// haircut at them is at least what the leg bears and exceeds it by less than one unit of the price per contract (1e-18 USD).
library BankruptcyPrices {
    /// @dev Ledger prices fit 127 bits.
    uint256 private constant MAX_PRICE = uint256(uint128(type(int128).max));

    /// @notice How `deficit` is borne by legs of signed `sizes` (none 0, below 2**95), valued at `marks` (at most 2**127 - 1).
    /// @param weights Below 2**128 each; a leg without weight bears nothing while one with weight can.
    /// @return haircuts Per leg; with `uncovered` they sum to the deficit exactly.
    /// @return prices Per leg.
    /// @return uncovered What no price can make the legs bear.
    function spread(int256[] memory sizes, uint256[] memory marks, uint256[] memory weights, uint256 deficit)
        internal
        pure
        returns (uint256[] memory haircuts, uint256[] memory prices, uint256 uncovered)
    {
        uint256 count = sizes.length;
        (haircuts, uncovered) = _haircuts(sizes, marks, weights, deficit);
        prices = new uint256[](count);
        for (uint256 i; i < count; ++i) {
            uint256 step = haircuts[i] == 0 ? 0 : FixedPointMathLib.fullMulDivUp(haircuts[i], WAD, _abs(sizes[i]));
            prices[i] = sizes[i] > 0 ? marks[i] + step : marks[i] - step;
        }
    }

    /// @notice The most that the price of a leg can make it bear.
    function capacityDown(int256 size, uint256 mark) internal pure returns (uint256) {
        return FixedPointMathLib.fullMulDiv(_abs(size), size > 0 ? MAX_PRICE - mark : mark, WAD);
    }

    /// @dev In each round the legs whose share exceeds what they can bear are filled and leave; a round in which there is none spreads
    /// the rest. At most as many rounds as legs, and one more: once the legs with weight are full, the others bear alike.
    function _haircuts(int256[] memory sizes, uint256[] memory marks, uint256[] memory weights, uint256 deficit)
        private
        pure
        returns (uint256[] memory haircuts, uint256 left)
    {
        uint256 count = sizes.length;
        haircuts = new uint256[](count);
        uint256[] memory live = new uint256[](count);
        for (uint256 i; i < count; ++i) {
            live[i] = weights[i];
        }
        left = deficit;
        bool alike;
        while (left != 0) {
            uint256 total;
            for (uint256 i; i < count; ++i) {
                total += live[i];
            }
            if (total != 0) {
                left = _round(haircuts, live, sizes, marks, left, total);
            } else {
                if (alike) break;
                alike = true;
                for (uint256 i; i < count; ++i) {
                    live[i] = weights[i] == 0 ? 1 : 0;
                }
            }
        }
    }

    /// @return What is left: 0 where every leg could take its share.
    function _round(
        uint256[] memory haircuts,
        uint256[] memory live,
        int256[] memory sizes,
        uint256[] memory marks,
        uint256 left,
        uint256 total
    ) private pure returns (uint256) {
        uint256[] memory shares = new uint256[](live.length);
        (uint256 sum, uint256 given, uint256 filled, bool full) = (0, 0, 0, false);
        for (uint256 i; i < shares.length; ++i) {
            if (live[i] == 0) continue;
            sum += live[i];
            uint256 upTo = FixedPointMathLib.fullMulDiv(left, sum, total); // shares of running sums: `left` exactly at the end
            shares[i] = upTo - given;
            given = upTo;
            uint256 capacity = capacityDown(sizes[i], marks[i]);
            if (shares[i] <= capacity) continue;
            full = true;
            haircuts[i] = capacity;
            filled += capacity;
            live[i] = 0;
        }
        if (full) return left - filled;
        for (uint256 i; i < shares.length; ++i) {
            if (live[i] != 0) haircuts[i] = shares[i];
        }
        return 0;
    }

    function _abs(int256 x) private pure returns (uint256) {
        return x < 0 ? uint256(-x) : uint256(x);
    }
}
