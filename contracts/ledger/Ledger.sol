// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ILedger, HOUSE} from "../interfaces/ILedger.sol";
import {FixedPoint} from "../math/FixedPoint.sol";
import {Book, MarginMode} from "../types/Book.sol";
import {InstrumentId} from "../types/InstrumentId.sol";
import {MAX_COLLATERALS} from "../types/Parameter.sol";
import {Position, position, SizeOutOfRange} from "../types/Position.sol";
import {Modules} from "./Modules.sol";
import {TradeMath} from "./TradeMath.sol";

/// @title Account ledger
/// @dev INV-LEDGER, INV-ZERO-SUM, INV-COLLATERAL, INV-COSTS (docs/invariants.md). Makes no external calls.
contract Ledger is ILedger, Modules {
    /// @dev Slots per account for positions; `positionCount` is a byte.
    uint256 private constant POSITION_SLOTS = 256;

    /// @dev 32 bytes.
    struct CostEntry {
        int128 cost; // 16 bytes, USD 1e18
        int128 fundingIndex; // 16 bytes, the perp's entry index
    }

    /// @dev Contiguous, so that one hash finds all of it.
    struct AccountStorage {
        Account head; // slot 0: 24 bytes
        int128 cash; // slot 1: 16 bytes, USD 1e18
        int128 costs; // slot 1: 16 bytes; balance = cash - costs is one read
        uint256[MAX_COLLATERALS] collateral; // slots 2..9: tokens 1e18; read where `collateralMask` says so
        Position[POSITION_SLOTS] positions; // the first `positionCount` are open, in no particular order
        CostEntry[POSITION_SLOTS] entries; // cost of the position at the same index; only trading reads it
    }

    mapping(uint64 id => AccountStorage) private _accounts;
    mapping(uint64 id => mapping(address operator => uint8 scopes)) private _operators;
    mapping(uint112 instrument => uint256 size) private _openInterest;
    uint64 private _accountCount;

    constructor() {
        _accounts[HOUSE].head.exists = true;
    }

    // --- written by modules only ---

    /// @inheritdoc ILedger
    function openAccount(address owner, MarginMode mode) external onlyModule returns (uint64 id) {
        id = ++_accountCount;
        _accounts[id].head = Account({owner: owner, mode: mode, positionCount: 0, collateralMask: 0, exists: true});
        emit AccountOpened(id, owner, mode);
    }

    /// @inheritdoc ILedger
    function setMode(uint64 id, MarginMode mode) external onlyModule {
        AccountStorage storage a = _existing(id);
        if (mode == MarginMode.ISOLATED && a.head.positionCount > 1) {
            uint112 first = InstrumentId.unwrap(a.positions[0].instrument());
            revert IsolatedHoldsOne(id, first, InstrumentId.unwrap(a.positions[1].instrument()));
        }
        a.head.mode = mode;
        emit ModeSet(id, mode);
    }

    /// @inheritdoc ILedger
    function setOperator(uint64 id, address operator, uint8 scopes) external onlyModule {
        _existing(id);
        _operators[id][operator] = scopes;
        emit OperatorSet(id, operator, scopes);
    }

    /// @inheritdoc ILedger
    function transferPosition(
        uint64 seller,
        uint64 buyer,
        uint112 instrument,
        uint256 size,
        uint256 price,
        uint256 maxPositions
    ) external onlyModule {
        if (size == 0) revert ZeroSize();
        if (size > uint256(uint96(type(int96).max))) {
            revert SizeOutOfRange(size > uint256(type(int256).max) ? type(int256).max : int256(size));
        }
        if (price > uint256(uint128(type(int128).max))) revert PriceOutOfRange(price);
        if (seller == buyer) revert SameAccount(buyer);

        int256 longs = _trade(buyer, instrument, int256(size), price, maxPositions);
        longs += _trade(seller, instrument, -int256(size), price, maxPositions);
        // Positions sum to zero (INV-ZERO-SUM), so what is long is what is short and one sum says both.
        if (longs != 0) _openInterest[instrument] = uint256(int256(_openInterest[instrument]) + longs);
    }

    /// @inheritdoc ILedger
    function transferCash(uint64 from, uint64 to, uint256 amount, CashReason reason) external onlyModule {
        if (from == to) revert SameAccount(from);
        int256 signed = _signed(amount);
        _changeCash(from, -signed, reason);
        _changeCash(to, signed, reason);
    }

    /// @inheritdoc ILedger
    function changeCash(uint64 id, int256 change, CashReason reason) external onlyModule {
        _changeCash(id, change, reason);
    }

    /// @inheritdoc ILedger
    function changeCollateral(uint64 id, uint8 index, int256 change) external onlyModule {
        _changeCollateral(id, index, change);
    }

    /// @inheritdoc ILedger
    function transferCollateral(uint64 from, uint64 to, uint8 index, uint256 quantity) external onlyModule {
        if (from == to) revert SameAccount(from);
        int256 signed = _signed(quantity);
        _changeCollateral(from, index, -signed);
        _changeCollateral(to, index, signed);
    }

    // --- views ---

    /// @inheritdoc ILedger
    function book(uint64 id) external view returns (Book memory b) {
        AccountStorage storage a = _existing(id);
        b.mode = a.head.mode;
        b.balance = int256(a.cash) - int256(a.costs);

        uint256 mask = a.head.collateralMask;
        uint256 length;
        while (mask >> length != 0) ++length;
        b.collateral = new uint256[](length);
        for (uint256 i; i < length; ++i) {
            if ((mask >> i) & 1 != 0) b.collateral[i] = a.collateral[i];
        }

        uint256 count = a.head.positionCount;
        uint256[] memory words = new uint256[](count);
        Position[POSITION_SLOTS] storage stored = a.positions;
        // for (uint256 i; i < count; ++i) words[i] = Position.unwrap(stored[i]);
        assembly ("memory-safe") {
            let from := stored.slot
            let to := add(words, 0x20)
            for { let end := add(from, count) } lt(from, end) { from := add(from, 1) } {
                mstore(to, sload(from))
                to := add(to, 0x20)
            }
        }
        b.positions = words;
    }

    /// @inheritdoc ILedger
    function account(uint64 id) external view returns (Account memory) {
        return _accounts[id].head;
    }

    /// @inheritdoc ILedger
    function cash(uint64 id) external view returns (int256) {
        return _accounts[id].cash;
    }

    /// @inheritdoc ILedger
    function costs(uint64 id) external view returns (int256) {
        return _accounts[id].costs;
    }

    /// @inheritdoc ILedger
    function collateral(uint64 id, uint8 index) external view returns (uint256) {
        if (index >= MAX_COLLATERALS) revert CollateralOutOfRange(index, MAX_COLLATERALS);
        return _accounts[id].collateral[index];
    }

    /// @inheritdoc ILedger
    function positions(uint64 id) external view returns (PositionView[] memory list) {
        AccountStorage storage a = _accounts[id];
        list = new PositionView[](a.head.positionCount);
        for (uint256 i; i < list.length; ++i) {
            Position p = a.positions[i];
            list[i] = PositionView({
                instrument: InstrumentId.unwrap(p.instrument()),
                size: p.size(),
                cost: a.entries[i].cost
            });
        }
    }

    /// @inheritdoc ILedger
    function positionSize(uint64 id, uint112 instrument) external view returns (int256) {
        AccountStorage storage a = _accounts[id];
        (bool found, uint256 index) = _find(a, instrument);
        return found ? a.positions[index].size() : int256(0);
    }

    /// @inheritdoc ILedger
    function accountCount() external view returns (uint64) {
        return _accountCount;
    }

    /// @inheritdoc ILedger
    function openInterest(uint112 instrument) external view returns (uint256) {
        return _openInterest[instrument];
    }

    /// @inheritdoc ILedger
    function operatorScopes(uint64 id, address operator) external view returns (uint8) {
        return _operators[id][operator];
    }

    /// @inheritdoc ILedger
    function isAuthorised(uint64 id, address who, uint8 scopes) external view returns (bool) {
        if (who == address(0) || scopes == 0) return false; // the house has no owner
        return _accounts[id].head.owner == who || (_operators[id][who] & scopes) == scopes;
    }

    // --- internals ---

    /// @dev One side of a trade: `change` > 0 buys. Returns the change of the account's long size.
    function _trade(uint64 id, uint112 instrument, int256 change, uint256 price, uint256 maxPositions)
        private
        returns (int256)
    {
        if (id == HOUSE) revert UnknownAccount(id); // the house holds no positions
        AccountStorage storage a = _existing(id);
        uint256 index = _findOrOpen(a, id, instrument, maxPositions);
        int256 size = a.positions[index].size();
        int256 newSize = size + change;
        int256 newCost = _applyCost(a, id, index, change, price);
        if (newSize == 0) {
            _close(a, index);
        } else {
            a.positions[index] = a.positions[index].withSize(newSize);
            a.entries[index].cost = _int128(newCost);
        }
        emit PositionChanged(id, instrument, newSize, newCost, 0, int256(price));
        return _long(newSize) - _long(size);
    }

    /// @dev Books what the trade pays and realises; the position itself is still as before. Returns its new cost.
    function _applyCost(AccountStorage storage a, uint64 id, uint256 index, int256 change, uint256 price)
        private
        returns (int256 newCost)
    {
        int256 size = a.positions[index].size();
        int256 cost = a.entries[index].cost;
        int256 realised;
        (newCost, realised) = TradeMath.traded(size, cost, change, price);
        a.costs = _int128(int256(a.costs) + newCost - cost);
        if (size != 0 && (size > 0) != (change > 0)) _addCash(a, id, realised, CashReason.TRADE);
    }

    /// @dev Appends an empty position where the account has none. The logarithm of the strike is taken here, once in the life
    /// of the position.
    function _findOrOpen(AccountStorage storage a, uint64 id, uint112 instrument, uint256 maxPositions)
        private
        returns (uint256 index)
    {
        bool found;
        (found, index) = _find(a, instrument);
        if (found) return index;
        uint256 limit = maxPositions < type(uint8).max ? maxPositions : type(uint8).max;
        if (index >= limit) revert TooManyPositions(id, limit);
        if (a.head.mode == MarginMode.ISOLATED && index != 0) {
            revert IsolatedHoldsOne(id, InstrumentId.unwrap(a.positions[0].instrument()), instrument);
        }
        InstrumentId what = InstrumentId.wrap(instrument);
        a.positions[index] = position(what, FixedPoint.lnStrike(what), 0);
        a.head.positionCount = uint8(index + 1);
    }

    /// @dev The last position takes the place of the closed one.
    function _close(AccountStorage storage a, uint256 index) private {
        uint256 last = a.head.positionCount - 1;
        if (index != last) {
            a.positions[index] = a.positions[last];
            a.entries[index] = a.entries[last];
        }
        a.positions[last] = Position.wrap(0);
        delete a.entries[last];
        a.head.positionCount = uint8(last);
    }

    function _changeCash(uint64 id, int256 change, CashReason reason) private {
        _addCash(_existing(id), id, change, reason);
    }

    function _addCash(AccountStorage storage a, uint64 id, int256 change, CashReason reason) private {
        int128 after_ = _int128(int256(a.cash) + _int128(change));
        a.cash = after_;
        emit CashChanged(id, reason, change, after_);
    }

    function _changeCollateral(uint64 id, uint8 index, int256 change) private {
        if (index >= MAX_COLLATERALS) revert CollateralOutOfRange(index, MAX_COLLATERALS);
        AccountStorage storage a = _existing(id);
        int256 held = int256(a.collateral[index]);
        int256 after_ = held + _int128(change);
        if (after_ < 0) revert InsufficientCollateral(id, index, uint256(held), uint256(-change));
        uint256 quantity = uint256(int256(_int128(after_)));
        a.collateral[index] = quantity;
        uint8 bit = uint8(1 << index);
        a.head.collateralMask = quantity == 0 ? a.head.collateralMask & ~bit : a.head.collateralMask | bit;
        emit CollateralChanged(id, index, change, quantity);
    }

    function _existing(uint64 id) private view returns (AccountStorage storage a) {
        a = _accounts[id];
        if (!a.head.exists) revert UnknownAccount(id);
    }

    /// @dev A scan, not an index: the margin check that follows every trade reads these slots anyway, whereas a mapping
    /// would cost a new slot per position. `index` is that of the first free slot where nothing was found.
    function _find(AccountStorage storage a, uint112 instrument) private view returns (bool found, uint256 index) {
        uint256 count = a.head.positionCount;
        for (; index < count; ++index) {
            if (InstrumentId.unwrap(a.positions[index].instrument()) == instrument) return (true, index);
        }
    }

    function _long(int256 size) private pure returns (int256) {
        return size > 0 ? size : int256(0);
    }

    function _signed(uint256 amount) private pure returns (int256) {
        if (amount > uint256(type(int256).max)) revert AmountOutOfRange(type(int256).max);
        return int256(amount);
    }

    function _int128(int256 amount) private pure returns (int128) {
        if (amount != int128(amount)) revert AmountOutOfRange(amount);
        return int128(amount);
    }
}
