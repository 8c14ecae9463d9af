// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";

import {ICollateralVault} from "../interfaces/ICollateralVault.sol";
import {NO_UNDERLYING} from "../interfaces/IInsuranceFund.sol";
import {ILedger} from "../interfaces/ILedger.sol";
import {ILiquidator} from "../interfaces/ILiquidator.sol";
import {Requirement} from "../interfaces/IMarginEngine.sol";
import {WAD} from "../math/FixedPoint.sol";
import {FreshPrices} from "../oracle/FreshPrices.sol";
import {COLLATERALS_AT, MAX_COLLATERALS, Parameter, ParameterTable} from "../types/Parameter.sol";
import {LiquidationBase} from "./LiquidationBase.sol";

/// @title What an account owes is paid by what it holds, then by the fund
abstract contract CollateralConversion is LiquidationBase, ReentrancyGuardTransient {
    using FreshPrices for ParameterTable;

    /// @inheritdoc ILiquidator
    function flagDebt(uint64 account) external {
        ParameterTable p = _table();
        _requireDebt(account, p);
        _flagDebt(account, p);
    }

    /// @inheritdoc ILiquidator
    function convertCollateral(uint64 account, uint64 to, uint8 index, uint256 quantity, uint256 maxPaid) external nonReentrant {
        _convert(Conversion(account, to, index, quantity, maxPaid), new LiquidationLeg[](0));
    }

    /// @inheritdoc ILiquidator
    function convertCollateralWithLegs(Conversion calldata request, LiquidationLeg[] calldata legs) external nonReentrant {
        if (legs.length == 0) revert NoLegs();
        _convert(request, legs);
    }

    /// @inheritdoc ILiquidator
    function coverDeficit(uint64 account) external nonReentrant returns (uint256 paid) {
        _requireNotShutDown();
        LEDGER.accrue(account); // interest is part of what is owed
        ILedger.Account memory a = _account(account);
        int256 cash = _cash(account);
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
    function debtClock(uint64 account) external view returns (Clock memory) {
        return _debtClocks[account];
    }

    /// @inheritdoc ILiquidator
    function conversionDiscountNow(uint64 account) external view returns (uint256) {
        ParameterTable p = _table();
        return _conversionDiscount(_proven(_debtClocks[account], p), p);
    }

    function _convert(Conversion memory c, LiquidationLeg[] memory legs) private {
        // Cache
        _requireNotShutDown();
        ParameterTable p = _table();

        // Checks, the cheap ones first: who comes second fails before the scans
        _requireParties(c.account, c.to);
        if (c.quantity == 0) revert ZeroQuantity();
        if (c.quantity % VAULT.unit(c.index) != 0) revert ICollateralVault.QuantityNotRepresentable(c.index, c.quantity);
        uint256 debt = _requireDebt(c.account, p);
        _requireLegsShrink(c.account, legs);
        Requirement memory before = _scan(c.account);
        p.requireFresh(before.oldestPrice);

        // Calculate
        uint256 price = _collateralPrice(c.index, p);
        uint256 discount = _conversionDiscount(_flagDebt(c.account, p), p);
        uint256 paid = FixedPointMathLib.fullMulDivUp(c.quantity, price * (WAD - discount), WAD * WAD);
        uint256 limit = debt + FixedPointMathLib.mulDiv(debt, p.get(Parameter.CONVERSION_BUFFER), WAD);
        if (paid > limit) revert ConversionTooLarge(paid, limit);
        if (paid > c.maxPaid) revert ConversionTooLarge(paid, c.maxPaid);

        // Execute
        LEDGER.transferCollateral(c.account, c.to, c.index, c.quantity);
        LEDGER.transferCash(c.to, c.account, paid, ILedger.CashReason.CONVERSION);
        int256 shortfall = _shortfall(before);
        if (legs.length == 0) {
            int256 afterwards = _shortfall(_scan(c.account));
            if (afterwards > shortfall) revert ShortfallRose(c.account, shortfall, afterwards);
        } else {
            _legsFollow(c, legs, shortfall, p);
        }
        int256 cap = int256(p.get(Parameter.DEBT_CAP));
        if (_cash(c.to) < -cap) revert BuyerInDebt(c.to, _cash(c.to), uint256(cap));
        _requireInitialMargin(c.to, p);
        emit CollateralConverted(c.account, c.to, c.index, c.quantity, paid, price);
    }

    /// @dev The collateral is gone: the legs that it covered may follow, no more of them than its going made necessary.
    function _legsFollow(Conversion memory c, LiquidationLeg[] memory legs, int256 before, ParameterTable p) private {
        int256 between = _shortfall(_scan(c.account));
        if (between <= before) revert LegsNotNeeded(c.account, before, between);
        _takeLegs(c.account, c.to, legs, p);
        int256 afterwards = _shortfall(_scan(c.account));
        if (afterwards > before) revert ShortfallRose(c.account, before, afterwards);
        // Prices move until inclusion: as much room as the payment has.
        uint256 room = FixedPointMathLib.mulDiv(uint256(between - before), p.get(Parameter.CONVERSION_BUFFER), WAD);
        if (afterwards < before - int256(room)) revert TooManyLegs(c.account, before, afterwards, room);
    }

    /// @dev Returns the debt.
    function _requireDebt(uint64 account, ParameterTable p) private view returns (uint256) {
        int256 cash = _cash(account);
        uint256 cap = _account(account).positionCount == 0 ? 0 : p.get(Parameter.DEBT_CAP);
        if (cash >= -int256(cap)) revert NoDebt(account, cash, cap);
        return uint256(-cash);
    }

    function _shortfall(Requirement memory r) private pure returns (int256) {
        return int256(r.maintenance) - r.marginEquityMaintenance;
    }

    function _flagDebt(uint64 account, ParameterTable p) private returns (Clock memory c) {
        c = _proven(_debtClocks[account], p);
        _debtClocks[account] = c;
        emit DebtFlagged(account, msg.sender, c.startedAt, _cash(account));
    }

    /// @dev Spot of the underlying that the parameter table names for the token.
    function _collateralPrice(uint8 index, ParameterTable p) private view returns (uint256 spot) {
        if (index >= MAX_COLLATERALS) revert UnknownCollateral(index);
        uint256 row = p.word(COLLATERALS_AT + index);
        if (uint8(row >> 16) == 0) revert UnknownCollateral(index);
        (spot,,) = DOOR.prices(uint8(row));
    }
}
