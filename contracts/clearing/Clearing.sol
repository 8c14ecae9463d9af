// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {Multicall} from "@openzeppelin/contracts/utils/Multicall.sol";
import {IClearing} from "../interfaces/IClearing.sol";
import {ILedger, HOUSE, SCOPE_TRADE} from "../interfaces/ILedger.sol";
import {IMarginCheck} from "../interfaces/IMarginCheck.sol";
import {FixedPoint} from "../math/FixedPoint.sol";
import {Parameter} from "../types/Parameter.sol";
import {Accounts} from "./Accounts.sol";
import {OrderHash} from "./OrderHash.sol";

/// @title Clearing
/// @dev Accounts and money are in Accounts, signed orders here. No function is payable, and each guards itself against
/// re-entrance: so a `multicall`, and a batch of fills, is no more than its calls one after the other.
contract Clearing is Accounts, EIP712, Multicall {
    uint256 private constant CANCELLED = type(uint256).max;

    /// @inheritdoc IClearing
    mapping(bytes32 orderHash => uint256 size) public filled;
    /// @inheritdoc IClearing
    mapping(uint64 account => uint64) public leastNonce;

    constructor(Wiring memory wiring) Accounts(wiring) EIP712("DPRE", "1") {}

    /// @inheritdoc IClearing
    function settle(SignedOrder calldata buy, SignedOrder calldata sell, uint256 size, uint256 price)
        public
        nonReentrant
    {
        _settle(buy, sell, size, price);
    }

    /// @inheritdoc IClearing
    function settleBatch(Fill[] calldata fills, bool allOrNone) external returns (uint256 settled) {
        for (uint256 i; i < fills.length; ++i) {
            Fill calldata fill = fills[i];
            if (allOrNone) {
                settle(fill.buy, fill.sell, fill.size, fill.price);
                ++settled;
                continue;
            }
            // Its own frame, so that a failure undoes this fill and nothing else; the caller stays the venue.
            bytes memory call = abi.encodeCall(IClearing.settle, (fill.buy, fill.sell, fill.size, fill.price));
            // solhint-disable-next-line avoid-low-level-calls
            (bool done, bytes memory reason) = address(this).delegatecall(call);
            if (done) ++settled;
            else emit FillSkipped(i, fill.buy.order.account, fill.sell.order.account, reason);
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
    function cancelAll(uint64 account, uint64 belowNonce) external {
        _authorise(account, msg.sender, SCOPE_TRADE);
        uint64 least = leastNonce[account];
        if (belowNonce <= least) revert NonceNotRaised(account, belowNonce, least);
        leastNonce[account] = belowNonce;
        emit OrdersCancelled(account, belowNonce);
    }

    /// @inheritdoc IClearing
    function orderHash(Order calldata order) public view returns (bytes32) {
        return _hashTypedDataV4(OrderHash.structHash(order));
    }

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
        _exchange(instrument, buyer, seller, size, price);
        uint256 fee = FixedPoint.mulWadUp(FixedPoint.mulWadUp(size, price), feeRate);
        if (fee != 0) {
            LEDGER.transferCash(buyer, HOUSE, fee, ILedger.CashReason.FEE);
            LEDGER.transferCash(seller, HOUSE, fee, ILedger.CashReason.FEE);
        }
        emit Trade(instrument, buyer, seller, size, price, fee, fee);
        CHECKS.requireTrade(IMarginCheck.Trade(instrument, buyer, seller, uint128(size), uint128(price), fee));
    }

    /// @dev Checks one order on its own and takes `size` contracts off what is left of it.
    function _fill(SignedOrder calldata signed, uint256 size, uint256 feeRate) private {
        Order calldata order = signed.order;
        if (block.timestamp > order.expiry) revert OrderExpired(order.expiry, block.timestamp);
        if (order.venue != address(0) && order.venue != msg.sender) revert WrongVenue(order.venue, msg.sender);
        if (feeRate > order.feeCap) revert FeeAboveCap(feeRate, order.feeCap);
        uint64 least = leastNonce[order.account];
        if (order.nonce < least) revert NonceCancelled(order.account, order.nonce, least);

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
}
