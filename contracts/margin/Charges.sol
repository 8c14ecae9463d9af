// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPoint, WAD} from "../math/FixedPoint.sol";
import {Memory} from "../math/Memory.sol";
import {NormalCdf} from "../math/NormalCdf.sol";
import {OptionFrame} from "../math/OptionFrame.sol";
import {FULL_CONFIDENCE, SpotWord} from "../types/Feed.sol";
import {Parameter, ParameterTable} from "../types/Parameter.sol";
import {ExpiryLegs, Portfolio, PortfolioLib, UnderlyingLegs} from "./Portfolio.sol";
import {Stress, UnderlyingRisk} from "./Risk.sol";

/// @title Charges on top of the stress loss (margin.md section 3)
/// @notice Each rounds up, in 1e-18 USD.
library Charges {
    using Memory for uint256;

    uint256 private constant YEAR = 365 days;

    /// @dev phi(0) rounded up, 1e18.
    uint256 private constant DENSITY_AT_ZERO = 398_942_280_401_432_679;
    /// @dev 1e-12 USD in 1e18, and in 1e36.
    int256 private constant LANE_WAD = 1e12;
    int256 private constant LANE_UNIT = 1e24;

    /// @notice Roll: |delta_e| S max(rollMin, rollSlope T). @param delta Delta x spot, 1e36. @param tenor Seconds.
    function addRoll(ParameterTable table, UnderlyingRisk memory risk, int256 delta, uint256 tenor) internal pure {
        unchecked {
            if (delta == 0) return;
            uint256 rate = table.get(Parameter.ROLL_SLOPE) * tenor / YEAR + 1;
            uint256 least = table.get(Parameter.ROLL_MIN);
            risk.roll += FixedPoint.mulWadUp(FixedPoint.divWadUp(FixedPoint.abs(delta)), rate < least ? least : rate);
        }
    }

    /// @notice Rate: 1 % of |T V|. @param value V, the net value of the expiry's options, 1e36. @param tenor Seconds.
    function addRate(ParameterTable table, UnderlyingRisk memory risk, int256 value, uint256 tenor) internal pure {
        unchecked {
            uint256 rho = FixedPoint.divWadUp(FixedPoint.abs(value)) * tenor / YEAR + 1;
            risk.rate += FixedPoint.mulWadUp(rho, table.get(Parameter.RATE_CHARGE));
        }
    }

    /// @notice Short options: a rate of the spot on net short calls and net short puts of the expiry.
    function addShortOptions(Stress memory s, UnderlyingRisk memory risk, OptionFrame memory f) internal pure {
        unchecked {
            uint256 short_ = _short(f.longCalls + f.shortCalls) + _short(f.longPuts + f.shortPuts);
            if (short_ == 0) return;
            uint256 rate = s.table.get(Parameter.SHORT_OPTION_RATE);
            risk.shortOptions += FixedPoint.mulWadUp(FixedPoint.divWadUp(short_ * s.spot), rate);
        }
    }

    /// @notice Gamma x S^2 of an expiry's options: sum of size D F phi(d1) / (v sqrt T), 1e-30 USD.
    function addGamma(Stress memory s, Portfolio memory p, ExpiryLegs memory legs, bool near) internal pure {
        unchecked {
            int256 gamma;
            for (uint256 at = legs.firstOption; at != 0;) {
                (int256 size, uint256 density, uint256 stdDev, uint256 next) = _density(p, at);
                int256 forward = size * int256(legs.discountedForward) / LANE_UNIT;
                gamma += ((forward * int256(density)) << 60) / int256(stdDev);
                at = next;
            }
            if (near) s.nearGamma += gamma;
            s.gamma += gamma;
        }
    }

    /// @notice The charges that need all legs: delta, gamma, vega, oracle, spot contingency; and the greeks.
    function ofUnderlying(Stress memory s, Portfolio memory p, UnderlyingLegs memory legs, UnderlyingRisk memory risk)
        internal
        pure
    {
        unchecked {
            s.totals.gross += (s.contracts + s.perpContracts) * s.spot;
            risk.deltaUnits = s.delta / int256(s.spot);
            risk.delta = _delta(s);
            risk.gamma = _gamma(s);
            _vega(s, p, legs, risk);
            risk.oracle = _oracle(s, legs);
            if (legs.joined != 0) {
                risk.spotContingency =
                    FixedPoint.mulWadUp(FixedPoint.divWadUp(legs.joined * s.spot), s.table.get(Parameter.SPOT_CONTINGENCY));
            }
            if (s.greeks) {
                // 1e-30 USD / spot^2 (1e36): units per USD in 1e18
                risk.gammaUnits = s.gamma * 1e6 / int256(s.spot) * 1e18 / int256(s.spot);
            }
        }
    }

    /// @notice All charges of an underlying, USD 1e18.
    function total(UnderlyingRisk memory risk) internal pure returns (uint256) {
        unchecked {
            return risk.rate + risk.roll + risk.shortOptions + risk.delta + risk.gamma + risk.vega + risk.oracle
                + risk.spotContingency;
        }
    }

    function _short(int256 net) private pure returns (uint256) {
        unchecked {
            return net < 0 ? uint256(-net) : 0;
        }
    }

    /// @dev Liquidity: excess * min(slope * excess, cap), excess of |delta| S over what the market absorbs.
    function _delta(Stress memory s) private pure returns (uint256) {
        unchecked {
            uint256 exposure = FixedPoint.divWadUp(FixedPoint.abs(s.delta));
            uint256 free = s.table.get(Parameter.DELTA_FREE);
            if (exposure <= free) return 0;
            uint256 excess = exposure - free;
            uint256 rate = FixedPoint.mulWadUp(excess, s.table.get(Parameter.DELTA_SLOPE));
            uint256 cap = s.table.get(Parameter.DELTA_CAP);
            return FixedPoint.mulWadUp(excess, rate < cap ? rate : cap);
        }
    }

    /// @dev 0.5 max(0, -gamma) (S g)^2 of options close to expiry, at most S g times their short contracts.
    function _gamma(Stress memory s) private pure returns (uint256) {
        unchecked {
            if (s.nearGamma >= 0) return 0;
            uint256 step = FixedPoint.mulWadUp(s.table.get(Parameter.GAMMA_STEP), s.spotScale);
            uint256 gap = FixedPoint.mulWadUp(uint256(-s.nearGamma) / uint256(LANE_WAD) + 1, FixedPoint.mulWadUp(step, step)) / 2 + 1;
            uint256 cap = FixedPoint.mulWadUp(FixedPoint.divWadUp(s.nearShort * s.spot), step);
            return gap < cap ? gap : cap;
        }
    }

    /// @dev vegaRate max(0, |vega| - free). The densities are only computed where the bound does not already say 0.
    function _vega(Stress memory s, Portfolio memory p, UnderlyingLegs memory legs, UnderlyingRisk memory risk) private pure {
        unchecked {
            uint256 free = s.table.get(Parameter.VEGA_FREE);
            if (!s.greeks && FixedPoint.mulWadUp(FixedPoint.divWadUp(s.vegaBound), DENSITY_AT_ZERO) < free) return;
            int256 vega;
            for (uint256 at = legs.expiries; at != 0;) {
                ExpiryLegs memory expiry = PortfolioLib.asExpiry()(at);
                vega += _vegaOf(expiry, p);
                at = expiry.next;
            }
            risk.vegaUsd = vega;
            uint256 size = FixedPoint.abs(vega);
            if (size > free) risk.vega = FixedPoint.mulWadUp(size - free + 1, s.table.get(Parameter.VEGA_RATE));
        }
    }

    /// @dev Of one expiry's options; 0 after expiry, where `vegaUnit` is 0.
    function _vegaOf(ExpiryLegs memory expiry, Portfolio memory p) private pure returns (int256 vega) {
        unchecked {
            int256 densities; // sum of size x density, 1e36
            for (uint256 at = expiry.vegaUnit == 0 ? 0 : expiry.firstOption; at != 0;) {
                (int256 size, uint256 density,, uint256 next) = _density(p, at);
                densities += size * int256(density);
                at = next;
            }
            vega = densities / 1e18 * int256(expiry.vegaUnit) / 1e18;
        }
    }

    /// @dev Size, phi(d1) in 1e18 and v sqrt T in 2**-60 of an option, from what the kernel kept; and the next of its list.
    function _density(Portfolio memory p, uint256 at)
        private
        pure
        returns (int256 size, uint256 density, uint256 stdDev, uint256 next)
    {
        unchecked {
            uint256 kept = (at + p.links).load();
            size = int256(at.load()) >> 160;
            stdDev = uint72(kept >> 24);
            if (stdDev < 1 << 25) stdDev = 1 << 25; // the least that the kernel prices with
            // d1 = ln(F/K) / s + s / 2 anew: close to expiry gamma needs more digits of s than a price does
            density = NormalCdf.density(((int256(kept) >> 96) << 53) / int256(stdDev) + int256(stdDev >> 26));
            next = uint24(kept);
        }
    }

    /// @dev A doubtful price is doubtful for every contract, hedged or not: (1 - confidence) of the notional.
    function _oracle(Stress memory s, UnderlyingLegs memory legs) private pure returns (uint256) {
        unchecked {
            uint256 confidence = SpotWord.wrap(legs.spot).confidence() * (WAD / FULL_CONFIDENCE);
            if (confidence >= s.table.get(Parameter.CONFIDENCE_THRESHOLD)) return 0;
            return FixedPoint.mulWadUp(FixedPoint.divWadUp(s.contracts * s.spot + s.perpValue), WAD - confidence);
        }
    }
}
