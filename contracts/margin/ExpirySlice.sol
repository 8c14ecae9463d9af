// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {FixedPoint, WAD} from "../math/FixedPoint.sol";
import {OptionFrame, OptionFrameLib, VolDirection} from "../math/OptionFrame.sol";
import {Svi} from "../math/Svi.sol";
import {QuoteWord, SmileWord, WingWord} from "../types/Feed.sol";
import {Parameter, ParameterTable, VOL_DOWN, VOL_UP} from "../types/Parameter.sol";
import {ExpiryLegs} from "./Portfolio.sol";

/// @title One expiry's feed words, decoded once for all its legs
library ExpirySlice {
    uint256 internal constant YEAR = 365 days;

    /// @notice Price of the expiry's future, USD 1e18, and seconds to expiry.
    /// @dev From expiry on: the settlement price, or the last forward until that is fixed, and a tenor of 0, at which options are
    /// worth their intrinsic value and nothing moves any more.
    function future(ExpiryLegs memory legs, uint256 time) internal pure returns (uint256 forward, uint256 tenor) {
        unchecked {
            forward = QuoteWord.wrap(legs.quote).forward();
            uint256 expiry = uint32(legs.key);
            if (expiry > time) return (forward, expiry - time);
            uint256 settled = WingWord.wrap(legs.wing).settlement();
            if (settled != 0) forward = settled;
        }
    }

    /// @notice Fills in what the expiry's options share at the market. @return sqrtTenor Of T in years, 2**-60.
    function decode(OptionFrame memory frame, ExpiryLegs memory legs, uint256 forward, uint256 tenor)
        internal
        pure
        returns (uint256 sqrtTenor)
    {
        unchecked {
            frame.lnForward = FixedPoint.ln(forward);
            if (tenor == 0) {
                (frame.discount, frame.discountedForward) = (WAD, forward);
                frame.varianceScale = 0; // v sqrt T = 0
                return 0;
            }
            QuoteWord quote = QuoteWord.wrap(legs.quote);
            uint256 discount = FixedPoint.exp(-quote.rate() * int256(tenor) / int256(YEAR));
            (frame.discount, frame.discountedForward) = (discount, discount * forward / WAD);
            Svi.decode(frame, quote, SmileWord.wrap(legs.smile), WingWord.wrap(legs.wing), tenor);
            return sqrtYears(tenor);
        }
    }

    /// @notice Square root of a tenor (seconds) in years, 2**-60.
    function sqrtYears(uint256 tenor) internal pure returns (uint256) {
        unchecked {
            return FixedPointMathLib.sqrt((tenor << 120) / YEAR);
        }
    }

    /// @notice Fills in the rule of shocked vols of the rows (margin.md section 2):
    /// up: v (1 + rangeUp h), down: v (1 - rangeDown h), h = (pivot / max(T, floor))^power.
    function shocks(ParameterTable table, uint256 tenor, uint256 sqrtTenor) internal pure {
        unchecked {
            uint256 pivot = table.get(Parameter.VOL_TENOR_PIVOT);
            uint256 power = table.get(tenor <= pivot ? Parameter.VOL_POWER_SHORT : Parameter.VOL_POWER_LONG);
            uint256 least = table.get(Parameter.VOL_TENOR_FLOOR);
            if (tenor < least) tenor = least;
            uint256 h = FixedPoint.pow(pivot * WAD / tenor, power);
            uint256 fall = table.get(Parameter.VOL_RANGE_DOWN) * h / WAD;
            VolDirection memory d = OptionFrameLib.asDirection()(OptionFrameLib.directionAt(VOL_UP));
            d.factor = ((WAD + table.get(Parameter.VOL_RANGE_UP) * h / WAD) << 60) / WAD; // >= 1: never below v
            d.least = ((table.get(Parameter.VOL_FLOOR_UP) * sqrtTenor / WAD) >> 25) + 1;
            d = OptionFrameLib.asDirection()(OptionFrameLib.directionAt(VOL_DOWN));
            d.factor = fall < WAD ? ((WAD - fall) << 60) / WAD : 0;
            d.least = ((table.get(Parameter.VOL_FLOOR_DOWN) * sqrtTenor / WAD) >> 25) + 1;
        }
    }
}
