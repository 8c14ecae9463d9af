// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {SSTORE2} from "solady/utils/SSTORE2.sol";
import {FixedPoint} from "../../../contracts/math/FixedPoint.sol";
import {Workspace} from "../../../contracts/math/Workspace.sol";
import {NormalCdf} from "../../../contracts/math/NormalCdf.sol";
import {NORMAL_TABLE} from "../../../contracts/math/NormalTable.sol";

/// @notice Logarithm and power against Solady's, which are exact to 1e-18; the normal table's shape.
contract FixedPointTest {
    address private immutable TABLE = SSTORE2.write(NORMAL_TABLE);

    function testFuzz_logarithm(uint256 x) public pure {
        x = 1 + x % 1e40;
        int256 difference = ((FixedPoint.lnPrecise(x) * 1e18) >> 96) - FixedPointMathLib.lnWad(int256(x));
        require(difference <= 3 && difference >= -3, "ln, 1e-18");
    }

    function testFuzz_logarithm_is_rounded_to_nearest(uint256 x) public pure {
        x = 1 + x % 1e36;
        int256 difference = FixedPoint.ln(x) * 1e18 - (FixedPointMathLib.lnWad(int256(x)) << 42);
        int256 half = 0.5e18 + (3 << 42); // of a unit of 2**-42, and what Solady's last digits leave open
        require(difference <= half && difference >= -half, "to nearest");
    }

    function testFuzz_logarithm_is_monotone(uint256 x, uint256 step) public pure {
        x = 1 + x % 1e36;
        require(FixedPoint.ln(x) <= FixedPoint.ln(x + step % 1e36), "monotone");
    }

    function testFuzz_power(uint256 base, uint256 exponent) public pure {
        base = 1e15 + base % 1e22;
        exponent = exponent % 2e18;
        uint256 found = FixedPoint.pow(base, exponent);
        uint256 expected = uint256(FixedPointMathLib.powWad(int256(base), int256(exponent)));
        uint256 difference = found > expected ? found - expected : expected - found;
        require(difference <= expected / 1e16 + 20, "pow");
    }

    function testFuzz_division_rounds_down(int256 a, int256 b) public pure {
        a = a % 1e60;
        b = 1 + (b < 0 ? -(b + 1) : b) % 1e40;
        int256 q = FixedPoint.divFloor(a, b);
        require(q * b <= a && a < (q + 1) * b, "floor");
    }

    function testFuzz_product_rounds_up(uint256 a, uint256 b) public pure {
        (a, b) = (a % 1e40, b % 1e20);
        uint256 up = FixedPoint.mulWadUp(a, b);
        require(up * 1e18 >= a * b && (up == 0 || (up - 1) * 1e18 < a * b), "ceiling");
    }

    /// Rising but for twice the table's error, and odd to it; -1/2 and 1/2 far out.
    function testFuzz_normal_rises_and_is_odd(int256 d, uint256 step) public view {
        Workspace.reserve();
        NormalCdf.load(TABLE);
        int256 bias = NormalCdf.BIAS;
        d = d % (9 << 35);
        int256 n = NormalCdf.centred(d + bias);
        require(NormalCdf.centred(d + int256(step % (1 << 36)) + bias) >= n - 53, "rises"); // 53: 2.4e-11 in 2**-41
        int256 sum = n + NormalCdf.centred(bias - d);
        // At the ends of the table, 7.5 below and 6.5 above, one side stops 4e-11 before the other.
        require(sum <= 120 && sum >= -120, "odd");
        require(n >= -(1 << 40) - 1 && n <= (1 << 40) + 1, "within 1/2");
    }

    function test_normal_outside_of_the_table() public view {
        Workspace.reserve();
        NormalCdf.load(TABLE);
        int256 bias = NormalCdf.BIAS;
        require(NormalCdf.centred(bias - (8 << 35)) == -(1 << 40), "0");
        require(NormalCdf.centred(bias + (7 << 35)) == 1 << 40, "1");
        require(NormalCdf.centred(bias - (1 << 200)) == -(1 << 40), "far below");
        require(NormalCdf.centred(bias + (1 << 200)) == 1 << 40, "far above");
        require(NormalCdf.density(1 << 200) == 0 && NormalCdf.density(-(1 << 200)) == 0, "density far out");
    }
}
