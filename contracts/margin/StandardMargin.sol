// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPoint} from "../math/FixedPoint.sol";
import {Memory} from "../math/Memory.sol";
import {OptionFrame, OptionFrameLib} from "../math/OptionFrame.sol";
import {OptionKernel} from "../math/OptionKernel.sol";
import {FRAME} from "../math/Workspace.sol";
import {SpotWord} from "../types/Feed.sol";
import {STRIKE_UNIT} from "../types/InstrumentId.sol";
import {Parameter, ParameterTable} from "../types/Parameter.sol";
import {ExpirySlice} from "./ExpirySlice.sol";
import {ExpiryLegs, Portfolio, PortfolioLib, UnderlyingLegs} from "./Portfolio.sol";
import {Totals} from "./Risk.sol";
import {Valuation} from "./Valuation.sol";

/// @title Standard margin: each position on its own, no offsets (margin.md section 6)
/// @notice CROSS and ISOLATED. Linear in the number of positions. Rounds up.
library StandardMargin {
    using Memory for uint256;

    /// @notice Working state. USD 1e18. @param marks From a position's word to its mark, in bytes.
    struct Scan {
        ParameterTable table;
        uint256 time;
        Totals totals;
        uint256 marks;
        uint256 spot;
        uint256 initialRate;
        uint256 initialLeast;
        uint256 maintenanceRate;
        uint256 raise;
    }

    /// @notice Adds every position of the portfolio to `s.totals`.
    function scan(Scan memory s, Portfolio memory p) internal pure {
        unchecked {
            s.initialRate = s.table.get(Parameter.SHORT_OPTION_INITIAL);
            s.initialLeast = s.table.get(Parameter.SHORT_OPTION_INITIAL_MIN);
            s.maintenanceRate = s.table.get(Parameter.SHORT_OPTION_MAINTENANCE);
            s.raise = s.table.get(Parameter.SHORT_INITIAL_OVER_MAINTENANCE);
            uint256 mask = p.mask;
            for (uint256 id; mask >> id != 0; ++id) {
                if ((mask >> id) & 1 == 0) continue;
                UnderlyingLegs memory legs = PortfolioLib.asUnderlying()(PortfolioLib.entry(id));
                s.spot = SpotWord.wrap(legs.spot).spot();
                if (legs.undated != 0) {
                    uint256 first = PortfolioLib.asExpiry()(legs.undated).firstLinear;
                    _linear(s, p, first, Valuation.perpMark(s.table, legs.spot));
                }
                for (uint256 at = legs.expiries; at != 0;) {
                    ExpiryLegs memory expiry = PortfolioLib.asExpiry()(at);
                    (uint256 forward, uint256 tenor) = ExpirySlice.future(expiry, s.time);
                    _linear(s, p, expiry.firstLinear, forward);
                    if (expiry.firstOption != 0) _options(s, p, expiry, forward, tenor);
                    at = expiry.next;
                }
            }
        }
    }

    /// @dev Perps or futures: marginal rates by tiers of notional.
    function _linear(Scan memory s, Portfolio memory p, uint256 first, uint256 mark) private pure {
        unchecked {
            ParameterTable t = s.table;
            for (uint256 at = first; at != 0; at = PortfolioLib.next(p, at)) {
                int256 size = int256(at.load()) >> 160;
                uint256 contracts = FixedPoint.abs(size);
                s.totals.value += size * int256(mark);
                s.totals.gross += contracts * s.spot;
                (at + s.marks).store(mark);
                uint256 notional = FixedPoint.mulWadUp(contracts, mark);
                s.totals.initial += _tiered(t, notional, Parameter.TIER_1_INITIAL);
                s.totals.maintenance += _tiered(t, notional, Parameter.TIER_1_MAINTENANCE);
            }
        }
    }

    /// @dev Like tax brackets. `rate` is that of the first tier; the others follow in steps of two parameters.
    function _tiered(ParameterTable t, uint256 notional, Parameter rate) private pure returns (uint256 sum) {
        unchecked {
            uint256 at = uint256(rate);
            uint256 limit1 = t.get(Parameter.TIER_1_LIMIT);
            uint256 limit2 = t.get(Parameter.TIER_2_LIMIT);
            if (notional > limit2) {
                sum = FixedPoint.mulWadUp(notional - limit2, t.word(at + 4));
                notional = limit2;
            }
            if (notional > limit1) {
                sum += FixedPoint.mulWadUp(notional - limit1, t.word(at + 2));
                notional = limit1;
            }
            sum += FixedPoint.mulWadUp(notional, t.word(at));
        }
    }

    function _options(Scan memory s, Portfolio memory p, ExpiryLegs memory legs, uint256 forward, uint256 tenor) private pure {
        unchecked {
            OptionFrame memory f = OptionFrameLib.asFrame()(FRAME);
            ExpirySlice.decode(f, legs, forward, tenor);
            OptionFrameLib.reset(f, 0);
            OptionKernel.run(legs.firstOption);
            s.totals.value += f.value;
            s.totals.gross += uint256(f.longCalls + f.longPuts - f.shortCalls - f.shortPuts) * s.spot;
            for (uint256 at = legs.firstOption; at != 0; at = PortfolioLib.next(p, at)) {
                uint256 word = at.load();
                if (int256(word) < 0) _short(s, word, (at + s.marks).load());
                else _long(s, word, (at + s.marks).load());
            }
        }
    }

    /// @dev A long option is its own margin and supports nothing else.
    function _long(Scan memory s, uint256 word, uint256 mark) private pure {
        unchecked {
            uint256 paid = FixedPoint.mulWadUp(word >> 160, mark);
            Totals memory totals = s.totals;
            totals.initial += paid;
            totals.maintenance += paid;
            totals.longOptions += paid;
        }
    }

    /// @dev Per contract: initial max(15 % S - OTM, 10 % S) + mark, at least 1.10 of maintenance 7.5 % S + mark; a put's
    /// maintenance counts its mark where that is above the spot.
    function _short(Scan memory s, uint256 word, uint256 mark) private pure {
        unchecked {
            uint256 spot = s.spot;
            bool put = (word >> 104) & 1 != 0;
            uint256 strike = uint256(uint64(word)) * STRIKE_UNIT;
            uint256 outOfTheMoney = put ? (spot > strike ? spot - strike : 0) : (strike > spot ? strike - spot : 0);
            uint256 initial = FixedPoint.mulWadUp(s.initialRate, spot);
            uint256 least = FixedPoint.mulWadUp(s.initialLeast, spot);
            initial = mark + (initial > least + outOfTheMoney ? initial - outOfTheMoney : least);
            uint256 maintenance = mark + FixedPoint.mulWadUp(s.maintenanceRate, put && mark > spot ? mark : spot);
            least = FixedPoint.mulWadUp(maintenance, s.raise);
            if (initial < least) initial = least;
            uint256 contracts = uint256(-(int256(word) >> 160));
            s.totals.initial += FixedPoint.mulWadUp(contracts, initial);
            s.totals.maintenance += FixedPoint.mulWadUp(contracts, maintenance);
        }
    }
}
