// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Black76} from "../math/Black76.sol";
import {WAD} from "../math/FixedPoint.sol";
import {NormalCdf} from "../math/NormalCdf.sol";
import {Svi} from "../math/Svi.sol";
import {STRIKE_UNIT} from "../types/InstrumentId.sol";
import {ExpirySlice} from "./ExpirySlice.sol";

/// @notice One option at the market. Reused from option to option.
/// @param deviation v sqrt T, 2**-60. @param stdDev The same, 2**-35, at least 1. @param inverse 2**75 / stdDev.
/// @param moneyness ln(F/K), 2**-42. @param d1 Position in the normal table. @param n1, n2 N(d1), N(d2) - 1/2, 2**-41.
/// @param discountedStrike USD 1e18. @param mark USD 1e18 per contract, rounded to nearest, never negative.
struct OptionPoint {
    uint256 deviation;
    uint256 stdDev;
    uint256 inverse;
    int256 moneyness;
    int256 d1;
    int256 n1;
    int256 n2;
    uint256 discountedStrike;
    uint256 mark;
}

/// @title Mark price of an option
library OptionMark {
    /// @param word Packed position (types/Position.sol) of a call or put.
    function price(OptionPoint memory o, ExpirySlice memory slice, uint256 word, int256 bias) internal pure {
        unchecked {
            int256 lnStrike = int48(uint48(word >> 112));
            o.moneyness = slice.lnForward - lnStrike;
            o.deviation = slice.tenor == 0 ? 0 : Svi.deviation(slice.svi, lnStrike);
            (uint256 stdDev, uint256 inverse, int256 d1) = Black76.point(o.moneyness, o.deviation >> 25, bias);
            (o.stdDev, o.inverse, o.d1) = (stdDev, inverse, d1);
            int256 n1 = NormalCdf.centred(d1, bias);
            int256 n2 = NormalCdf.centred(d1 - int256(stdDev), bias);
            (o.n1, o.n2) = (n1, n2);
            uint256 strike = uint256(uint64(word)) * STRIKE_UNIT * slice.discount / WAD;
            o.discountedStrike = strike;
            int256 difference = int256(slice.discountedForward) - int256(strike);
            if ((word >> 104) & 1 != 0) difference = -difference; // a put
            // mean of call and put (2**-41) +- (F - K) D / 2, rounded to nearest
            int256 value = 2 * (int256(slice.discountedForward) * n1 - int256(strike) * n2)
                + (difference << NormalCdf.RESULT_BITS) + (int256(1) << NormalCdf.RESULT_BITS);
            o.mark = value > 0 ? uint256(value) >> (NormalCdf.RESULT_BITS + 1) : 0;
        }
    }
}
