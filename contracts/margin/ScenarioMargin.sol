// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Black76} from "../math/Black76.sol";
import {FixedPoint, SWAD, WAD} from "../math/FixedPoint.sol";
import {NormalCdf} from "../math/NormalCdf.sol";
import {SpotWord} from "../types/Feed.sol";
import {Parameter, SCENARIOS_AT, UNDERLYINGS_AT, VOL_DOWN, VOL_NONE, VOL_UP} from "../types/Parameter.sol";
import {Charges} from "./Charges.sol";
import {ExpirySlice, ExpirySliceLib} from "./ExpirySlice.sol";
import {OptionMark, OptionPoint} from "./OptionMark.sol";
import {ExpiryLegs, Portfolio, PortfolioLib, UnderlyingLegs} from "./Portfolio.sol";
import {ExpirySums, Stress, UnderlyingRisk} from "./Risk.sol";
import {Row, Scenarios} from "./Scenarios.sol";
import {Valuation} from "./Valuation.sol";
import {MemoryArray} from "./MemoryArray.sol";

/// @title Stress loss of one underlying (margin.md sections 2 and 3)
/// @notice Every leg is priced at the market and in every scenario; what is linear in the spot is summed apart.
library ScenarioMargin {
    using MemoryArray for uint256[];
    using MemoryArray for int256[];

    /// @dev 1e36 / 1e24: the lanes count USD in 1e-12.
    int256 private constant LANE_UNIT = 1e24;
    /// @dev Sum of |size F| and |size K| in lane units: a lane is 128 bits, of which N - 1/2 takes 40.
    uint256 private constant LANE_LIMIT = 1 << 86;

    /// @notice The book's size x price in one expiry is beyond what the engine computes exactly (7e13 USD).
    error NotionalOutOfRange(uint256 expiry, uint256 notional);

    /// @notice Adds the underlying's legs to `s.totals` and returns its risk.
    /// @param mask Scenarios to evaluate. @param greeks Also fill in gamma and vega.
    function assess(Stress memory s, Portfolio memory p, uint256 id, uint256 mask, bool greeks)
        internal
        pure
        returns (UnderlyingRisk memory risk)
    {
        unchecked {
            UnderlyingLegs memory legs = PortfolioLib.underlyingAt(p.underlyings.at(id));
            risk.id = id;
            uint256 scale = uint64(s.table.word(UNDERLYINGS_AT + id) >> 32);
            s.spotScale = scale == 0 ? WAD : scale;
            s.spot = SpotWord.wrap(legs.spot).spot();
            s.rows = Scenarios.build(s.table, s.spotScale, mask);
            (s.contracts, s.perpContracts, s.perpValue) = (0, 0, 0); // linear and delta are set with the perp
            (s.base, s.gamma, s.nearGamma) = (0, 0, 0);
            (s.nearShort, s.vegaBound) = (0, 0);
            s.needsDensity = greeks;
            _undated(s, p, legs, risk);
            for (uint256 at = legs.expiries; at != 0;) {
                ExpiryLegs memory expiry = PortfolioLib.expiryAt(at);
                _expiry(s, p, expiry, risk);
                at = expiry.next;
            }
            _losses(s, risk);
            Charges.ofUnderlying(s, p, legs, risk);
        }
    }

    /// @dev Perp and joined collateral: no tenor, one bucket of the roll charge.
    function _undated(Stress memory s, Portfolio memory p, UnderlyingLegs memory legs, UnderlyingRisk memory risk)
        private
        pure
    {
        unchecked {
            int256 value;
            uint256 index = legs.firstPerp;
            if (index != 0) {
                uint256 mark = Valuation.perpMark(s.table, legs.spot);
                for (; index != 0; index = p.next.at(index - 1)) {
                    int256 size = int256(p.positions.at(index - 1)) >> 160;
                    value += size * int256(mark);
                    s.perpContracts += FixedPoint.abs(size);
                    s.perpValue += FixedPoint.abs(size) * mark;
                }
                s.totals.value += value;
            }
            value += int256(legs.joined * s.spot);
            s.linear = value;
            s.delta = value;
            Charges.addRoll(s.table, risk, value, 0);
        }
    }

    function _expiry(Stress memory s, Portfolio memory p, ExpiryLegs memory legs, UnderlyingRisk memory risk)
        private
        pure
    {
        ExpirySlice memory slice = s.slice;
        ExpirySliceLib.load(slice, legs, s.time);
        bool live = slice.tenor != 0;
        if (legs.hasOptions) {
            ExpirySliceLib.loadOptions(slice, legs);
            if (live) ExpirySliceLib.loadShocks(slice, s.table);
        }
        ExpirySums memory e = s.sums;
        (e.base, e.halfForward, e.halfStrike) = (0, 0, 0);
        (e.calls, e.puts, e.futures, e.lanes) = (0, 0, 0, 0);
        (e.near, e.live) = (slice.tenor <= s.table.get(Parameter.GAMMA_TENOR), live);
        for (uint256 index = legs.first; index != 0;) {
            unchecked {
                --index;
            }
            uint256 word = p.positions.at(index);
            if ((word >> 104) & 2 == 0) _future(s, e, word);
            else _option(s, e, word, p, index);
            index = uint16(p.next.at(index)); // the low bits: `_option` keeps d1 above them
        }
        if (e.lanes >= LANE_LIMIT) revert NotionalOutOfRange(legs.expiry, e.lanes);
        Charges.addShortOptions(s, risk, e);
        if (live) _close(s, e, legs, risk);
    }

    function _future(Stress memory s, ExpirySums memory e, uint256 word) private pure {
        unchecked {
            int256 size = int256(word) >> 160;
            int256 value = size * int256(s.slice.forward);
            e.futures += value;
            s.totals.value += value;
            s.contracts += FixedPoint.abs(size);
        }
    }

    function _option(Stress memory s, ExpirySums memory e, uint256 word, Portfolio memory p, uint256 index) private pure {
        unchecked {
            OptionPoint memory o = s.option;
            ExpirySlice memory slice = s.slice;
            OptionMark.price(o, slice, word, s.bias);
            int256 size = int256(word) >> 160;
            uint256 contracts = FixedPoint.abs(size);
            s.contracts += contracts;
            s.totals.value += size * int256(o.mark);
            if (e.near && size < 0) s.nearShort += contracts;
            bool put = (word >> 104) & 1 != 0;
            if (put) e.puts += size;
            else e.calls += size;
            if (!e.live) return;

            int256 forward = size * int256(slice.discountedForward) / LANE_UNIT;
            int256 strike = size * int256(o.discountedStrike) / LANE_UNIT;
            e.lanes += FixedPoint.abs(forward) + FixedPoint.abs(strike);
            e.base += (forward << 128) * o.n1 - strike * o.n2;
            if (put) {
                e.halfForward -= forward;
                e.halfStrike -= strike;
            } else {
                e.halfForward += forward;
                e.halfStrike += strike;
            }
            // For the vega charge, should it be due: d1 is kept beside the link.
            p.next[index] |= uint256(o.d1 - s.bias) << 16;
            if (e.near || s.needsDensity) Charges.addGamma(s, e.near, forward, o);
            _scenarios(s, o, forward << 128, -strike);
        }
    }

    /// @dev The option in all rows: one shocked vol per direction.
    function _scenarios(Stress memory s, OptionPoint memory o, int256 forwardLane, int256 strikeLane) private pure {
        unchecked {
            Row[] memory rows = s.rows.rows;
            ExpirySlice memory slice = s.slice;
            _row(s, rows, 2 * VOL_NONE, o.d1, o.inverse, o.stdDev, forwardLane, strikeLane);
            if (rows[2 * VOL_UP].first != rows[2 * VOL_UP + 1].last) {
                uint256 stdDev = (o.deviation * slice.up) >> 85;
                if (stdDev < slice.floorUp) stdDev = slice.floorUp;
                if (stdDev < o.stdDev) stdDev = o.stdDev;
                _shocked(s, rows, 2 * VOL_UP, o.moneyness, stdDev, forwardLane, strikeLane);
            }
            if (rows[2 * VOL_DOWN].first != rows[2 * VOL_DOWN + 1].last) {
                uint256 stdDev = (o.deviation * slice.down) >> 85;
                if (stdDev < slice.floorDown) stdDev = slice.floorDown;
                _shocked(s, rows, 2 * VOL_DOWN, o.moneyness, stdDev, forwardLane, strikeLane);
            }
        }
    }

    function _shocked(
        Stress memory s,
        Row[] memory rows,
        uint256 row,
        int256 moneyness,
        uint256 deviation,
        int256 forwardLane,
        int256 strikeLane
    ) private pure {
        (uint256 stdDev, uint256 inverse, int256 d1) = Black76.point(moneyness, deviation, s.bias);
        _row(s, rows, row, d1, inverse, stdDev, forwardLane, strikeLane);
    }

    /// @dev The core row of a direction and its tail row.
    function _row(
        Stress memory s,
        Row[] memory rows,
        uint256 index,
        int256 d1,
        uint256 inverse,
        uint256 stdDev,
        int256 forwardLane,
        int256 strikeLane
    ) private pure {
        unchecked {
            for (uint256 i = index; i < index + 2; ++i) {
                Row memory row = rows[i];
                (uint256 first, uint256 last) = (row.first, row.last);
                if (first == last) continue;
                int256 bias = s.bias;
                bool inside = d1 + ((row.lowest * int256(inverse)) >> 47) - int256(stdDev) >= bias + NormalCdf.LOWEST
                    && d1 + ((row.highest * int256(inverse)) >> 47) < bias + NormalCdf.HIGHEST;
                if (inside) Black76.addInside(first, last, d1, inverse, stdDev, forwardLane, strikeLane);
                else Black76.add(first, last, d1, inverse, stdDev, forwardLane, strikeLane, bias);
            }
        }
    }

    /// @dev Sums of one expiry into those of the underlying; charges that are net per expiry.
    function _close(Stress memory s, ExpirySums memory e, ExpiryLegs memory legs, UnderlyingRisk memory risk) private pure {
        unchecked {
            (int256 forwards, int256 strikes) = _unpack(e.base);
            int256 half = e.halfForward * (LANE_UNIT / 2);
            int256 optionDelta = ((forwards * LANE_UNIT) >> NormalCdf.RESULT_BITS) + half;
            int256 optionValue =
                optionDelta + ((strikes * LANE_UNIT) >> NormalCdf.RESULT_BITS) - e.halfStrike * (LANE_UNIT / 2);
            int256 delta = optionDelta + e.futures;
            s.base += e.base;
            s.linear += half + e.futures;
            s.delta += delta;
            Charges.addRoll(s.table, risk, delta, ExpirySliceLib.tenorYears(s.slice));
            Charges.addRate(s.table, risk, optionValue, ExpirySliceLib.tenorYears(s.slice));
            legs.vegaUnit = s.slice.discountedForward * s.slice.sqrtTenor >> 60;
            s.vegaBound += (e.lanes * s.slice.sqrtTenor) >> 60;
        }
    }

    /// @dev Profit and loss per scenario and the stress loss W.
    function _losses(Stress memory s, UnderlyingRisk memory risk) private pure {
        unchecked {
            uint256 total = s.rows.count;
            int256[] memory pnl = new int256[](total);
            (int256 forwards, int256 strikes) = _unpack(s.base);
            int256 base = (forwards + strikes) * SWAD;
            int256 least = type(int256).max;
            for (uint256 i; i < total; ++i) {
                if ((s.rows.mask >> i) & 1 == 0) continue;
                int256 change = _pnl(s, i, base);
                pnl.put(i, change);
                if (change < least) {
                    least = change;
                    risk.worst = i;
                }
            }
            risk.pnl = pnl;
            risk.loss = least < 0 ? uint256(-least) : 0;
        }
    }

    /// @dev Weighted profit and loss in one scenario, 1e18, rounded down.
    function _pnl(Stress memory s, uint256 scenario, int256 base) private pure returns (int256 change) {
        unchecked {
            int256 x = s.rows.shocks.at(scenario);
            change = s.linear / SWAD * x / SWAD;
            uint256 record = s.rows.records.at(scenario);
            if (record != 0) {
                int256 lanes;
                assembly ("memory-safe") {
                    lanes := mload(add(record, 0x20))
                }
                (int256 forwards, int256 strikes) = _unpack(lanes);
                // 2**-41 * 1e-30 USD to 1e-18: / 1e12 = / 2**12 / 5**12
                change += (((SWAD + x) * forwards + strikes * SWAD - base) / 5 ** 12) >> (NormalCdf.RESULT_BITS + 12);
            }
            int256 weight = int256(uint256(uint64(s.table.word(SCENARIOS_AT + scenario) >> 64)));
            change = (change * weight - (SWAD - 1)) / SWAD;
        }
    }

    function _unpack(int256 lanes) private pure returns (int256 upper, int256 lower) {
        unchecked {
            lower = int128(lanes);
            upper = (lanes - lower) >> 128;
        }
    }
}
