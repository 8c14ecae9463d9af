// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

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
    /// @dev NormalCdf's positions; assembly knows constants of its own library only.
    uint256 private constant BIAS = 811 << 29;
    uint256 private constant LOW = 331 << 29;
    uint256 private constant HIGH = 1227 << 29;

    /// @dev Words of the frame (OptionFrame).
    uint256 private constant LN_FORWARD = 0x400;
    uint256 private constant FORWARD = 0x420;
    uint256 private constant DISCOUNT = 0x440;
    uint256 private constant LN_REF_FORWARD = 0x460;
    uint256 private constant BOUND = 0x480;
    uint256 private constant A = 0x4a0;
    uint256 private constant B = 0x4c0;
    uint256 private constant RHO = 0x4e0;
    uint256 private constant M = 0x500;
    uint256 private constant SIGMA_SQUARED = 0x520;
    uint256 private constant VARIANCE_SCALE = 0x540;
    uint256 private constant LINKS = 0x560;
    uint256 private constant MARKS = 0x580;
    uint256 private constant ROWS = 0x5a0;
    uint256 private constant SIGMA = 0x5c0;
    uint256 private constant OUTER_ROOT = 0x5e0;
    uint256 private constant BASE = 0x600;
    uint256 private constant SIZES = 0x620;
    uint256 private constant SPREAD = 0x6a0;
    uint256 private constant STRIKES = 0x6c0;
    uint256 private constant VALUE = 0x6e0;
    /// @dev Words of the vol directions (VolDirection).
    uint256 private constant NONE_FIRST = 0x760;
    uint256 private constant NONE_END = 0x780;
    uint256 private constant UP_FACTOR = 0x7a0;
    uint256 private constant UP_LEAST = 0x7c0;
    uint256 private constant UP_FIRST = 0x7e0;
    uint256 private constant UP_END = 0x800;
    uint256 private constant DOWN_FACTOR = 0x820;
    uint256 private constant DOWN_LEAST = 0x840;
    uint256 private constant DOWN_FIRST = 0x860;
    uint256 private constant DOWN_END = 0x880;
    /// @dev The first record.
    uint256 private constant RECORD_LN = 0x8e0;
    uint256 private constant RECORD_LANES = 0x900;

    /// @notice Walks the list of options from the address of a position's word and adds to the frame's sums and the rows' lanes.
    /// @dev Either marks are wanted, or the lanes. The link of a position keeps, above the address of the next (24 bits), v sqrt T
    /// (72 bits, 2**-60) and ln(F/K) (2**-42).
    // solhint-disable-next-line function-max-lines
    function run(uint256 at) internal pure {
        assembly ("memory-safe") {
            // Where the square root of x begins: a factor of sqrt 2 away at most. sqrt(y) ~ (y + 4) / 4 on [1, 16).
            function start(x) -> z {
                let r := shl(7, lt(0xffffffffffffffffffffffffffffffff, x))
                r := or(r, shl(6, lt(0xffffffffffffffff, shr(r, x))))
                r := or(r, shl(5, lt(0xffffffff, shr(r, x))))
                r := or(r, shl(4, lt(0xffff, shr(r, x))))
                r := or(r, shl(3, lt(0xff, shr(r, x))))
                r := shr(1, or(r, shl(2, lt(0x0f, shr(r, x)))))
                z := add(shr(2, add(shr(r, x), shl(r, 4))), 1)
            }
            // N - 1/2 anywhere (NormalCdf.centred).
            function centred(d) -> n {
                switch slt(d, LOW)
                case 1 { n := sub(0, 0x10000000000) }
                default {
                    switch slt(d, HIGH)
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
            function outside(record, d, stdDev) {
                record := add(record, 0x20)
                let e := sub(d, stdDev)
                switch slt(e, HIGH)
                case 0 {
                    // both are 1
                    mstore(record, add(mload(record), shl(40, add(mload(0x00), mload(0x20)))))
                }
                default {
                    d := mul(mload(0x00), centred(d))
                    mstore(record, add(mload(record), add(d, mul(mload(0x20), centred(e)))))
                }
            }
            // An option in a row of spots of one vol: adds its lanes to each record. Its factors are in 0x00 and 0x20.
            function row(record, end, stdDev, inverse, d1) {
                // Spots ascend: what is outside of the table is at the ends of the row.
                if slt(
                    or(
                        sub(sub(add(sar(47, mul(mload(record), inverse)), d1), stdDev), LOW),
                        sub(sub(HIGH, 1), add(sar(47, mul(mload(sub(end, 0x40)), inverse)), d1))
                    ),
                    0
                ) {
                    for {} lt(record, end) { record := add(record, 0x40) } {
                        let d := add(sar(47, mul(mload(record), inverse)), d1)
                        if iszero(slt(sub(d, stdDev), LOW)) { break }
                        outside(record, d, stdDev)
                    }
                    for {} lt(record, end) {} {
                        let d := add(sar(47, mul(mload(sub(end, 0x40)), inverse)), d1)
                        if slt(d, HIGH) { break }
                        end := sub(end, 0x40)
                        outside(end, d, stdDev)
                    }
                }
                let forward := mload(0x00)
                let strike := mload(0x20)
                // Eight records at a time, four, then one by one; `centred` without its checks, written out.
                for { end := sub(end, 0x1c0) } slt(record, end) { record := add(record, 0x200) } {
                    {
                        let d := add(sar(47, mul(mload(record), inverse)), d1)
                        let u := and(d, U)
                        let c := mload(mul(24, shr(29, d)))
                        let r := add(sar(64, c), mul(and(c, LO), u))
                        let e := sub(d, stdDev)
                        let v := and(e, U)
                        let g := mload(mul(24, shr(29, e)))
                        let t := add(sar(64, g), mul(and(g, LO), v))
                        mstore(add(record, 32), add(add(mul(forward, sar(151, add(mul(signextend(14, r), mul(u, u)), r))),
                            mul(strike, sar(151, add(mul(signextend(14, t), mul(v, v)), t)))), mload(add(record, 32))))
                    }
                    {
                        let d := add(sar(47, mul(mload(add(record, 64)), inverse)), d1)
                        let u := and(d, U)
                        let c := mload(mul(24, shr(29, d)))
                        let r := add(sar(64, c), mul(and(c, LO), u))
                        let e := sub(d, stdDev)
                        let v := and(e, U)
                        let g := mload(mul(24, shr(29, e)))
                        let t := add(sar(64, g), mul(and(g, LO), v))
                        mstore(add(record, 96), add(add(mul(forward, sar(151, add(mul(signextend(14, r), mul(u, u)), r))),
                            mul(strike, sar(151, add(mul(signextend(14, t), mul(v, v)), t)))), mload(add(record, 96))))
                    }
                    {
                        let d := add(sar(47, mul(mload(add(record, 128)), inverse)), d1)
                        let u := and(d, U)
                        let c := mload(mul(24, shr(29, d)))
                        let r := add(sar(64, c), mul(and(c, LO), u))
                        let e := sub(d, stdDev)
                        let v := and(e, U)
                        let g := mload(mul(24, shr(29, e)))
                        let t := add(sar(64, g), mul(and(g, LO), v))
                        mstore(add(record, 160), add(add(mul(forward, sar(151, add(mul(signextend(14, r), mul(u, u)), r))),
                            mul(strike, sar(151, add(mul(signextend(14, t), mul(v, v)), t)))), mload(add(record, 160))))
                    }
                    {
                        let d := add(sar(47, mul(mload(add(record, 192)), inverse)), d1)
                        let u := and(d, U)
                        let c := mload(mul(24, shr(29, d)))
                        let r := add(sar(64, c), mul(and(c, LO), u))
                        let e := sub(d, stdDev)
                        let v := and(e, U)
                        let g := mload(mul(24, shr(29, e)))
                        let t := add(sar(64, g), mul(and(g, LO), v))
                        mstore(add(record, 224), add(add(mul(forward, sar(151, add(mul(signextend(14, r), mul(u, u)), r))),
                            mul(strike, sar(151, add(mul(signextend(14, t), mul(v, v)), t)))), mload(add(record, 224))))
                    }
                    {
                        let d := add(sar(47, mul(mload(add(record, 256)), inverse)), d1)
                        let u := and(d, U)
                        let c := mload(mul(24, shr(29, d)))
                        let r := add(sar(64, c), mul(and(c, LO), u))
                        let e := sub(d, stdDev)
                        let v := and(e, U)
                        let g := mload(mul(24, shr(29, e)))
                        let t := add(sar(64, g), mul(and(g, LO), v))
                        mstore(add(record, 288), add(add(mul(forward, sar(151, add(mul(signextend(14, r), mul(u, u)), r))),
                            mul(strike, sar(151, add(mul(signextend(14, t), mul(v, v)), t)))), mload(add(record, 288))))
                    }
                    {
                        let d := add(sar(47, mul(mload(add(record, 320)), inverse)), d1)
                        let u := and(d, U)
                        let c := mload(mul(24, shr(29, d)))
                        let r := add(sar(64, c), mul(and(c, LO), u))
                        let e := sub(d, stdDev)
                        let v := and(e, U)
                        let g := mload(mul(24, shr(29, e)))
                        let t := add(sar(64, g), mul(and(g, LO), v))
                        mstore(add(record, 352), add(add(mul(forward, sar(151, add(mul(signextend(14, r), mul(u, u)), r))),
                            mul(strike, sar(151, add(mul(signextend(14, t), mul(v, v)), t)))), mload(add(record, 352))))
                    }
                    {
                        let d := add(sar(47, mul(mload(add(record, 384)), inverse)), d1)
                        let u := and(d, U)
                        let c := mload(mul(24, shr(29, d)))
                        let r := add(sar(64, c), mul(and(c, LO), u))
                        let e := sub(d, stdDev)
                        let v := and(e, U)
                        let g := mload(mul(24, shr(29, e)))
                        let t := add(sar(64, g), mul(and(g, LO), v))
                        mstore(add(record, 416), add(add(mul(forward, sar(151, add(mul(signextend(14, r), mul(u, u)), r))),
                            mul(strike, sar(151, add(mul(signextend(14, t), mul(v, v)), t)))), mload(add(record, 416))))
                    }
                    {
                        let d := add(sar(47, mul(mload(add(record, 448)), inverse)), d1)
                        let u := and(d, U)
                        let c := mload(mul(24, shr(29, d)))
                        let r := add(sar(64, c), mul(and(c, LO), u))
                        let e := sub(d, stdDev)
                        let v := and(e, U)
                        let g := mload(mul(24, shr(29, e)))
                        let t := add(sar(64, g), mul(and(g, LO), v))
                        mstore(add(record, 480), add(add(mul(forward, sar(151, add(mul(signextend(14, r), mul(u, u)), r))),
                            mul(strike, sar(151, add(mul(signextend(14, t), mul(v, v)), t)))), mload(add(record, 480))))
                    }
                }
                end := add(end, 0x100)
                if slt(record, end) {
                    {
                        let d := add(sar(47, mul(mload(record), inverse)), d1)
                        let u := and(d, U)
                        let c := mload(mul(24, shr(29, d)))
                        let r := add(sar(64, c), mul(and(c, LO), u))
                        let e := sub(d, stdDev)
                        let v := and(e, U)
                        let g := mload(mul(24, shr(29, e)))
                        let t := add(sar(64, g), mul(and(g, LO), v))
                        mstore(add(record, 32), add(add(mul(forward, sar(151, add(mul(signextend(14, r), mul(u, u)), r))),
                            mul(strike, sar(151, add(mul(signextend(14, t), mul(v, v)), t)))), mload(add(record, 32))))
                    }
                    {
                        let d := add(sar(47, mul(mload(add(record, 64)), inverse)), d1)
                        let u := and(d, U)
                        let c := mload(mul(24, shr(29, d)))
                        let r := add(sar(64, c), mul(and(c, LO), u))
                        let e := sub(d, stdDev)
                        let v := and(e, U)
                        let g := mload(mul(24, shr(29, e)))
                        let t := add(sar(64, g), mul(and(g, LO), v))
                        mstore(add(record, 96), add(add(mul(forward, sar(151, add(mul(signextend(14, r), mul(u, u)), r))),
                            mul(strike, sar(151, add(mul(signextend(14, t), mul(v, v)), t)))), mload(add(record, 96))))
                    }
                    {
                        let d := add(sar(47, mul(mload(add(record, 128)), inverse)), d1)
                        let u := and(d, U)
                        let c := mload(mul(24, shr(29, d)))
                        let r := add(sar(64, c), mul(and(c, LO), u))
                        let e := sub(d, stdDev)
                        let v := and(e, U)
                        let g := mload(mul(24, shr(29, e)))
                        let t := add(sar(64, g), mul(and(g, LO), v))
                        mstore(add(record, 160), add(add(mul(forward, sar(151, add(mul(signextend(14, r), mul(u, u)), r))),
                            mul(strike, sar(151, add(mul(signextend(14, t), mul(v, v)), t)))), mload(add(record, 160))))
                    }
                    {
                        let d := add(sar(47, mul(mload(add(record, 192)), inverse)), d1)
                        let u := and(d, U)
                        let c := mload(mul(24, shr(29, d)))
                        let r := add(sar(64, c), mul(and(c, LO), u))
                        let e := sub(d, stdDev)
                        let v := and(e, U)
                        let g := mload(mul(24, shr(29, e)))
                        let t := add(sar(64, g), mul(and(g, LO), v))
                        mstore(add(record, 224), add(add(mul(forward, sar(151, add(mul(signextend(14, r), mul(u, u)), r))),
                            mul(strike, sar(151, add(mul(signextend(14, t), mul(v, v)), t)))), mload(add(record, 224))))
                    }
                    record := add(record, 0x100)
                }
                for { end := add(end, 0xc0) } lt(record, end) { record := add(record, 0x40) } {
                    {
                        let d := add(sar(47, mul(mload(record), inverse)), d1)
                        let u := and(d, U)
                        let c := mload(mul(24, shr(29, d)))
                        let r := add(sar(64, c), mul(and(c, LO), u))
                        let e := sub(d, stdDev)
                        let v := and(e, U)
                        let g := mload(mul(24, shr(29, e)))
                        let t := add(sar(64, g), mul(and(g, LO), v))
                        mstore(add(record, 32), add(add(mul(forward, sar(151, add(mul(signextend(14, r), mul(u, u)), r))),
                            mul(strike, sar(151, add(mul(signextend(14, t), mul(v, v)), t)))), mload(add(record, 32))))
                    }
                }
            }

            for {} at {} {
                let s
                let moneyness
                let stdDev
                let inverse
                let d1
                {
                    let word := mload(at)
                    moneyness := signextend(5, shr(112, word))
                    // v sqrt T, 2**-60, by the SVI slice. Roots, at most 2.3e-12 above, by three Newton steps: the inner one from 0.96 of the
                    // larger of |k| and sigma and 0.4 of the smaller, at most 4 % off; the outer one from the last result where its square
                    // is within an eighth, as with neighbouring strikes, else by one step more, from the bits.
                    {
                        let k := sub(moneyness, mload(LN_REF_FORWARD))
                        {
                            let bound := mload(BOUND)
                            if gt(add(k, bound), shl(1, bound)) { k := mul(bound, sub(sgt(k, 0), slt(k, 0))) }
                        }
                        k := sub(shl(18, k), mload(M))
                        let x := add(mul(k, k), mload(SIGMA_SQUARED))
                        let z := mload(SIGMA)
                        s := sar(255, k)
                        s := sub(xor(k, s), s) // |k|
                        z := shr(8, add(mul(102, add(s, z)), mul(144, xor(s, mul(xor(s, z), gt(z, s))))))
                        z := shr(1, add(z, div(x, z)))
                        z := shr(1, add(z, div(x, z)))
                        z := shr(1, add(z, div(x, z)))
                        x := add(mload(A), mul(mload(B), add(z, sar(60, mul(mload(RHO), k)))))
                        x := shr(64, mul(mul(x, sgt(x, 0)), mload(VARIANCE_SCALE)))
                        s := mload(OUTER_ROOT)
                        z := div(x, s)
                        if iszero(lt(sub(z, sub(s, shr(3, s))), shr(2, s))) {
                            s := start(x)
                            s := shr(1, add(s, div(x, s)))
                            z := div(x, s)
                        }
                        s := shr(1, add(s, z))
                        s := shr(1, add(s, div(x, s)))
                        s := shr(1, add(s, div(x, s)))
                        mstore(OUTER_ROOT, s)
                    }
                    moneyness := sub(mload(LN_FORWARD), moneyness)

                    // at the market
                    stdDev := shr(25, s)
                    stdDev := or(stdDev, iszero(stdDev))
                    inverse := div(0x8000000000000000000, stdDev)
                    d1 := add(add(sar(47, mul(moneyness, inverse)), shr(1, stdDev)), BIAS)
                    let n1
                    let n2 := sub(d1, stdDev)
                    switch slt(or(sub(n2, LOW), sub(sub(HIGH, 1), d1)), 0)
                    case 0 {
                        let u := and(d1, U)
                        n1 := mload(mul(24, shr(29, d1)))
                        n1 := add(sar(64, n1), mul(and(n1, LO), u))
                        n1 := sar(151, add(mul(signextend(14, n1), mul(u, u)), n1))
                        u := and(n2, U)
                        n2 := mload(mul(24, shr(29, n2)))
                        n2 := add(sar(64, n2), mul(and(n2, LO), u))
                        n2 := sar(151, add(mul(signextend(14, n2), mul(u, u)), n2))
                    }
                    default {
                        n1 := centred(d1)
                        n2 := centred(n2)
                    }

                    let forward := mload(FORWARD)
                    let strike := div(mul(and(word, 0xffffffffffffffff), mload(DISCOUNT)), 100000000)
                    mstore(STRIKES, or(mload(STRIKES), strike))
                    {
                        let size := sar(160, word)
                        let sum := add(SIZES, or(shl(6, and(shr(104, word), 1)), shl(5, slt(size, 0))))
                        mstore(sum, add(mload(sum), size))
                    }
                    if mload(MARKS) {
                        // the mean of call and put, 2**-41, +- (F - K) D / 2, rounded to nearest; no scenarios
                        let mark := shl(1, sub(mul(forward, n1), mul(strike, n2)))
                        mark := add(mark, shl(41, add(mul(sub(1, shl(1, and(shr(104, word), 1))), sub(forward, strike)), 1)))
                        mark := shr(42, mul(mark, sgt(mark, 0)))
                        mstore(add(at, mload(MARKS)), mark)
                        mstore(VALUE, add(mload(VALUE), mul(sar(160, word), mark)))
                        at := and(mload(add(at, mload(LINKS))), 0xffffff)
                        continue
                    }
                    // lanes' factors, 1e-12 USD
                    let sign := sub(1, shl(1, and(shr(104, word), 1)))
                    word := sar(160, word) // from here on the size
                    forward := shl(128, sdiv(mul(word, forward), 1000000000000000000000000))
                    strike := sub(0, sdiv(mul(word, strike), 1000000000000000000000000))
                    mstore(SPREAD, add(mload(SPREAD), mul(strike, sign)))
                    mstore(0x00, forward)
                    mstore(0x20, strike)
                    mstore(BASE, add(mload(BASE), add(mul(forward, n1), mul(strike, n2))))
                }
                {
                    let link := add(at, mload(LINKS))
                    at := mload(link)
                    mstore(link, or(shl(24, or(shl(72, moneyness), s)), at))
                    at := and(at, 0xffffff)
                }

                let rows := mload(ROWS)
                if iszero(rows) { continue }
                switch rows
                case 1 {
                    let record := mload(NONE_FIRST)
                    let end := mload(NONE_END)
                    if lt(record, end) { row(record, end, stdDev, inverse, d1) }
                    record := mload(UP_FIRST)
                    end := mload(UP_END)
                    if lt(record, end) {
                        stdDev := shr(85, mul(s, mload(UP_FACTOR)))
                        if lt(stdDev, mload(UP_LEAST)) { stdDev := mload(UP_LEAST) }
                        inverse := div(0x8000000000000000000, stdDev)
                        row(record, end, stdDev, inverse, add(add(sar(47, mul(moneyness, inverse)), shr(1, stdDev)), BIAS))
                    }
                    record := mload(DOWN_FIRST)
                    end := mload(DOWN_END)
                    if lt(record, end) {
                        stdDev := shr(85, mul(s, mload(DOWN_FACTOR)))
                        if lt(stdDev, mload(DOWN_LEAST)) { stdDev := mload(DOWN_LEAST) }
                        inverse := div(0x8000000000000000000, stdDev)
                        row(record, end, stdDev, inverse, add(add(sar(47, mul(moneyness, inverse)), shr(1, stdDev)), BIAS))
                    }
                }
                default {
                    // one record, of the direction at this address
                    stdDev := shr(85, mul(s, mload(rows)))
                    rows := mload(add(rows, 0x20))
                    if lt(stdDev, rows) { stdDev := rows }
                    inverse := div(0x8000000000000000000, stdDev)
                    d1 := add(add(sar(47, mul(moneyness, inverse)), shr(1, stdDev)), BIAS)
                    d1 := add(d1, sar(47, mul(mload(RECORD_LN), inverse)))
                    let d2 := sub(d1, stdDev)
                    switch slt(or(sub(d2, LOW), sub(sub(HIGH, 1), d1)), 0)
                    case 0 {
                        let u := and(d1, U)
                        d1 := mload(mul(24, shr(29, d1)))
                        d1 := add(sar(64, d1), mul(and(d1, LO), u))
                        d1 := sar(151, add(mul(signextend(14, d1), mul(u, u)), d1))
                        u := and(d2, U)
                        d2 := mload(mul(24, shr(29, d2)))
                        d2 := add(sar(64, d2), mul(and(d2, LO), u))
                        d2 := sar(151, add(mul(signextend(14, d2), mul(u, u)), d2))
                    }
                    default {
                        d1 := centred(d1)
                        d2 := centred(d2)
                    }
                    mstore(RECORD_LANES, add(mload(RECORD_LANES), add(mul(mload(0x00), d1), mul(mload(0x20), d2))))
                }
            }
        }
    }
}
