// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ILedger, HOUSE} from "../interfaces/ILedger.sol";
import {FixedPoint} from "../math/FixedPoint.sol";
import {MarginMode} from "../types/Book.sol";
import {InstrumentId, Kind} from "../types/InstrumentId.sol";
import {MAX_COLLATERALS} from "../types/Parameter.sol";
import {Position, position} from "../types/Position.sol";
import {Carry, FundingIndex, LossIndex} from "./Carry.sol";
import {DebitInterest, Terms} from "./DebitInterest.sol";
import {Modules} from "./Modules.sol";
import {PositionStore, PositionStoreLib} from "./PositionStore.sol";
import {TradeMath} from "./TradeMath.sol";
import {Realised, Vesting} from "./Vesting.sol";

/// @title What the ledger stores, and how one account's part of it changes
abstract contract LedgerStorage is ILedger, Modules {
    using Carry for FundingIndex;
    using DebitInterest for Terms;
    using PositionStoreLib for PositionStore;
    using Vesting for Realised;

    /// @dev 32 bytes.
    struct CostEntry {
        int128 cost; // 16 bytes, USD 1e18
        int128 carryEntry; // 16 bytes, USD 1e18 per contract: carry index of the position's side when it last changed
    }

    /// @dev Contiguous, so that one hash finds all of it.
    struct AccountStorage {
        Account head; // slot 0: 32 bytes
        int128 cash; // slot 1: 16 bytes, USD 1e18
        int128 costs; // slot 1: 16 bytes; cash - costs is one read
        Realised realised; // slot 2: 32 bytes; trading and withdrawals read it
        uint256[MAX_COLLATERALS] collateral; // slots 3..10: tokens 1e18; read where `collateralMask` says so
        PositionStore positions; // the first `positionCount` are open, in no particular order
        CostEntry[256] entries; // of the position at the same index; trading reads it, and the book of what has carry
    }

    /// @dev 32 bytes. Equal but while an instrument is being settled.
    struct OpenInterest {
        uint128 longs; // 16 bytes, contracts 1e18
        uint128 shorts; // 16 bytes, contracts 1e18
    }

    mapping(uint64 id => AccountStorage) internal _accounts;
    mapping(uint64 id => mapping(address operator => uint8 scopes)) internal _operators;
    mapping(uint112 instrument => OpenInterest) internal _openInterest;
    mapping(uint8 underlying => uint256 size) internal _underlyingInterest; // longs, over its instruments
    mapping(uint40 entityAndUnderlying => uint256 size) internal _exposures;
    mapping(uint8 underlying => FundingIndex) internal _funding;
    mapping(uint112 instrument => LossIndex) internal _losses;
    Terms internal _terms;
    uint64 internal _accountCount; // with `_vestingPeriod`: 12 bytes
    uint32 internal _vestingPeriod;
    int256 internal _inTransit;

    // --- positions ---

    /// @dev One side of a trade: `change` > 0 buys. Returns the change of the account's long size.
    function _trade(uint64 id, uint112 instrument, int256 change, uint256 price, uint256 maxPositions) internal returns (int256) {
        if (id == HOUSE) revert UnknownAccount(id); // the house holds no positions
        AccountStorage storage a = _existing(id);
        (uint256 index, Position p) = _findOrOpen(a, id, instrument, maxPositions);
        int256 size = p.size();
        int256 newSize = size + change;
        int256 entry = _realiseCarry(a, id, index, p, newSize);
        int256 newCost = _realiseCost(a, id, index, size, change, price, CashReason.TRADE);
        if (newSize == 0) {
            _close(a, index);
        } else {
            a.positions.write(index, p.withSize(newSize));
            a.entries[index] = CostEntry({cost: _int128(newCost), carryEntry: _int128(entry)});
        }
        _expose(a.realised.entity, instrument, size, newSize);
        emit PositionChanged(id, instrument, newSize, newCost, entry, int256(price));
        return _long(newSize) - _long(size);
    }

    /// @dev Pays what the position owes and has it owe nothing. Returns the carry index that a position of `newSize` enters at; 0
    /// where it closes.
    function _realiseCarry(AccountStorage storage a, uint64 id, uint256 index, Position p, int256 newSize)
        internal
        returns (int256)
    {
        int256 size = p.size();
        (int256 longs, int256 shorts) = _carryOf(p.instrument(), _terms.lossMask);
        if (size != 0) {
            int256 owed = Carry.owedUp(size, size > 0 ? longs : shorts, a.entries[index].carryEntry);
            bool perp = p.instrument().kind() == Kind.PERP;
            if (owed != 0) _addCash(a, id, -owed, perp ? CashReason.FUNDING : CashReason.LOSS_SHARE);
        }
        if (newSize == 0) return 0;
        return newSize > 0 ? longs : shorts;
    }

    /// @dev Books what the trade pays and realises; the position itself is still as before. Returns its new cost.
    function _realiseCost(
        AccountStorage storage a,
        uint64 id,
        uint256 index,
        int256 size,
        int256 change,
        uint256 price,
        CashReason reason
    ) internal returns (int256 newCost) {
        int256 cost = a.entries[index].cost;
        int256 realised;
        (newCost, realised) = TradeMath.traded(size, cost, change, price);
        a.costs = _int128(int256(a.costs) + newCost - cost);
        if (size == 0 || (size > 0) == (change > 0)) return newCost;
        _addCash(a, id, realised, reason);
        if (realised == 0) return newCost;
        Realised memory r = a.realised;
        if (realised < 0 && (r.current | r.previous) == 0) return newCost; // nothing that the loss could be taken off
        r = r.rotated(_vestingPeriod).counted(realised);
        a.realised = r;
        emit ProfitCounted(id, r.current, r.previous, r.since);
    }

    /// @dev Carry indices of an instrument's sides now, USD 1e18 per contract.
    function _carryOf(InstrumentId instrument, uint256 lossMask) internal view returns (int256 longs, int256 shorts) {
        uint8 underlying = instrument.underlying();
        if (instrument.kind() == Kind.PERP) {
            longs = _funding[underlying].current();
            shorts = longs;
        }
        if ((lossMask >> underlying) & 1 == 0) return (longs, shorts);
        LossIndex storage losses = _losses[InstrumentId.unwrap(instrument)];
        return (longs + losses.longs, shorts + losses.shorts);
    }

    /// @dev What the position at `index` owes, USD 1e18, rounded up.
    function _owedUp(AccountStorage storage a, uint256 index, Position p, uint256 lossMask) internal view returns (int256) {
        (int256 longs, int256 shorts) = _carryOf(p.instrument(), lossMask);
        int256 size = p.size();
        return Carry.owedUp(size, size > 0 ? longs : shorts, a.entries[index].carryEntry);
    }

    /// @dev Where the account has none, a position of size 0 that is to be written. The logarithm of the strike is taken here, once in
    /// the life of the position.
    function _findOrOpen(AccountStorage storage a, uint64 id, uint112 instrument, uint256 maxPositions)
        private
        returns (uint256 index, Position p)
    {
        bool found;
        (found, index) = _find(a, instrument);
        if (found) return (index, a.positions.read(index));
        uint256 limit = maxPositions < type(uint8).max ? maxPositions : type(uint8).max;
        if (index >= limit) revert TooManyPositions(id, limit);
        if (a.head.mode == MarginMode.ISOLATED && index != 0) {
            revert IsolatedHoldsOne(id, InstrumentId.unwrap(a.positions.read(0).instrument()), instrument);
        }
        InstrumentId what = InstrumentId.wrap(instrument);
        p = position(what, FixedPoint.lnStrike(what), 0);
        a.head.positionCount = uint8(index + 1);
    }

    /// @dev The last position takes the place of the closed one.
    function _close(AccountStorage storage a, uint256 index) internal {
        uint256 last = a.head.positionCount - 1;
        if (index != last) {
            a.positions.write(index, a.positions.read(last));
            a.entries[index] = a.entries[last];
        }
        a.positions.clear(last);
        delete a.entries[last];
        a.head.positionCount = uint8(last);
    }

    /// @dev `index` is that of the first that is free where nothing was found.
    function _find(AccountStorage storage a, uint112 instrument) internal view returns (bool found, uint256 index) {
        uint256 count = a.head.positionCount;
        index = a.positions.find(count, InstrumentId.wrap(instrument));
        found = index < count;
    }

    // --- sums over accounts ---

    /// @dev Positions sum to zero (INV-ZERO-SUM), so what a transfer adds to one side it adds to the other.
    function _addOpenInterest(uint112 instrument, int256 longs, int256 shorts) internal {
        OpenInterest memory o = _openInterest[instrument];
        o.longs = uint128(uint256(int256(uint256(o.longs)) + longs));
        o.shorts = uint128(uint256(int256(uint256(o.shorts)) + shorts));
        _openInterest[instrument] = o;
        uint8 underlying = InstrumentId.wrap(instrument).underlying();
        if (longs != 0) _underlyingInterest[underlying] = uint256(int256(_underlyingInterest[underlying]) + longs);
    }

    /// @dev An entity's exposure: the sum of |size| of its accounts in an underlying.
    function _expose(uint32 entity, uint112 instrument, int256 size, int256 newSize) internal {
        if (entity == 0) return;
        uint40 key = _exposureKey(entity, InstrumentId.wrap(instrument).underlying());
        _exposures[key] = _exposures[key] + FixedPoint.abs(newSize) - FixedPoint.abs(size);
    }

    function _exposureKey(uint32 entity, uint8 underlying) internal pure returns (uint40) {
        return (uint40(entity) << 8) | underlying;
    }

    // --- cash ---

    /// @dev Interest on a debt is paid before the debt changes; whatever is negative afterwards owes from now on.
    function _addCash(AccountStorage storage a, uint64 id, int256 change, CashReason reason) internal {
        int256 before = _payInterest(a, id);
        int128 afterwards = _int128(before + _int128(change));
        a.cash = afterwards;
        emit CashChanged(id, reason, change, afterwards);
        if (before >= 0 && afterwards < 0) _startInterest(a, id);
    }

    /// @dev Realises interest and credits the house with it, exactly. Returns the cash after.
    function _payInterest(AccountStorage storage a, uint64 id) internal returns (int256 cash_) {
        cash_ = a.cash;
        uint256 interest = _interestUp(a, id);
        if (interest == 0) return cash_;
        _startInterest(a, id);
        int256 change = _signed(interest);
        a.cash = _int128(cash_ - change);
        emit CashChanged(id, CashReason.INTEREST, -change, cash_ - change);
        AccountStorage storage house = _accounts[HOUSE];
        int128 earned = _int128(int256(house.cash) + change);
        house.cash = earned;
        emit CashChanged(HOUSE, CashReason.INTEREST, change, earned);
        return cash_ - change;
    }

    /// @dev Interest owed and not yet paid. The house owes none to itself; none grows while a deficit is open.
    function _interestUp(AccountStorage storage a, uint64 id) internal view returns (uint256) {
        int256 cash_ = a.cash;
        if (cash_ >= 0 || a.head.deficitOpen || id == HOUSE) return 0;
        return DebitInterest.interestUp(uint256(-cash_), _terms.current(), a.head.interestEntry);
    }

    function _startInterest(AccountStorage storage a, uint64 id) internal {
        uint56 index = _terms.current();
        if (a.head.interestEntry == index) return;
        a.head.interestEntry = index;
        emit InterestStarted(id, index);
    }

    // --- collateral ---

    function _addCollateral(uint64 id, uint8 index, int256 change) internal {
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

    // --- small ---

    function _existing(uint64 id) internal view returns (AccountStorage storage a) {
        a = _accounts[id];
        if (!a.head.exists) revert UnknownAccount(id);
    }

    function _long(int256 size) internal pure returns (int256) {
        return size > 0 ? size : int256(0);
    }

    function _signed(uint256 amount) internal pure returns (int256) {
        if (amount > uint256(type(int256).max)) revert AmountOutOfRange(type(int256).max);
        return int256(amount);
    }

    function _int128(int256 amount) internal pure returns (int128) {
        if (amount != int128(amount)) revert AmountOutOfRange(amount);
        return int128(amount);
    }
}
