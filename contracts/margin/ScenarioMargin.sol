// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {FixedPoint, SWAD, WAD} from "../math/FixedPoint.sol";
import {Memory} from "../math/Memory.sol";
import {NormalCdf} from "../math/NormalCdf.sol";
import {OptionFrame, OptionFrameLib} from "../math/OptionFrame.sol";
import {OptionKernel} from "../math/OptionKernel.sol";
// solhint-disable-next-line no-unused-import
import {FRAME, NO_CHANGE} from "../math/Workspace.sol";
import {Scenarios} from "../math/Scenarios.sol";
import {SpotWord} from "../types/Feed.sol";
import {MAX_SCENARIOS, Parameter, UNDERLYINGS_AT} from "../types/Parameter.sol";
import {Charges} from "./Charges.sol";
import {ExpirySlice} from "./ExpirySlice.sol";
import {ExpiryLegs, Portfolio, PortfolioLib, UnderlyingLegs} from "./Portfolio.sol";
import {Stress, UnderlyingRisk} from "./Risk.sol";
import {Valuation} from "./Valuation.sol";

/// @title Stress loss of one underlying (margin.md sections 2 and 3)
/// @notice Every leg is priced at the market and in every scenario; what is linear in the spot is summed apart.
library ScenarioMargin {
    using Memory for uint256;
    using Memory for uint256[];
    using Memory for int256[];

    int256 private constant LANE_UNIT = OptionFrameLib.LANE_UNIT;
    /// @dev Sum of |size F| and |size K| in lane units: a lane is 128 bits, of which N - 1/2 takes 40. K counts up to twice.
    uint256 private constant LANE_LIMIT = 1 << 86;

    /// @notice The book's size x price in one expiry is beyond what the engine computes exactly (7e13 USD).
    error NotionalOutOfRange(uint256 expiry, uint256 notional);

    /// @notice Adds the underlying's legs to `s.totals` and returns its risk. @param mask Scenarios to evaluate.
    function assess(Stress memory s, Portfolio memory p, uint256 id, uint256 mask)
        internal
        pure
        returns (UnderlyingRisk memory risk)
    {
        unchecked {
            UnderlyingLegs memory legs = PortfolioLib.asUnderlying()(PortfolioLib.entry(id));
            risk.id = id;
            uint256 scale = uint64(s.table.word(UNDERLYINGS_AT + id) >> 32);
            s.spotScale = scale == 0 ? WAD : scale;
            s.spot = SpotWord.wrap(legs.spot).spot();
            _scenarios(s, mask);
            (s.base, s.contracts, s.perpContracts, s.perpValue) = (0, 0, 0, 0);
            (s.gamma, s.nearGamma, s.nearShort, s.vegaBound) = (0, 0, 0, 0);
            _undated(s, p, legs, risk); // sets linear and delta
            for (uint256 at = legs.expiries; at != 0;) {
                ExpiryLegs memory expiry = PortfolioLib.asExpiry()(at);
                _expiry(s, p, expiry, risk);
                at = expiry.next;
            }
            _losses(s, risk);
            Charges.ofUnderlying(s, p, legs, risk);
        }
    }

    /// @dev The rows of the scenarios: of the table, or compiled for a witness or a spot scale other than 1.
    function _scenarios(Stress memory s, uint256 mask) private pure {
        unchecked {
            uint256 total = Scenarios.count(s.table);
            uint256 all = (1 << total) - 1;
            s.mask = mask & all;
            s.rows = 1;
            s.scenarios = Scenarios.words(s.table);
            if (s.mask & (s.mask - 1) == 0) {
                uint256 index = FixedPointMathLib.log2(s.mask);
                (s.scenarios, s.rows) = Scenarios.single(s.scenarios, index, int256(s.spotScale));
                return;
            }
            if (s.mask != all || s.spotScale != WAD || !Scenarios.isCompiled(s.scenarios)) {
                if (s.compiled == 0 || s.compiledMask != s.mask || s.compiledScale != s.spotScale) {
                    uint256[] memory room = new uint256[](MAX_SCENARIOS);
                    (s.compiled, s.compiledMask, s.compiledScale) = (room.address_(), s.mask, s.spotScale);
                    Scenarios.compile(s.scenarios, s.compiled, s.mask, int256(s.spotScale));
                }
                s.scenarios = s.compiled;
            }
            Scenarios.place(s.scenarios, total);
        }
    }

    /// @dev Perp and joined collateral: no tenor, one bucket of the roll charge.
    function _undated(Stress memory s, Portfolio memory p, UnderlyingLegs memory legs, UnderlyingRisk memory risk)
        private
        pure
    {
        unchecked {
            int256 value;
            if (legs.undated != 0) {
                uint256 mark = Valuation.perpMark(s.table, legs.spot);
                (value, s.perpContracts) = _linear(p, PortfolioLib.asExpiry()(legs.undated).firstLinear, mark);
                s.perpValue = s.perpContracts * mark;
                s.totals.value += value;
            }
            value += int256(legs.joined * s.spot);
            (s.linear, s.delta) = (value, value);
            Charges.addRoll(s.table, risk, value, 0);
        }
    }

    /// @dev Sum of size x price, 1e36, and of |size| of a list of perps or futures.
    function _linear(Portfolio memory p, uint256 first, uint256 price)
        private
        pure
        returns (int256 value, uint256 contracts)
    {
        unchecked {
            for (uint256 at = first; at != 0; at = PortfolioLib.next(p, at)) {
                int256 size = int256(at.load()) >> 160;
                value += size * int256(price);
                contracts += FixedPoint.abs(size);
            }
        }
    }

    function _expiry(Stress memory s, Portfolio memory p, ExpiryLegs memory legs, UnderlyingRisk memory risk)
        private
        pure
    {
        unchecked {
            (uint256 forward, uint256 tenor) = ExpirySlice.future(legs, s.time);
            (int256 futures, uint256 contracts) = _linear(p, legs.firstLinear, forward);
            s.totals.value += futures;
            s.contracts += contracts;
            int256 delta;
            if (legs.firstOption != 0) delta = _options(s, p, legs, forward, tenor, risk);
            if (tenor == 0) return; // nothing moves any more
            s.linear += futures;
            s.delta += delta + futures;
            Charges.addRoll(s.table, risk, delta + futures, tenor);
        }
    }

    /// @dev The expiry's options. Returns their delta x spot, 1e36.
    function _options(
        Stress memory s,
        Portfolio memory p,
        ExpiryLegs memory legs,
        uint256 forward,
        uint256 tenor,
        UnderlyingRisk memory risk
    ) private pure returns (int256 delta) {
        unchecked {
            OptionFrame memory f = OptionFrameLib.asFrame()(FRAME);
            uint256 sqrtTenor = ExpirySlice.decode(f, legs, forward, tenor);
            OptionFrameLib.reset(f, tenor != 0 ? s.rows : 0);
            if (tenor != 0) ExpirySlice.shocks(s.table, tenor, sqrtTenor);
            OptionKernel.run(legs.firstOption);
            uint256 shorts = uint256(-f.shortCalls - f.shortPuts);
            uint256 contracts = uint256(f.longCalls + f.longPuts) + shorts;
            uint256 notional = contracts * (f.discountedForward + f.strikes) / uint256(LANE_UNIT);
            if (notional >= LANE_LIMIT) revert NotionalOutOfRange(uint32(legs.key), notional);
            int256 value = OptionFrameLib.lanesValue(f);
            s.totals.value += value;
            s.contracts += contracts;
            Charges.addShortOptions(s, risk, f);
            bool near = tenor <= s.table.get(Parameter.GAMMA_TENOR);
            if (near) s.nearShort += shorts;
            if (tenor == 0) return 0;

            s.base += f.base;
            int256 half = (f.longCalls + f.shortCalls - f.longPuts - f.shortPuts) * int256(f.discountedForward) / 2;
            s.linear += half;
            (delta,) = OptionFrameLib.unpack(f.base);
            delta = ((delta * LANE_UNIT) >> NormalCdf.RESULT_BITS) + half;
            Charges.addRate(s.table, risk, value, tenor);
            s.vegaBound += contracts * ((f.discountedForward * sqrtTenor) >> 60);
            (legs.discountedForward, legs.vegaUnit) = (f.discountedForward, (f.discountedForward * sqrtTenor) >> 60);
            if (near || s.greeks) Charges.addGamma(s, p, legs, near);
        }
    }

    /// @dev Profit and loss per scenario and the stress loss W.
    function _losses(Stress memory s, UnderlyingRisk memory risk) private pure {
        unchecked {
            uint256 total = Scenarios.count(s.table);
            risk.pnl = new int256[](total);
            (int256 linear, int256 least, uint256 worst) = (s.linear / SWAD, 0, 0);
            if (s.mask == (1 << total) - 1) {
                (least, worst) = _profits(risk.pnl, s.scenarios, 0, total, linear, s.base);
            } else {
                least = type(int256).max;
                for (uint256 rest = s.mask; rest != 0; rest &= rest - 1) {
                    uint256 i = FixedPointMathLib.log2(rest & (~rest + 1));
                    (int256 pnl,) = _profits(risk.pnl, s.scenarios, i, i + 1, linear, s.base);
                    if (pnl < least) (least, worst) = (pnl, i);
                }
            }
            risk.worst = worst;
            risk.loss = least < 0 ? uint256(-least) : 0;
        }
    }

    /// @dev Scenarios `from`..`to` - 1: weighted, rounded down, 1e18: w (L x + (1 + x) sum F n1 - sum K n2 - the same at the market),
    /// L what moves in proportion to the spot; and the least of them, the lowest index among ties. Readable equivalent:
    ///
    ///      lanes = record(words[i]) == 0 ? base : lanes of the record;
    ///      options = x * lanes.forwards + (lanes.forwards + lanes.strikes - base.forwards - base.strikes), 2**-41 * 1e-12 USD
    ///      pnl[i] = floor(weight * floor(linear * x + options))
    /// @param words Address of the compiled scenario words. @param base Lanes at the market.
    function _profits(int256[] memory pnl, uint256 words, uint256 from, uint256 to, int256 linear, int256 base)
        private
        pure
        returns (int256 least, uint256 worst)
    {
        assembly ("memory-safe") {
            mstore(add(NO_CHANGE, 0x20), base)
            base := mul(add(signextend(15, base), sar(128, sub(base, signextend(15, base)))), SWAD)
            linear := shl(35, linear)
            least := not(shl(255, 1))
            pnl := add(pnl, 0x20)
            let word := add(words, shl(5, from))
            from := sub(pnl, words) // from a word to its result
            for { to := add(words, shl(5, to)) } lt(word, to) { word := add(word, 0x20) } {
                let w := mload(word)
                let x := signextend(7, shr(128, w))
                let lanes := mload(add(add(NO_CHANGE, 0x20), shl(6, and(shr(192, w), 0xff))))
                let lower := signextend(15, lanes)
                // both in 1e-18 USD * 2**-53 * 5**-18; rounded down, 2**-53 below where the division is exact
                lanes := sub(add(mul(add(SWAD, x), sar(128, sub(lanes, lower))), mul(lower, SWAD)), base)
                x := sar(53, sdiv(sub(add(mul(linear, x), mul(lanes, 15625)), 3814697265624), 3814697265625))
                w := and(shr(64, w), 0xffffffffffffffff)
                if xor(w, SWAD) {
                    x := mul(x, w)
                    x := sub(sdiv(x, SWAD), slt(smod(x, SWAD), 0))
                }
                mstore(add(word, from), x)
                if slt(x, least) {
                    least := x
                    worst := word
                }
            }
            worst := shr(5, sub(worst, words))
        }
    }
}
