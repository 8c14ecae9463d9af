// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {GLOBAL, ICircuitBreaker} from "../../../contracts/interfaces/ICircuitBreaker.sol";
import {IDeleverager} from "../../../contracts/interfaces/IDeleverager.sol";
import {IClearing} from "../../../contracts/interfaces/IClearing.sol";
import {ILedger} from "../../../contracts/interfaces/ILedger.sol";
import {Requirement, Witness} from "../../../contracts/interfaces/IMarginEngine.sol";
import {GroupReport, UnderlyingReport} from "../../../contracts/interfaces/IMarginReport.sol";
import {MarginMode} from "../../../contracts/types/Book.sol";
import {InstrumentId, Kind} from "../../../contracts/types/InstrumentId.sol";
import {IRiskParameters} from "../../../contracts/interfaces/IRiskParameters.sol";
import {Parameter, VOL_DOWN, VOL_NONE, VOL_UP} from "../../../contracts/types/Parameter.sol";
import {CHEATS, World} from "./World.sol";

/// @title How handlers bring about what they need
/// @notice A handler first tries on the state as it is. Where that is refused it makes the state in which it is allowed, by means that
/// somebody has: an owner tops up, the governor loosens, a price arrives, the market moves. So millions of calls do something, and
/// accounts that the market ruined come back.
abstract contract Preparation is World {
    int256 private constant SWAD = 1e18;
    /// @dev What an account's value may differ by between two ways to round its marks: 1e-15 of what large accounts hold. USD 1e18.
    int256 internal constant DUST = 1e12;
    /// @dev A close rounds its price by less than a unit per contract; nobody here holds a million contracts.
    uint256 private constant PER_CLOSE = 1e6;
    uint32 private constant TERM = 2 days; // between two near expiries

    /// @dev Counted as refused: only calls that did something count.
    error NothingToDo();
    /// @notice What must never happen did; ends the campaign.
    error InvariantBroken(string what, uint64 account, int256 bound, int256 found);

    /// @notice Operations that may round: positions that changed hands, carry that was realised.
    uint256 public drifting;
    uint32 internal expired; // the last near expiry that passed; 0: none
    uint64[] internal _open; // accounts whose deficit is open
    uint64 private _nonce;

    /// @dev Before a campaign: light scans, deficits that the fund cannot pay, exits within hours, collateral of two kinds, an expiry near.
    function _enlist() internal {
        parameters.set(Parameter.FUND_UNDERLYING_CAP, 10_000e18); // so that some deficits exceed it
        parameters.set(Parameter.FUND_EPOCH, 1 hours);
        parameters.setScenarios(_scenarios());
        parameters.set(Parameter.OI_SHARE_FREE, 10e9 * WAD); // the liquidator stands opposite to everybody
        for (uint64 id = 4; id <= TRADERS; ++id) {
            pay(id, WBTC, 0.2e18);
        }
        _fundLiquidator();
        CHEATS.warp(near - TERM);
        publish();
        CHEATS.prank(ownerOf[LIQUIDATOR_ACCOUNT]);
        clearing.setMode(LIQUIDATOR_ACCOUNT, MarginMode.CROSS); // it is scanned at every other call
    }

    /// @dev Eleven of the default's 35: the ends and the middle of the core by three vol directions, a tail on each side. A scan of 35
    /// would be half of a campaign's time; their pricing is tested in tests/contracts/margin and tests/parity.
    function _scenarios() private pure returns (IRiskParameters.Scenario[] memory s) {
        s = new IRiskParameters.Scenario[](11);
        uint8[3] memory directions = [VOL_UP, VOL_NONE, VOL_DOWN];
        for (uint256 i; i < 9; ++i) {
            s[i] = IRiskParameters.Scenario(-0.18e18 + int64(int256(i / 3)) * 0.18e18, 1e18, true, directions[i % 3]);
        }
        s[9] = IRiskParameters.Scenario(-0.66e18, 0.21e18, false, VOL_UP);
        s[10] = IRiskParameters.Scenario(1e18, 0.1386e18, false, VOL_UP);
    }

    // --- accounts ---

    function _trader(uint256 seed) internal pure returns (uint64) {
        return uint64(seed % TRADERS) + 1;
    }

    /// @dev Able to act: prices fresh, nothing tripped, no deficit open, nothing owed, margin twice what is needed and more.
    function _ready(uint64 account) internal {
        _calm();
        for (uint256 tries; _open.length != 0; ++tries) {
            uint64 bankrupt = _open[_open.length - 1];
            // Nobody is left to bear it: its owner comes back
            if (tries > 8) pay(bankrupt, USDC, _wholeUp(uint256(-engine.requirement(bankrupt).equity)));
            _execute(_open.length - 1, type(uint256).max, true);
        }
        if (block.timestamp >= near) _passExpiry();
        _settleExpired(account);
        _fresh();
        uint256 claim = deleverager.deficit(account).claim;
        Requirement memory r = engine.requirement(account);
        int256 cash = 5_000e18 + int256(claim) - ledger.cash(account);
        if (cash > 0) pay(account, USDC, _wholeUp(uint256(cash)));
        else cash = 0;
        int256 short = int256(2 * r.initial + 10_000e18 + claim) - r.marginEquityInitial - cash;
        if (short > 0) _bring(account, uint256(short));
        if (claim != 0) deleverager.repayClaim(account);
    }

    /// @dev What counts for `amount` of margin: from the fourth account on in WETH, so that whoever loses owes cash. In PORTFOLIO it would
    /// be a risk of its own.
    function _bring(uint64 account, uint256 amount) private {
        if (account <= 3 || ledger.account(account).mode == MarginMode.PORTFOLIO) pay(account, USDC, _wholeUp(amount));
        else pay(account, WETH, amount * 10 / 7 * WAD / spots[ETH]);
    }

    /// @return positions Settled, of the expiry that passed.
    function _settleExpired(uint64 account) internal returns (uint256 positions) {
        if (expired == 0) return 0;
        uint64[] memory one = new uint64[](1);
        one[0] = account;
        for (uint8 u; u < 2; ++u) {
            positions += settlement.settle(one, u, expired);
        }
        drifting += 2 * positions;
    }

    /// @dev One call for the `at`-th open deficit. INV-ADL-EXACT and INV-SOLVENT where it finishes.
    function _execute(uint256 at, uint256 closes, bool wait) internal {
        uint64 account = _open[at];
        if (wait) {
            CHEATS.warp(block.timestamp + 61);
            CHEATS.roll(block.number + 6);
        }
        _fresh();
        IDeleverager.Execution memory e = deleverager.execute(account, closes);
        drifting += 10 + 6 * e.closes;
        if (e.open) return;
        _open[at] = _open[_open.length - 1];
        _open.pop();
        if (e.equity >= 0) return;
        uint256 deficit = uint256(-e.equity);
        uint256 paid = e.fundPaid + e.haircut + e.shared;
        if (paid < deficit || paid > deficit + 1e12 + PER_CLOSE * (e.closes + 1)) {
            revert InvariantBroken("INV-ADL-EXACT", account, int256(deficit), int256(paid));
        }
        int256 equity = engine.requirement(account).equity;
        if (equity < -DUST) revert InvariantBroken("INV-SOLVENT", account, 0, equity);
    }

    /// @dev Next to no margin left: a perp, long where the market is above its opening, so that a fall finds it.
    function _lever(uint64 account) internal {
        _ready(account);
        _fundLiquidator();
        (uint64 with, uint112 instrument) = (LIQUIDATOR_ACCOUNT, instruments[account % 2 == 0 ? 0 : 4]);
        ILedger.Account memory a = ledger.account(account);
        if (a.mode == MarginMode.ISOLATED && a.positionCount != 0) instrument = ledger.positions(account)[0].instrument;
        InstrumentId id = InstrumentId.wrap(instrument);
        Requirement memory r = engine.requirement(account);
        if (r.marginEquityInitial <= int256(r.initial)) revert NothingToDo();
        uint256 notional = uint256(r.marginEquityInitial - int256(r.initial)) * (a.mode == MarginMode.PORTFOLIO ? 2 : 10);
        if (id.isOption()) notional /= 4;
        uint256 size = notional * WAD / spots[id.underlying()] + 1;
        int256 delta = _delta(account);
        bool long_ = delta != 0 && _mayMove(delta < 0) ? delta > 0 : spots[ETH] > 3_400e18;
        if (id.kind() == Kind.PUT) long_ = !long_;
        if (long_) _settle(account, with, instrument, size, _mark(instrument));
        else _settle(with, account, instrument, size, _mark(instrument));
    }

    /// @dev Moves the market until the account's margin equity is `target` (1e18) of its maintenance requirement or less; levers it up
    /// before where it would take more than a third.
    function _sink(uint64 account, int256 target) internal returns (Requirement memory r) {
        if (ledger.deficitOpen(account)) _ready(account);
        _fresh();
        for (uint256 step; step < 6; ++step) {
            r = engine.requirement(account);
            int256 room = r.marginEquityMaintenance - int256(r.maintenance) * target / SWAD;
            if (room <= 0 && r.maintenance > r.longOptions) return r;
            int256 delta = _delta(account);
            int256 size = delta < 0 ? -delta : delta;
            if (size == 0 || size < 3 * room || !_mayMove(delta < 0)) {
                if (step > 2) revert NothingToDo();
                _lever(account);
                continue;
            }
            _shift(delta < 0, uint256(room * SWAD / size) + 0.005e18);
        }
        revert NothingToDo();
    }

    /// @dev The liquidator never lacks cash: what is tried here is the account that it works on.
    function _fundLiquidator() internal {
        if (ledger.cash(LIQUIDATOR_ACCOUNT) < 20_000_000e18) pay(LIQUIDATOR_ACCOUNT, USDC, 30_000_000e18);
    }

    /// @dev The first from `who` on that a third of the market can ruin: stress margin keeps more than that.
    function _fragile(uint256 who) internal view returns (uint64 account) {
        for (uint256 i; i < TRADERS; ++i) {
            account = _trader(who % TRADERS + i);
            if (ledger.account(account).mode != MarginMode.PORTFOLIO) return account;
        }
    }

    /// @return delta What the account gains per 100 % of the market, options by half their size, USD 1e18.
    function _delta(uint64 account) internal view returns (int256 delta) {
        ILedger.PositionView[] memory held = ledger.positions(account);
        for (uint256 i; i < held.length; ++i) {
            InstrumentId id = InstrumentId.wrap(held[i].instrument);
            int256 own = held[i].size * int256(spots[id.underlying()]) / SWAD;
            if (id.isOption()) own = id.kind() == Kind.CALL ? own / 2 : -own / 2;
            delta += own;
        }
        delta += int256((ledger.collateral(account, WETH) * spots[ETH] + ledger.collateral(account, WBTC) * spots[BTC]) / WAD);
    }

    /// @dev The worst scenarios by the margin report: the witness that proves the whole requirement.
    function _witness(uint64 account) internal view returns (Witness memory worst) {
        if (ledger.account(account).mode != MarginMode.PORTFOLIO) return worst;
        (UnderlyingReport[] memory underlyings, GroupReport[] memory groups) = report.breakdown(account);
        for (uint256 i; i < underlyings.length; ++i) {
            worst.underlyings = bytes.concat(worst.underlyings, bytes1(uint8(underlyings[i].worstScenario)));
        }
        for (uint256 i; i < groups.length; ++i) {
            worst.groups = bytes.concat(worst.groups, bytes1(uint8(groups[i].worstScenario)));
        }
    }

    function _cashDown(uint64 account) internal view returns (uint256) {
        int256 cash = ledger.cash(account);
        return cash > 0 ? uint256(cash) : 0;
    }

    /// @dev In whole units of the settlement token.
    function _wholeUp(uint256 quantity) internal pure returns (uint256) {
        return (quantity / 1e12 + 1) * 1e12;
    }

    // --- market ---

    function _fresh() internal {
        (,, uint256 signedAt) = door.prices(ETH);
        if (block.timestamp != signedAt) publish();
    }

    /// @dev One call in eight works on prices as old as they are.
    function _refresh(uint256 seed) internal {
        if (seed % 8 != 0) _fresh();
    }

    /// @dev The governor loosens whatever is tight.
    function _calm() internal {
        if (!breaker.anyTripped()) return;
        _loosen(GLOBAL);
        _loosen(ETH);
        _loosen(BTC);
    }

    function _loosen(uint8 scope) internal returns (bool) {
        (ICircuitBreaker.State held, ICircuitBreaker.State automatic,) = breaker.scope(scope);
        if (held == ICircuitBreaker.State.NORMAL && automatic == ICircuitBreaker.State.NORMAL) return false;
        breaker.loosen(scope, ICircuitBreaker.State.NORMAL);
        return true;
    }

    /// @dev Both by the same share, inside a third and three times where they began.
    function _shift(bool up, uint256 move) internal {
        CHEATS.warp(block.timestamp + 1);
        _scale(ETH, up ? WAD + move : WAD - move);
        _scale(BTC, up ? WAD + move : WAD - move);
        publish();
    }

    function _scale(uint8 u, uint256 factor) internal {
        uint256 opening = u == ETH ? 3_400e18 : 94_000e18;
        uint256 moved = spots[u] * factor / WAD;
        if (moved > opening / 3 && moved < opening * 3) spots[u] = moved;
    }

    function _mayMove(bool up) private view returns (bool) {
        return up ? spots[ETH] < 8_000e18 && spots[BTC] < 220_000e18 : spots[ETH] > 1_600e18 && spots[BTC] > 44_000e18;
    }

    /// @dev Over the near expiry with prices published around it; the next one is listed. Nothing is left of the one before.
    function _passExpiry() internal {
        for (uint64 id = 1; id <= LIQUIDATOR_ACCOUNT; ++id) {
            _settleExpired(id);
        }
        for (uint256 i = 8; i < 12 && expired != 0; ++i) {
            uint256 open = ledger.openInterest(instruments[i]);
            if (open != 0) revert InvariantBroken("a settled expiry has open interest", 0, 0, int256(open));
        }
        if (block.timestamp < near) {
            if (block.timestamp < near - 30 minutes) CHEATS.warp(near - 30 minutes);
            _fresh();
            CHEATS.warp(near - 1);
            _fresh();
        }
        if (block.timestamp <= near) CHEATS.warp(near + 1);
        expired = near;
        while (near <= block.timestamp) near += TERM;
        _listNear();
        _fresh();
        for (uint8 u; u < 2; ++u) {
            settlement.fix(u, expired);
        }
    }

    // --- orders ---

    /// @dev One of those tradable: what an ISOLATED account holds, or any; the perp in the place of what expired meanwhile.
    function _instrumentFor(uint64 account, uint256 seed) internal view returns (uint112 instrument) {
        instrument = instruments[seed % 8];
        ILedger.Account memory a = ledger.account(account);
        if (a.mode == MarginMode.ISOLATED && a.positionCount != 0) instrument = ledger.positions(account)[0].instrument;
        if (_isExpired(instrument)) instrument = instruments[seed % 8 / 4 * 4];
    }

    function _isExpired(uint112 instrument) internal view returns (bool) {
        uint32 expiry = InstrumentId.wrap(instrument).expiry();
        return expiry != 0 && expiry <= block.timestamp;
    }

    function _settle(uint64 buyer, uint64 seller, uint112 instrument, uint256 size, uint256 price) internal {
        clearing.settle(
            signed(_order(buyer, instrument, int128(int256(size)), price)),
            signed(_order(seller, instrument, -int128(int256(size)), price)),
            size,
            price
        );
        drifting += 3; // the transfer, and the carry of both sides
    }

    function _order(uint64 account, uint112 instrument, int128 size, uint256 price)
        internal
        returns (IClearing.Order memory)
    {
        return IClearing.Order({
            account: account,
            instrument: instrument,
            size: size,
            limitPrice: uint128(price),
            feeCap: 1e18,
            expiry: type(uint64).max,
            nonce: ++_nonce,
            reduceOnly: false,
            venue: address(0)
        });
    }

    function _lastNonce() internal view returns (uint64) {
        return _nonce;
    }

    function _mark(uint112 instrument) internal view returns (uint256) {
        uint112[] memory one = new uint112[](1);
        one[0] = instrument;
        (uint256[] memory prices,) = engine.marks(one);
        return prices[0];
    }
}
