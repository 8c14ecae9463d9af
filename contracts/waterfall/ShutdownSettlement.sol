// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";

import {ICircuitBreaker} from "../interfaces/ICircuitBreaker.sol";
import {ICollateralVault, SETTLEMENT} from "../interfaces/ICollateralVault.sol";
import {IInstrumentRegistry} from "../interfaces/IInstrumentRegistry.sol";
import {HOUSE, ILedger} from "../interfaces/ILedger.sol";
import {IMarginModel} from "../interfaces/IMarginModel.sol";
import {IPriceDoor} from "../interfaces/IPriceDoor.sol";
import {IRiskParameters} from "../interfaces/IRiskParameters.sol";
import {IShutdownSettlement} from "../interfaces/IShutdownSettlement.sol";
import {IWithdrawalQueue} from "../interfaces/IWithdrawalQueue.sol";
import {MovedSpot} from "../margin/MovedSpot.sol";
import {WAD} from "../math/FixedPoint.sol";
import {MarginMode} from "../types/Book.sol";
import {InstrumentId, Kind} from "../types/InstrumentId.sol";
import {Parameter} from "../types/Parameter.sol";

/// @title Shutdown settlement
/// @dev A module of ledger and vault that can do nothing before the breaker is shut down, and then only what `IShutdownSettlement`
/// says. The pool is an account of the ledger, so that the ledger's own invariants hold at every step: debtors' cash is lifted to
/// zero from it, claims go into it, payments leave from it.
contract ShutdownSettlement is IShutdownSettlement, ReentrancyGuardTransient {
    struct Wiring {
        ICircuitBreaker breaker;
        IPriceDoor door;
        IRiskParameters parameters;
        IInstrumentRegistry registry;
        IMarginModel model;
        ILedger ledger;
        ICollateralVault vault;
        IWithdrawalQueue queue;
        address insuranceFund;
    }

    /// @dev 30 bytes.
    struct Spot {
        uint128 integral; // at `begin`, types/Feed.sol
        uint96 spot; // final, USD 1e18; 0: not fixed
    }

    /// @dev 33 bytes.
    struct Value {
        uint256 value; // USD 1e18 per contract
        bool known;
    }

    ICircuitBreaker private immutable BREAKER;
    IPriceDoor private immutable DOOR;
    IRiskParameters private immutable PARAMETERS;
    IInstrumentRegistry private immutable REGISTRY;
    IMarginModel private immutable MODEL;
    ILedger private immutable LEDGER;
    ICollateralVault private immutable VAULT;
    IWithdrawalQueue private immutable QUEUE;
    address private immutable INSURANCE_FUND;

    /// @inheritdoc IShutdownSettlement
    uint64 public pool;
    uint64 private _accounts;
    uint64 private _settledCount;
    uint32 private _begunAt;
    uint32 private _window;
    bool private _undone; // no withdrawal waits any more
    bool private _finalised;

    /// @dev Sum of claims; then settlement tokens and collateral that belong to them, all WAD.
    uint256 private _claims;
    uint256 private _tokens;
    uint256 private _pooledValue;
    mapping(uint8 token => uint256) private _pooled;

    mapping(uint8 underlying => Spot) private _spots;
    mapping(uint112 instrument => Value) private _values;
    mapping(uint64 account => bool) private _isSettled;
    mapping(uint64 account => mapping(uint8 token => bool)) private _isPaid;

    /// @inheritdoc IShutdownSettlement
    mapping(uint64 account => uint256) public claimOf;

    constructor(Wiring memory w) {
        BREAKER = w.breaker;
        DOOR = w.door;
        PARAMETERS = w.parameters;
        REGISTRY = w.registry;
        MODEL = w.model;
        LEDGER = w.ledger;
        VAULT = w.vault;
        QUEUE = w.queue;
        INSURANCE_FUND = w.insuranceFund;
    }

    /// @inheritdoc IShutdownSettlement
    function begin() external {
        if (BREAKER.shutdownAt() == 0) revert NotShutDown();
        if (_begunAt != 0) revert AlreadyBegun();
        _begunAt = uint32(block.timestamp);
        _window = uint32(PARAMETERS.value(Parameter.SETTLEMENT_WINDOW));
        _accounts = LEDGER.accountCount();
        pool = LEDGER.openAccount(address(this), MarginMode.CROSS);
        LEDGER.setDeficit(pool, true); // it owes for a while, and no interest
        (uint8[] memory ids,) = REGISTRY.underlyings();
        for (uint256 i; i < ids.length; ++i) {
            (uint256 integral,) = DOOR.spotIntegral(ids[i]);
            _spots[ids[i]].integral = uint128(integral);
        }
        emit Begun(pool, _accounts, block.timestamp, _window);
    }

    /// @inheritdoc IShutdownSettlement
    function fixSpot(uint8 underlying) external returns (uint256 spot) {
        uint256 begun = _begunAt;
        if (begun == 0) revert NotBegun();
        if (block.timestamp < begun + _window) revert WindowOpen(begun + _window, block.timestamp);
        Spot storage s = _spots[underlying];
        if (s.spot != 0) revert SpotAlreadyFixed(underlying, s.spot);
        (uint256 integral,) = DOOR.spotIntegral(underlying);
        unchecked {
            spot = uint256(uint128(integral - s.integral)) / (block.timestamp - begun); // modulo 2**128, window > 0
        }
        if (spot == 0) revert NoFinalSpot(underlying);
        s.spot = uint96(spot); // a mean of uint96
        emit SpotFixed(underlying, spot);
    }

    /// @inheritdoc IShutdownSettlement
    function undoWithdrawals(uint256[] calldata ids) external nonReentrant {
        if (_begunAt == 0) revert NotBegun();
        for (uint256 i; i < ids.length; ++i) {
            (uint64 account, uint8 token, uint256 quantity) = QUEUE.undo(ids[i]);
            if (quantity == 0) continue;
            VAULT.recordReceived(token, quantity);
            if (token == SETTLEMENT) LEDGER.changeCash(account, int256(quantity), ILedger.CashReason.WITHDRAWAL);
            else LEDGER.changeCollateral(account, token, int256(quantity));
        }
    }

    /// @inheritdoc IShutdownSettlement
    function settle(uint64[] calldata accounts) external nonReentrant {
        if (_begunAt == 0) revert NotBegun();
        if (!_undone) _requireUndone();
        for (uint256 i; i < accounts.length; ++i) {
            uint64 account = accounts[i];
            if (account == HOUSE || account > _accounts) revert UnknownAccount(account);
            if (_isSettled[account]) continue;
            _isSettled[account] = true;
            ++_settledCount;
            _close(account);
            _clear(account);
        }
    }

    /// @inheritdoc IShutdownSettlement
    function finalise() external nonReentrant {
        if (_begunAt == 0) revert NotBegun();
        if (_finalised) revert AlreadyFinalised();
        if (_settledCount != _accounts) revert NotSettled(_settledCount, _accounts);
        _finalised = true;
        _clear(HOUSE); // last: interest of the others went there
        uint256 recorded = VAULT.recorded(SETTLEMENT);
        int256 held = LEDGER.cash(pool); // claims less debts: the recorded tokens, but for roundings
        uint256 tokens = held > 0 ? uint256(held) : 0;
        if (tokens > recorded) tokens = recorded;
        if (tokens > _claims) tokens = _claims;
        _tokens = tokens;
        for (uint8 i; i < VAULT.tokenCount(); ++i) {
            _pooled[i] = LEDGER.collateral(pool, i);
        }
        emit Finalised(_claims, tokens, _pooledValue, ratio());
    }

    /// @inheritdoc IShutdownSettlement
    function claim(uint64 account, uint8 token) external nonReentrant returns (uint256 quantity) {
        quantity = due(account, token);
        if (quantity == 0) revert NothingToClaim(account, token);
        _isPaid[account][token] = true;
        address to = account == HOUSE ? INSURANCE_FUND : LEDGER.account(account).owner;
        if (token == SETTLEMENT) {
            LEDGER.changeCash(pool, -int256(quantity), ILedger.CashReason.SETTLEMENT);
        } else {
            uint256 own = FixedPointMathLib.min(LEDGER.collateral(account, token), quantity);
            if (own != 0) LEDGER.changeCollateral(account, token, -int256(own));
            if (quantity != own) LEDGER.changeCollateral(pool, token, -int256(quantity - own));
        }
        VAULT.sendTo(token, to, quantity);
        emit Claimed(account, token, to, quantity);
    }

    /// @inheritdoc IShutdownSettlement
    function due(uint64 account, uint8 token) public view returns (uint256 quantity) {
        if (!_finalised) revert NotFinalised();
        if (account == pool || account > pool) return 0;
        uint256 all = token == SETTLEMENT ? _tokens : _pooled[token];
        uint256 unit = VAULT.unit(token); // reverts for unknown tokens
        if (_claims != 0 && !_isPaid[account][token]) quantity = FixedPointMathLib.fullMulDiv(claimOf[account], all, _claims);
        if (token != SETTLEMENT) quantity += LEDGER.collateral(account, token); // in fractions of a unit too: transfers take any
        quantity -= quantity % unit;
    }

    /// @inheritdoc IShutdownSettlement
    function progress() external view returns (uint64 settled, uint64 accounts) {
        return (_settledCount, _accounts);
    }

    /// @inheritdoc IShutdownSettlement
    function ratio() public view returns (uint256) {
        if (!_finalised) return 0;
        if (_claims == 0) return WAD;
        uint256 worth = FixedPointMathLib.fullMulDiv(_tokens + _pooledValue, WAD, _claims);
        return worth < WAD ? worth : WAD;
    }

    /// @inheritdoc IShutdownSettlement
    function finalSpot(uint8 underlying) external view returns (uint256) {
        return _spots[underlying].spot;
    }

    /// @inheritdoc IShutdownSettlement
    function finalValue(uint112 instrument) external view returns (bool fixed_, uint256 value) {
        Value memory v = _values[instrument];
        return (v.known, v.value);
    }

    /// @dev Cash must be back before anybody's is counted. Collateral is waited for during one more window: a token that cannot be
    /// moved stops nobody; what comes back later is its owner's in kind.
    function _requireUndone() private {
        uint256 waiting = QUEUE.waiting(SETTLEMENT);
        if (waiting != 0) revert WithdrawalsWait(SETTLEMENT, waiting);
        if (block.timestamp < _begunAt + 2 * uint256(_window)) {
            for (uint8 i; i < VAULT.tokenCount(); ++i) {
                waiting = QUEUE.waiting(i);
                if (waiting != 0) revert WithdrawalsWait(i, waiting);
            }
        }
        _undone = true;
    }

    /// @dev All positions at their final values; what they owed besides is realised with them.
    function _close(uint64 account) private {
        ILedger.PositionView[] memory positions = LEDGER.positions(account);
        for (uint256 i; i < positions.length; ++i) {
            uint112 instrument = positions[i].instrument;
            LEDGER.settlePosition(account, instrument, _valueOf(instrument));
        }
        LEDGER.accrue(account);
    }

    /// @dev Cash becomes a claim; a debt is taken from the account's collateral and otherwise borne by all claims.
    function _clear(uint64 account) private {
        int256 cash = LEDGER.cash(account);
        if (cash < 0) {
            uint256 debt = uint256(-cash);
            uint256 pooled = account == HOUSE ? 0 : _takeCollateral(account, debt);
            _pooledValue += pooled;
            LEDGER.transferCash(pool, account, debt, ILedger.CashReason.SETTLEMENT);
            emit AccountSettled(account, 0, debt, pooled);
            return;
        }
        if (cash > 0) {
            claimOf[account] = uint256(cash);
            _claims += uint256(cash);
            LEDGER.transferCash(account, pool, uint256(cash), ILedger.CashReason.SETTLEMENT);
        }
        emit AccountSettled(account, uint256(cash), 0, 0);
    }

    /// @return value Of what was taken at final prices, USD 1e18; at most `debt`.
    function _takeCollateral(uint64 account, uint256 debt) private returns (uint256 value) {
        for (uint8 i; i < VAULT.tokenCount() && value < debt; ++i) {
            uint256 held = LEDGER.collateral(account, i);
            if (held == 0) continue;
            (IRiskParameters.CollateralConfig memory config,) = PARAMETERS.collateral(i);
            uint256 price = _finalSpot(config.underlying);
            uint256 taken = FixedPointMathLib.fullMulDivUp(debt - value, WAD, price);
            taken += VAULT.unit(i) - 1;
            taken -= taken % VAULT.unit(i);
            if (taken > held) taken = held;
            LEDGER.transferCollateral(account, pool, i, taken);
            value += FixedPointMathLib.fullMulDiv(taken, price, WAD);
        }
        if (value > debt) value = debt; // less than a unit of a token too much
    }

    /// @dev Valued at its first use, for all its holders.
    function _valueOf(uint112 instrument) private returns (uint256) {
        Value storage v = _values[instrument];
        if (v.known) return v.value;
        InstrumentId id = InstrumentId.wrap(instrument);
        uint256 spot = _finalSpot(id.underlying());
        uint256 value =
            id.kind() == Kind.PERP ? spot : MovedSpot.mark(MODEL, DOOR, PARAMETERS.table(), instrument, spot);
        (v.value, v.known) = (value, true);
        emit ValueFixed(instrument, value);
        return value;
    }

    function _finalSpot(uint8 underlying) private view returns (uint256 spot) {
        spot = _spots[underlying].spot;
        if (spot == 0) revert NoFinalSpot(underlying);
    }
}
