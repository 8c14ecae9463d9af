// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ShortSlice} from "../../../contracts/oracle/ShortSlice.sol";
import {SmileWord, WingWord, smileWord, wingWord} from "../../../contracts/types/Feed.sol";

/// @notice A slice in one word: without loss, or not at all.
contract ShortSliceTest {
    function testFuzz_a_short_slice_is_the_slice(int64 a, uint64 b, int64 rho, int64 m, uint64 sigma, uint96 refForward, uint96 settlement)
        public
        pure
    {
        (a, b, rho, m) = (a / 1e8 * 1e8, b / 1e8 * 1e8, rho / 1e8 * 1e8, m / 1e8 * 1e8);
        (sigma, refForward) = (sigma / 1e8 * 1e8, refForward / 1e10 * 1e10);
        uint256 word = _require(a, b, rho, m, sigma, refForward, settlement);
        bool fits = b < uint64(2 ** 37) * 1e8 && _within(rho, 2 ** 34) && _within(m, 2 ** 36) && refForward < 2 ** 64 * 1e10;
        require((word != 0) == fits, "what fits");
    }

    function testFuzz_more_digits_are_not_cut(int64 a, uint64 b, int64 rho, int64 m, uint64 sigma, uint96 refForward) public pure {
        uint256 word = _require(a, b, rho, m, sigma, refForward, 0);
        bool short = a % 1e8 == 0 && b % 1e8 == 0 && rho % 1e8 == 0 && m % 1e8 == 0 && sigma % 1e8 == 0 && refForward % 1e10 == 0;
        require(short || word == 0, "digits");
    }

    /// @dev What is published for a market: all of it fits. One more digit in one field does not.
    function test_a_published_slice_fits() public pure {
        require(_require(0.0246575342e18, 0.0410958904e18, -0.2e18, 0.02e18, 0.25e18, 3_505e18, 3_333e18) != 0, "fits");
        require(_require(0.0246575342e18, 0.0410958904e18, -0.2e18, 0.02e18, 0.25e18, 3_505e18 + 1, 0) == 0, "a forward");
        require(_require(0.0246575342e18, 0.0410958904e18, -0.2e18, 0.02e18 + 1, 0.25e18, 3_505e18, 0) == 0, "m");
        require(_require(0.0246575342e18, 0.0410958904e18, -0.2e18, 0.02e18, 0.25e18 + 1, 3_505e18, 0) == 0, "sigma");
    }

    function _require(int64 a, uint64 b, int64 rho, int64 m, uint64 sigma, uint96 refForward, uint96 settlement)
        private
        pure
        returns (uint256 word)
    {
        SmileWord smile = smileWord(a, b, rho, m);
        word = ShortSlice.pack(smile, wingWord(sigma, refForward, settlement));
        if (word == 0) return 0;
        require((word & ShortSlice.SETTLED != 0) == (settlement != 0) && word & ShortSlice.SHORT != 0, "flags");
        (SmileWord smile_, WingWord wing_) = ShortSlice.unpack(word);
        require(SmileWord.unwrap(smile_) == SmileWord.unwrap(smile), "smile");
        require(WingWord.unwrap(wing_) == WingWord.unwrap(wingWord(sigma, refForward, 0)), "wing");
    }

    function _within(int64 value, int256 bound) private pure returns (bool) {
        return int256(value) / 1e8 < bound && int256(value) / 1e8 >= -bound;
    }
}
