// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";

import {ParameterReads} from "../governance/ParameterReads.sol";
import {IDeficitGate} from "../interfaces/IDeficitGate.sol";
import {ILedger} from "../interfaces/ILedger.sol";
import {IMarginEngine, Requirement, Witness} from "../interfaces/IMarginEngine.sol";
import {INominations} from "../interfaces/INominations.sol";
import {IRiskParameters} from "../interfaces/IRiskParameters.sol";
import {Modules} from "../ledger/Modules.sol";
import {FixedPoint, WAD} from "../math/FixedPoint.sol";
import {FreshPrices} from "../oracle/FreshPrices.sol";
import {MarginMode} from "../types/Book.sol";
import {InstrumentId} from "../types/InstrumentId.sol";
import {Parameter, ParameterTable} from "../types/Parameter.sol";
import {DeleveragingScore} from "./DeleveragingScore.sol";
import {NominationQueue} from "./NominationQueue.sol";

/// @title Nominations
contract Nominations is INominations, Modules {
    using ParameterReads for IRiskParameters;
    using FreshPrices for ParameterTable;
    using NominationQueue for NominationQueue.Queue;
    using NominationQueue for uint256[];
    using NominationQueue for uint256;

    /// @notice Slot 0: 8 + 5 + 5 + 14 bytes; then the queue.
    /// @param deficits Open ones on the other side. @param windowEnds Last end of a nomination window. @param droppedAt When somebody last
    /// left the queue with no more to give. @param size What those deficits held here when they were opened, contracts 1e18: the measure of
    /// dust.
    struct Side {
        uint64 deficits;
        uint40 windowEnds;
        uint40 droppedAt;
        uint112 size;
        NominationQueue.Queue queue;
    }

    /// @dev 2 bytes.
    struct Standing {
        bool open; // a deficit of its own
        bool owing; // others paid for one
    }

    ILedger private immutable LEDGER;
    IMarginEngine private immutable ENGINE;
    IRiskParameters private immutable PARAMETERS;

    mapping(uint112 instrument => mapping(bool longs => Side)) private _sides;
    mapping(uint64 account => Standing) private _standings;
    /// @dev One slot: the gate reads it alone while nothing is open and nothing owed.
    uint128 private _open;
    uint128 private _owing;

    constructor(ILedger ledger, IMarginEngine engine, IRiskParameters parameters) {
        (LEDGER, ENGINE, PARAMETERS) = (ledger, engine, parameters);
    }

    /// @inheritdoc INominations
    function nominate(uint112 instrument, uint64 account, Witness calldata witness) external returns (uint64 score_) {
        // Cache
        ParameterTable p = _table();
        int256 size;
        (size, score_) = _nominee(instrument, account, witness, p);
        Side storage side = _sides[instrument][size > 0];
        uint256[] memory entries = side.queue.load();
        uint256 limit = p.get(Parameter.NOMINATION_QUEUE);

        // Checks
        _requireNoDust(account, size, side, entries.length, limit);
        (bool queued, uint256 at) = entries.find(account);
        // A weak witness cannot push down whom a strong one put up [A].
        if (queued && score_ <= entries[at].scoreOf()) revert RanksTooLow(account, score_, entries[at].scoreOf());
        (uint256[] memory after_, bool entered) = entries.inserted(limit, account, score_);
        if (!entered) revert RanksTooLow(account, score_, entries[entries.length - 1].scoreOf());

        // Execute
        side.queue.store(entries, after_);
        emit Nominated(instrument, size > 0, account, score_);
    }

    // --- by the deleverager ---

    /// @inheritdoc INominations
    function begin(uint64 account, uint112[] calldata instruments, int256[] calldata sizes) external onlyModule {
        ++_open;
        _standings[account].open = true;
        for (uint256 i; i < sizes.length; ++i) {
            Side storage side = _opposite(instruments[i], sizes[i]);
            ++side.deficits;
            side.size += uint112(FixedPoint.abs(sizes[i]));
        }
        _beginWindows(instruments, sizes);
    }

    /// @inheritdoc INominations
    function renew(uint112[] calldata instruments, int256[] calldata sizes) external onlyModule {
        _beginWindows(instruments, sizes);
    }

    /// @inheritdoc INominations
    function end(uint64 account, uint112[] calldata instruments, int256[] calldata sizes) external onlyModule {
        --_open;
        _standings[account].open = false;
        for (uint256 i; i < sizes.length; ++i) {
            Side storage side = _opposite(instruments[i], sizes[i]);
            side.size -= uint112(FixedPoint.abs(sizes[i]));
            if (--side.deficits == 0) side.queue.length = 0;
        }
    }

    /// @inheritdoc INominations
    function drop(uint112 instrument, bool longs, uint256 count) external onlyModule {
        Side storage side = _sides[instrument][longs];
        side.queue.drop(count);
        side.droppedAt = uint40(block.timestamp);
        emit Dropped(instrument, longs, count);
    }

    /// @inheritdoc INominations
    function setOwing(uint64 account, bool owing) external onlyModule {
        if (_standings[account].owing == owing) return;
        _standings[account].owing = owing;
        if (owing) ++_owing;
        else --_owing;
    }

    // --- views ---

    /// @inheritdoc IDeficitGate
    function mayIncreaseRisk(uint64 account) external view returns (bool) {
        (uint256 open, uint256 owing) = (_open, _owing);
        if (open == 0 && owing == 0) return true;
        Standing memory own = _standings[account];
        if (own.open || own.owing) return false;
        if (open == 0) return true;
        ILedger.PositionView[] memory held = LEDGER.positions(account);
        for (uint256 i; i < held.length; ++i) {
            if (_sides[held[i].instrument][held[i].size > 0].deficits != 0) return false;
        }
        return true;
    }

    /// @inheritdoc INominations
    function droppedSince(uint112[] calldata instruments, int256[] calldata sizes, uint256 time) external view returns (bool) {
        for (uint256 i; i < sizes.length; ++i) {
            if (_opposite(instruments[i], sizes[i]).droppedAt > time) return true;
        }
        return false;
    }

    /// @inheritdoc INominations
    function openDeficits() external view returns (uint256) {
        return _open;
    }

    /// @inheritdoc INominations
    function adlQueue(uint112 instrument, bool longs) external view returns (uint64[] memory accounts, uint64[] memory scores) {
        uint256[] memory entries = _sides[instrument][longs].queue.load();
        accounts = new uint64[](entries.length);
        scores = new uint64[](entries.length);
        for (uint256 i; i < entries.length; ++i) {
            (accounts[i], scores[i]) = (entries[i].accountOf(), entries[i].scoreOf());
        }
    }

    /// @inheritdoc INominations
    function score(uint64 account, uint112 instrument) external view returns (uint64 value) {
        ParameterTable p = _table();
        int256 size;
        (size, value,) = _holder(account, instrument, p);
        if (size == 0) revert NoPosition(account, instrument);
    }

    /// @inheritdoc INominations
    function quintile(uint64 account, uint112 instrument, uint64[] calldata others)
        external
        view
        returns (uint8 light, uint256 coverage)
    {
        ParameterTable p = _table();
        (int256 size, uint64 own, int256 profit) = _holder(account, instrument, p);
        if (size == 0) revert NoPosition(account, instrument);
        uint256 total = FixedPoint.abs(size);
        uint256 above;
        for (uint256 i; i < others.length; ++i) {
            if (others[i] == account || (i != 0 && others[i] <= others[i - 1])) revert NotAscending(others[i]);
            (int256 held, uint64 theirs,) = _holder(others[i], instrument, p);
            if (held == 0 || (held > 0) != (size > 0)) revert NotOnThatSide(others[i], instrument);
            total += FixedPoint.abs(held);
            if (theirs > own) above += FixedPoint.abs(held);
        }
        (uint256 longs, uint256 shorts) = LEDGER.openInterestSides(instrument);
        coverage = total * WAD / (size > 0 ? longs : shorts);
        light = profit <= 0 ? 0 : uint8(5 - 5 * above / total);
    }

    // --- nominees ---

    function _nominee(uint112 instrument, uint64 account, Witness calldata witness, ParameterTable p)
        private
        view
        returns (int256 size, uint64 score_)
    {
        int256 cost;
        (size, cost) = LEDGER.position(account, instrument);
        if (size == 0) revert NoPosition(account, instrument);
        Requirement memory r = ENGINE.witnessed(account, witness);
        if (_standings[account].open || r.equity < 0) revert NotSolvent(account);
        // The age of this instrument's price alone: a stale one elsewhere in the book is no place to hide [A].
        (int256 profit, uint256 oldestPrice) = _profit(account, instrument, size, cost);
        p.requireFresh(oldestPrice);
        if (profit <= 0) revert NoProfit(account, profit);
        // The engine refused a witness that names no underlying for a PORTFOLIO account with a position, one that does for any other
        // (MarginCore, ScenarioChoice): its shape is the account's mode, not a choice of who nominates.
        score_ = _valued(witness.underlyings.length == 0, instrument, profit, cost, r, p);
    }

    /// @dev Larger holders exist while the window is open (theirs to come) or one of them is queued [A: Sybil dust].
    function _requireNoDust(uint64 account, int256 size, Side storage side, uint256 queued, uint256 limit) private view {
        (uint256 deficits, uint256 windowEnds, uint256 opposite) = (side.deficits, side.windowEnds, side.size);
        if (deficits == 0) revert NoDeficitOnOtherSide(account);
        bool larger = block.timestamp < windowEnds || queued != 0;
        if (larger && NominationQueue.isDust(FixedPoint.abs(size), opposite, limit)) {
            revert Dust(account, FixedPoint.abs(size), opposite);
        }
    }

    // --- scores ---

    /// @dev By the full scan. All zero where the account does not hold the instrument.
    function _holder(uint64 account, uint112 instrument, ParameterTable p)
        private
        view
        returns (int256 size, uint64 value, int256 profit)
    {
        int256 cost;
        (size, cost) = LEDGER.position(account, instrument);
        if (size == 0) return (0, 0, 0);
        Requirement memory r = ENGINE.requirement(account);
        (profit,) = _profit(account, instrument, size, cost);
        bool standard = LEDGER.account(account).mode != MarginMode.PORTFOLIO;
        value = _valued(standard, instrument, profit, cost, r, p);
    }

    /// @dev Long options that support nothing count on neither side. @param standard Standard margin: CROSS or ISOLATED.
    function _valued(bool standard, uint112 instrument, int256 profit, int256 cost, Requirement memory r, ParameterTable p)
        private
        pure
        returns (uint64)
    {
        int256 free = int256(r.longOptions);
        int256 needed = int256(r.maintenance) - free;
        if (needed > 0 && standard) {
            uint256 scale = DeleveragingScore.standardScaleDown(p, InstrumentId.wrap(instrument).underlying());
            needed = int256(FixedPointMathLib.mulWad(uint256(needed), scale));
        }
        return DeleveragingScore.scoreDown(profit, cost, needed, r.marginEquityMaintenance - free);
    }

    /// @dev Of the position at mark, and what the account realised lately: per account, which the ledger keeps, and so at least what it
    /// realised in this instrument net of its other losses. Cashing in by trading with oneself hides nothing [A].
    function _profit(uint64 account, uint112 instrument, int256 size, int256 cost)
        private
        view
        returns (int256 profit, uint256 oldestPrice)
    {
        uint112[] memory instruments = new uint112[](1);
        instruments[0] = instrument;
        uint256[] memory marks;
        (marks, oldestPrice) = ENGINE.marks(instruments);
        profit = FixedPoint.divFloor(size * int256(marks[0]), int256(WAD)) - cost + int256(LEDGER.unvestedProfit(account));
    }

    function _opposite(uint112 instrument, int256 size) private view returns (Side storage) {
        return _sides[instrument][size < 0];
    }

    function _beginWindows(uint112[] calldata instruments, int256[] calldata sizes) private {
        uint40 windowEnds = uint40(block.timestamp + PARAMETERS.value(Parameter.NOMINATION_WINDOW));
        for (uint256 i; i < sizes.length; ++i) {
            _opposite(instruments[i], sizes[i]).windowEnds = windowEnds;
        }
    }

    // --- parameters and prices ---

    function _table() private view returns (ParameterTable) {
        return PARAMETERS.copied();
    }
}
