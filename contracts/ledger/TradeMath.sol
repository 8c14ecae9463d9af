// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {FixedPoint, WAD} from "../math/FixedPoint.sol";

/// @title What a trade does to one position
/// @notice Sizes contracts 1e18, prices and amounts USD 1e18.
library TradeMath {
    /// @notice `change` contracts (> 0 bought, < 0 sold) at `price` on a position of `size` with `cost`.
    /// @return newCost Cost of the position after; 0 where it is closed.
    /// @return realised Profit of the part that closed: proceeds less its share of the cost, rounded down.
    /// @dev realised - (newCost - cost) = -payment, whatever the share of the cost was rounded to: only the rounding of the
    /// payment can drift (INV-LEDGER).
    function traded(int256 size, int256 cost, int256 change, uint256 price)
        internal
        pure
        returns (int256 newCost, int256 realised)
    {
        int256 payment = mulDivUp(change, price, WAD);
        if (size == 0 || (size > 0) == (change > 0)) return (cost + payment, 0);

        uint256 held = FixedPoint.abs(size);
        bool flips = FixedPoint.abs(change) > held;
        uint256 closed = flips ? held : FixedPoint.abs(change);
        // A flip pays for what it closes as if it closed only that; the rest of the payment opens the rest.
        int256 closingPayment = flips ? mulDivUp(-size, price, WAD) : payment;
        int256 closedCost = mulDivUp(cost, closed, held);
        realised = -closingPayment - closedCost;
        newCost = cost - closedCost + payment - closingPayment;
    }

    /// @notice x * y / d towards plus infinity: what is paid is rounded up, what is received (x < 0) down.
    /// @dev |x * y| < 2**256 by the callers' domains (sizes 2**95, prices and costs 2**127).
    function mulDivUp(int256 x, uint256 y, uint256 d) internal pure returns (int256) {
        return x < 0
            ? -int256(FixedPointMathLib.mulDiv(FixedPoint.abs(x), y, d))
            : int256(FixedPointMathLib.mulDivUp(uint256(x), y, d));
    }
}
