// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";
import {ICollateralVault, SETTLEMENT} from "../interfaces/ICollateralVault.sol";
import {ILedger, SCOPE_TRADE, SCOPE_WITHDRAW} from "../interfaces/ILedger.sol";
import {IPriceDoor} from "../interfaces/IPriceDoor.sol";
import {IRiskParameters} from "../interfaces/IRiskParameters.sol";
import {ITradingLimits} from "../interfaces/ITradingLimits.sol";
import {FixedPoint} from "../math/FixedPoint.sol";
import {InstrumentId} from "../types/InstrumentId.sol";
import {Parameter} from "../types/Parameter.sol";

/// @title Trading limits
contract TradingLimits is ITradingLimits, AccessControl {
    /// @notice May change all limits: the timelock.
    bytes32 public constant LIMIT_ADMIN = keccak256("LIMIT_ADMIN");
    /// @notice May say which accounts are one entity's.
    bytes32 public constant ATTESTOR = keccak256("ATTESTOR");

    uint256 private constant WAD = 1e18;

    ILedger private immutable LEDGER;
    ICollateralVault private immutable VAULT;
    IPriceDoor private immutable DOOR;
    IRiskParameters private immutable PARAMETERS;

    mapping(uint8 underlying => UnderlyingLimits) private _underlyings;
    mapping(uint8 index => TokenLimits) private _tokens;
    /// @inheritdoc ITradingLimits
    mapping(uint112 instrument => uint128 openInterest) public instrumentLimit;

    constructor(
        ILedger ledger,
        ICollateralVault vault,
        IPriceDoor priceDoor,
        IRiskParameters parameters,
        address admin
    ) {
        LEDGER = ledger;
        VAULT = vault;
        DOOR = priceDoor;
        PARAMETERS = parameters;
        _grantRole(DEFAULT_ADMIN_ROLE, admin);
        _grantRole(LIMIT_ADMIN, admin);
        _grantRole(ATTESTOR, admin);
    }

    /// @inheritdoc ITradingLimits
    function setUnderlyingLimits(uint8 underlying, UnderlyingLimits calldata limits) external onlyRole(LIMIT_ADMIN) {
        _underlyings[underlying] = limits;
        emit UnderlyingLimitsSet(underlying, limits);
    }

    /// @inheritdoc ITradingLimits
    function setInstrumentLimit(uint112 instrument, uint128 openInterest) external onlyRole(LIMIT_ADMIN) {
        instrumentLimit[instrument] = openInterest;
        emit InstrumentLimitSet(instrument, openInterest);
    }

    /// @inheritdoc ITradingLimits
    function setTokenLimits(uint8 index, TokenLimits calldata limits) external onlyRole(LIMIT_ADMIN) {
        _tokens[index] = limits;
        emit TokenLimitsSet(index, limits);
    }

    /// @inheritdoc ITradingLimits
    function attest(uint64 account, uint32 entity) external onlyRole(ATTESTOR) {
        LEDGER.setEntity(account, entity);
    }

    /// @inheritdoc ITradingLimits
    function requireTrade(uint112 instrument, uint64 buyer, uint64 seller, uint256 size, uint256 spot) external view {
        UnderlyingLimits memory limits = _underlyings[InstrumentId.wrap(instrument).underlying()];
        uint256 openInterest = LEDGER.openInterest(instrument);
        int256 change = int256(size);
        int256 longs = _requireSide(instrument, buyer, change, spot, openInterest, limits);
        longs += _requireSide(instrument, seller, -change, spot, openInterest, limits);
        if (longs > 0) _requireOpenInterest(instrument, openInterest, limits);
    }

    /// @inheritdoc ITradingLimits
    function requireDeposit(uint64 account, uint8 index, uint256 quantity, address from) external view {
        TokenLimits memory limits = _tokens[index];
        if (limits.total != 0) {
            uint256 recorded = VAULT.recorded(index);
            if (recorded > limits.total) revert DepositCapReached(index, recorded, limits.total);
        }
        if (limits.account != 0 && index != SETTLEMENT) {
            uint256 held = LEDGER.collateral(account, index);
            if (held > limits.account) revert AccountCapReached(account, index, held, limits.account);
        }
        if (LEDGER.isAuthorised(account, from, SCOPE_TRADE) || LEDGER.isAuthorised(account, from, SCOPE_WITHDRAW)) return;
        uint256 value = index == SETTLEMENT ? quantity : _valueDown(index, quantity);
        uint256 least = PARAMETERS.value(Parameter.MIN_FOREIGN_DEPOSIT);
        if (value < least) revert ForeignDepositTooSmall(account, value, least);
    }

    /// @inheritdoc ITradingLimits
    function underlyingLimits(uint8 underlying) external view returns (UnderlyingLimits memory) {
        return _underlyings[underlying];
    }

    /// @inheritdoc ITradingLimits
    function tokenLimits(uint8 index) external view returns (TokenLimits memory) {
        return _tokens[index];
    }

    /// @dev One side of the trade, after it. Returns the change of its long size.
    function _requireSide(
        uint112 instrument,
        uint64 account,
        int256 change,
        uint256 spot,
        uint256 openInterest,
        UnderlyingLimits memory limits
    ) private view returns (int256 longs) {
        int256 held = LEDGER.positionSize(account, instrument);
        longs = _long(held) - _long(held - change);
        uint256 size = FixedPoint.abs(held);
        if (size <= FixedPoint.abs(held - change)) return longs;
        if (limits.position != 0 && size > limits.position) {
            revert PositionAboveLimit(account, instrument, size, limits.position);
        }
        if (limits.entity != 0) _requireEntity(instrument, account, limits.entity);
        _requireShare(account, instrument, size, spot, openInterest);
    }

    function _requireEntity(uint112 instrument, uint64 account, uint256 limit) private view {
        uint32 entity = LEDGER.entityOf(account);
        if (entity == 0) return;
        uint8 underlying = InstrumentId.wrap(instrument).underlying();
        uint256 exposure = LEDGER.entityExposure(entity, underlying);
        if (exposure > limit) revert EntityAboveLimit(entity, underlying, exposure, limit);
    }

    function _requireShare(uint64 account, uint112 instrument, uint256 size, uint256 spot, uint256 openInterest)
        private
        view
    {
        uint256 limit = openInterest * PARAMETERS.value(Parameter.MAX_OI_SHARE) / WAD;
        if (size <= limit || size * spot / WAD <= PARAMETERS.value(Parameter.OI_SHARE_FREE)) return;
        revert TooConcentrated(account, instrument, size, limit);
    }

    function _requireOpenInterest(uint112 instrument, uint256 openInterest, UnderlyingLimits memory limits) private view {
        uint256 limit = instrumentLimit[instrument];
        if (limit == 0) limit = limits.instrument;
        if (limit != 0 && openInterest > limit) revert OpenInterestAboveLimit(instrument, openInterest, limit);
        if (limits.openInterest == 0) return;
        uint8 underlying = InstrumentId.wrap(instrument).underlying();
        uint256 total = LEDGER.openInterestOf(underlying);
        if (total > limits.openInterest) revert UnderlyingAboveLimit(underlying, total, limits.openInterest);
    }

    function _valueDown(uint8 index, uint256 quantity) private view returns (uint256) {
        (IRiskParameters.CollateralConfig memory config, bool exists) = PARAMETERS.collateral(index);
        if (!exists) return 0;
        (uint256 spot,,) = DOOR.prices(config.underlying);
        return quantity * spot / WAD;
    }

    function _long(int256 size) private pure returns (int256) {
        return size > 0 ? size : int256(0);
    }
}
