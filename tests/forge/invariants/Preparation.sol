// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {GLOBAL, ICircuitBreaker} from "../../../contracts/interfaces/ICircuitBreaker.sol";
import {IDeleverager} from "../../../contracts/interfaces/IDeleverager.sol";
import {IClearing} from "../../../contracts/interfaces/IClearing.sol";
import {ILedger} from "../../../contracts/interfaces/ILedger.sol";
import {Requirement, Witness} from "../../../contracts/interfaces/IMarginEngine.sol";
import {GroupReport, UnderlyingReport} from "../../../contracts/interfaces/IMarginReport.sol";
import {Leg, MarginMode} from "../../../contracts/types/Book.sol";
import {InstrumentId, Kind} from "../../../contracts/types/InstrumentId.sol";
import {IRiskParameters} from "../../../contracts/interfaces/IRiskParameters.sol";
import {Parameter, VOL_DOWN, VOL_NONE, VOL_UP} from "../../../contracts/types/Parameter.sol";
import {Market} from "./Market.sol";
import {CHEATS} from "./World.sol";

/// @title How handlers bring about what they need
/// @notice A handler first tries on the state as it is. Where that is refused it makes the state in which it is allowed, by means that
/// somebody has: an owner tops up, the governor loosens, a price arrives, the market moves. So millions of calls do something, and
/// accounts that the market ruined come back.
abstract contract Preparation is Market {
    int256 private constant SWAD = 1e18;
    /// @dev What an account's value may differ by between two ways to round its marks: 1e-15 of what large accounts hold. USD 1e18.
    int256 internal constant DUST = 1e12;
    /// @dev A close rounds its price by less than a unit per contract; nobody here holds a million contracts.
    uint256 internal constant PER_CLOSE = 1e6;
    uint32 private constant TERM = 2 days; // between two near expiries
    /// @dev Initial margin that no trader's book outgrows for long, USD 1e18: of books that only grow, concentration refuses everything.
    uint256 private constant LARGE = 100_000e18;

    uint32 internal expired; // the last near expiry that passed; 0: none
    uint64[] internal _open; // accounts whose deficit is open

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

    /// @dev Able to act: prices fresh, nothing tripped, no deficit open, nothing owed, a quarter more margin than is needed and more.
    function _ready(uint64 account) internal {
        _calm();
        for (uint256 tries; _open.length != 0; ++tries) {
            uint64 bankrupt = _open[_open.length - 1];
            // Nobody is left to bear it: its owner comes back
            int256 equity = tries > 1 ? engine.requirement(bankrupt).equity : int256(0);
            if (equity < 0) pay(bankrupt, USDC, _wholeUp(uint256(-equity)));
            _execute(_open.length - 1, type(uint256).max, true);
        }
        if (block.timestamp >= near) _passExpiry();
        _settleExpired(account);
        _fresh();
        uint256 claim = deleverager.deficit(account).claim;
        Requirement memory r = engine.requirement(account);
        (int256 carry,) = ledger.accrued(account);
        int256 cash = 5_000e18 + int256(claim) + carry - ledger.cash(account);
        if (cash > 0) pay(account, USDC, _wholeUp(uint256(cash)));
        else cash = 0;
        int256 short = int256(r.initial * 5 / 4 + 25_000e18 + claim) - r.marginEquityInitial - cash;
        if (short > 0) _bring(account, uint256(short));
        if (claim != 0) deleverager.repayClaim(account);
    }

    /// @dev What counts for `amount` of margin: from the fourth account on in WETH, so that whoever loses owes cash. In PORTFOLIO it would
    /// be a risk of its own.
    function _bring(uint64 account, uint256 amount) private {
        if (account <= 3 || ledger.account(account).mode == MarginMode.PORTFOLIO) pay(account, USDC, _wholeUp(amount));
        else pay(account, WETH, amount * 10 / 7 * WAD / spots[ETH]);
    }

    /// @dev Closed at mark; the owner takes out what is more than it needs.
    function _downsize(uint64 account) private {
        ILedger.PositionView[] memory held = ledger.positions(account);
        for (uint256 i; i < held.length; ++i) {
            _tried(abi.encodeCall(this.tryUnwind, (account, LIQUIDATOR_ACCOUNT, held[i].instrument, held[i].size, _sizeOf(held[i]))));
        }
        int256 debt = 5_000e18 - ledger.cash(account); // losses realised
        if (debt > 0) pay(account, USDC, _wholeUp(uint256(debt)));
        for (uint8 index = WETH; index <= WBTC; ++index) {
            uint256 most = LARGE * WAD / spots[index];
            uint256 quantity = ledger.collateral(account, index);
            if (quantity > 2 * most) _tried(abi.encodeCall(this.tryTakeOut, (account, index, quantity - most)));
        }
        uint256 cash = _cashDown(account);
        if (cash > 2 * LARGE && !_tried(abi.encodeCall(this.tryTakeOut, (account, USDC, cash - LARGE)))) {
            _tried(abi.encodeCall(this.tryTakeOut, (account, USDC, (cash - LARGE) * 2 / 5))); // half of a fresh profit stays for a day
        }
    }

    /// @dev At mark: what a bankrupt account may always do.
    function _close(uint64 account) internal {
        ILedger.PositionView[] memory held = ledger.positions(account);
        for (uint256 i; i < held.length; ++i) {
            this.tryUnwind(account, LIQUIDATOR_ACCOUNT, held[i].instrument, held[i].size, _sizeOf(held[i]));
        }
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
        Requirement memory r = engine.requirement(account);
        if (r.initial > LARGE || r.marginEquityInitial > int256(3 * LARGE)) {
            _downsize(account);
            r = engine.requirement(account);
        }
        (uint64 with, uint112 instrument) = (LIQUIDATOR_ACCOUNT, instruments[account % 2 == 0 ? 0 : 4]);
        ILedger.Account memory a = ledger.account(account);
        if (a.mode == MarginMode.ISOLATED && a.positionCount != 0) instrument = ledger.positions(account)[0].instrument;
        InstrumentId id = InstrumentId.wrap(instrument);
        int256 room = r.marginEquityInitial - int256(r.initial);
        if (room <= 0) revert NothingToDo();
        int256 held = ledger.positionSize(account, instrument);
        int256 delta = _delta(account);
        // More of what it holds: a flip would realise the loss that made it poor
        bool long_ = spots[ETH] > 3_400e18;
        if (held != 0) long_ = held > 0;
        else if (delta != 0 && _mayMove(delta < 0)) long_ = (delta > 0) != (id.kind() == Kind.PUT);
        Leg[] memory trade_ = new Leg[](1);
        trade_[0].instrument = instrument;
        trade_[0].price = uint128(_mark(instrument));
        int256 size = room * SWAD / int256(spots[id.underlying()]) + 1;
        if (a.mode == MarginMode.PORTFOLIO || id.isOption()) size *= 4;
        else size *= 10;
        trade_[0].size = int128(long_ ? size : -size);
        // Concentration and options ask for more than a tenth: what a trial of it would take says how much fits
        Requirement memory tried = engine.preview(account, trade_, 0);
        int256 taken = room - tried.marginEquityInitial + int256(tried.initial);
        if (taken > room * 19 / 20) size = size * room * 19 / 20 / taken;
        if (long_) _settle(account, with, instrument, uint256(size), trade_[0].price);
        else _settle(with, account, instrument, uint256(size), trade_[0].price);
    }

    /// @dev Moves the market until the account's margin equity is `target` (1e18) of its maintenance requirement or less; levers it up
    /// before where it would take more than a third.
    function _sink(uint64 account, int256 target) internal returns (Requirement memory r) {
        if (ledger.deficitOpen(account)) _ready(account);
        _fresh();
        for (uint256 step; step < 7; ++step) {
            r = engine.requirement(account);
            int256 room = r.marginEquityMaintenance - int256(r.maintenance) * target / SWAD;
            if (room <= 0 && r.maintenance > r.longOptions) return r;
            int256 delta = _delta(account);
            int256 size = delta < 0 ? -delta : delta;
            if (delta != 0 && !_mayMove(delta < 0)) {
                _recover();
                continue;
            }
            if (size == 0 || size < 3 * room) {
                if (step > 3) revert NothingToDo();
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

    // --- public for the calls that catch their reverts ---

    function tryUnwind(uint64 account, uint64 other, uint112 instrument, int256 held, uint256 size) external {
        if (held > 0) _settle(other, account, instrument, size, _mark(instrument));
        else _settle(account, other, instrument, size, _mark(instrument));
    }

    function tryTakeOut(uint64 account, uint8 index, uint256 quantity) external {
        quantity -= quantity % vault.unit(index);
        CHEATS.prank(ownerOf[account]);
        clearing.withdraw(account, index, quantity, ownerOf[account]);
    }

    /// @notice Loses `amount` of cash (USD 1e18) and fees by a trade off mark that is undone at mark. Of an instrument not held.
    /// @param up In the direction of the rest of its book, so that undoing it lowers the risk.
    function tryLose(uint64 account, uint112 instrument, uint256 amount, bool up) external {
        uint256 mark = _mark(instrument);
        uint256 size = amount * 20 * WAD / mark; // a twentieth of the mark: half of the price band
        bool long_ = up != (InstrumentId.wrap(instrument).kind() == Kind.PUT);
        if (long_) _settle(account, LIQUIDATOR_ACCOUNT, instrument, size, mark + mark / 20);
        else _settle(LIQUIDATOR_ACCOUNT, account, instrument, size, mark - mark / 20);
        this.tryUnwind(account, LIQUIDATOR_ACCOUNT, instrument, long_ ? int256(1) : -1, size);
    }
}
