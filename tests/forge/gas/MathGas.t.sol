// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {SSTORE2} from "solady/utils/SSTORE2.sol";
import {ExpirySlice} from "../../../contracts/margin/ExpirySlice.sol";
import {ExpiryLegs} from "../../../contracts/margin/Portfolio.sol";
import {FixedPoint} from "../../../contracts/math/FixedPoint.sol";
import {Memory} from "../../../contracts/math/Memory.sol";
import {NormalCdf} from "../../../contracts/math/NormalCdf.sol";
import {NORMAL_TABLE} from "../../../contracts/math/NormalTable.sol";
import {OptionFrame, OptionFrameLib} from "../../../contracts/math/OptionFrame.sol";
import {OptionKernel} from "../../../contracts/math/OptionKernel.sol";
import {FRAME, Workspace} from "../../../contracts/math/Workspace.sol";
import {InstrumentId, Kind, instrumentId} from "../../../contracts/types/InstrumentId.sol";
import {Position, position} from "../../../contracts/types/Position.sol";

/// @notice Gas of the mathematics, the normal table loaded: one look-up, and one option at the market, SVI vol included.
contract MathGasTest {
    using Memory for uint256[];

    uint32 private constant TIME = 1_800_000_000;
    uint32 private constant EXPIRY = TIME + 30 days;
    uint256 private constant REF_TAU = 0.0822e18;
    address private immutable TABLE = SSTORE2.write(NORMAL_TABLE);

    event log_named_uint(string key, uint256 value);

    function test_cdf() public {
        Workspace.reserve();
        NormalCdf.load(TABLE);
        int256 d = NormalCdf.BIAS + (int256(3) << 33);
        uint256 before = gasleft();
        int256 n = NormalCdf.centred(d);
        uint256 used = before - gasleft();
        require(n > 0, "above one half");
        emit log_named_uint("cdf", used);
    }

    function test_black76() public {
        Workspace.reserve();
        NormalCdf.load(TABLE);
        OptionFrame memory f = OptionFrameLib.asFrame()(FRAME);
        uint256[] memory positions = new uint256[](2);
        uint256[] memory links = new uint256[](2);
        uint256[] memory marks = new uint256[](2);
        (f.links, f.marks) = (links.address_() - positions.address_(), marks.address_() - positions.address_());
        ExpiryLegs memory legs;
        legs.key = EXPIRY;
        legs.quote = (uint256(3500e18) << 160) | (uint256(0.04e18) << 96) | (REF_TAU << 32) | TIME;
        legs.smile = (uint256(0.02e18) << 192) | (uint256(0.04e18) << 128);
        legs.wing = (uint256(0.25e18) << 192) | (uint256(3500e18) << 96);
        (uint256 forward, uint256 tenor) = ExpirySlice.future(legs, TIME);
        ExpirySlice.decode(f, legs, forward, tenor);
        OptionFrameLib.reset(f, 0);
        for (uint256 i; i < 2; ++i) {
            InstrumentId id = instrumentId(Kind.CALL, 0, EXPIRY, uint64(3600 + 50 * i) * 1e8);
            positions[i] = Position.unwrap(position(id, FixedPoint.lnStrike(id), 1e18));
        }
        OptionKernel.run(positions.address_()); // the second finds where its roots begin, as all do but the first
        uint256 before = gasleft();
        OptionKernel.run(positions.address_() + 32);
        uint256 used = before - gasleft();
        require(marks[1] > 0 && marks[1] < marks[0], "a price");
        emit log_named_uint("black76", used);
    }
}
