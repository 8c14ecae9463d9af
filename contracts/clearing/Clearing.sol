// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IClearing} from "../interfaces/IClearing.sol";
import {ICollateralVault, SETTLEMENT} from "../interfaces/ICollateralVault.sol";
import {IInstrumentRegistry} from "../interfaces/IInstrumentRegistry.sol";
import {ILedger, HOUSE, SCOPE_TRADE, SCOPE_WITHDRAW} from "../interfaces/ILedger.sol";
import {IMarginEngine} from "../interfaces/IMarginEngine.sol";
import {IRiskParameters} from "../interfaces/IRiskParameters.sol";
import {FixedPoint} from "../math/FixedPoint.sol";
import {MarginMode} from "../types/Book.sol";
import {Parameter} from "../types/Parameter.sol";
import {MarginCheck} from "./MarginCheck.sol";
import {OrderHash} from "./OrderHash.sol";

/// @title Clearing
/// @dev Each entry point: check, change the ledger, check margin on what is left, move tokens last (first for deposits, which
/// are credited only once received).
contract Clearing is IClearing, EIP712, ReentrancyGuardTransient {
    uint256 private constant CANCELLED = type(uint256).max;

    ILedger private immutable LEDGER;
    ICollateralVault private immutable VAULT;
    IInstrumentRegistry private immutable REGISTRY;
    IRiskParameters private immutable PARAMETERS;
    IMarginEngine private immutable ENGINE;
    address private immutable INSURANCE_FUND;

    /// @inheritdoc IClearing
    mapping(bytes32 orderHash => uint256 size) public filled;

    constructor(
        ILedger ledger,
        ICollateralVault vault,
        IInstrumentRegistry registry,
        IRiskParameters parameters,
        IMarginEngine engine,
        address insuranceFund
    ) EIP712("DPRE", "1") {
        LEDGER = ledger;
        VAULT = vault;
        REGISTRY = registry;
        PARAMETERS = parameters;
        ENGINE = engine;
        INSURANCE_FUND = insuranceFund;
    }

    // --- accounts ---

    /// @inheritdoc IClearing
    function openAccount(MarginMode mode) external returns (uint64) {
        return LEDGER.openAccount(msg.sender, mode);
    }

    /// @inheritdoc IClearing
    function setOperator(uint64 account, address operator, uint8 scopes) external {
        if (LEDGER.account(account).owner != msg.sender) revert NotAuthorised(account, msg.sender);
        if (scopes & ~(SCOPE_TRADE | SCOPE_WITHDRAW) != 0) revert UnknownScopes(scopes);
        LEDGER.setOperator(account, operator, scopes);
    }

    // --- tokens in and out ---

    /// @inheritdoc IClearing
    function deposit(uint64 account, uint8 index, uint256 quantity) external nonReentrant {
        if (quantity == 0) revert ZeroAmount();
        if (account == HOUSE) revert ILedger.UnknownAccount(account);
        int256 change = SafeCast.toInt256(quantity);
        VAULT.receiveFrom(index, msg.sender, quantity);
        if (index == SETTLEMENT) {
            LEDGER.changeCash(account, change, ILedger.CashReason.DEPOSIT);
        } else {
            LEDGER.changeCollateral(account, index, change);
        }
        emit Deposited(account, index, msg.sender, quantity);
    }

    /// @inheritdoc IClearing
    function withdraw(uint64 account, uint8 index, uint256 quantity, address to) external nonReentrant {
        if (quantity == 0) revert ZeroAmount();
        _authorise(account, msg.sender, SCOPE_WITHDRAW);
        if (index == SETTLEMENT) {
            int256 cash = LEDGER.cash(account);
            if (cash < 0 || uint256(cash) < quantity) revert InsufficientCash(account, cash, quantity);
            LEDGER.changeCash(account, -int256(quantity), ILedger.CashReason.WITHDRAWAL);
        } else {
            uint256 held = LEDGER.collateral(account, index);
            if (held < quantity) revert ILedger.InsufficientCollateral(account, index, held, quantity);
            LEDGER.changeCollateral(account, index, -int256(quantity));
        }
        MarginCheck.requireInitialMargin(ENGINE, account, PARAMETERS.value(Parameter.MAX_ACTION_AGE));
        emit Withdrawn(account, index, to, quantity);
        VAULT.sendTo(index, to, quantity);
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

    // --- orders ---

    /// @inheritdoc IClearing
    function settle(SignedOrder calldata buy, SignedOrder calldata sell, uint256 size, uint256 price)
        external
        nonReentrant
    {
        _settle(buy, sell, size, price);
    }

    /// @inheritdoc IClearing
    function settleBatch(Fill[] calldata fills) external nonReentrant {
        for (uint256 i; i < fills.length; ++i) {
            _settle(fills[i].buy, fills[i].sell, fills[i].size, fills[i].price);
        }
    }

    /// @inheritdoc IClearing
    function cancel(Order calldata order) external {
        _authorise(order.account, msg.sender, SCOPE_TRADE);
        bytes32 hash = orderHash(order);
        if (filled[hash] == CANCELLED) revert OrderIsCancelled(hash);
        filled[hash] = CANCELLED;
        emit OrderCancelled(hash, order.account);
    }

    /// @inheritdoc IClearing
    function orderHash(Order calldata order) public view returns (bytes32) {
        return _hashTypedDataV4(OrderHash.structHash(order));
    }

    // --- internals ---

    function _settle(SignedOrder calldata buy, SignedOrder calldata sell, uint256 size, uint256 price) private {
        uint112 instrument = buy.order.instrument;
        if (size == 0) revert ZeroAmount();
        if (instrument != sell.order.instrument) revert DifferentInstruments(instrument, sell.order.instrument);
        if (buy.order.size <= 0 || sell.order.size >= 0) revert NotOpposite(buy.order.size, sell.order.size);
        if (price > buy.order.limitPrice) revert PriceOutsideLimit(price, buy.order.limitPrice);
        if (price < sell.order.limitPrice) revert PriceOutsideLimit(price, sell.order.limitPrice);
        REGISTRY.requireTradable(instrument);

        uint256 feeRate = PARAMETERS.value(Parameter.TRADE_FEE);
        _fill(buy, size, feeRate);
        _fill(sell, size, feeRate);

        uint64 buyer = buy.order.account;
        uint64 seller = sell.order.account;
        LEDGER.transferPosition(
            seller, buyer, instrument, size, price, PARAMETERS.value(Parameter.MAX_POSITIONS)
        );
        uint256 fee = FixedPoint.mulWadUp(FixedPoint.mulWadUp(size, price), feeRate);
        if (fee != 0) {
            LEDGER.transferCash(buyer, HOUSE, fee, ILedger.CashReason.FEE);
            LEDGER.transferCash(seller, HOUSE, fee, ILedger.CashReason.FEE);
        }
        emit Trade(instrument, buyer, seller, size, price, fee, fee);

        uint256 maxAge = PARAMETERS.value(Parameter.MAX_ACTION_AGE);
        // The ledger refused sizes and prices that do not fit 127 bits.
        MarginCheck.requireMarginOrLowerRisk(
            ENGINE, buyer, MarginCheck.Traded(instrument, int128(int256(size)), uint128(price), fee), maxAge
        );
        MarginCheck.requireMarginOrLowerRisk(
            ENGINE, seller, MarginCheck.Traded(instrument, -int128(int256(size)), uint128(price), fee), maxAge
        );
    }

    /// @dev Checks one order on its own and takes `size` contracts off what is left of it.
    function _fill(SignedOrder calldata signed, uint256 size, uint256 feeRate) private {
        Order calldata order = signed.order;
        if (block.timestamp > order.expiry) revert OrderExpired(order.expiry, block.timestamp);
        if (order.venue != address(0) && order.venue != msg.sender) revert WrongVenue(order.venue, msg.sender);
        if (feeRate > order.feeCap) revert FeeAboveCap(feeRate, order.feeCap);

        bytes32 hash = orderHash(order);
        if (!SignatureChecker.isValidSignatureNow(signed.signer, hash, signed.signature)) {
            revert BadSignature(signed.signer);
        }
        _authorise(order.account, signed.signer, SCOPE_TRADE);

        uint256 before = filled[hash];
        if (before == CANCELLED) revert OrderIsCancelled(hash);
        uint256 total = FixedPoint.abs(order.size);
        if (size > total - before) revert OrderOverfilled(hash, total, before, size); // before <= total, always
        filled[hash] = before + size;
        emit OrderFilled(hash, order.account, before + size);

        if (order.reduceOnly) {
            int256 change = order.size > 0 ? int256(size) : -int256(size);
            int256 held = LEDGER.positionSize(order.account, order.instrument);
            bool opposite = held != 0 && (held > 0) != (change > 0);
            if (!opposite || FixedPoint.abs(held) < size) revert NotReducing(order.account, held, change);
        }
    }

    function _authorise(uint64 account, address who, uint8 scope) private view {
        if (!LEDGER.isAuthorised(account, who, scope)) revert NotAuthorised(account, who);
    }
}
