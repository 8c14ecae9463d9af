// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";

import {ParameterReads} from "../governance/ParameterReads.sol";
import {IInsuranceFund} from "../interfaces/IInsuranceFund.sol";
import {ILedger} from "../interfaces/ILedger.sol";
import {ILiquidationQuotes} from "../interfaces/ILiquidationQuotes.sol";
import {ILiquidator} from "../interfaces/ILiquidator.sol";
import {IMarginEngine, Requirement, Witness} from "../interfaces/IMarginEngine.sol";
import {IPriceDoor} from "../interfaces/IPriceDoor.sol";
import {IRiskParameters} from "../interfaces/IRiskParameters.sol";
import {MarginCore} from "../margin/MarginCore.sol";
import {WAD} from "../math/FixedPoint.sol";
import {Parameter, ParameterTable} from "../types/Parameter.sol";
import {CoverageFee} from "./CoverageFee.sol";
import {ProvenRelease} from "./ProvenRelease.sol";

/// @title Liquidation quotes
/// @dev The arithmetic is the liquidator's own (`ProvenRelease`, its clocks); this contract holds nothing.
contract LiquidationQuotes is ILiquidationQuotes {
    using ParameterReads for IRiskParameters;

    ILiquidator private immutable LIQUIDATOR;
    ILedger private immutable LEDGER;
    IPriceDoor private immutable DOOR;
    IRiskParameters private immutable PARAMETERS;
    IMarginEngine private immutable ENGINE;
    IInsuranceFund private immutable FUND;

    constructor(
        ILiquidator liquidator,
        ILedger ledger,
        IPriceDoor door,
        IRiskParameters parameters,
        IMarginEngine engine,
        IInsuranceFund fund
    ) {
        LIQUIDATOR = liquidator;
        LEDGER = ledger;
        DOOR = door;
        PARAMETERS = parameters;
        ENGINE = engine;
        FUND = fund;
    }

    /// @inheritdoc ILiquidationQuotes
    function quote(uint64 account, Witness calldata witness) external view returns (Quote memory q) {
        ParameterTable p = _table();
        _fill(q, account, ENGINE.witnessed(account, witness), p, CoverageFee.rateUp(LEDGER, DOOR, FUND, p));
    }

    /// @inheritdoc ILiquidationQuotes
    function quotes(uint64[] calldata accounts, Witness[] calldata witnesses) external view returns (Quote[] memory list) {
        if (accounts.length != witnesses.length) revert LengthsDiffer(accounts.length, witnesses.length);
        ParameterTable p = _table();
        uint256 fee = CoverageFee.rateUp(LEDGER, DOOR, FUND, p);
        list = new Quote[](accounts.length);
        for (uint256 i; i < accounts.length; ++i) {
            try ENGINE.witnessed(accounts[i], witnesses[i]) returns (Requirement memory r) {
                _fill(list[i], accounts[i], r, p, fee);
            } catch {} // `ok` stays false
        }
    }

    /// @inheritdoc ILiquidationQuotes
    function fundAvailable(uint8 underlying) external view returns (uint256) {
        return FUND.available(address(LIQUIDATOR), underlying);
    }

    /// @inheritdoc ILiquidationQuotes
    function coverage() external view returns (uint256 ratio, uint256 openInterest) {
        openInterest = CoverageFee.openInterestDown(LEDGER, DOOR, _table());
        ratio = FUND.coverage(openInterest);
    }

    function _fill(Quote memory q, uint64 account, Requirement memory r, ParameterTable p, uint256 fee) private view {
        q.ok = true;
        (q.requirement, q.equity, q.marginEquity, q.longOptions) = (r.maintenance, r.equity, r.marginEquityMaintenance, r.longOptions);
        q.oldestPrice = r.oldestPrice;
        q.health = MarginCore.health(r);
        q.tier = ProvenRelease.tier(r, q.health, p);
        q.round = LIQUIDATOR.rounds(account);
        if (q.tier == ILiquidator.Tier.PARTIAL) q.discount = p.get(Parameter.PARTIAL_DISCOUNT);
        if (q.tier == ILiquidator.Tier.FULL) q.discount = LIQUIDATOR.discountNow(account);
        if (q.tier == ILiquidator.Tier.BANKRUPT) (q.closable, q.release) = (WAD, r.maintenance - r.longOptions);
        else if (q.tier != ILiquidator.Tier.NONE) _payments(q, account, r, p, fee);
        _debt(q, account, p);
    }

    /// @dev Tiers PARTIAL and FULL.
    function _payments(Quote memory q, uint64 account, Requirement memory r, ParameterTable p, uint256 fee) private view {
        q.fee = fee;
        uint256 small = p.get(Parameter.SMALL_ACCOUNT);
        q.small = r.maintenance < small && ENGINE.requirement(account).maintenance < small;
        q.closable = q.small ? WAD : _closableDown(q, r, p);
        Requirement memory afterwards;
        uint256 left = WAD - q.closable;
        afterwards.maintenance = FixedPointMathLib.mulDivUp(r.maintenance, left, WAD);
        afterwards.longOptions = FixedPointMathLib.min(FixedPointMathLib.mulDivUp(r.longOptions, left, WAD), afterwards.maintenance);
        q.release = ProvenRelease.releaseDown(r, afterwards);
        if (q.release == 0) return;
        (q.payment,) = ProvenRelease.paymentDown(q.release, q.discount, fee, r.equity, r.maintenance);
        if (q.small) q.payment += p.get(Parameter.SMALL_REWARD);
    }

    /// @dev A share f of every leg, the long options' marks L among them turning into cash: health after =
    /// (own + L f - rate (binding f + min(L f, short))) / (binding (1 - f)) <= target, as `ProvenRelease.releaseDown` counts what is paid for:
    ///
    ///      f <= (target binding - own) / (target binding + L - rate (binding + L))              where L f <= short
    ///      f <= (target binding - own + rate short) / (target binding + L - rate binding)        else
    ///
    /// In PARTIAL at most the close factor; never down to dust.
    function _closableDown(Quote memory q, Requirement memory r, ParameterTable p) private pure returns (uint256 f) {
        uint256 dust = p.get(Parameter.SMALL_REWARD);
        if (r.maintenance <= dust) return 0;
        uint256 binding = r.maintenance - r.longOptions;
        uint256 rate = FixedPointMathLib.min(q.discount + q.fee, _equityShare(r));
        uint256 most = FixedPointMathLib.mulDiv(binding, p.get(Parameter.TARGET_HEALTH), WAD) + r.longOptions;
        int256 own = r.marginEquityMaintenance - int256(r.longOptions);
        uint256 short = own < int256(binding) ? uint256(int256(binding) - own) : 0;
        // target >= 1 > rate and own < target binding, or there was no tier
        uint256 lack = uint256(int256(most - r.longOptions) - own);
        f = FixedPointMathLib.mulDiv(WAD, lack, most - FixedPointMathLib.mulDiv(r.maintenance, rate, WAD));
        if (FixedPointMathLib.mulDiv(r.longOptions, f, WAD) > short) {
            lack += FixedPointMathLib.mulDiv(short, rate, WAD);
            f = FixedPointMathLib.mulDiv(WAD, lack, most - FixedPointMathLib.mulDiv(binding, rate, WAD));
        }
        if (q.tier == ILiquidator.Tier.PARTIAL) f = FixedPointMathLib.min(f, p.get(Parameter.CLOSE_FACTOR));
        f = FixedPointMathLib.min(f, WAD - FixedPointMathLib.divWadUp(dust, r.maintenance));
    }

    /// @dev Of the requirement, 1e18: no liquidation costs the account more.
    function _equityShare(Requirement memory r) private pure returns (uint256) {
        return r.equity <= 0 || r.maintenance == 0 ? 0 : FixedPointMathLib.mulDiv(uint256(r.equity), WAD, r.maintenance);
    }

    function _debt(Quote memory q, uint64 account, ParameterTable p) private view {
        int256 cash = LEDGER.cash(account);
        if (cash >= 0) return;
        q.debt = uint256(-cash);
        uint256 cap = LEDGER.account(account).positionCount == 0 ? 0 : p.get(Parameter.DEBT_CAP);
        q.convertible = q.debt > cap;
        q.conversionDiscount = LIQUIDATOR.conversionDiscountNow(account);
    }

    function _table() private view returns (ParameterTable) {
        return PARAMETERS.copied();
    }
}
