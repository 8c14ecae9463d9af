// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {TradeMath} from "../../../contracts/ledger/TradeMath.sol";
import {BankruptcyPrices} from "../../../contracts/waterfall/BankruptcyPrices.sol";

interface Vm {
    function pauseGasMetering() external;
}

/// The arithmetic over its whole small domain, and at full width by fuzzing; what the closes pay is the ledger's own arithmetic.
contract BankruptcyPricesTest {
    uint256 private constant WAD = 1e18;
    Vm private constant VM = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    /// Every pair of legs of -3..3 thirds of a contract, marks 0..3, weights 0..2 and deficits 0..6: units so small that every rounding
    /// shows. 36,288 cases; an external call gives the memory of each deficit's cases back.
    function test_every_small_case_of_two_legs() public {
        VM.pauseGasMetering();
        for (uint256 code; code < 6 * 12; ++code) {
            for (uint256 deficit; deficit < 7; ++deficit) {
                this.twoLegs(code, deficit);
            }
        }
    }

    function twoLegs(uint256 first, uint256 deficit) external pure {
        (int256[] memory sizes, uint256[] memory marks, uint256[] memory weights) =
            (new int256[](2), new uint256[](2), new uint256[](2));
        for (uint256 second; second < 6 * 12; ++second) {
            for (uint256 i; i < 2; ++i) {
                uint256 rest = i == 0 ? first : second;
                int256 step = int256(rest % 6) - 3;
                sizes[i] = (step < 0 ? step : step + 1) * int256(WAD / 3);
                marks[i] = rest / 6 % 4;
                weights[i] = rest / 24;
            }
            _check(sizes, marks, weights, deficit);
        }
    }

    /// Three shorts of one or two contracts, marks 0..3 and weights 0..1, whose prices can bear little: the rest moves until nobody can
    /// bear more. 16^3 x 12 = 49,152 cases.
    function test_every_small_case_of_three_shorts() public {
        VM.pauseGasMetering();
        for (uint256 code; code < 256; ++code) {
            for (uint256 deficit; deficit < 12; ++deficit) {
                this.threeShorts(code, deficit);
            }
        }
    }

    function threeShorts(uint256 firstTwo, uint256 deficit) external pure {
        (int256[] memory sizes, uint256[] memory marks, uint256[] memory weights) =
            (new int256[](3), new uint256[](3), new uint256[](3));
        for (uint256 third; third < 16; ++third) {
            uint256 rest = firstTwo * 16 + third;
            for (uint256 i; i < 3; ++i) {
                sizes[i] = -int256(WAD) * int256(rest % 2 + 1);
                marks[i] = rest / 2 % 4;
                weights[i] = rest / 8 % 2;
                rest /= 16;
            }
            _check(sizes, marks, weights, deficit);
        }
    }

    function testFuzz_full_width(int96[5] memory sizes_, uint96[5] memory marks_, uint128[5] memory weights_, uint120 deficit) public pure {
        (int256[] memory sizes, uint256[] memory marks, uint256[] memory weights) =
            (new int256[](5), new uint256[](5), new uint256[](5));
        for (uint256 i; i < 5; ++i) {
            sizes[i] = sizes_[i] == 0 ? int256(1) : sizes_[i] == type(int96).min ? -int256(1e18) : int256(sizes_[i]);
            (marks[i], weights[i]) = (marks_[i], weights_[i]);
        }
        _check(sizes, marks, weights, deficit);
    }

    /// The share of each leg is that of its weight where every leg can bear it.
    function test_spread_by_weight() public pure {
        (int256[] memory sizes, uint256[] memory marks, uint256[] memory weights) =
            (new int256[](3), new uint256[](3), new uint256[](3));
        (sizes[0], marks[0], weights[0]) = (10e18, 100e18, 1);
        (sizes[1], marks[1], weights[1]) = (-5e18, 200e18, 3);
        (sizes[2], marks[2], weights[2]) = (1e18, 1e18, 0);
        (uint256[] memory haircuts, uint256[] memory prices, uint256 uncovered) = BankruptcyPrices.spread(sizes, marks, weights, 400e18);
        require(haircuts[0] == 100e18 && haircuts[1] == 300e18 && haircuts[2] == 0 && uncovered == 0, "haircuts");
        require(prices[0] == 110e18 && prices[1] == 140e18 && prices[2] == 1e18, "prices");
    }

    /// A short option at 2 bears at most 2 per contract; the long perp bears what is left of its share.
    function test_price_never_below_zero_and_rest_moves() public pure {
        (int256[] memory sizes, uint256[] memory marks, uint256[] memory weights) =
            (new int256[](2), new uint256[](2), new uint256[](2));
        (sizes[0], marks[0], weights[0]) = (-10e18, 2e18, 9);
        (sizes[1], marks[1], weights[1]) = (1e18, 100e18, 1);
        (uint256[] memory haircuts, uint256[] memory prices, uint256 uncovered) = BankruptcyPrices.spread(sizes, marks, weights, 50e18);
        require(haircuts[0] == 20e18 && haircuts[1] == 30e18 && uncovered == 0, "haircuts");
        require(prices[0] == 0 && prices[1] == 130e18, "prices");
    }

    function test_uncovered_where_no_leg_can_bear() public pure {
        (int256[] memory sizes, uint256[] memory marks, uint256[] memory weights) =
            (new int256[](1), new uint256[](1), new uint256[](1));
        (sizes[0], marks[0], weights[0]) = (-1e18, 2e18, 1);
        (, uint256[] memory prices, uint256 uncovered) = BankruptcyPrices.spread(sizes, marks, weights, 5e18);
        require(prices[0] == 0 && uncovered == 3e18, "rest");
        (,, uncovered) = BankruptcyPrices.spread(new int256[](0), new uint256[](0), new uint256[](0), 5e18);
        require(uncovered == 5e18, "no legs");
    }

    /// Whatever the input: haircuts and uncovered sum to the deficit; what the closes pay covers each haircut and exceeds it by less than
    /// one unit of the price; nothing is uncovered while a leg could bear more; closing everything leaves equity at zero.
    function _check(int256[] memory sizes, uint256[] memory marks, uint256[] memory weights, uint256 deficit) private pure {
        (uint256[] memory haircuts, uint256[] memory prices, uint256 uncovered) =
            BankruptcyPrices.spread(sizes, marks, weights, deficit);
        uint256 sum = uncovered;
        uint256 slack;
        int256 equity = -int256(deficit);
        for (uint256 i; i < sizes.length; ++i) {
            require(sizes[i] > 0 ? prices[i] >= marks[i] : prices[i] <= marks[i], "side");
            uint256 size = sizes[i] < 0 ? uint256(-sizes[i]) : uint256(sizes[i]);
            // The debtor's payment at the price and at the mark: sold rounded down, bought rounded up.
            int256 atPrice = TradeMath.mulDivUp(-sizes[i], prices[i], WAD);
            int256 atMark = TradeMath.mulDivUp(-sizes[i], marks[i], WAD);
            int256 gained = atMark - atPrice;
            require(gained >= int256(haircuts[i]), "covers");
            require(gained <= int256(haircuts[i] + size / WAD + 1), "one unit");
            sum += haircuts[i];
            slack += size / WAD + 1;
            equity += gained;
            if (uncovered != 0) require(haircuts[i] == BankruptcyPrices.capacityDown(sizes[i], marks[i]), "could bear more");
        }
        require(sum == deficit, "exact");
        require(equity >= -int256(uncovered) && equity <= int256(slack) - int256(uncovered), "equity");
    }
}
