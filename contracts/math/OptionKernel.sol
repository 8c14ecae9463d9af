// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {OptionFrame} from "./OptionFrame.sol";

/// @title The inner loop: the options of one expiry, at the market and in all scenarios
/// @notice Assembly throughout; the readable equivalent, function by function, is tests/forge/margin/ReadableKernel.sol, and a fuzz
/// test compares them.
///
/// Prices are the mean of call and put, H = F (N(d1) - 1/2) - K (N(d2) - 1/2): a call is H + (F - K) / 2, a put H - (F - K) / 2, and
/// the linear half is added once per expiry, not once per option and scenario. d1 and d2 are positions in the normal table.
///
/// An error common to d1 and d2 moves a price in the second order only (F n(d1) = K n(d2)), so that ln(F/K) needs 2**-42 and
/// 1 / (v sqrt T) 40 bits; d1 - d2 = v sqrt T is exact. v sqrt T below 2**-35 counts as 2**-35: the price is then intrinsic to
/// 2e-11 F and nothing divides by zero.
library OptionKernel {
    /// @dev Fraction of a cell in a position, and the lanes c1, c3 of a cell (NormalCdf).
    uint256 private constant U = 0x1fffffff;
    uint256 private constant LO = ((1 << 93) - 1) << 64;

    /// @notice Walks the list of options from `index` (index + 1 of a position) and adds to the frame's sums and the rows' lanes.
    /// @dev `next[i]` keeps, above its link (16 bits), v sqrt T (48 bits, 2**-35) and d1 relative to d = 0.
    // solhint-disable-next-line function-max-lines
    function run(OptionFrame memory f, uint256 index) internal pure {
        assembly ("memory-safe") {
            // Square root, at most 1.2e-12 above: four Newton steps from a factor of sqrt 2. `at` holds the last result, which is
            // near where strikes are neighbours; else the bits of x say where to begin.
            function root(x, at) -> z {
                z := mload(at)
                let q := div(x, z)
                if iszero(and(lt(q, shl(1, z)), lt(z, shl(1, q)))) {
                    let r := shl(7, lt(0xffffffffffffffffffffffffffffffff, x))
                    r := or(r, shl(6, lt(0xffffffffffffffff, shr(r, x))))
                    r := or(r, shl(5, lt(0xffffffff, shr(r, x))))
                    r := or(r, shl(4, lt(0xffff, shr(r, x))))
                    r := or(r, shl(3, lt(0xff, shr(r, x))))
                    r := shr(1, or(r, shl(2, lt(0x0f, shr(r, x)))))
                    // sqrt(y) ~ (y + 4) / 4 on [1, 16)
                    z := add(shr(2, add(shr(r, x), shl(r, 4))), 1)
                    q := div(x, z)
                }
                z := shr(1, add(z, q))
                z := shr(1, add(z, div(x, z)))
                z := shr(1, add(z, div(x, z)))
                z := shr(1, add(z, div(x, z)))
                mstore(at, z)
            }
            // N - 1/2 anywhere (NormalCdf.centred).
            function centred(frame, d) -> n {
                switch slt(d, mload(add(frame, 0x180)))
                case 1 { n := sub(0, 0x10000000000) }
                default {
                    switch slt(d, mload(add(frame, 0x1a0)))
                    case 1 {
                        n := mload(mul(24, shr(29, d)))
                        d := and(d, U)
                        n := add(sar(64, n), mul(and(n, LO), d))
                        n := sar(151, add(mul(signextend(14, n), mul(d, d)), n))
                    }
                    default { n := 0x10000000000 }
                }
            }
            // A record with a position outside of the table, where N is 0 or 1.
            function outside(at, d, stdDev) {
                let frame := mload(mload(0x40))
                at := add(at, 0x20)
                let sum := mul(mload(0x00), centred(frame, d))
                mstore(at, add(mload(at), add(sum, mul(mload(0x20), centred(frame, sub(d, stdDev))))))
            }

            mstore(mload(0x40), f) // for `outside`
            for {} index {} {
                let s
                let moneyness
                {
                    let word := mload(add(mload(add(f, 0x1c0)), shl(5, index)))
                    moneyness := signextend(5, shr(112, word))
                    // v sqrt T, 2**-60, by the SVI slice
                    {
                        let k := sub(moneyness, mload(add(f, 0x060)))
                        let w := mload(add(f, 0x080))
                        if sgt(k, w) { k := w }
                        if slt(k, sub(0, w)) { k := sub(0, w) }
                        k := sub(sar(42, mul(k, 1000000000000000000)), mload(add(f, 0x100)))
                        w := root(add(mul(k, k), mload(add(f, 0x120))), add(f, 0x260))
                        w := add(w, sdiv(mul(mload(add(f, 0x0e0)), k), 1000000000000000000))
                        w := add(mload(add(f, 0x0a0)), mul(mload(add(f, 0x0c0)), w))
                        s := root(shr(64, mul(mul(w, sgt(w, 0)), mload(add(f, 0x140)))), add(f, 0x280))
                    }
                    moneyness := sub(mload(f), moneyness)

                    // at the market
                    let n1 := shr(25, s)
                    let n2 := or(n1, iszero(n1))
                    n1 := add(sar(47, mul(moneyness, div(0x8000000000000000000, n2))), shr(1, n2))
                    {
                        let link := add(mload(add(f, 0x1e0)), shl(5, index))
                        mstore(link, or(shl(16, or(shl(48, n1), n2)), mload(link)))
                    }
                    n1 := add(n1, mload(add(f, 0x160)))
                    n2 := centred(f, sub(n1, n2))
                    n1 := centred(f, n1)

                    let forward := mload(add(f, 0x020))
                    let strike := div(mul(and(word, 0xffffffffffffffff), mload(add(f, 0x040))), 100000000)
                    if gt(strike, mload(add(f, 0x320))) { mstore(add(f, 0x320), strike) }
                    let put := and(shr(104, word), 1)
                    word := sar(160, word) // from here on the size
                    {
                        // the mean of call and put, 2**-41, +- (F - K) D / 2, rounded to nearest
                        let mark := shl(1, sub(mul(forward, n1), mul(strike, n2)))
                        mark := add(mark, shl(41, add(mul(sub(1, shl(1, put)), sub(forward, strike)), 1)))
                        mark := shr(42, mul(mark, sgt(mark, 0)))
                        let at := mload(add(f, 0x200))
                        if at { mstore(add(at, shl(5, index)), mark) }
                        at := add(f, 0x340)
                        mstore(at, add(mload(at), mul(word, mark)))
                        at := add(add(f, 0x2c0), shl(5, put))
                        mstore(at, add(mload(at), word))
                        if slt(word, 0) {
                            at := add(f, 0x300)
                            mstore(at, sub(mload(at), word))
                        }
                    }
                    // lanes' factors, 1e-12 USD
                    forward := shl(128, sdiv(mul(word, forward), 1000000000000000000000000))
                    strike := sub(0, sdiv(mul(word, strike), 1000000000000000000000000))
                    mstore(0x00, forward)
                    mstore(0x20, strike)
                    word := add(f, 0x2a0)
                    mstore(word, add(mload(word), add(mul(forward, n1), mul(strike, n2))))
                }
                index := and(mload(add(mload(add(f, 0x1e0)), shl(5, index))), 0xffff)

                let direction := mload(add(f, 0x220))
                for { let last := mload(add(f, 0x240)) } lt(direction, last) { direction := add(direction, 0x80) } {
                    let at := mload(add(direction, 0x40))
                    let end := mload(add(direction, 0x60))
                    if lt(at, end) {
                        let stdDev := shr(85, mul(s, mload(direction)))
                        {
                            let least := mload(add(direction, 0x20))
                            if lt(stdDev, least) { stdDev := least }
                        }
                        let inverse := div(0x8000000000000000000, stdDev)
                        let d1 := add(add(sar(47, mul(moneyness, inverse)), shr(1, stdDev)), mload(add(f, 0x160)))
                        // d1 + ln(1 + x) inverse >> 47, and that less stdDev, are inside of the table where ln(1 + x) inverse is
                        // in [low, high). Spots ascend: what is outside is at the ends of the row.
                        let low := shl(47, sub(add(mload(add(f, 0x180)), stdDev), d1))
                        let high := sub(shl(47, sub(mload(add(f, 0x1a0)), d1)), 1)
                        if slt(or(sub(mul(mload(at), inverse), low), sub(high, mul(mload(sub(end, 0x40)), inverse))), 0) {
                            for {} lt(at, end) { at := add(at, 0x40) } {
                                let d := mul(mload(at), inverse)
                                if iszero(slt(d, low)) { break }
                                outside(at, add(sar(47, d), d1), stdDev)
                            }
                            for {} lt(at, end) { end := sub(end, 0x40) } {
                                let d := mul(mload(sub(end, 0x40)), inverse)
                                if iszero(sgt(d, high)) { break }
                                outside(sub(end, 0x40), add(sar(47, d), d1), stdDev)
                            }
                        }
                        let forward := mload(0x00)
                        let strike := mload(0x20)
                        // Four records at a time, then one by one; `centred` without its checks, written out.
                        for { end := sub(end, 0xc0) } slt(at, end) { at := add(at, 0x100) } {
                            {
                                let d := add(sar(47, mul(mload(at), inverse)), d1)
                                let u := and(d, U)
                                let c := mload(mul(24, shr(29, d)))
                                let r := add(sar(64, c), mul(and(c, LO), u))
                                let e := sub(d, stdDev)
                                let v := and(e, U)
                                let g := mload(mul(24, shr(29, e)))
                                let t := add(sar(64, g), mul(and(g, LO), v))
                                mstore(add(at, 32), add(add(mul(forward, sar(151, add(mul(signextend(14, r), mul(u, u)), r))),
                                    mul(strike, sar(151, add(mul(signextend(14, t), mul(v, v)), t)))), mload(add(at, 32))))
                            }
                            {
                                let d := add(sar(47, mul(mload(add(at, 64)), inverse)), d1)
                                let u := and(d, U)
                                let c := mload(mul(24, shr(29, d)))
                                let r := add(sar(64, c), mul(and(c, LO), u))
                                let e := sub(d, stdDev)
                                let v := and(e, U)
                                let g := mload(mul(24, shr(29, e)))
                                let t := add(sar(64, g), mul(and(g, LO), v))
                                mstore(add(at, 96), add(add(mul(forward, sar(151, add(mul(signextend(14, r), mul(u, u)), r))),
                                    mul(strike, sar(151, add(mul(signextend(14, t), mul(v, v)), t)))), mload(add(at, 96))))
                            }
                            {
                                let d := add(sar(47, mul(mload(add(at, 128)), inverse)), d1)
                                let u := and(d, U)
                                let c := mload(mul(24, shr(29, d)))
                                let r := add(sar(64, c), mul(and(c, LO), u))
                                let e := sub(d, stdDev)
                                let v := and(e, U)
                                let g := mload(mul(24, shr(29, e)))
                                let t := add(sar(64, g), mul(and(g, LO), v))
                                mstore(add(at, 160), add(add(mul(forward, sar(151, add(mul(signextend(14, r), mul(u, u)), r))),
                                    mul(strike, sar(151, add(mul(signextend(14, t), mul(v, v)), t)))), mload(add(at, 160))))
                            }
                            {
                                let d := add(sar(47, mul(mload(add(at, 192)), inverse)), d1)
                                let u := and(d, U)
                                let c := mload(mul(24, shr(29, d)))
                                let r := add(sar(64, c), mul(and(c, LO), u))
                                let e := sub(d, stdDev)
                                let v := and(e, U)
                                let g := mload(mul(24, shr(29, e)))
                                let t := add(sar(64, g), mul(and(g, LO), v))
                                mstore(add(at, 224), add(add(mul(forward, sar(151, add(mul(signextend(14, r), mul(u, u)), r))),
                                    mul(strike, sar(151, add(mul(signextend(14, t), mul(v, v)), t)))), mload(add(at, 224))))
                            }
                        }
                        for { end := add(end, 0xc0) } lt(at, end) { at := add(at, 0x40) } {
                            {
                                let d := add(sar(47, mul(mload(at), inverse)), d1)
                                let u := and(d, U)
                                let c := mload(mul(24, shr(29, d)))
                                let r := add(sar(64, c), mul(and(c, LO), u))
                                let e := sub(d, stdDev)
                                let v := and(e, U)
                                let g := mload(mul(24, shr(29, e)))
                                let t := add(sar(64, g), mul(and(g, LO), v))
                                mstore(add(at, 32), add(add(mul(forward, sar(151, add(mul(signextend(14, r), mul(u, u)), r))),
                                    mul(strike, sar(151, add(mul(signextend(14, t), mul(v, v)), t)))), mload(add(at, 32))))
                            }
                        }
                    }
                }
            }
        }
    }
}
