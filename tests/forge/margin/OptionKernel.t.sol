// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {SSTORE2} from "solady/utils/SSTORE2.sol";
import {FixedPoint} from "../../../contracts/math/FixedPoint.sol";
import {Memory} from "../../../contracts/math/Memory.sol";
import {FRAME, RECORDS, Workspace} from "../../../contracts/math/Workspace.sol";
import {NormalCdf} from "../../../contracts/math/NormalCdf.sol";
import {NORMAL_TABLE} from "../../../contracts/math/NormalTable.sol";
import {OptionFrame, OptionFrameLib, VolDirection} from "../../../contracts/math/OptionFrame.sol";
import {OptionKernel} from "../../../contracts/math/OptionKernel.sol";
import {InstrumentId, Kind, instrumentId} from "../../../contracts/types/InstrumentId.sol";
import {Position, position} from "../../../contracts/types/Position.sol";
import {ReadableKernel} from "./ReadableKernel.sol";

/// @notice Kernel against its readable equivalent: every word either writes, on random frames, options and rows.
contract OptionKernelTest {
    using Memory for uint256[];

    uint256 private constant OPTIONS = 9;
    address private immutable TABLE = SSTORE2.write(NORMAL_TABLE);

    struct Result {
        bytes32 frame;
        bytes32 next;
        bytes32 marks;
        bytes32 rows;
    }

    function testFuzz_kernel_is_its_readable_equivalent(uint256 seed) public view {
        Result memory fast = this.scan(seed, true);
        Result memory readable = this.scan(seed, false);
        require(fast.frame == readable.frame, "sums");
        require(fast.next == readable.next, "what next keeps");
        require(fast.marks == readable.marks, "marks");
        require(fast.rows == readable.rows, "lanes");
    }

    /// @dev External: each run has memory of its own, laid out alike.
    function scan(uint256 seed, bool fast) external view returns (Result memory r) {
        Workspace.reserve();
        NormalCdf.load(TABLE);
        OptionFrame memory f = OptionFrameLib.asFrame()(FRAME);
        uint256[] memory positions = new uint256[](OPTIONS);
        uint256[] memory next = new uint256[](OPTIONS);
        uint256[] memory marks = new uint256[](OPTIONS);
        f.links = next.address_() - positions.address_();
        if (_roll(seed, 91) % 4 == 0) f.marks = marks.address_() - positions.address_();
        _slice(f, seed);
        uint256[] memory rows = _rows(seed);
        OptionFrameLib.reset(f, _mode(seed));
        for (uint256 i; i < OPTIONS; ++i) {
            positions[i] = _option(seed, i);
            // the list runs from the last option to the first
            next[i] = i == 0 ? 0 : positions.address_() + 32 * (i - 1);
        }
        uint256 last = positions.address_() + 32 * (OPTIONS - 1);
        if (fast) OptionKernel.run(last);
        else ReadableKernel.run(f, last);
        r.frame = keccak256(abi.encode(f));
        r.next = keccak256(abi.encode(next));
        r.marks = keccak256(abi.encode(marks));
        r.rows = keccak256(abi.encode(rows, ReadableKernel.load(RECORDS + 32)));
    }

    function _slice(OptionFrame memory f, uint256 seed) private pure {
        uint256 forward = 1e15 + _roll(seed, 1) % 2e23;
        f.lnForward = FixedPoint.ln(forward);
        f.discount = 0.8e18 + _roll(seed, 2) % 0.4e18;
        f.discountedForward = forward * f.discount / 1e18;
        f.lnRefForward = f.lnForward + int256(_roll(seed, 3) % (1 << 41)) - (1 << 40);
        f.bound = _roll(seed, 4) % (1 << 44);
        f.a = (int256(_roll(seed, 5) % 0.2e18) - 0.001e18) << 60;
        f.b = int256(_roll(seed, 6) % (1 << 59));
        f.rho = int256(_roll(seed, 7) % (2 << 60)) - (1 << 60);
        f.m = int256(_roll(seed, 8) % (1 << 59)) - (1 << 58);
        f.sigma = _roll(seed, 9) % (1 << 60);
        f.sigmaSquared = int256(f.sigma * f.sigma);
        // T / refTau from 0 to about 2; now and then far less
        f.varianceScale = (_roll(seed, 10) % (2 << 64)) >> (_roll(seed, 11) % 4 == 0 ? _roll(seed, 12) % 66 : 0);
    }

    /// @dev Rows of 0 to 11 records, ascending in ln(1 + x) of -2 to 2.
    function _rows(uint256 seed) private pure returns (uint256[] memory room) {
        room = new uint256[](3 * 2 * 11);
        uint256 at;
        assembly ("memory-safe") {
            at := add(room, 0x20)
        }
        for (uint256 i; i < 3; ++i) {
            VolDirection memory d = OptionFrameLib.asDirection()(OptionFrameLib.directionAt(i));
            d.factor = i == 0 ? 1 << 60 : _roll(seed, 20 + i) % (4 << 60);
            d.least = i == 0 ? 1 : 1 + _roll(seed, 23 + i) % (1 << 34);
            d.first = at;
            int256 ln = -(2 << 42);
            for (uint256 k = _roll(seed, 26 + i) % 12; k != 0; --k) {
                ln += int256(_roll(seed, 30 + 12 * i + k) % (4 << 42) / 12);
                ReadableKernel.store(at, uint256(ln));
                at += 64;
            }
            d.end = at;
        }
    }

    /// @dev Marks, no scenarios, a single one, or all rows.
    function _mode(uint256 seed) private pure returns (uint256) {
        uint256 roll = _roll(seed, 90) % 8;
        if (roll > 2) return 1;
        if (roll == 0) return 0;
        uint256 direction = _roll(seed, 92) % 3;
        VolDirection memory d = OptionFrameLib.asDirection()(OptionFrameLib.directionAt(direction));
        ReadableKernel.store(RECORDS, uint256(int256(_roll(seed, 93) % (4 << 42)) - (2 << 42)));
        (d.first, d.end) = (RECORDS, RECORDS + 64); // what both leave
        return OptionFrameLib.directionAt(direction);
    }

    function _option(uint256 seed, uint256 i) private pure returns (uint256) {
        uint64 strike = uint64(1 + _roll(seed, 100 + i) % (_roll(seed, 200 + i) % 3 == 0 ? 2e13 : 2e11));
        int256 size = int256(_roll(seed, 300 + i) % 2e24) - 1e24;
        InstrumentId id = instrumentId(_roll(seed, 400 + i) % 2 == 0 ? Kind.CALL : Kind.PUT, 0, 1, strike);
        return Position.unwrap(position(id, FixedPoint.lnStrike(id), size));
    }

    function _roll(uint256 seed, uint256 salt) private pure returns (uint256) {
        return uint256(keccak256(abi.encode(seed, salt)));
    }
}
