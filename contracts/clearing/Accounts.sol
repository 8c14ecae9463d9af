// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {ICircuitBreaker} from "../interfaces/ICircuitBreaker.sol";
import {IClearing} from "../interfaces/IClearing.sol";
import {ICollateralVault, SETTLEMENT} from "../interfaces/ICollateralVault.sol";
import {IInstrumentRegistry} from "../interfaces/IInstrumentRegistry.sol";
import {ILedger, HOUSE, SCOPE_TRADE, SCOPE_WITHDRAW} from "../interfaces/ILedger.sol";
import {IMarginCheck} from "../interfaces/IMarginCheck.sol";
import {IMarginEngine} from "../interfaces/IMarginEngine.sol";
import {IRiskParameters} from "../interfaces/IRiskParameters.sol";
import {ITradingLimits} from "../interfaces/ITradingLimits.sol";
import {IWithdrawalQueue} from "../interfaces/IWithdrawalQueue.sol";
import {FixedPoint} from "../math/FixedPoint.sol";
import {MarginMode} from "../types/Book.sol";
import {Parameter} from "../types/Parameter.sol";

/// @title The part of the clearing that opens accounts and moves value in, out and between them
/// @dev Each entry point: check, change the ledger, check margin on what is left, move tokens last (first for deposits, which
/// are credited only once received).
abstract contract Accounts is IClearing, ReentrancyGuardTransient {
    ILedger internal immutable LEDGER;
    ICollateralVault internal immutable VAULT;
    IInstrumentRegistry internal immutable REGISTRY;
    IRiskParameters internal immutable PARAMETERS;
    IMarginEngine internal immutable ENGINE;
    ICircuitBreaker internal immutable BREAKER;
    ITradingLimits internal immutable LIMITS;
    IMarginCheck internal immutable CHECKS;
    IWithdrawalQueue internal immutable QUEUE;
    address internal immutable INSURANCE_FUND;

    constructor(Wiring memory w) {
        LEDGER = w.ledger;
        VAULT = w.vault;
        REGISTRY = w.registry;
        PARAMETERS = w.parameters;
        ENGINE = w.engine;
        BREAKER = w.breaker;
        LIMITS = w.limits;
        CHECKS = w.checks;
        QUEUE = w.queue;
        INSURANCE_FUND = w.insuranceFund;
    }

    /// @inheritdoc IClearing
    function openAccount(MarginMode mode) external returns (uint64) {
        return LEDGER.openAccount(msg.sender, mode);
    }

    /// @inheritdoc IClearing
    function setOperator(uint64 account, address operator, uint8 scopes) external {
        _requireOwner(account);
        if (scopes & ~(SCOPE_TRADE | SCOPE_WITHDRAW) != 0) revert UnknownScopes(scopes);
        LEDGER.setOperator(account, operator, scopes);
    }

    /// @inheritdoc IClearing
    function setMode(uint64 account, MarginMode mode) external nonReentrant {
        _requireOwner(account);
        LEDGER.setMode(account, mode);
        CHECKS.requireInitialMargin(account);
    }

    /// @inheritdoc IClearing
    function deposit(uint64 account, uint8 index, uint256 quantity) external nonReentrant {
        _deposit(account, index, quantity);
    }

    /// @inheritdoc IClearing
    function depositWithPermit(
        uint64 account,
        uint8 index,
        uint256 quantity,
        uint256 deadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external nonReentrant {
        IERC20Permit token = IERC20Permit(VAULT.token(index));
        try token.permit(msg.sender, address(VAULT), quantity / VAULT.unit(index), deadline, v, r, s) {} catch {}
        _deposit(account, index, quantity);
    }

    /// @inheritdoc IClearing
    function withdraw(uint64 account, uint8 index, uint256 quantity, address to)
        external
        nonReentrant
        returns (uint256 id)
    {
        if (quantity == 0) revert ZeroAmount();
        _authorise(account, msg.sender, SCOPE_WITHDRAW);
        if (index == SETTLEMENT) {
            _requireCash(account, quantity);
            LEDGER.changeCash(account, -int256(quantity), ILedger.CashReason.WITHDRAWAL);
        } else {
            uint256 held = LEDGER.collateral(account, index);
            if (held < quantity) revert ILedger.InsufficientCollateral(account, index, held, quantity);
            LEDGER.changeCollateral(account, index, -int256(quantity));
        }
        CHECKS.requireWithdrawal(account);
        emit Withdrawn(account, index, to, quantity);
        uint256 atOnce;
        (atOnce, id) = QUEUE.request(account, index, to, quantity);
        if (atOnce != 0) VAULT.sendTo(index, to, atOnce);
        if (atOnce != quantity) VAULT.sendTo(index, address(QUEUE), quantity - atOnce);
    }

    /// @inheritdoc IClearing
    function transfer(uint64 from, uint64 to, uint8 index, uint256 quantity) external nonReentrant {
        if (quantity == 0) revert ZeroAmount();
        _authorise(from, msg.sender, SCOPE_WITHDRAW);
        _requireOneOwner(from, to);
        if (index == SETTLEMENT) {
            _requireCash(from, quantity);
            LEDGER.transferCash(from, to, quantity, ILedger.CashReason.TRANSFER);
        } else {
            LEDGER.transferCollateral(from, to, index, quantity);
        }
        CHECKS.requireWithdrawal(from);
        emit Transferred(from, to, index, quantity);
    }

    /// @inheritdoc IClearing
    function transferPosition(uint64 from, uint64 to, uint112 instrument, uint256 size) external nonReentrant {
        _authorise(from, msg.sender, SCOPE_TRADE);
        _authorise(to, msg.sender, SCOPE_TRADE);
        _requireOneOwner(from, to);
        REGISTRY.requireTradable(instrument);
        int256 held = LEDGER.positionSize(from, instrument);
        if (size == 0 || size > FixedPoint.abs(held)) revert NoSuchPosition(from, instrument, held, size);
        uint112[] memory instruments = new uint112[](1);
        instruments[0] = instrument;
        (uint256[] memory marks,) = ENGINE.marks(instruments);
        (uint64 buyer, uint64 seller) = held > 0 ? (to, from) : (from, to);
        _exchange(instrument, buyer, seller, size, marks[0]);
        emit PositionMoved(from, to, instrument, held > 0 ? int256(size) : -int256(size), marks[0]);
        CHECKS.requireTrade(IMarginCheck.Trade(instrument, buyer, seller, uint128(size), uint128(marks[0]), 0));
    }

    /// @inheritdoc IClearing
    function collectFees() external nonReentrant returns (uint256 quantity) {
        int256 cash = LEDGER.cash(HOUSE);
        if (cash <= 0) return 0;
        quantity = uint256(cash) - uint256(cash) % VAULT.unit(SETTLEMENT);
        if (quantity == 0) return 0;
        LEDGER.changeCash(HOUSE, -int256(quantity), ILedger.CashReason.FEES_COLLECTED);
        VAULT.sendTo(SETTLEMENT, INSURANCE_FUND, quantity);
    }

    function _deposit(uint64 account, uint8 index, uint256 quantity) private {
        if (quantity == 0) revert ZeroAmount();
        if (account == HOUSE) revert ILedger.UnknownAccount(account);
        if (BREAKER.globalState() == ICircuitBreaker.State.SHUTDOWN) revert IsShutDown();
        int256 change = SafeCast.toInt256(quantity);
        // Before the tokens arrive: a deposit must not widen the outflow of its own window.
        QUEUE.noteInflow(index, quantity);
        VAULT.receiveFrom(index, msg.sender, quantity);
        if (index == SETTLEMENT) {
            LEDGER.changeCash(account, change, ILedger.CashReason.DEPOSIT);
        } else {
            LEDGER.changeCollateral(account, index, change);
        }
        LIMITS.requireDeposit(account, index, quantity, msg.sender);
        emit Deposited(account, index, msg.sender, quantity);
    }

    /// @dev The ledger's part of a trade; it refuses sizes and prices that do not fit 95 and 127 bits.
    function _exchange(uint112 instrument, uint64 buyer, uint64 seller, uint256 size, uint256 price) internal {
        uint256 maxPositions = PARAMETERS.value(Parameter.MAX_POSITIONS);
        LEDGER.transferPosition(seller, buyer, instrument, size, price, maxPositions);
    }

    function _authorise(uint64 account, address who, uint8 scope) internal view {
        if (!LEDGER.isAuthorised(account, who, scope)) revert NotAuthorised(account, who);
    }

    function _requireOwner(uint64 account) private view {
        if (LEDGER.account(account).owner != msg.sender) revert NotAuthorised(account, msg.sender);
    }

    function _requireOneOwner(uint64 from, uint64 to) private view {
        if (LEDGER.account(from).owner != LEDGER.account(to).owner) revert DifferentOwners(from, to);
    }

    function _requireCash(uint64 account, uint256 quantity) private view {
        int256 cash = LEDGER.cash(account);
        if (cash < 0 || uint256(cash) < quantity) revert InsufficientCash(account, cash, quantity);
    }
}
