// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {ILedger, HOUSE} from "../interfaces/ILedger.sol";
import {WAD} from "../math/FixedPoint.sol";
import {Book, MarginMode} from "../types/Book.sol";
import {InstrumentId, Kind} from "../types/InstrumentId.sol";
import {MAX_COLLATERALS, MAX_UNDERLYINGS} from "../types/Parameter.sol";
import {Position, SizeOutOfRange} from "../types/Position.sol";
import {Carry, FundingIndex, LossIndex} from "./Carry.sol";
import {DebitInterest, Terms} from "./DebitInterest.sol";
import {LedgerStorage} from "./LedgerStorage.sol";
import {PositionStore, PositionStoreLib} from "./PositionStore.sol";
import {TradeMath} from "./TradeMath.sol";
import {Realised, Vesting} from "./Vesting.sol";

/// @title Account ledger
/// @dev INV-LEDGER, INV-ZERO-SUM, INV-COLLATERAL, INV-COSTS (docs/invariants.md). Makes no external calls.
contract Ledger is LedgerStorage {
    using Carry for FundingIndex;
    using DebitInterest for Terms;
    using PositionStoreLib for PositionStore;
    using Vesting for Realised;

    constructor() {
        _accounts[HOUSE].head.exists = true;
        _vestingPeriod = 1 days;
        emit ProfitVestingSet(_vestingPeriod);
    }

    // --- by anybody ---

    /// @inheritdoc ILedger
    function accrue(uint64 id) external {
        AccountStorage storage a = _existing(id);
        uint256 count = a.head.positionCount;
        for (uint256 i; i < count; ++i) {
            Position p = a.positions.read(i);
            int256 entry = _realiseCarry(a, id, i, p, p.size());
            if (entry == a.entries[i].carryEntry) continue;
            a.entries[i].carryEntry = _int128(entry);
            emit CarryRealised(id, InstrumentId.unwrap(p.instrument()), entry);
        }
        _payInterest(a, id);
    }

    // --- written by modules only ---

    /// @inheritdoc ILedger
    function openAccount(address owner, MarginMode mode) external onlyModule returns (uint64 id) {
        id = ++_accountCount;
        Account storage head = _accounts[id].head;
        (head.owner, head.mode, head.exists) = (owner, mode, true);
        emit AccountOpened(id, owner, mode);
    }

    /// @inheritdoc ILedger
    function setMode(uint64 id, MarginMode mode) external onlyModule {
        AccountStorage storage a = _existing(id);
        if (mode == MarginMode.ISOLATED && a.head.positionCount > 1) {
            uint112 first = InstrumentId.unwrap(a.positions.read(0).instrument());
            revert IsolatedHoldsOne(id, first, InstrumentId.unwrap(a.positions.read(1).instrument()));
        }
        a.head.mode = mode;
        emit ModeSet(id, mode);
    }

    /// @inheritdoc ILedger
    function setEntity(uint64 id, uint32 entity) external onlyModule {
        AccountStorage storage a = _existing(id);
        uint32 before = a.realised.entity;
        uint256 count = a.head.positionCount;
        for (uint256 i; i < count; ++i) {
            Position p = a.positions.read(i);
            _expose(before, InstrumentId.unwrap(p.instrument()), p.size(), 0);
            _expose(entity, InstrumentId.unwrap(p.instrument()), 0, p.size());
        }
        a.realised.entity = entity;
        emit EntitySet(id, entity);
    }

    /// @inheritdoc ILedger
    function setDeficit(uint64 id, bool open) external onlyModule {
        AccountStorage storage a = _existing(id);
        if (open) _payInterest(a, id);
        else if (a.head.deficitOpen && a.cash < 0) _startInterest(a, id);
        a.head.deficitOpen = open;
        emit DeficitSet(id, open);
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
        if (longs != 0) _addOpenInterest(instrument, longs, longs);
    }

    /// @inheritdoc ILedger
    function settlePosition(uint64 id, uint112 instrument, uint256 price) external onlyModule returns (int256 size) {
        if (price > uint256(uint128(type(int128).max))) revert PriceOutOfRange(price);
        AccountStorage storage a = _existing(id);
        (bool found, uint256 index) = _find(a, instrument);
        if (!found) return 0;
        Position p = a.positions.read(index);
        size = p.size();

        // One side settled and the other still growing would owe each other nothing that adds up.
        InstrumentId what = InstrumentId.wrap(instrument);
        if (what.kind() == Kind.PERP && !_funding[what.underlying()].ended) _setFundingRate(what.underlying(), 0, 0, true);
        _realiseCarry(a, id, index, p, 0);
        _realiseCost(a, id, index, size, -size, price, CashReason.SETTLEMENT);
        _inTransit -= TradeMath.mulDivUp(-size, price, WAD); // what it pays is rounded up, what it is paid down
        _close(a, index);
        _expose(a.realised.entity, instrument, size, 0);
        _addOpenInterest(instrument, -_long(size), -_long(-size));
        emit PositionChanged(id, instrument, 0, 0, 0, int256(price));
        emit PositionSettled(id, instrument, size, price, _inTransit);
    }

    /// @inheritdoc ILedger
    function setFundingRate(uint8 underlying, int256 ratePerSecond, uint24 duration) external onlyModule {
        if (_funding[underlying].ended) revert FundingEnded(underlying);
        _setFundingRate(underlying, ratePerSecond, duration, false);
    }

    /// @inheritdoc ILedger
    function setDebitRate(uint256 perYear) external onlyModule {
        if (perYear > type(uint64).max) revert RateOutOfRange(_signed(perYear));
        uint56 index = _terms.current();
        (_terms.index, _terms.ratePerYear, _terms.since) = (index, uint64(perYear), uint32(block.timestamp));
        emit DebitRateSet(perYear, index, block.timestamp);
    }

    /// @inheritdoc ILedger
    function setProfitVesting(uint256 period) external onlyModule {
        if (period < 1 hours || period > 30 days) revert VestingOutOfRange(period);
        _vestingPeriod = uint32(period);
        emit ProfitVestingSet(period);
    }

    /// @inheritdoc ILedger
    function shareLoss(uint64 debtor, uint112 instrument, bool longs, uint256 amount) external onlyModule {
        uint8 underlying = InstrumentId.wrap(instrument).underlying();
        if (underlying >= MAX_UNDERLYINGS) revert UnderlyingOutOfRange(underlying, MAX_UNDERLYINGS);
        uint256 held = longs ? _openInterest[instrument].longs : _openInterest[instrument].shorts;
        if (held == 0) revert NoHolders(instrument, longs);

        int256 step = _signed(FixedPointMathLib.fullMulDivUp(amount, WAD, held));
        LossIndex storage losses = _losses[instrument];
        int128 index = _int128(longs ? int256(losses.longs) + step : int256(losses.shorts) - step);
        if (longs) losses.longs = index;
        else losses.shorts = index;
        _terms.lossMask |= uint32(1 << underlying);

        // What the side owes in all, each holder's rounding aside, is amount + rounding.
        uint256 rounding = uint256(step) * held / WAD - amount;
        _addCash(_existing(debtor), debtor, _signed(amount), CashReason.LOSS_SHARE);
        if (rounding != 0) _addCash(_accounts[HOUSE], HOUSE, int256(rounding), CashReason.LOSS_SHARE);
        emit LossShared(debtor, instrument, longs, amount, index, rounding);
    }

    /// @inheritdoc ILedger
    function transferCash(uint64 from, uint64 to, uint256 amount, CashReason reason) external onlyModule {
        if (from == to) revert SameAccount(from);
        int256 signed = _signed(amount);
        _addCash(_existing(from), from, -signed, reason);
        _addCash(_existing(to), to, signed, reason);
    }

    /// @inheritdoc ILedger
    function changeCash(uint64 id, int256 change, CashReason reason) external onlyModule {
        _addCash(_existing(id), id, change, reason);
    }

    /// @inheritdoc ILedger
    function changeCollateral(uint64 id, uint8 index, int256 change) external onlyModule {
        _addCollateral(id, index, change);
    }

    /// @inheritdoc ILedger
    function transferCollateral(uint64 from, uint64 to, uint8 index, uint256 quantity) external onlyModule {
        if (from == to) revert SameAccount(from);
        int256 signed = _signed(quantity);
        _addCollateral(from, index, -signed);
        _addCollateral(to, index, signed);
    }

    // --- views ---

    /// @inheritdoc ILedger
    function book(uint64 id) external view returns (Book memory b) {
        AccountStorage storage a = _existing(id);
        b.mode = a.head.mode;
        b.balance = int256(a.cash) - int256(a.costs) - int256(_interestUp(a, id));

        uint256 mask = a.head.collateralMask;
        uint256 length;
        unchecked {
            while (mask >> length != 0) ++length;
            b.collateral = new uint256[](length);
            for (uint256 i; i < length; ++i) {
                if ((mask >> i) & 1 != 0) b.collateral[i] = a.collateral[i];
            }
        }

        bool perps;
        (b.positions, perps) = a.positions.words(a.head.positionCount);
        b.balance -= _carryUp(a, b.positions, perps);
        b.answer();
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
            Position p = a.positions.read(i);
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
        return found ? a.positions.read(index).size() : int256(0);
    }

    /// @inheritdoc ILedger
    function position(uint64 id, uint112 instrument) external view returns (int256 size, int256 cost) {
        AccountStorage storage a = _accounts[id];
        (bool found, uint256 index) = _find(a, instrument);
        if (found) (size, cost) = (a.positions.read(index).size(), a.entries[index].cost);
    }

    /// @inheritdoc ILedger
    function accountCount() external view returns (uint64) {
        return _accountCount;
    }

    /// @inheritdoc ILedger
    function openInterest(uint112 instrument) external view returns (uint256) {
        return _openInterest[instrument].longs;
    }

    /// @inheritdoc ILedger
    function openInterestSides(uint112 instrument) external view returns (uint256 longs, uint256 shorts) {
        OpenInterest storage o = _openInterest[instrument];
        return (o.longs, o.shorts);
    }

    /// @inheritdoc ILedger
    function openInterestOf(uint8 underlying) external view returns (uint256) {
        return _underlyingInterest[underlying];
    }

    /// @inheritdoc ILedger
    function entityOf(uint64 id) external view returns (uint32) {
        return _accounts[id].realised.entity;
    }

    /// @inheritdoc ILedger
    function entityExposure(uint32 entity, uint8 underlying) external view returns (uint256) {
        return _exposures[_exposureKey(entity, underlying)];
    }

    /// @inheritdoc ILedger
    function unvestedProfit(uint64 id) external view returns (uint256) {
        Realised memory r = _accounts[id].realised.rotated(_vestingPeriod);
        return uint256(r.current) + r.previous;
    }

    /// @inheritdoc ILedger
    function accrued(uint64 id) external view returns (int256, uint256) {
        AccountStorage storage a = _accounts[id];
        (uint256[] memory words, bool perps) = a.positions.words(a.head.positionCount);
        return (_carryUp(a, words, perps), _interestUp(a, id));
    }

    /// @inheritdoc ILedger
    function carry(uint112 instrument) external view returns (int256, int256) {
        return _carryOf(InstrumentId.wrap(instrument), _terms.lossMask);
    }

    /// @inheritdoc ILedger
    function fundingRate(uint8 underlying) external view returns (int256, uint256) {
        FundingIndex storage f = _funding[underlying];
        return (f.ratePerSecond, f.until);
    }

    /// @inheritdoc ILedger
    function debitRate() external view returns (uint256) {
        return _terms.ratePerYear;
    }

    /// @inheritdoc ILedger
    function profitVesting() external view returns (uint256) {
        return _vestingPeriod;
    }

    /// @inheritdoc ILedger
    function deficitOpen(uint64 id) external view returns (bool) {
        return _accounts[id].head.deficitOpen;
    }

    /// @inheritdoc ILedger
    function inTransit() external view returns (int256) {
        return _inTransit;
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

    function _setFundingRate(uint8 underlying, int256 rate, uint256 duration, bool ended) private {
        if (rate != int80(rate)) revert RateOutOfRange(rate);
        int256 index = _funding[underlying].current();
        if (index != int104(index)) revert AmountOutOfRange(index);
        uint256 until = block.timestamp + duration;
        _funding[underlying] = FundingIndex(int104(index), int80(rate), uint32(block.timestamp), uint32(until), ended);
        emit FundingRateSet(underlying, rate, index, block.timestamp, until, ended);
    }

    /// @dev What the positions owe, USD 1e18, each rounded up. Entries are read only for perps and where a loss was ever shared.
    function _carryUp(AccountStorage storage a, uint256[] memory words, bool perps) private view returns (int256 owed) {
        if (words.length == 0) return 0;
        uint256 mask = _terms.lossMask;
        if (!perps && mask == 0) return 0;
        for (uint256 i; i < words.length; ++i) {
            uint256 word = words[i];
            // kind == PERP, or its underlying's bit
            if (uint8(word >> 104) == 0 || (mask >> uint8(word >> 96)) & 1 != 0) owed += _owedUp(a, i, Position.wrap(word), mask);
        }
    }
}
