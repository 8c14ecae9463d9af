// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {SSTORE2} from "solady/utils/SSTORE2.sol";
import {ExpirySlice} from "../margin/ExpirySlice.sol";
import {ExpiryLegs} from "../margin/Portfolio.sol";
import {FixedPoint} from "../math/FixedPoint.sol";
import {NormalCdf} from "../math/NormalCdf.sol";
import {NORMAL_TABLE} from "../math/NormalTable.sol";
import {OptionFrame, OptionFrameLib, VolDirection} from "../math/OptionFrame.sol";
import {OptionKernel} from "../math/OptionKernel.sol";
import {ParameterTable} from "../types/Parameter.sol";

/// @title The engine's mathematics, one function at a time, for tests against references
contract MarginMathMock {
    address private immutable TABLE = SSTORE2.write(NORMAL_TABLE);

    /// @return 2**-42. @param x 1e18.
    function ln(uint256 x) external pure returns (int256) {
        return FixedPoint.ln(x);
    }

    function exp(int256 x) external pure returns (uint256) {
        return FixedPoint.exp(x);
    }

    function pow(uint256 base, uint256 exponent) external pure returns (uint256) {
        return FixedPoint.pow(base, exponent);
    }

    /// @notice N(d) - 1/2, 2**-41. @param d 2**-35.
    function centred(int256[] calldata d) external view returns (int256[] memory n) {
        int256 bias = NormalCdf.load(TABLE);
        n = new int256[](d.length);
        for (uint256 i; i < d.length; ++i) {
            n[i] = NormalCdf.centred(d[i] + bias, bias);
        }
    }

    /// @notice phi(d), 1e18. @param d 2**-35.
    function density(int256 d) external pure returns (uint256) {
        return NormalCdf.density(d);
    }

    /// @notice Options of one expiry (packed positions): mark, USD 1e18, and v sqrt T, 2**-35.
    /// @param words quote, smile, wing of the expiry.
    function price(uint256[3] calldata words, uint32 expiry, uint256 time, uint256[] calldata positions)
        external
        view
        returns (uint256[] memory marks, uint256[] memory stdDevs)
    {
        OptionFrame memory f;
        marks = new uint256[](positions.length);
        stdDevs = _run(f, words, expiry, time, positions, marks);
    }

    /// @notice Value of one option at shocked spots of the unshocked vol, less its mean with the put or call of the same strike at
    /// the market: H((1 + x) F) in 1e-12 USD x 2**-41, per record of `lnShocks` (2**-42, ascending).
    function shocked(uint256[3] calldata words, uint32 expiry, uint256 time, uint256 position, int256[] calldata lnShocks)
        external
        view
        returns (int256[] memory forwards, int256[] memory strikes)
    {
        OptionFrame memory f;
        uint256[] memory positions = new uint256[](1);
        positions[0] = position;
        uint256[] memory records = new uint256[](2 * lnShocks.length);
        for (uint256 i; i < lnShocks.length; ++i) {
            records[2 * i] = uint256(lnShocks[i]);
        }
        _runRow(f, words, expiry, time, positions, records);
        forwards = new int256[](lnShocks.length);
        strikes = new int256[](lnShocks.length);
        for (uint256 i; i < lnShocks.length; ++i) {
            (forwards[i], strikes[i]) = OptionFrameLib.unpack(int256(records[2 * i + 1]));
        }
    }

    /// @notice Factors of the shocked vols at a tenor, 2**-60, and the least v sqrt T, 2**-35.
    // solhint-disable-next-line gas-calldata-parameters
    function shocks(uint256[] memory parameters, uint256 tenor)
        external
        pure
        returns (uint256 up, uint256 leastUp, uint256 down, uint256 leastDown)
    {
        OptionFrame memory f;
        uint256[] memory none;
        OptionFrameLib.connect(f, 0, none, none, 0);
        ParameterTable table;
        assembly ("memory-safe") {
            table := add(parameters, 0x20)
        }
        ExpirySlice.shocks(f, table, tenor, ExpirySlice.sqrtYears(tenor));
        VolDirection memory d = OptionFrameLib.direction(f, 1);
        (up, leastUp) = (d.factor, d.least);
        d = OptionFrameLib.direction(f, 2);
        (down, leastDown) = (d.factor, d.least);
    }

    function _run(
        OptionFrame memory f,
        uint256[3] calldata words,
        uint32 expiry,
        uint256 time,
        uint256[] memory positions,
        uint256[] memory marks
    ) private view returns (uint256[] memory kept) {
        _connect(f, words, expiry, time, positions, marks);
        OptionFrameLib.reset(f, false);
        kept = _walk(f, positions.length);
        for (uint256 i; i < kept.length; ++i) {
            kept[i] = uint48(kept[i] >> 16);
        }
    }

    function _runRow(
        OptionFrame memory f,
        uint256[3] calldata words,
        uint32 expiry,
        uint256 time,
        uint256[] memory positions,
        uint256[] memory records
    ) private view {
        _connect(f, words, expiry, time, positions, new uint256[](positions.length));
        VolDirection memory d = OptionFrameLib.direction(f, 0);
        (d.factor, d.least) = (1 << 60, 1);
        uint256 at;
        assembly ("memory-safe") {
            at := add(records, 0x20)
        }
        (d.first, d.end) = (at, at + 32 * records.length);
        OptionFrameLib.reset(f, true);
        _walk(f, positions.length);
    }

    function _connect(
        OptionFrame memory f,
        uint256[3] calldata words,
        uint32 expiry,
        uint256 time,
        uint256[] memory positions,
        uint256[] memory marks
    ) private view {
        uint256 marksAt;
        assembly ("memory-safe") {
            marksAt := marks
        }
        OptionFrameLib.connect(f, NormalCdf.load(TABLE), positions, new uint256[](positions.length), marksAt);
        ExpiryLegs memory legs;
        (legs.key, legs.quote, legs.smile, legs.wing) = (expiry, words[0], words[1], words[2]);
        (uint256 forward, uint256 tenor) = ExpirySlice.future(legs, time);
        ExpirySlice.decode(f, legs, forward, tenor);
    }

    function _walk(OptionFrame memory f, uint256 count) private pure returns (uint256[] memory next) {
        uint256 at = f.next;
        assembly ("memory-safe") {
            next := at
        }
        for (uint256 i; i < count; ++i) {
            next[i] = i;
        }
        OptionKernel.run(f, count);
    }
}
