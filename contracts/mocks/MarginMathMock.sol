// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {SSTORE2} from "solady/utils/SSTORE2.sol";
import {ExpirySlice} from "../margin/ExpirySlice.sol";
import {ExpiryLegs} from "../margin/Portfolio.sol";
import {FixedPoint} from "../math/FixedPoint.sol";
import {NormalCdf} from "../math/NormalCdf.sol";
import {NORMAL_TABLE} from "../math/NormalTable.sol";
import {OptionFrame, OptionFrameLib, VolDirection} from "../math/OptionFrame.sol";
import {Memory} from "../math/Memory.sol";
import {FRAME, Workspace} from "../math/Workspace.sol";
import {OptionKernel} from "../math/OptionKernel.sol";
import {ParameterTable} from "../types/Parameter.sol";

/// @title The engine's mathematics, one function at a time, for tests against references
contract MarginMathMock {
    using Memory for uint256[];

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
        Workspace.reserve();
        NormalCdf.load(TABLE);
        n = new int256[](d.length);
        for (uint256 i; i < d.length; ++i) {
            n[i] = NormalCdf.centred(d[i] + NormalCdf.BIAS);
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
        Workspace.reserve();
        (marks, stdDevs) = _connect(words, expiry, time, positions);
        OptionFrame memory f = OptionFrameLib.asFrame()(FRAME);
        OptionFrameLib.reset(f, 0);
        _walk(stdDevs);
        f.marks = 0; // then what the links keep
        _walk(stdDevs);
        for (uint256 i; i < stdDevs.length; ++i) {
            uint256 stdDev = uint72(stdDevs[i] >> 24) >> 25;
            stdDevs[i] = stdDev == 0 ? 1 : stdDev; // the least that the kernel prices with
        }
    }

    /// @notice Value of one option at shocked spots of the unshocked vol, less its mean with the put or call of the same strike at
    /// the market: H((1 + x) F) in 1e-12 USD x 2**-41, per record of `lnShocks` (2**-42, ascending).
    function shocked(uint256[3] calldata words, uint32 expiry, uint256 time, uint256 position, int256[] calldata lnShocks)
        external
        view
        returns (int256[] memory forwards, int256[] memory strikes)
    {
        Workspace.reserve();
        uint256[] memory positions = new uint256[](1);
        positions[0] = position;
        (, uint256[] memory links) = _connect(words, expiry, time, positions);
        uint256[] memory records = new uint256[](2 * lnShocks.length);
        for (uint256 i; i < lnShocks.length; ++i) {
            records[2 * i] = uint256(lnShocks[i]);
        }
        VolDirection memory d = OptionFrameLib.asDirection()(OptionFrameLib.directionAt(0));
        (d.first, d.end) = (records.address_(), records.address_() + 32 * records.length);
        OptionFrame memory f = OptionFrameLib.asFrame()(FRAME);
        OptionFrameLib.reset(f, 1);
        f.marks = 0;
        _walk(links);
        forwards = new int256[](lnShocks.length);
        strikes = new int256[](lnShocks.length);
        for (uint256 i; i < lnShocks.length; ++i) {
            (forwards[i], strikes[i]) = OptionFrameLib.unpack(int256(records[2 * i + 1]));
        }
    }

    /// @notice Factors of the shocked vols at a tenor, 2**-60, and the least v sqrt T, 2**-35.
    function shocks(uint256[] calldata parameters, uint256 tenor)
        external
        pure
        returns (uint256 up, uint256 leastUp, uint256 down, uint256 leastDown)
    {
        Workspace.reserve();
        uint256[] memory copy = parameters;
        ExpirySlice.shocks(ParameterTable.wrap(copy.address_()), tenor, ExpirySlice.sqrtYears(tenor));
        VolDirection memory d = OptionFrameLib.asDirection()(OptionFrameLib.directionAt(1));
        (up, leastUp) = (d.factor, d.least);
        d = OptionFrameLib.asDirection()(OptionFrameLib.directionAt(2));
        (down, leastDown) = (d.factor, d.least);
    }

    /// @dev The frame at an expiry, and arrays for what the kernel writes of each position.
    function _connect(uint256[3] calldata words, uint32 expiry, uint256 time, uint256[] memory positions)
        private
        view
        returns (uint256[] memory marks, uint256[] memory links)
    {
        NormalCdf.load(TABLE);
        (marks, links) = (new uint256[](positions.length), new uint256[](positions.length));
        OptionFrame memory f = OptionFrameLib.asFrame()(FRAME);
        f.marks = marks.address_() - positions.address_();
        f.links = links.address_() - positions.address_();
        ExpiryLegs memory legs;
        (legs.key, legs.quote, legs.smile, legs.wing) = (expiry, words[0], words[1], words[2]);
        (uint256 forward, uint256 tenor) = ExpirySlice.future(legs, time);
        ExpirySlice.decode(f, legs, forward, tenor);
    }

    /// @dev From the last position to the first.
    function _walk(uint256[] memory links) private pure {
        uint256 at; // of a position's word
        uint256 distance = OptionFrameLib.asFrame()(FRAME).links;
        for (uint256 i; i < links.length; ++i) {
            links[i] = at;
            at = links.address_() + 32 * i - distance;
        }
        OptionKernel.run(at);
    }
}
