// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";

import {HOUSE, ILedger} from "../interfaces/ILedger.sol";
import {ANY_ROUND, ILiquidationCallback, ILiquidator} from "../interfaces/ILiquidator.sol";
import {Requirement, Witness} from "../interfaces/IMarginEngine.sol";
import {MarginCore} from "../margin/MarginCore.sol";
import {WAD} from "../math/FixedPoint.sol";
import {FreshPrices} from "../oracle/FreshPrices.sol";
import {Parameter, ParameterTable} from "../types/Parameter.sol";
import {CollateralConversion} from "./CollateralConversion.sol";
import {CoverageFee} from "./CoverageFee.sol";
import {LiquidationBase} from "./LiquidationBase.sol";
import {ProvenRelease} from "./ProvenRelease.sol";
import {StressShare} from "./StressShare.sol";

/// @title Liquidator
/// @dev Holds clocks and nothing else. The guard keeps the callback out of this contract alone: deposits and trades in it are welcome.
contract Liquidator is CollateralConversion {
    using FreshPrices for ParameterTable;

    /// @dev One account, one tier, one set of legs.
    struct Step {
        uint64 account;
        uint64 to;
        LiquidationLeg[] legs;
        Requirement before;
        int256 healthBefore;
        Tier tier;
        ParameterTable table;
    }

    constructor(Wiring memory wiring) LiquidationBase(wiring) {}

    /// @inheritdoc ILiquidator
    function flag(uint64 account, Witness calldata witness) external {
        _requireNotShutDown();
        ParameterTable p = _table();
        Requirement memory r = ENGINE.proveHealthBelow(account, witness, p.get(Parameter.FULL_THRESHOLD));
        p.requireFresh(r.oldestPrice);
        _flag(account, r, p);
    }

    /// @inheritdoc ILiquidator
    function liquidate(Liquidation calldata request) external nonReentrant returns (Outcome memory out) {
        (out,) = _liquidate(request, ANY_ROUND, new LiquidationLeg[](0));
    }

    /// @inheritdoc ILiquidator
    function liquidateThrough(Liquidation calldata request, uint32 round, LiquidationLeg[] calldata further)
        external
        nonReentrant
        returns (Outcome memory first, Outcome memory second)
    {
        return _liquidate(request, round, further);
    }

    /// @inheritdoc ILiquidator
    function clock(uint64 account) external view returns (Clock memory) {
        return _clock(account);
    }

    /// @inheritdoc ILiquidator
    function rounds(uint64 account) external view returns (uint32) {
        return _records[account].rounds;
    }

    /// @inheritdoc ILiquidator
    function discountNow(uint64 account) external view returns (uint256) {
        ParameterTable p = _table();
        return _fullDiscount(_proven(_clock(account), p), p);
    }

    /// @inheritdoc ILiquidator
    function feeNow() external view returns (uint256) {
        return CoverageFee.rateUp(LEDGER, DOOR, FUND, _table());
    }

    // --- the flow ---

    function _liquidate(Liquidation calldata request, uint32 round, LiquidationLeg[] memory further)
        private
        returns (Outcome memory first, Outcome memory second)
    {
        // Checks, the cheap ones first: who comes second fails before the scans
        uint32 rounds_ = _records[request.account].rounds;
        if (round != ANY_ROUND && round != rounds_) revert RaceLost(request.account, round, rounds_);
        _requireNotShutDown();
        _requireParties(request.account, request.to);
        if (request.legs.length == 0) revert NoLegs();
        Step memory s;
        (s.account, s.to, s.legs) = (request.account, request.to, request.legs);
        _requireLegsShrink(s.account, s.legs);

        // The named legs; in tier BANKRUPT the further ones with them
        s.table = _table();
        _enter(s, ENGINE.witnessed(request.account, request.witness));
        if (s.tier == Tier.BANKRUPT && further.length != 0) {
            s.legs = _joined(s.legs, further);
            _requireLegsShrink(s.account, s.legs);
        }
        first = _take(s);
        if (request.callback.length != 0) {
            ILiquidationCallback(msg.sender).onLiquidation(request.account, request.to, s.legs, request.callback);
        }

        // The next tier. No payment makes an account bankrupt; what the callback brought (a newer price) may.
        uint256 payment = first.payment;
        if (further.length != 0 && first.tier != Tier.BANKRUPT && request.callback.length != 0) {
            Requirement memory r = _scan(request.account);
            if (r.equity < 0) {
                _enter(s, r);
                s.legs = further;
                _requireLegsShrink(s.account, further);
                second = _take(s);
                payment += second.payment;
            }
        }
        if (payment < request.minPayment) revert PaymentTooLow(payment, request.minPayment);
        _requireInitialMargin(request.to, s.table);
    }

    /// @dev Tier of the account in `r`.
    function _enter(Step memory s, Requirement memory r) private view {
        s.table.requireFresh(r.oldestPrice);
        s.before = r;
        s.healthBefore = MarginCore.health(r);
        s.tier = ProvenRelease.tier(r, s.healthBefore, s.table);
        if (s.tier == Tier.NONE) revert NotLiquidatable(s.account, r.marginEquityMaintenance, r.maintenance);
    }

    function _take(Step memory s) private returns (Outcome memory out) {
        out.tier = s.tier;
        bool small = out.tier != Tier.BANKRUPT && _isSmall(s.account, s.before, s.table);

        // A liquidation below FULL_THRESHOLD is a proof like any other
        if (out.tier == Tier.PARTIAL) {
            out.discount = s.table.get(Parameter.PARTIAL_DISCOUNT);
        } else {
            Clock memory c = _flag(s.account, s.before, s.table);
            if (out.tier == Tier.FULL) out.discount = _fullDiscount(c, s.table);
        }
        ++_records[s.account].rounds;

        // Calculate: what the legs release is known once they moved
        _takeLegs(s.account, s.to, s.legs, s.table);
        Requirement memory afterwards = _scan(s.account);
        out.requirementBefore = s.before.maintenance;
        out.requirementAfter = afterwards.maintenance;
        out.release = ProvenRelease.releaseDown(s.before, afterwards);

        // Execute
        if (out.tier == Tier.BANKRUPT) _payFromFund(s, out, afterwards);
        else _payFromAccount(s, out, afterwards, small);
        out.healthAfter = MarginCore.health(afterwards);
        if (out.tier != Tier.BANKRUPT && !small) {
            uint256 binding = s.before.maintenance - s.before.longOptions;
            if (ProvenRelease.isTooMuch(out.tier, binding, afterwards, out.healthAfter, s.table)) {
                revert TooMuch(s.account, out.healthAfter, out.requirementBefore, out.requirementAfter);
            }
        }
        _emitLiquidated(s, out);
    }

    // --- payments ---

    /// @dev Tiers PARTIAL and FULL. Adjusts `afterwards` for what was paid: cash changes equity one to one and no requirement.
    function _payFromAccount(Step memory s, Outcome memory out, Requirement memory afterwards, bool small) private {
        if (out.release == 0) revert NothingReleased(out.requirementBefore, out.requirementAfter);
        uint256 feeRate = CoverageFee.rateUp(LEDGER, DOOR, FUND, s.table);
        (out.payment, out.fee) =
            ProvenRelease.paymentDown(out.release, out.discount, feeRate, s.before.equity, out.requirementBefore);
        _addCash(afterwards, -int256(out.payment + out.fee));
        if (small && _account(s.account).positionCount == 0 && afterwards.equity > 0) {
            uint256 reward = FixedPointMathLib.min(s.table.get(Parameter.SMALL_REWARD), uint256(afterwards.equity));
            _addCash(afterwards, -int256(reward));
            out.payment += reward;
        }
        if (out.payment != 0) LEDGER.transferCash(s.account, s.to, out.payment, ILedger.CashReason.LIQUIDATION);
        if (out.fee != 0) LEDGER.transferCash(s.account, HOUSE, out.fee, ILedger.CashReason.FEE);
    }

    /// @dev Tier BANKRUPT. The deficit after the move is the deficit before and its roundings. What the token's unit adds goes to the
    /// house.
    function _payFromFund(Step memory s, Outcome memory out, Requirement memory afterwards) private {
        uint256 deficit = afterwards.equity < 0 ? uint256(-afterwards.equity) : 0;
        uint256 gross = s.before.grossNotional;
        StressShare.Split memory split = StressShare.splitDown(ENGINE, LEDGER, s.account, s.legs, afterwards, gross);
        uint256 toAccount = FixedPointMathLib.mulDiv(deficit, split.share, WAD);
        uint256 notional = FixedPointMathLib.zeroFloorSub(gross, afterwards.grossNotional);
        out.payment = ProvenRelease.bankruptRewardDown(notional, out.release, s.table);

        out.fundPaid = _drawForLegs(s.account, split, toAccount + out.payment);
        if (toAccount != 0) LEDGER.changeCash(s.account, int256(toAccount), ILedger.CashReason.FUND);
        if (out.payment != 0) LEDGER.changeCash(s.to, int256(out.payment), ILedger.CashReason.LIQUIDATION);
        _toHouse(out.fundPaid - toAccount - out.payment);
        _addCash(afterwards, int256(toAccount));
    }

    /// @dev `wanted`, for each underlying of the legs its part, in whole tokens. @return drawn At least `wanted`.
    function _drawForLegs(uint64 account, StressShare.Split memory split, uint256 wanted) private returns (uint256 drawn) {
        uint256 left = wanted;
        for (uint256 i; left != 0; ++i) {
            uint256 part = left;
            if (i + 1 != split.weights.length) {
                part = FixedPointMathLib.min(left, FixedPointMathLib.fullMulDiv(wanted, split.weights[i], split.total));
            }
            uint256 amount = _tokensUp(part);
            if (amount == 0) continue;
            uint256 available = FUND.available(address(this), split.underlyings[i]);
            if (amount > available) revert DeficitExceedsFund(account, split.underlyings[i], amount, available);
            _draw(account, split.underlyings[i], amount);
            drawn += amount;
            left = FixedPointMathLib.zeroFloorSub(left, amount);
        }
    }

    // --- small parts ---

    /// @dev Puts the proof `r` of health below FULL_THRESHOLD on record.
    function _flag(uint64 account, Requirement memory r, ParameterTable p) private returns (Clock memory c) {
        c = _proven(_clock(account), p);
        Record storage record = _records[account];
        (record.startedAt, record.provenAt) = (c.startedAt, c.provenAt);
        emit Flagged(account, msg.sender, c.startedAt, r.marginEquityMaintenance, r.maintenance);
    }

    function _clock(uint64 account) private view returns (Clock memory) {
        Record storage record = _records[account];
        return Clock(record.startedAt, record.provenAt);
    }

    /// @dev A weak witness must not make a large account small: where the bound is small, the full scan decides.
    function _isSmall(uint64 account, Requirement memory witnessed, ParameterTable p) private view returns (bool) {
        uint256 limit = p.get(Parameter.SMALL_ACCOUNT);
        return witnessed.maintenance < limit && _scan(account).maintenance < limit;
    }

    function _joined(LiquidationLeg[] memory legs, LiquidationLeg[] memory further) private pure returns (LiquidationLeg[] memory all) {
        all = new LiquidationLeg[](legs.length + further.length);
        for (uint256 i; i < all.length; ++i) {
            all[i] = i < legs.length ? legs[i] : further[i - legs.length];
        }
    }

    function _addCash(Requirement memory r, int256 change) private pure {
        r.equity += change;
        r.marginEquityInitial += change;
        r.marginEquityMaintenance += change;
    }

    function _emitLiquidated(Step memory s, Outcome memory out) private {
        emit Liquidated(
            s.account,
            s.to,
            out.tier,
            s.healthBefore,
            out.healthAfter,
            out.requirementBefore,
            out.requirementAfter,
            out.payment,
            out.fee,
            out.fundPaid
        );
    }
}
