// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPoint} from "../math/FixedPoint.sol";
import {SpotWord} from "../types/Feed.sol";
import {STRIKE_UNIT} from "../types/InstrumentId.sol";
import {Parameter, ParameterTable} from "../types/Parameter.sol";
import {ExpirySlice, ExpirySliceLib} from "./ExpirySlice.sol";
import {OptionMark, OptionPoint} from "./OptionMark.sol";
import {ExpiryLegs, Portfolio, PortfolioLib, UnderlyingLegs} from "./Portfolio.sol";
import {Totals} from "./Risk.sol";
import {Valuation} from "./Valuation.sol";
import {MemoryArray} from "./MemoryArray.sol";

/// @title Standard margin: each position on its own, no offsets (margin.md section 6)
/// @notice CROSS and ISOLATED. Linear in the number of positions. Rounds up.
library StandardMargin {
    using MemoryArray for uint256[];
    using MemoryArray for int256[];

    /// @notice Working state. USD 1e18. @param marks Per position, filled in.
    struct Scan {
        ParameterTable table;
        int256 bias;
        uint256 time;
        Totals totals;
        uint256 spot;
        uint256[] marks;
        ExpirySlice slice;
        OptionPoint option;
    }

    /// @notice Adds every position of the portfolio to `s.totals`.
    function scan(Scan memory s, Portfolio memory p) internal pure {
        unchecked {
            uint256 mask = p.mask;
            for (uint256 id; mask != 0; (++id, mask >>= 1)) {
                if (mask & 1 == 0) continue;
                UnderlyingLegs memory legs = PortfolioLib.underlyingAt(p.underlyings.at(id));
                s.spot = SpotWord.wrap(legs.spot).spot();
                for (uint256 index = legs.firstPerp; index != 0; index = p.next.at(index - 1)) {
                    _linear(s, p, index, Valuation.perpMark(s.table, legs.spot));
                }
                for (uint256 at = legs.expiries; at != 0;) {
                    ExpiryLegs memory expiry = PortfolioLib.expiryAt(at);
                    _expiry(s, p, expiry);
                    at = expiry.next;
                }
            }
        }
    }

    function _expiry(Scan memory s, Portfolio memory p, ExpiryLegs memory legs) private pure {
        unchecked {
            ExpirySliceLib.load(s.slice, legs, s.time);
            if (legs.hasOptions) ExpirySliceLib.loadOptions(s.slice, legs);
            for (uint256 index = legs.first; index != 0;) {
                uint256 word = p.positions.at(index - 1);
                if ((word >> 104) & 2 == 0) {
                    _linear(s, p, index, s.slice.forward);
                } else {
                    OptionMark.price(s.option, s.slice, word, s.bias);
                    _option(s, word, _valued(s, index, word, s.option.mark));
                }
                index = p.next.at(index - 1);
            }
        }
    }

    /// @dev What every position adds. Returns |size|.
    function _valued(Scan memory s, uint256 index, uint256 word, uint256 mark) private pure returns (uint256 contracts) {
        unchecked {
            int256 size = int256(word) >> 160;
            contracts = FixedPoint.abs(size);
            s.totals.value += size * int256(mark);
            s.totals.gross += contracts * s.spot;
            s.marks.put(index - 1, mark);
        }
    }

    /// @dev Perp or future: marginal rates by tiers of notional.
    function _linear(Scan memory s, Portfolio memory p, uint256 index, uint256 mark) private pure {
        unchecked {
            uint256 notional = FixedPoint.mulWadUp(_valued(s, index, p.positions.at(index - 1), mark), mark);
            ParameterTable t = s.table;
            s.totals.initial += _tiered(t, notional, Parameter.TIER_1_INITIAL);
            s.totals.maintenance += _tiered(t, notional, Parameter.TIER_1_MAINTENANCE);
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

    /// @dev A long option is its own margin and supports nothing else.
    function _option(Scan memory s, uint256 word, uint256 contracts) private pure {
        unchecked {
            uint256 mark = s.option.mark;
            if (int256(word) > 0) {
                uint256 paid = FixedPoint.mulWadUp(contracts, mark);
                s.totals.initial += paid;
                s.totals.maintenance += paid;
                s.totals.longOptions += paid;
                return;
            }
            (uint256 initial, uint256 maintenance) = _short(s, word, mark);
            s.totals.initial += FixedPoint.mulWadUp(contracts, initial);
            s.totals.maintenance += FixedPoint.mulWadUp(contracts, maintenance);
        }
    }

    /// @dev Per contract: initial max(15 % S - OTM, 10 % S) + mark, at least 1.10 of maintenance 7.5 % S + mark; a put's
    /// maintenance counts its mark where that is above the spot.
    function _short(Scan memory s, uint256 word, uint256 mark) private pure returns (uint256 initial, uint256 maintenance) {
        unchecked {
            uint256 spot = s.spot;
            bool put = (word >> 104) & 1 != 0;
            uint256 outOfTheMoney = _outOfTheMoney(put, uint256(uint64(word)) * STRIKE_UNIT, spot);
            uint256 full = FixedPoint.mulWadUp(s.table.get(Parameter.SHORT_OPTION_INITIAL), spot);
            uint256 least = FixedPoint.mulWadUp(s.table.get(Parameter.SHORT_OPTION_INITIAL_MIN), spot);
            initial = mark + (full > least + outOfTheMoney ? full - outOfTheMoney : least);
            uint256 base = put && mark > spot ? mark : spot;
            maintenance = mark + FixedPoint.mulWadUp(s.table.get(Parameter.SHORT_OPTION_MAINTENANCE), base);
            uint256 raised = FixedPoint.mulWadUp(maintenance, s.table.get(Parameter.SHORT_INITIAL_OVER_MAINTENANCE));
            if (initial < raised) initial = raised;
        }
    }

    function _outOfTheMoney(bool put, uint256 strike, uint256 spot) private pure returns (uint256) {
        unchecked {
            if (put) return spot > strike ? spot - strike : 0;
            return strike > spot ? strike - spot : 0;
        }
    }
}
