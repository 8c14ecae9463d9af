// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";

import {ICollateralVault} from "../interfaces/ICollateralVault.sol";
import {IDeleverager} from "../interfaces/IDeleverager.sol";
import {IInsuranceFund} from "../interfaces/IInsuranceFund.sol";
import {HOUSE, ILedger} from "../interfaces/ILedger.sol";
import {IMarginEngine, Requirement} from "../interfaces/IMarginEngine.sol";
import {INominations} from "../interfaces/INominations.sol";
import {IRiskParameters} from "../interfaces/IRiskParameters.sol";
import {FixedPoint, WAD} from "../math/FixedPoint.sol";
import {Leg, MarginMode} from "../types/Book.sol";
import {Parameter, ParameterTable} from "../types/Parameter.sol";
import {BankruptcyPrices} from "./BankruptcyPrices.sol";
import {DeficitFunding} from "./DeficitFunding.sol";

/// @title Deleverager
/// @dev A module of ledger and vault, and an agent of the liquidator's membership of the fund.
contract Deleverager is DeficitFunding, ReentrancyGuardTransient {
    /// @notice Nomination windows that may follow the first one.
    uint256 public constant MAX_ROUNDS = 4;

    uint256 private constant SHARE_UNIT = 1e14;

    /// @dev A leg being closed. @param size What is left of it, signed.
    struct Closing {
        uint64 account;
        uint112 instrument;
        int256 size;
        uint256 price;
        uint256 mark;
    }

    /// @dev An empty PORTFOLIO account: the book that a leg alone is measured in. 0 until first needed.
    uint64 private _yardstick;

    constructor(
        ILedger ledger,
        ICollateralVault vault,
        IRiskParameters parameters,
        IMarginEngine engine,
        IInsuranceFund fund,
        INominations nominations
    ) DeficitFunding(ledger, vault, parameters, engine, fund, nominations) {}

    /// @inheritdoc IDeleverager
    function openDeficit(uint64 account) external nonReentrant {
        Deficit storage d = _deficits[account];
        if (d.openedAt != 0) revert DeficitIsOpen(account);
        ParameterTable p = _table();
        Legs memory legs = _legs(account, p);
        if (legs.equity >= 0) revert NoDeficit(account, legs.equity);
        uint256 owed = uint256(-legs.equity);
        Cause[] memory found = _measured(account, legs);
        uint256 payable_ = _payable(found, owed);
        if (owed <= payable_) revert FundCanPay(account, owed, payable_);

        (d.openedAt, d.openedBlock, d.rounds) = (uint40(block.timestamp), uint64(block.number), 0);
        for (uint256 i; i < found.length; ++i) {
            _causes[account].push(found[i]);
            emit CauseRecorded(account, found[i].instrument, found[i].size, found[i].share);
        }
        NOMINATIONS.begin(account, legs.instruments, legs.sizes);
        LEDGER.setDeficit(account, true);
        // Not a member any more: the deficit is worked off without it.
        try FUND.deficitOpened(account) {} catch {}
        emit DeficitOpened(account, msg.sender, legs.equity, payable_);
    }

    /// @inheritdoc IDeleverager
    function execute(uint64 account, uint256 maxCloses) external nonReentrant returns (Execution memory e) {
        // Cache
        ParameterTable p = _table();
        Deficit storage d = _deficits[account];
        if (d.openedAt == 0) revert DeficitNotOpen(account);
        if (maxCloses == 0) revert ZeroCloses();
        Legs memory legs = _legs(account, p);
        e.equity = legs.equity;
        if (legs.equity >= 0) {
            _close(account, legs.equity);
            return e;
        }
        if (legs.sizes.length != 0) _requireWindowOver(d, p);

        // Fund first, then the counterparties
        uint256 owed = uint256(-legs.equity);
        e.fundPaid = _payFromFund(account, legs, owed);
        (, uint256[] memory prices,) = BankruptcyPrices.spread(legs.sizes, legs.marks, legs.weights, owed - e.fundPaid);
        bool dry = _closeLegs(account, legs, prices, maxCloses, e);

        // What the queues could not close
        legs = _legs(account, p);
        if (!dry) {
            e.open = true;
        } else if (legs.equity < 0 && legs.sizes.length != 0 && d.rounds < MAX_ROUNDS && (e.closes != 0 || _drained(d, legs))) {
            e.open = true;
            ++d.rounds;
            (d.openedAt, d.openedBlock) = (uint40(block.timestamp), uint64(block.number));
            NOMINATIONS.renew(legs.instruments, legs.sizes);
            emit WindowRenewed(account, d.rounds);
        } else {
            if (legs.equity < 0) {
                e.shared = _share(account, legs, uint256(-legs.equity));
                legs.equity += int256(e.shared);
            }
            if (legs.equity < 0) e.open = true; // nobody holds anything that could bear it
        }
        emit Executed(account, e.equity, e.fundPaid, e.haircut, e.shared, e.closes);
        if (!e.open) _close(account, legs.equity);
    }

    /// @inheritdoc IDeleverager
    function repayClaim(uint64 account) external nonReentrant returns (uint256 paid) {
        int256 equity = _legs(account, _table()).equity;
        uint256 claim = _deficits[account].claim;
        paid = _repay(account, equity);
        if (paid == 0) revert NothingToRepay(account, equity, claim);
    }

    // --- views ---

    /// @inheritdoc IDeleverager
    function deficit(uint64 account) external view returns (Deficit memory) {
        return _deficits[account];
    }

    /// @inheritdoc IDeleverager
    function causes(uint64 account) external view returns (Cause[] memory) {
        return _causes[account];
    }

    /// @inheritdoc IDeleverager
    function bankruptcyPrices(uint64 account)
        external
        view
        returns (int256 equity, uint112[] memory instruments, int256[] memory sizes, uint256[] memory prices)
    {
        Legs memory legs = _legs(account, _table());
        if (_deficits[account].openedAt == 0) revert DeficitNotOpen(account);
        if (legs.equity >= 0) return (legs.equity, legs.instruments, legs.sizes, legs.marks);
        (, prices,) = BankruptcyPrices.spread(legs.sizes, legs.marks, legs.weights, uint256(-legs.equity));
        return (legs.equity, legs.instruments, legs.sizes, prices);
    }

    // --- closing ---

    /// @dev Adds to `e`. @return dry Whether every queue was worked through, rather than `maxCloses` reached.
    function _closeLegs(uint64 account, Legs memory legs, uint256[] memory prices, uint256 maxCloses, Execution memory e)
        private
        returns (bool dry)
    {
        dry = true;
        for (uint256 i; dry && i < prices.length; ++i) {
            Closing memory c = Closing(account, legs.instruments[i], legs.sizes[i], prices[i], legs.marks[i]);
            (maxCloses, dry) = _closeLeg(c, maxCloses, e);
        }
    }

    /// @dev From the top of the leg's queue. Whoever can be closed no further leaves it. Adds to `e`.
    /// @return Looks left. @return Whether the leg is closed or the queue worked through.
    function _closeLeg(Closing memory c, uint256 looks, Execution memory e) private returns (uint256, bool) {
        bool longs = c.size < 0;
        (uint64[] memory queue,) = NOMINATIONS.adlQueue(c.instrument, longs);
        uint256 gone;
        while (c.size != 0 && gone != queue.length && looks != 0) {
            --looks;
            // Who is not exhausted closed all that was left of the leg: the loop ends with it.
            if (_closeOne(c, queue[gone], e)) ++gone;
        }
        if (gone != 0) NOMINATIONS.drop(c.instrument, longs, gone);
        return (looks, c.size == 0 || gone == queue.length);
    }

    /// @return exhausted The counterparty has no more to give.
    function _closeOne(Closing memory c, uint64 counterparty, Execution memory e) private returns (bool exhausted) {
        int256 held = LEDGER.positionSize(counterparty, c.instrument);
        if (held == 0 || (held > 0) == (c.size > 0)) return true;
        int256 wanted = FixedPoint.abs(held) < FixedPoint.abs(c.size) ? -held : c.size;
        int256 closed = _withinMaintenance(counterparty, c.instrument, wanted, c.price);
        if (closed == 0) return true;
        (uint64 seller, uint64 buyer) = closed > 0 ? (c.account, counterparty) : (counterparty, c.account);
        LEDGER.transferPosition(seller, buyer, c.instrument, FixedPoint.abs(closed), c.price, type(uint8).max);
        c.size -= closed;
        _record(c, counterparty, FixedPoint.abs(closed), e);
        return closed != wanted || closed == -held;
    }

    function _record(Closing memory c, uint64 counterparty, uint256 size, Execution memory e) private {
        uint256 haircut = FixedPointMathLib.fullMulDivUp(size, c.price > c.mark ? c.price - c.mark : c.mark - c.price, WAD);
        ++e.closes;
        e.haircut += haircut;
        emit Deleveraged(c.account, counterparty, c.instrument, size, c.price, c.mark, haircut);
    }

    /// @dev The largest part of `size` (signed) that the counterparty can take and stay above maintenance. Slack (margin equity -
    /// requirement) is concave in the part closed, a maximum over scenarios being convex: on the line between none and all it is at
    /// least what the line says. Where size tiers make that untrue, the last check skips the counterparty.
    function _withinMaintenance(uint64 counterparty, uint112 instrument, int256 size, uint256 price) private view returns (int256) {
        int256 slackAll = _slackAfter(counterparty, instrument, size, price);
        if (slackAll >= 0) return size;
        Requirement memory r = ENGINE.requirement(counterparty);
        int256 slackNone = r.marginEquityMaintenance - int256(r.maintenance);
        if (slackNone <= 0) return 0;
        uint256 part = FixedPointMathLib.fullMulDiv(FixedPoint.abs(size), uint256(slackNone), uint256(slackNone - slackAll));
        int256 within = size > 0 ? int256(part) : -int256(part);
        if (within == 0 || _slackAfter(counterparty, instrument, within, price) < 0) return 0;
        return within;
    }

    function _slackAfter(uint64 counterparty, uint112 instrument, int256 size, uint256 price) private view returns (int256) {
        Leg[] memory trade = new Leg[](1);
        trade[0] = Leg(instrument, int128(size), uint128(price));
        Requirement memory r = ENGINE.preview(counterparty, trade, 0);
        return r.marginEquityMaintenance - int256(r.maintenance);
    }

    /// @dev The queue that is dry was not when this window began: other deficits took it. Whoever ranks next may not have been nominated
    /// only because there was no place, and must not get away with paying by size [A: waiting for the others].
    function _drained(Deficit storage d, Legs memory legs) private view returns (bool) {
        return NOMINATIONS.droppedSince(legs.instruments, legs.sizes, d.openedAt);
    }

    // --- beginning and end ---

    function _requireWindowOver(Deficit storage d, ParameterTable p) private view {
        uint256 time = d.openedAt + p.get(Parameter.NOMINATION_WINDOW);
        uint256 number = d.openedBlock + p.get(Parameter.NOMINATION_BLOCKS);
        if (block.timestamp < time || block.number < number) revert WindowOpen(time, number);
    }

    /// @dev Repays what a recovery left above zero, and lets everybody go.
    function _close(uint64 account, int256 equity) private {
        Deficit storage d = _deficits[account];
        (d.openedAt, d.openedBlock, d.rounds) = (0, 0, 0);
        Cause[] memory found = _causes[account];
        uint112[] memory instruments = new uint112[](found.length);
        int256[] memory sizes = new int256[](found.length);
        for (uint256 i; i < found.length; ++i) {
            (instruments[i], sizes[i]) = (found[i].instrument, found[i].size);
        }
        NOMINATIONS.end(account, instruments, sizes);
        delete _causes[account];
        LEDGER.setDeficit(account, false);
        try FUND.deficitClosed(account) {} catch {}
        equity -= int256(_repay(account, equity));
        emit DeficitClosed(account, equity, d.claim);
    }

    // --- figures ---

    /// @dev Every leg measured alone: its stress requirement in PORTFOLIO, its standard margin elsewhere, its notional where none has any.
    function _measured(uint64 account, Legs memory legs) private returns (Cause[] memory found) {
        uint256 count = legs.sizes.length;
        found = new Cause[](count);
        if (count == 0) return found;
        uint64 yardstick = HOUSE; // CROSS and ISOLATED: sums of standard margins, which the house's own mode gives
        if (LEDGER.account(account).mode == MarginMode.PORTFOLIO) {
            if (_yardstick == 0) _yardstick = LEDGER.openAccount(address(this), MarginMode.PORTFOLIO);
            yardstick = _yardstick;
        }
        uint256[] memory notionals = new uint256[](count);
        uint256[] memory stress = new uint256[](count);
        uint256 total;
        Leg[] memory alone = new Leg[](1);
        for (uint256 i; i < count; ++i) {
            alone[0] = Leg(legs.instruments[i], int128(legs.sizes[i]), 0);
            Requirement memory r = ENGINE.preview(yardstick, alone, 0);
            (stress[i], notionals[i]) = (r.maintenance, r.grossNotional);
            total += r.maintenance;
        }
        uint256[] memory shares = _split(SHARE_UNIT, total == 0 ? notionals : stress);
        for (uint256 i; i < count; ++i) {
            found[i] = Cause(legs.instruments[i], int96(legs.sizes[i]), uint48(shares[i]));
        }
    }
}
