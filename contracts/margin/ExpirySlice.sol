// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {FixedPoint, WAD} from "../math/FixedPoint.sol";
import {Svi} from "../math/Svi.sol";
import {QuoteWord, SmileWord, WingWord} from "../types/Feed.sol";
import {Parameter, ParameterTable} from "../types/Parameter.sol";
import {ExpiryLegs} from "./Portfolio.sol";

/// @notice Everything about one expiry that its options share, computed once.
/// @param tenor Seconds to expiry; 0 at or after it: options are worth their intrinsic value, nothing moves any more.
/// @param forward USD 1e18; from expiry on the settlement price, or the last forward until that is fixed.
/// @param discount exp(-r T), 1e18. @param discountedForward USD 1e18.
/// @param lnForward 2**-42. @param sqrtTenor Of T in years, 2**-60.
/// @param up, down Factors of the shocked vol, 2**-60. @param floorUp, floorDown Least shocked v sqrt T, 2**-35.
struct ExpirySlice {
    uint256 tenor;
    uint256 forward;
    uint256 discount;
    uint256 discountedForward;
    int256 lnForward;
    uint256 sqrtTenor;
    uint256 up;
    uint256 down;
    uint256 floorUp;
    uint256 floorDown;
    Svi.Slice svi;
}

/// @title Decoding of an expiry's feed words
library ExpirySliceLib {
    uint256 internal constant YEAR = 365 days;

    /// @notice Price of the expiry's future and what follows from time; enough where no option is held.
    function load(ExpirySlice memory slice, ExpiryLegs memory legs, uint256 time) internal pure {
        slice.forward = QuoteWord.wrap(legs.quote).forward();
        if (legs.expiry > time) {
            unchecked {
                slice.tenor = legs.expiry - time;
            }
        } else {
            slice.tenor = 0;
            uint256 settled = WingWord.wrap(legs.wing).settlement();
            if (settled != 0) slice.forward = settled;
        }
    }

    /// @notice What the options of the expiry share at the unshocked vol; after `load`.
    function loadOptions(ExpirySlice memory slice, ExpiryLegs memory legs) internal pure {
        unchecked {
            uint256 tenor = slice.tenor;
            slice.lnForward = FixedPoint.ln(slice.forward);
            QuoteWord quote = QuoteWord.wrap(legs.quote);
            if (tenor == 0) {
                slice.discount = WAD;
                slice.discountedForward = slice.forward;
                slice.sqrtTenor = 0;
                return;
            }
            slice.discount = FixedPoint.exp(-quote.rate() * int256(tenor) / int256(YEAR));
            slice.discountedForward = slice.discount * slice.forward / WAD;
            slice.sqrtTenor = FixedPointMathLib.sqrt((tenor << 120) / YEAR);
            Svi.decode(slice.svi, quote, SmileWord.wrap(legs.smile), WingWord.wrap(legs.wing), tenor);
        }
    }

    /// @notice The rule of shocked vols (margin.md section 2); after `loadOptions`, for a tenor > 0.
    /// up: v (1 + rangeUp h), down: v (1 - rangeDown h), h = (pivot / max(T, floor))^power.
    function loadShocks(ExpirySlice memory slice, ParameterTable table) internal pure {
        unchecked {
            uint256 pivot = table.get(Parameter.VOL_TENOR_PIVOT);
            uint256 tenor = slice.tenor;
            uint256 power = table.get(tenor <= pivot ? Parameter.VOL_POWER_SHORT : Parameter.VOL_POWER_LONG);
            uint256 least = table.get(Parameter.VOL_TENOR_FLOOR);
            if (tenor < least) tenor = least;
            uint256 h = FixedPoint.pow(pivot * WAD / tenor, power);
            uint256 fall = table.get(Parameter.VOL_RANGE_DOWN) * h / WAD;
            slice.up = ((WAD + table.get(Parameter.VOL_RANGE_UP) * h / WAD) << 60) / WAD;
            slice.down = fall < WAD ? ((WAD - fall) << 60) / WAD : 0;
            slice.floorUp = (table.get(Parameter.VOL_FLOOR_UP) * slice.sqrtTenor / WAD) >> 25;
            slice.floorDown = (table.get(Parameter.VOL_FLOOR_DOWN) * slice.sqrtTenor / WAD) >> 25;
        }
    }

    /// @notice T in years, 1e18, rounded down.
    function tenorYears(ExpirySlice memory slice) internal pure returns (uint256) {
        unchecked {
            return slice.tenor * WAD / YEAR;
        }
    }
}
