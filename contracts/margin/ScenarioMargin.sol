// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPoint, SWAD, WAD} from "../math/FixedPoint.sol";
import {Memory} from "../math/Memory.sol";
import {NormalCdf} from "../math/NormalCdf.sol";
import {OptionFrame, OptionFrameLib} from "../math/OptionFrame.sol";
import {OptionKernel} from "../math/OptionKernel.sol";
import {SpotWord} from "../types/Feed.sol";
import {Parameter, ParameterTable, SCENARIOS_AT, UNDERLYINGS_AT} from "../types/Parameter.sol";
import {Charges} from "./Charges.sol";
import {ExpirySlice} from "./ExpirySlice.sol";
import {ExpiryLegs, Portfolio, PortfolioLib, UnderlyingLegs} from "./Portfolio.sol";
import {Stress, UnderlyingRisk} from "./Risk.sol";
import {Scenarios} from "./Scenarios.sol";
import {Valuation} from "./Valuation.sol";

/// @title Stress loss of one underlying (margin.md sections 2 and 3)
/// @notice Every leg is priced at the market and in every scenario; what is linear in the spot is summed apart.
library ScenarioMargin {
    using Memory for uint256;
    using Memory for uint256[];
    using Memory for int256[];

    /// @dev 1e36 / 1e24: the lanes count USD in 1e-12.
    int256 private constant LANE_UNIT = 1e24;
    /// @dev Sum of |size F| and |size K| in lane units: a lane is 128 bits, of which N - 1/2 takes 40.
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
            UnderlyingLegs memory legs = PortfolioLib.underlyingAt(p.underlyings.at(id));
            risk.id = id;
            uint256 scale = uint64(s.table.word(UNDERLYINGS_AT + id) >> 32);
            s.spotScale = scale == 0 ? WAD : scale;
            s.spot = SpotWord.wrap(legs.spot).spot();
            Scenarios.prepare(s.grid, s.frame, s.table, mask, s.spotScale);
            (s.base, s.contracts, s.perpContracts, s.perpValue) = (0, 0, 0, 0);
            (s.gamma, s.nearGamma, s.nearShort, s.vegaBound) = (0, 0, 0, 0);
            _undated(s, p, legs, risk); // sets linear and delta
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
            if (legs.undated != 0) {
                uint256 mark = Valuation.perpMark(s.table, legs.spot);
                (value, s.perpContracts) = _linear(p, PortfolioLib.expiryAt(legs.undated).firstLinear, mark);
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
            for (uint256 index = first; index != 0; index = p.next.at(index - 1)) {
                int256 size = int256(p.positions.at(index - 1)) >> 160;
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
            OptionFrame memory f = s.frame;
            uint256 sqrtTenor = ExpirySlice.decode(f, legs, forward, tenor);
            OptionFrameLib.reset(f, tenor != 0);
            if (tenor != 0) ExpirySlice.shocks(f, s.table, tenor, sqrtTenor);
            OptionKernel.run(f, legs.firstOption);
            uint256 contracts = uint256(f.calls + f.puts) + 2 * f.shorts; // |size| = size + 2 max(0, -size)
            uint256 notional = contracts * (f.discountedForward + f.highestStrike) / uint256(LANE_UNIT);
            if (notional >= LANE_LIMIT) revert NotionalOutOfRange(uint32(legs.key), notional);
            s.totals.value += f.value;
            s.contracts += contracts;
            Charges.addShortOptions(s, risk, f);
            bool near = tenor <= s.table.get(Parameter.GAMMA_TENOR);
            if (near) s.nearShort += f.shorts;
            if (tenor == 0) return 0;

            s.base += f.base;
            int256 half = (f.calls - f.puts) * int256(f.discountedForward) / 2;
            s.linear += half;
            (delta,) = OptionFrameLib.unpack(f.base);
            delta = ((delta * LANE_UNIT) >> NormalCdf.RESULT_BITS) + half;
            Charges.addRate(s.table, risk, f.value, tenor);
            s.vegaBound += contracts * ((f.discountedForward * sqrtTenor) >> 60);
            (legs.discountedForward, legs.vegaUnit) = (f.discountedForward, (f.discountedForward * sqrtTenor) >> 60);
            if (near || s.greeks) Charges.addGamma(s, p, legs, near);
        }
    }

    /// @dev Profit and loss per scenario and the stress loss W.
    function _losses(Stress memory s, UnderlyingRisk memory risk) private pure {
        unchecked {
            uint256 mask = s.grid.mask;
            (int256 forwards, int256 strikes) = OptionFrameLib.unpack(s.base);
            risk.pnl = new int256[](s.grid.cells.length);
            uint256 words = ParameterTable.unwrap(s.table) + 32 * SCENARIOS_AT;
            _profits(risk.pnl, s.grid.cells, words, mask, s.linear / SWAD, forwards + strikes);
            (int256 least, uint256 worst) = _least(risk.pnl, mask);
            risk.worst = worst;
            risk.loss = least < 0 ? uint256(-least) : 0;
        }
    }

    /// @dev Weighted, rounded down, 1e18: w (L x + (1 + x) sum F n1 - sum K n2 - the same at the market), L what moves in proportion
    /// to the spot. @param words Address of the scenario words. @param base Of the options at the market.
    function _profits(
        int256[] memory pnl,
        uint256[] memory cells,
        uint256 words,
        uint256 mask,
        int256 linear,
        int256 base
    ) private pure {
        assembly ("memory-safe") {
            for { let i := 0x20 } mask { mask := shr(1, mask) } {
                if and(mask, 1) {
                    let cell := mload(add(cells, i))
                    let x := sar(64, cell)
                    // a digit too low where the division is exact
                    let change := sdiv(sub(mul(linear, x), 999999999999999999), SWAD)
                    cell := and(cell, 0xffffffffffffffff)
                    if cell {
                        cell := mload(add(cell, 0x20))
                        let lower := signextend(15, cell)
                        cell := mul(add(SWAD, x), sar(128, sub(cell, lower)))
                        // 2**-41 * 1e-30 USD to 1e-18: / 1e12 = / 2**12 / 5**12
                        change := add(change, sar(53, sdiv(add(cell, mul(sub(lower, base), SWAD)), 244140625)))
                    }
                    cell := and(shr(64, mload(words)), 0xffffffffffffffff)
                    if iszero(eq(cell, SWAD)) {
                        change := mul(change, cell)
                        change := sub(sdiv(change, SWAD), slt(smod(change, SWAD), 0))
                    }
                    mstore(add(pnl, i), change)
                }
                words := add(words, 0x20)
                i := add(i, 0x20)
                if gt(i, shl(5, mload(pnl))) { break }
            }
        }
    }

    /// @dev The least of the evaluated scenarios, the lowest index among ties.
    function _least(int256[] memory pnl, uint256 mask) private pure returns (int256 least, uint256 worst) {
        assembly ("memory-safe") {
            least := not(shl(255, 1))
            let at := add(pnl, 0x20)
            for { let end := add(at, shl(5, mload(pnl))) } lt(at, end) { at := add(at, 0x20) } {
                if and(mask, 1) {
                    if slt(mload(at), least) {
                        least := mload(at)
                        worst := at
                    }
                }
                mask := shr(1, mask)
            }
            worst := shr(5, sub(worst, add(pnl, 0x20)))
        }
    }
}
