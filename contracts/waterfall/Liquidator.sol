// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {SSTORE2} from "solady/utils/SSTORE2.sol";

import {ICollateralVault, SETTLEMENT} from "../interfaces/ICollateralVault.sol";
import {IInsuranceFund, NO_UNDERLYING} from "../interfaces/IInsuranceFund.sol";
import {HOUSE, ILedger, SCOPE_TRADE} from "../interfaces/ILedger.sol";
import {ILiquidationCallback, ILiquidator} from "../interfaces/ILiquidator.sol";
import {IMarginEngine, Requirement, Witness} from "../interfaces/IMarginEngine.sol";
import {IPriceDoor} from "../interfaces/IPriceDoor.sol";
import {IRiskParameters} from "../interfaces/IRiskParameters.sol";
import {COLLATERALS_AT, MAX_COLLATERALS, Parameter, ParameterTable} from "../types/Parameter.sol";
import {DutchClock} from "./DutchClock.sol";
import {ProvenRelease} from "./ProvenRelease.sol";
import {StressShare} from "./StressShare.sol";

/// @title Liquidator
/// @dev Holds clocks and nothing else. The guard keeps the callback out of this contract alone: deposits and trades in it are welcome.
contract Liquidator is ILiquidator, ReentrancyGuardTransient {
    using DutchClock for Clock;

    uint256 private constant WAD = 1e18;

    ILedger private immutable LEDGER;
    ICollateralVault private immutable VAULT;
    IPriceDoor private immutable DOOR;
    IRiskParameters private immutable PARAMETERS;
    IMarginEngine private immutable ENGINE;
    IInsuranceFund private immutable FUND;

    mapping(uint64 account => Clock) private _clocks;
    mapping(uint64 account => Clock) private _debtClocks;

    constructor(
        ILedger ledger,
        ICollateralVault vault,
        IPriceDoor door,
        IRiskParameters parameters,
        IMarginEngine engine,
        IInsuranceFund fund
    ) {
        LEDGER = ledger;
        VAULT = vault;
        DOOR = door;
        PARAMETERS = parameters;
        ENGINE = engine;
        FUND = fund;
    }

    /// @inheritdoc ILiquidator
    function flag(uint64 account, Witness calldata witness) external {
        ParameterTable p = _table();
        Requirement memory r = ENGINE.proveHealthBelow(account, witness, p.get(Parameter.FULL_THRESHOLD));
        _requireFresh(r.oldestPrice, p);
        _flag(account, r, p);
    }

    /// @inheritdoc ILiquidator
    function liquidate(Liquidation calldata request) external nonReentrant returns (Outcome memory out) {
        // Cache
        ParameterTable p = _table();
        Requirement memory before = ENGINE.witnessed(request.account, request.witness);
        int256 healthBefore = ENGINE.health(before);

        // Checks
        _requireParties(request.account, request.to);
        if (request.legs.length == 0) revert NoLegs();
        _requireFresh(before.oldestPrice, p);
        out.tier = ProvenRelease.tier(before, healthBefore, p);
        if (out.tier == Tier.NONE) revert NotLiquidatable(request.account, before.marginEquityMaintenance, before.maintenance);
        bool small = out.tier != Tier.BANKRUPT && _isSmall(request.account, before, p);

        // A liquidation below FULL_THRESHOLD is a proof like any other
        if (out.tier == Tier.PARTIAL) {
            out.discount = p.get(Parameter.PARTIAL_DISCOUNT);
        } else {
            Clock memory c = _flag(request.account, before, p);
            if (out.tier == Tier.FULL) out.discount = _fullDiscount(c, p);
        }

        // Calculate: what the legs release is known once they moved
        _takeLegs(request, p);
        Requirement memory afterwards = ENGINE.requirement(request.account);
        out.requirementBefore = before.maintenance;
        out.requirementAfter = afterwards.maintenance;
        out.release = FixedPointMathLib.zeroFloorSub(before.maintenance, afterwards.maintenance);

        // Execute
        if (out.tier == Tier.BANKRUPT) {
            _payFromFund(request, out, before.grossNotional, afterwards, p);
        } else {
            _payFromAccount(request, out, before.equity, afterwards, small, p);
        }
        out.healthAfter = ENGINE.health(afterwards);
        if (out.tier != Tier.BANKRUPT && !small) {
            if (ProvenRelease.isTooMuch(out.tier, before.maintenance, afterwards, out.healthAfter, p)) {
                revert TooMuch(request.account, out.healthAfter, before.maintenance, afterwards.maintenance);
            }
        }
        if (out.payment < request.minPayment) revert PaymentTooLow(out.payment, request.minPayment);
        _emitLiquidated(request, out, healthBefore);

        if (request.callback.length != 0) {
            ILiquidationCallback(msg.sender).onLiquidation(request.account, request.to, request.legs, request.callback);
        }
        _requireInitialMargin(request.to, p);
    }

    /// @inheritdoc ILiquidator
    function flagDebt(uint64 account) external {
        ParameterTable p = _table();
        _requireDebt(account, p);
        _flagDebt(account, p);
    }

    /// @inheritdoc ILiquidator
    function convertCollateral(uint64 account, uint64 to, uint8 index, uint256 quantity, uint256 maxPaid) external nonReentrant {
        // Cache
        ParameterTable p = _table();
        Requirement memory before = ENGINE.requirement(account);

        // Checks
        _requireParties(account, to);
        _requireFresh(before.oldestPrice, p);
        if (quantity == 0) revert ZeroQuantity();
        if (quantity % VAULT.unit(index) != 0) revert ICollateralVault.QuantityNotRepresentable(index, quantity);
        uint256 debt = _requireDebt(account, p);

        // Calculate
        Clock memory c = _flagDebt(account, p);
        uint256 price = _collateralPrice(index, p);
        uint256 paid = FixedPointMathLib.fullMulDivUp(quantity, price * (WAD - _conversionDiscount(c, p)), WAD * WAD);
        uint256 limit = debt + FixedPointMathLib.mulDiv(debt, p.get(Parameter.CONVERSION_BUFFER), WAD);
        if (paid > limit) revert ConversionTooLarge(paid, limit);
        if (paid > maxPaid) revert ConversionTooLarge(paid, maxPaid);

        // Execute
        LEDGER.transferCollateral(account, to, index, quantity);
        LEDGER.transferCash(to, account, paid, ILedger.CashReason.CONVERSION);
        _requireShortfallNotRisen(account, before);
        int256 cap = int256(p.get(Parameter.DEBT_CAP));
        if (LEDGER.cash(to) < -cap) revert BuyerInDebt(to, LEDGER.cash(to), uint256(cap));
        _requireInitialMargin(to, p);
        emit CollateralConverted(account, to, index, quantity, paid, price);
    }

    /// @inheritdoc ILiquidator
    function coverDeficit(uint64 account) external nonReentrant returns (uint256 paid) {
        ILedger.Account memory a = LEDGER.account(account);
        int256 cash = LEDGER.cash(account);
        if (a.positionCount != 0 || a.collateralMask != 0 || cash >= 0) {
            revert NoDeficit(account, cash, a.positionCount, a.collateralMask);
        }
        uint256 deficit = uint256(-cash);
        uint256 drawn = FixedPointMathLib.min(_tokensUp(deficit), FUND.available(address(this), NO_UNDERLYING));
        if (drawn == 0) revert DeficitExceedsFund(account, NO_UNDERLYING, deficit, 0);
        paid = FixedPointMathLib.min(drawn, deficit);
        _draw(account, NO_UNDERLYING, drawn);
        LEDGER.changeCash(account, int256(paid), ILedger.CashReason.FUND);
        _toHouse(drawn - paid);
        emit DeficitCovered(account, paid, cash + int256(paid));
    }

    /// @inheritdoc ILiquidator
    function clock(uint64 account) external view returns (Clock memory) {
        return _clocks[account];
    }

    /// @inheritdoc ILiquidator
    function debtClock(uint64 account) external view returns (Clock memory) {
        return _debtClocks[account];
    }

    /// @inheritdoc ILiquidator
    function discountNow(uint64 account) external view returns (uint256) {
        ParameterTable p = _table();
        return _fullDiscount(_proven(_clocks[account], p), p);
    }

    /// @inheritdoc ILiquidator
    function conversionDiscountNow(uint64 account) external view returns (uint256) {
        ParameterTable p = _table();
        return _conversionDiscount(_proven(_debtClocks[account], p), p);
    }

    // --- legs and payments ---

    /// @dev Each leg goes to `to` at mark. The price's age was checked with the account's, whose instruments these are.
    function _takeLegs(Liquidation calldata request, ParameterTable p) private {
        uint112[] memory instruments = new uint112[](request.legs.length);
        for (uint256 i; i < instruments.length; ++i) {
            instruments[i] = request.legs[i].instrument;
        }
        (uint256[] memory marks,) = ENGINE.marks(instruments);
        uint256 maxPositions = p.get(Parameter.MAX_POSITIONS);
        for (uint256 i; i < instruments.length; ++i) {
            int256 leg = request.legs[i].size;
            int256 held = LEDGER.positionSize(request.account, instruments[i]);
            // Same sign and not larger: held < 0 ? held <= leg < 0 : 0 < leg <= held
            if (leg == 0 || (held < 0 ? leg > 0 || leg < held : leg < 0 || leg > held)) {
                revert LegDoesNotShrink(request.account, instruments[i], held, leg);
            }
            if (leg > 0) LEDGER.transferPosition(request.account, request.to, instruments[i], uint256(leg), marks[i], maxPositions);
            else LEDGER.transferPosition(request.to, request.account, instruments[i], uint256(-leg), marks[i], maxPositions);
            emit LegTaken(request.account, request.to, instruments[i], leg, marks[i]);
        }
    }

    /// @dev Tiers PARTIAL and FULL. Adjusts `afterwards` for what was paid: cash changes equity one to one and no requirement.
    function _payFromAccount(
        Liquidation calldata request,
        Outcome memory out,
        int256 equity,
        Requirement memory afterwards,
        bool small,
        ParameterTable p
    ) private {
        if (out.release == 0) revert NothingReleased(out.requirementBefore, out.requirementAfter);
        (out.payment, out.fee) =
            ProvenRelease.paymentDown(out.release, out.discount, p.get(Parameter.LIQUIDATION_FEE), equity, out.requirementBefore);
        _addCash(afterwards, -int256(out.payment + out.fee));
        if (small && LEDGER.account(request.account).positionCount == 0 && afterwards.equity > 0) {
            uint256 reward = FixedPointMathLib.min(p.get(Parameter.SMALL_REWARD), uint256(afterwards.equity));
            _addCash(afterwards, -int256(reward));
            out.payment += reward;
        }
        if (out.payment != 0) LEDGER.transferCash(request.account, request.to, out.payment, ILedger.CashReason.LIQUIDATION);
        if (out.fee != 0) LEDGER.transferCash(request.account, HOUSE, out.fee, ILedger.CashReason.FEE);
    }

    /// @dev Tier BANKRUPT. The deficit after the move is the deficit before and its roundings. All is drawn at once, so that one
    /// limit covers it; what the token's unit adds goes to the house.
    function _payFromFund(
        Liquidation calldata request,
        Outcome memory out,
        uint256 grossNotional,
        Requirement memory afterwards,
        ParameterTable p
    ) private {
        uint256 deficit = afterwards.equity < 0 ? uint256(-afterwards.equity) : 0;
        uint256 share = StressShare.shareDown(ENGINE, LEDGER, request.account, request.legs, afterwards, grossNotional);
        uint256 toAccount = FixedPointMathLib.mulDiv(deficit, share, WAD);
        uint256 notional = FixedPointMathLib.zeroFloorSub(grossNotional, afterwards.grossNotional);
        out.payment = ProvenRelease.bankruptRewardDown(notional, out.release, p);

        out.fundPaid = _drawForLegs(request, toAccount + out.payment);
        if (toAccount != 0) LEDGER.changeCash(request.account, int256(toAccount), ILedger.CashReason.FUND);
        if (out.payment != 0) LEDGER.changeCash(request.to, int256(out.payment), ILedger.CashReason.LIQUIDATION);
        _toHouse(out.fundPaid - toAccount - out.payment);
        _addCash(afterwards, int256(toAccount));
    }

    /// @dev `wanted`, for each underlying of the legs its part (StressShare), in whole tokens. @return drawn At least `wanted`.
    function _drawForLegs(Liquidation calldata request, uint256 wanted) private returns (uint256 drawn) {
        if (wanted == 0) return 0;
        (uint8[] memory underlyings, uint256[] memory weights, uint256 total) =
            StressShare.weights(ENGINE, LEDGER, request.account, request.legs);
        uint256 left = wanted;
        for (uint256 i; left != 0; ++i) {
            bool last = i + 1 == underlyings.length;
            uint256 amount = _tokensUp(last ? left : FixedPointMathLib.min(left, FixedPointMathLib.fullMulDiv(wanted, weights[i], total)));
            if (amount == 0) continue;
            uint256 available = FUND.available(address(this), underlyings[i]);
            if (amount > available) revert DeficitExceedsFund(request.account, underlyings[i], amount, available);
            _draw(request.account, underlyings[i], amount);
            drawn += amount;
            left = FixedPointMathLib.zeroFloorSub(left, amount);
        }
    }

    /// @dev Fund to vault; the caller credits `amount` to accounts.
    function _draw(uint64 account, uint8 underlying, uint256 amount) private {
        FUND.draw(account, underlying, amount, address(VAULT));
        VAULT.recordReceived(SETTLEMENT, amount);
    }

    function _toHouse(uint256 amount) private {
        if (amount != 0) LEDGER.changeCash(HOUSE, int256(amount), ILedger.CashReason.FUND);
    }

    function _tokensUp(uint256 amount) private view returns (uint256) {
        uint256 unit = VAULT.unit(SETTLEMENT);
        return FixedPointMathLib.divUp(amount, unit) * unit;
    }

    function _addCash(Requirement memory r, int256 change) private pure {
        r.equity += change;
        r.marginEquityInitial += change;
        r.marginEquityMaintenance += change;
    }

    function _emitLiquidated(Liquidation calldata request, Outcome memory out, int256 healthBefore) private {
        emit Liquidated(
            request.account,
            request.to,
            out.tier,
            healthBefore,
            out.healthAfter,
            out.requirementBefore,
            out.requirementAfter,
            out.payment,
            out.fee,
            out.fundPaid
        );
    }

    // --- checks ---

    function _requireParties(uint64 account, uint64 to) private view {
        if (account == to) revert SelfLiquidation(account);
        if (!LEDGER.isAuthorised(to, msg.sender, SCOPE_TRADE)) revert NotAuthorised(to, msg.sender);
    }

    function _requireFresh(uint256 oldestPrice, ParameterTable p) private view {
        uint256 limit = p.get(Parameter.MAX_ACTION_AGE);
        if (oldestPrice < block.timestamp && block.timestamp - oldestPrice > limit) {
            revert StalePrice(oldestPrice, block.timestamp, limit);
        }
    }

    /// @dev A weak witness must not make a large account small: where the bound is small, the full scan decides.
    function _isSmall(uint64 account, Requirement memory witnessed, ParameterTable p) private view returns (bool) {
        uint256 limit = p.get(Parameter.SMALL_ACCOUNT);
        return witnessed.maintenance < limit && ENGINE.requirement(account).maintenance < limit;
    }

    function _requireInitialMargin(uint64 to, ParameterTable p) private view {
        Requirement memory r = ENGINE.requirement(to);
        _requireFresh(r.oldestPrice, p);
        if (r.marginEquityInitial < int256(r.initial)) revert LiquidatorUnderMargined(to, r.marginEquityInitial, r.initial);
    }

    /// @dev Returns the debt.
    function _requireDebt(uint64 account, ParameterTable p) private view returns (uint256) {
        int256 cash = LEDGER.cash(account);
        uint256 cap = LEDGER.account(account).positionCount == 0 ? 0 : p.get(Parameter.DEBT_CAP);
        if (cash >= -int256(cap)) revert NoDebt(account, cash, cap);
        return uint256(-cash);
    }

    function _requireShortfallNotRisen(uint64 account, Requirement memory before) private view {
        Requirement memory r = ENGINE.requirement(account);
        int256 shortfallBefore = int256(before.maintenance) - before.marginEquityMaintenance;
        int256 shortfall = int256(r.maintenance) - r.marginEquityMaintenance;
        if (shortfall > shortfallBefore) revert ShortfallRose(account, shortfallBefore, shortfall);
    }

    // --- clocks, parameters, prices ---

    /// @dev Puts the proof `r` of health below FULL_THRESHOLD on record.
    function _flag(uint64 account, Requirement memory r, ParameterTable p) private returns (Clock memory c) {
        c = _prove(_clocks, account, p);
        emit Flagged(account, msg.sender, c.startedAt, r.marginEquityMaintenance, r.maintenance);
    }

    function _flagDebt(uint64 account, ParameterTable p) private returns (Clock memory c) {
        c = _prove(_debtClocks, account, p);
        emit DebtFlagged(account, msg.sender, c.startedAt, LEDGER.cash(account));
    }

    function _prove(mapping(uint64 => Clock) storage clocks, uint64 account, ParameterTable p) private returns (Clock memory c) {
        c = _proven(clocks[account], p);
        clocks[account] = c;
    }

    function _proven(Clock memory c, ParameterTable p) private view returns (Clock memory) {
        return c.proven(block.timestamp, p.get(Parameter.CLOCK_EXPIRY), p.get(Parameter.CLOCK_RESUME));
    }

    function _fullDiscount(Clock memory c, ParameterTable p) private view returns (uint256) {
        return c.discountDown(
            block.timestamp, p.get(Parameter.DUTCH_DISCOUNT_START), p.get(Parameter.DUTCH_DISCOUNT_MAX), p.get(Parameter.DUTCH_DURATION)
        );
    }

    function _conversionDiscount(Clock memory c, ParameterTable p) private view returns (uint256) {
        return c.discountDown(
            block.timestamp,
            p.get(Parameter.CONVERSION_DISCOUNT_START),
            p.get(Parameter.CONVERSION_DISCOUNT_MAX),
            p.get(Parameter.CONVERSION_DURATION)
        );
    }

    /// @dev Spot of the underlying that the parameter table names for the token.
    function _collateralPrice(uint8 index, ParameterTable p) private view returns (uint256 spot) {
        if (index >= MAX_COLLATERALS) revert UnknownCollateral(index);
        uint256 row = p.word(COLLATERALS_AT + index);
        if (uint8(row >> 16) == 0) revert UnknownCollateral(index);
        (spot,,) = DOOR.prices(uint8(row));
    }

    /// @dev One copy of the data contract's code; the table begins behind the length of `raw`.
    function _table() private view returns (ParameterTable p) {
        bytes memory raw = SSTORE2.read(PARAMETERS.pointer());
        assembly ("memory-safe") {
            p := add(raw, 0x20)
        }
    }
}
