// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ILiquidator} from "../../../contracts/interfaces/ILiquidator.sol";
import {Requirement} from "../../../contracts/interfaces/IMarginEngine.sol";
import {Parameter, ParameterTable, TABLE_WORDS, wordOf} from "../../../contracts/types/Parameter.sol";
import {ParameterRules} from "../../../contracts/governance/ParameterRules.sol";
import {ProvenRelease} from "../../../contracts/waterfall/ProvenRelease.sol";

contract ProvenReleaseTest {
    uint256 private constant WAD = 1e18;

    /// Health below 1 and a real release: what stays with the account is at least its equity's share of what it keeps.
    function testFuzz_payment_never_eats_into_the_rest(uint96 before_, uint96 release_, int96 equity, uint64 discount_, uint64 fee_)
        public
        pure
    {
        uint256 before = uint256(before_) + 1;
        uint256 release = uint256(release_) % before + 1;
        uint256 fee = uint256(fee_) % 0.2e18;
        uint256 discount = uint256(discount_) % (0.5e18 - fee);
        (uint256 paid, uint256 toFund) = ProvenRelease.paymentDown(release, discount, fee, equity, before);

        require(paid * WAD <= release * discount, "more than the discount");
        require(paid + toFund <= release / 2 + 1, "more than half of the release");
        if (equity <= 0) {
            require(paid == 0 && toFund == 0, "paid out of nothing");
        } else {
            require((paid + toFund) * before <= uint256(int256(equity)) * release, "more than equity's share");
            // Nothing is held back where the bound does not bind.
            if (uint256(int256(equity)) * WAD >= before * (discount + fee) + WAD * before) {
                require(paid == release * discount / WAD, "less than the discount");
                require(toFund * WAD >= release * fee, "less than the fee");
            }
        }
    }

    function test_payment_by_hand() public pure {
        // 1,000 before, 400 released at 10 % + 5 %: 40 + 20, equity's share 0.4 * 900 = 360 does not bind.
        (uint256 paid, uint256 fee) = ProvenRelease.paymentDown(400 * WAD, 0.1e18, 0.05e18, 900e18, 1000 * WAD);
        require(paid == 40 * WAD && fee == 20 * WAD, "unbound");
        // Equity 75: its share is 30, half of 60: both are halved.
        (paid, fee) = ProvenRelease.paymentDown(400 * WAD, 0.1e18, 0.05e18, 75e18, 1000 * WAD);
        require(paid == 20 * WAD && fee == 10 * WAD, "bound");
        (paid, fee) = ProvenRelease.paymentDown(400 * WAD, 0.1e18, 0.05e18, 0, 1000 * WAD);
        require(paid == 0 && fee == 0, "nothing to pay with");
    }

    /// Any split of a book into calls, each release proven from where the last one ended, pays no more than its whole discount.
    function testFuzz_splitting_pays_no_more(uint96 whole, uint8 cuts, int96 equity_) public pure {
        uint256 before = uint256(whole) + 1e18;
        int256 equity = equity_ < 0 ? -int256(equity_) : int256(equity_);
        (uint256 paidAtOnce, uint256 feeAtOnce) = ProvenRelease.paymentDown(before, 0.1e18, 0.05e18, equity, before);
        uint256 paid;
        uint256 left = before;
        uint256 n = uint256(cuts) % 10 + 2;
        for (uint256 i; i < n; ++i) {
            uint256 release = i + 1 == n ? left : left / (n - i);
            (uint256 p, uint256 f) = ProvenRelease.paymentDown(release, 0.1e18, 0.05e18, equity, left);
            paid += p + f;
            equity -= int256(p + f);
            left -= release;
        }
        require(paid <= paidAtOnce + feeAtOnce + n, "splitting pays");
        require(equity >= 0, "equity eaten");
    }

    function test_worthless_notional_earns_nothing() public pure {
        ParameterTable p = _table();
        // Perp of 1,000,000 USD releasing 25,000: 0.1 % of notional = 1,000 < 5 % of 25,000.
        require(ProvenRelease.bankruptRewardDown(1_000_000 * WAD, 25_000 * WAD, p) == 1000 * WAD, "perp");
        require(ProvenRelease.bankruptRewardDown(1e9 * WAD, 0, p) == 0, "options of no requirement");
        require(ProvenRelease.bankruptRewardDown(1e9 * WAD, 20 * WAD, p) == 1 * WAD, "bounded by the release");
    }

    function test_tiers() public pure {
        ParameterTable p = _table();
        Requirement memory r;
        require(ProvenRelease.tier(r, 1.05e18, p) == ILiquidator.Tier.NONE, "at the partial threshold");
        require(ProvenRelease.tier(r, 1.05e18 - 1, p) == ILiquidator.Tier.PARTIAL, "below it");
        require(ProvenRelease.tier(r, 1e18, p) == ILiquidator.Tier.PARTIAL, "at the full threshold");
        require(ProvenRelease.tier(r, 1e18 - 1, p) == ILiquidator.Tier.FULL, "below it");
        require(ProvenRelease.tier(r, type(int256).min, p) == ILiquidator.Tier.FULL, "longs not paid up");
        r.equity = -1;
        require(ProvenRelease.tier(r, 0.5e18, p) == ILiquidator.Tier.BANKRUPT, "equity below zero");
    }

    function test_too_much() public pure {
        ParameterTable p = _table();
        ILiquidator.Tier full = ILiquidator.Tier.FULL;
        ILiquidator.Tier partial_ = ILiquidator.Tier.PARTIAL;
        Requirement memory r;
        r.maintenance = 1000 * WAD;
        require(!ProvenRelease.isTooMuch(full, 5000 * WAD, r, 1.1e18, p), "target");
        require(ProvenRelease.isTooMuch(full, 5000 * WAD, r, 1.1e18 + 1, p), "above target");
        require(ProvenRelease.isTooMuch(partial_, 2000 * WAD + 2, r, 1e18, p), "more than the close factor");
        require(!ProvenRelease.isTooMuch(partial_, 2000 * WAD, r, 1e18, p), "the close factor");
        // Dust: 5 USD of requirement; negative health would pass the target.
        r.maintenance = 5 * WAD - 1;
        require(ProvenRelease.isTooMuch(full, 5000 * WAD, r, -1e18, p), "dust");
        r.maintenance = 5 * WAD;
        require(!ProvenRelease.isTooMuch(full, 5000 * WAD, r, -1e18, p), "not dust");
        // Paid-up longs of 1,000 and margin equity of 1,005: as whole as it may be made.
        r.maintenance = 1000 * WAD;
        r.longOptions = 1000 * WAD;
        r.marginEquityMaintenance = 1005e18;
        require(!ProvenRelease.isTooMuch(full, 5000 * WAD, r, type(int256).max, p), "longs paid up");
        r.marginEquityMaintenance = 1005e18 + 1;
        require(ProvenRelease.isTooMuch(full, 5000 * WAD, r, type(int256).max, p), "longs more than paid up");
    }

    function _table() private pure returns (ParameterTable p) {
        ParameterRules.Row[] memory rows = ParameterRules.rows();
        uint256[] memory words = new uint256[](TABLE_WORDS);
        for (uint256 i; i < rows.length; ++i) {
            words[wordOf(Parameter(i))] = rows[i].initial;
        }
        assembly ("memory-safe") {
            p := add(words, 0x20)
        }
    }
}
