// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {NormalCdf} from "../../../contracts/math/NormalCdf.sol";
import {RECORDS} from "../../../contracts/math/Workspace.sol";
import {OptionFrame, OptionFrameLib, VolDirection} from "../../../contracts/math/OptionFrame.sol";

/// @notice What `OptionKernel` does, in Solidity that can be read: the same results to the last digit.
library ReadableKernel {
    /// @dev Lanes count USD in 1e-12.
    int256 internal constant LANE_UNIT = 1e24;

    struct Option {
        uint256 at; // address of the word
        uint256 word;
        int256 moneyness; // ln(F/K), 2**-42
        uint256 s; // v sqrt T, 2**-60
        int256 strike; // D K
        int256 forwardLane; // size D F << 128
        int256 strikeLane; // -size D K
    }

    function run(OptionFrame memory f, uint256 at) internal pure {
        while (at != 0) {
            Option memory o;
            (o.at, o.word) = (at, load(at));
            int256 lnStrike = int48(uint48(o.word >> 112));
            o.s = deviation(f, lnStrike);
            o.moneyness = f.lnForward - lnStrike;
            market(f, o);
            for (uint256 d = 0; d < 3 && f.marks == 0; ++d) {
                VolDirection memory direction = OptionFrameLib.asDirection()(OptionFrameLib.directionAt(d));
                if (d == 0) (direction.factor, direction.least) = (1 << 60, 1); // unshocked, whatever is there
                if (f.rows == 1) row(direction, o);
            }
            if (f.rows > 1 && f.marks == 0) single(OptionFrameLib.asDirection()(f.rows), o);
            at = uint24(load(at + f.links));
        }
    }

    /// @dev SVI (math/Svi.sol): w = a + b (rho k + sqrt(k^2 + sigma^2)), k clamped and less m; s = sqrt(w T / refTau).
    function deviation(OptionFrame memory f, int256 lnStrike) internal pure returns (uint256) {
        int256 k = lnStrike - f.lnRefForward;
        if (k > int256(f.bound)) k = int256(f.bound);
        if (k < -int256(f.bound)) k = -int256(f.bound);
        k = (k << 18) - f.m; // 2**-60
        uint256 inner = innerRoot(uint256(k * k + f.sigmaSquared), k < 0 ? uint256(-k) : uint256(k), f.sigma);
        int256 w = f.a + f.b * (((f.rho * k) >> 60) + int256(inner));
        uint256 variance = w > 0 ? (uint256(w) * f.varianceScale) >> 64 : 0; // 2**-120
        f.outerRoot = root(variance, f.outerRoot);
        return f.outerRoot;
    }

    function newton(uint256 x, uint256 z) internal pure returns (uint256) {
        return (z + (z == 0 ? 0 : x / z)) / 2;
    }

    /// @dev sqrt(x), x = a^2 + b^2: three Newton steps from 0.96 of the larger and 0.4 of the smaller.
    function innerRoot(uint256 x, uint256 a, uint256 b) internal pure returns (uint256 z) {
        z = (a > b ? 246 * a + 102 * b : 246 * b + 102 * a) / 256;
        for (uint256 i; i < 3; ++i) {
            z = newton(x, z);
        }
    }

    /// @dev Three Newton steps from the last result where x is within an eighth of its square, else four from the bits of x.
    function root(uint256 x, uint256 last) internal pure returns (uint256 z) {
        z = last;
        uint256 q = z == 0 ? 0 : x / z;
        if (q < z - z / 8 || q >= z - z / 8 + z / 4) {
            uint256 shift; // half of the largest multiple of 4 with x >> shift >= 1 (0 for x = 0)
            while (shift < 252 && x >> (shift + 4) != 0) shift += 4;
            shift /= 2;
            z = newton(x, (((x >> shift) + (4 << shift)) >> 2) + 1);
        }
        for (uint256 i; i < 3; ++i) {
            z = newton(x, z);
        }
    }

    /// @dev d1 as a position, and v sqrt T as a difference of positions.
    function point(int256 moneyness, uint256 stdDev) internal pure returns (int256 d1) {
        int256 inverse = int256((uint256(1) << 75) / stdDev);
        return ((moneyness * inverse) >> 47) + int256(stdDev / 2) + NormalCdf.BIAS;
    }

    function market(OptionFrame memory f, Option memory o) internal pure {
        uint256 stdDev = o.s >> 25 == 0 ? 1 : o.s >> 25;
        int256 d1 = point(o.moneyness, stdDev);
        o.strike = int256(uint256(uint64(o.word)) * f.discount / 1e8);
        f.strikes |= uint256(o.strike);

        int256 n1 = NormalCdf.centred(d1);
        int256 n2 = NormalCdf.centred(d1 - int256(stdDev));
        int256 size = int256(o.word) >> 160;
        bool put = (o.word >> 104) & 1 != 0;
        if (size < 0) {
            if (put) f.shortPuts += size;
            else f.shortCalls += size;
        } else {
            if (put) f.longPuts += size;
            else f.longCalls += size;
        }
        if (f.marks != 0) {
            mark(f, o, 2 * (int256(f.discountedForward) * n1 - o.strike * n2));
            return;
        }
        store(o.at + f.links, load(o.at + f.links) | (uint256(o.moneyness) << 96) | (o.s << 24));
        o.forwardLane = (size * int256(f.discountedForward) / LANE_UNIT) << 128;
        o.strikeLane = -(size * o.strike / LANE_UNIT);
        f.spread += put ? -o.strikeLane : o.strikeLane;
        f.base += o.forwardLane * n1 + o.strikeLane * n2;
    }

    /// @dev Mean of call and put +- (F - K) D / 2, rounded to nearest; what it sums to. @param twice Twice the mean, 2**-41.
    function mark(OptionFrame memory f, Option memory o, int256 twice) internal pure {
        int256 size = int256(o.word) >> 160;
        bool put = (o.word >> 104) & 1 != 0;
        int256 difference = int256(f.discountedForward) - o.strike;
        if (put) difference = -difference;
        int256 value = twice + ((difference + 1) << 41);
        value = value > 0 ? value >> 42 : int256(0);
        store(o.at + f.marks, uint256(value));
        f.value += size * value;
    }

    /// @dev A row of one record, the first.
    function single(VolDirection memory d, Option memory o) internal pure {
        (d.first, d.end) = (RECORDS, RECORDS + 64);
        row(d, o);
    }

    function row(VolDirection memory d, Option memory o) internal pure {
        uint256 stdDev = (o.s * d.factor) >> 85;
        if (stdDev < d.least) stdDev = d.least;
        int256 inverse = int256((uint256(1) << 75) / stdDev);
        int256 d1 = point(o.moneyness, stdDev);
        for (uint256 at = d.first; at < d.end; at += 64) {
            int256 shocked = d1 + ((int256(load(at)) * inverse) >> 47);
            int256 change = o.forwardLane * NormalCdf.centred(shocked)
                + o.strikeLane * NormalCdf.centred(shocked - int256(stdDev));
            store(at + 32, uint256(int256(load(at + 32)) + change)); // two sums in one word
        }
    }

    function load(uint256 at) internal pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := mload(at)
        }
    }

    function store(uint256 at, uint256 value) internal pure {
        assembly ("memory-safe") {
            mstore(at, value)
        }
    }
}
