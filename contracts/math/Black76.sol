// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {NormalCdf} from "./NormalCdf.sol";

/// @title Black-76 over a row of spots
/// @notice The kernel works with the mean of call and put, H = F (N(d1) - 1/2) - K (N(d2) - 1/2): a call is H + (F - K) / 2,
/// a put H - (F - K) / 2, and the linear half is added once per expiry, not once per option. N - 1/2 comes as 2**-41 from
/// `NormalCdf`; d1 and d2 are positions in its table; v sqrt T is a difference of positions, 2**-35.
/// @dev An error common to d1 and d2 moves a price in the second order only (F n(d1) = K n(d2)): ln(F/K) needs 2**-42,
/// 1 / (v sqrt T) 40 bits. d1 - d2 is exact.
///
/// A row is an array of records of 64 bytes: | ln(1 + x), 2**-42 | lanes |, one per scenario of the same shocked vol.
/// `lanes` collects sum(size F n1) in its upper and -sum(size K n2) in its lower 128 bits, as one signed sum.
library Black76 {
    uint256 internal constant RECORD = 64;
    uint256 private constant LO_LANE = ((1 << 93) - 1) << 64;

    /// @notice d1 = ln(F/K) / (v sqrt T) + v sqrt T / 2 as a position.
    /// @dev v sqrt T below one unit of position counts as one: the price is then intrinsic to 2e-11 F, and nothing divides by 0.
    /// @param moneyness ln(F/K), 2**-42. @param deviation v sqrt T, 2**-35.
    /// @return stdDev `deviation`, at least 1. @return inverse 2**75 / stdDev. @return d1 At spot shock 0.
    function point(int256 moneyness, uint256 deviation, int256 bias)
        internal
        pure
        returns (uint256 stdDev, uint256 inverse, int256 d1)
    {
        unchecked {
            stdDev = deviation == 0 ? 1 : deviation;
            inverse = (1 << 75) / stdDev;
            d1 = ((moneyness * int256(inverse)) >> 47) + int256(stdDev >> 1) + bias;
        }
    }

    /// @notice Adds one option to every record of [first, last): lanes += (size F << 128) n(d1') - size K n(d1' - stdDev),
    /// d1' = d1 + ln(1+x) / (v sqrt T). Any position is allowed.
    /// @param forwardLane size D F << 128. @param strikeLane -size D K.
    function add(
        uint256 first,
        uint256 last,
        int256 d1,
        uint256 inverse,
        uint256 stdDev,
        int256 forwardLane,
        int256 strikeLane,
        int256 bias
    ) internal pure {
        unchecked {
            for (; first < last; first += RECORD) {
                int256 shock;
                assembly ("memory-safe") {
                    shock := mload(first)
                }
                int256 d = d1 + ((shock * int256(inverse)) >> 47);
                int256 sum = forwardLane * NormalCdf.centred(d, bias)
                    + strikeLane * NormalCdf.centred(d - int256(stdDev), bias);
                assembly ("memory-safe") {
                    let lanes := add(first, 0x20)
                    mstore(lanes, add(mload(lanes), sum))
                }
            }
        }
    }

    /// @notice `add` where every d1' and d1' - stdDev of the row is inside of the table (the caller has checked both ends).
    /// @dev Readable equivalent: `add`. Four records at a time, then one by one; `NormalCdf.inside` is written out.
    function addInside(
        uint256 first,
        uint256 last,
        int256 d1,
        uint256 inverse,
        uint256 stdDev,
        int256 forwardLane,
        int256 strikeLane
    ) internal pure {
        assembly ("memory-safe") {
            for { let end := sub(last, 192) } lt(first, end) { first := add(first, 256) } {
                {
                    let d := add(sar(47, mul(mload(first), inverse)), d1)
                    let u := and(d, 0x1fffffff)
                    let c := mload(mul(24, shr(29, d)))
                    let r := add(sar(64, c), mul(and(c, LO_LANE), u))
                    let e := sub(d, stdDev)
                    let v := and(e, 0x1fffffff)
                    let f := mload(mul(24, shr(29, e)))
                    let t := add(sar(64, f), mul(and(f, LO_LANE), v))
                    let sum := mul(forwardLane, sar(151, add(mul(signextend(14, r), mul(u, u)), r)))
                    sum := add(sum, mul(strikeLane, sar(151, add(mul(signextend(14, t), mul(v, v)), t))))
                    mstore(add(first, 32), add(sum, mload(add(first, 32))))
                }
                {
                    let d := add(sar(47, mul(mload(add(first, 64)), inverse)), d1)
                    let u := and(d, 0x1fffffff)
                    let c := mload(mul(24, shr(29, d)))
                    let r := add(sar(64, c), mul(and(c, LO_LANE), u))
                    let e := sub(d, stdDev)
                    let v := and(e, 0x1fffffff)
                    let f := mload(mul(24, shr(29, e)))
                    let t := add(sar(64, f), mul(and(f, LO_LANE), v))
                    let sum := mul(forwardLane, sar(151, add(mul(signextend(14, r), mul(u, u)), r)))
                    sum := add(sum, mul(strikeLane, sar(151, add(mul(signextend(14, t), mul(v, v)), t))))
                    mstore(add(first, 96), add(sum, mload(add(first, 96))))
                }
                {
                    let d := add(sar(47, mul(mload(add(first, 128)), inverse)), d1)
                    let u := and(d, 0x1fffffff)
                    let c := mload(mul(24, shr(29, d)))
                    let r := add(sar(64, c), mul(and(c, LO_LANE), u))
                    let e := sub(d, stdDev)
                    let v := and(e, 0x1fffffff)
                    let f := mload(mul(24, shr(29, e)))
                    let t := add(sar(64, f), mul(and(f, LO_LANE), v))
                    let sum := mul(forwardLane, sar(151, add(mul(signextend(14, r), mul(u, u)), r)))
                    sum := add(sum, mul(strikeLane, sar(151, add(mul(signextend(14, t), mul(v, v)), t))))
                    mstore(add(first, 160), add(sum, mload(add(first, 160))))
                }
                {
                    let d := add(sar(47, mul(mload(add(first, 192)), inverse)), d1)
                    let u := and(d, 0x1fffffff)
                    let c := mload(mul(24, shr(29, d)))
                    let r := add(sar(64, c), mul(and(c, LO_LANE), u))
                    let e := sub(d, stdDev)
                    let v := and(e, 0x1fffffff)
                    let f := mload(mul(24, shr(29, e)))
                    let t := add(sar(64, f), mul(and(f, LO_LANE), v))
                    let sum := mul(forwardLane, sar(151, add(mul(signextend(14, r), mul(u, u)), r)))
                    sum := add(sum, mul(strikeLane, sar(151, add(mul(signextend(14, t), mul(v, v)), t))))
                    mstore(add(first, 224), add(sum, mload(add(first, 224))))
                }
            }
            for {} lt(first, last) { first := add(first, 64) } {
                {
                    let d := add(sar(47, mul(mload(first), inverse)), d1)
                    let u := and(d, 0x1fffffff)
                    let c := mload(mul(24, shr(29, d)))
                    let r := add(sar(64, c), mul(and(c, LO_LANE), u))
                    let e := sub(d, stdDev)
                    let v := and(e, 0x1fffffff)
                    let f := mload(mul(24, shr(29, e)))
                    let t := add(sar(64, f), mul(and(f, LO_LANE), v))
                    let sum := mul(forwardLane, sar(151, add(mul(signextend(14, r), mul(u, u)), r)))
                    sum := add(sum, mul(strikeLane, sar(151, add(mul(signextend(14, t), mul(v, v)), t))))
                    mstore(add(first, 32), add(sum, mload(add(first, 32))))
                }
            }
        }
    }
}
