// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ICircuitBreaker, GLOBAL} from "../../../contracts/interfaces/ICircuitBreaker.sol";
import {ILedger} from "../../../contracts/interfaces/ILedger.sol";
import {MarginMode} from "../../../contracts/types/Book.sol";
import {Conversions} from "./Conversions.sol";
import {CHEATS} from "./World.sol";

/// @title What owners, depositors of the fund and the guardian may do
abstract contract Actors is Conversions {
    address internal constant DEPOSITOR = address(0xDE9051);

    /// @dev Requests to leave the fund, as it numbers them.
    uint256[] private _exits;
    uint256 internal paidClaims; // on the withdrawal queue, from the first on

    // --- owners of two accounts ---

    function transfer(uint256 who, uint256 what, uint256 quantity) external {
        (uint64 from, uint64 to) = _pair(who);
        _refresh(quantity);
        if (_tried(abi.encodeCall(this.tryTransfer, (from, to, _tokenOf(what), quantity)))) return;
        _ready(from);
        pay(from, USDC, 1_000e18);
        this.tryTransfer(from, to, USDC, quantity);
    }

    function movePosition(uint256 who, uint256 which, uint256 share) external {
        (uint64 from, uint64 to) = _pair(who);
        ILedger.PositionView[] memory held = ledger.positions(from);
        if (held.length == 0) revert NothingToDo();
        ILedger.PositionView memory p = held[which % held.length];
        if (_isExpired(p.instrument)) {
            _ready(from);
            held = ledger.positions(from);
            if (held.length == 0) revert NothingToDo();
            p = held[which % held.length];
        }
        uint256 size = 1 + share % _sizeOf(p);
        _refresh(share);
        if (_tried(abi.encodeCall(this.tryMovePosition, (from, to, p.instrument, size)))) return;
        _ready(from);
        _ready(to);
        this.tryMovePosition(from, to, p.instrument, size / 4 + 1);
    }

    function changeMode(uint256 who, uint256 mode) external {
        uint64 account = _trader(who);
        ILedger.Account memory a = ledger.account(account);
        MarginMode wanted = MarginMode(mode % 3);
        while (a.mode == wanted || (a.positionCount > 1 && wanted == MarginMode.ISOLATED)) wanted = MarginMode((uint256(wanted) + 1) % 3);
        if (_tried(abi.encodeCall(this.tryChangeMode, (account, wanted)))) return;
        _ready(account);
        pay(account, USDC, 50_000e18);
        this.tryChangeMode(account, wanted);
    }

    function cancelAll(uint256 who) external {
        uint64 account = _trader(who);
        uint64 below = _order(account, 0, 0, 0).nonce; // a new one: it rises every time
        CHEATS.prank(ownerOf[account]);
        clearing.cancelAll(account, below);
    }

    /// @dev Whoever waits longest for the outflow cap is served; where nobody waits the liquidator asks for more than may leave.
    function claimWithdrawal(uint256 wait) external {
        _calm();
        uint256 count = queue.claimCount();
        while (paidClaims < count && queue.claimOf(paidClaims + 1).paid == queue.claimOf(paidClaims + 1).quantity) ++paidClaims;
        if (paidClaims == count) {
            _fundLiquidator();
            _ready(LIQUIDATOR_ACCOUNT);
            uint256 share = vault.recorded(USDC) / 15e12 * 1e12;
            CHEATS.prank(ownerOf[LIQUIDATOR_ACCOUNT]);
            clearing.withdraw(LIQUIDATOR_ACCOUNT, USDC, share, ownerOf[LIQUIDATOR_ACCOUNT]);
            if (queue.claimCount() == count) revert NothingToDo();
        }
        if (wait % 2 == 0 || queue.claimable(paidClaims + 1) == 0) CHEATS.warp(block.timestamp + 1 hours);
        queue.claim(paidClaims + 1);
    }

    // --- the insurance fund ---

    function provide(uint256 amount) external {
        amount = 1 + amount % 100_000e6;
        usdc.mint(DEPOSITOR, amount);
        CHEATS.prank(DEPOSITOR);
        usdc.approve(address(fund), amount);
        CHEATS.prank(DEPOSITOR);
        fund.deposit(amount, DEPOSITOR);
    }

    function requestExit(uint256 share) public {
        uint256 held = fund.balanceOf(DEPOSITOR);
        if (held == 0) {
            this.provide(share);
            held = fund.balanceOf(DEPOSITOR);
        }
        CHEATS.prank(DEPOSITOR);
        _exits.push(fund.requestExit(1 + share % held));
    }

    /// @dev Goes to the next window for exits where there is somebody who waits, and pays one of them.
    function payExit(uint256 which, uint256 share) external {
        if (_open.length != 0) _ready(LIQUIDATOR_ACCOUNT);
        if (_exits.length == 0) requestExit(share);
        which %= _exits.length;
        uint64 settles = fund.exit(_exits[which]).epoch + 2;
        while (true) {
            (uint64 number,, uint64 endsAt) = fund.epoch();
            if (number >= settles) break;
            CHEATS.warp(endsAt);
        }
        (uint64 from,) = fund.exitWindow();
        if (from > block.timestamp) CHEATS.warp(from);
        fund.settleExits();
        fund.claim(_exits[which]);
        _exits[which] = _exits[_exits.length - 1];
        _exits.pop();
    }

    // --- what runs by the clock ---

    function accrue(uint256 who) external {
        uint64 account = _trader(who);
        drifting += ledger.positions(account).length + 1;
        ledger.accrue(account);
    }

    function updateFunding(uint256 what, uint256 wait) external {
        (,, uint256 at) = funding.lastUpdate(uint8(what % 2));
        if (block.timestamp < at + 1 minutes) CHEATS.warp(at + 1 minutes + wait % 10 minutes);
        funding.update(uint8(what % 2));
    }

    /// @dev One account whose positions expired; where there is none, the next expiry passes first.
    function settleExpired(uint256 what, uint256 who) external {
        if (_settleOne(who)) return;
        _holdNear(uint8(what % 2), who);
        _passExpiry();
        if (!_settleOne(who)) revert NothingToDo();
    }

    // --- oracle and breaker ---

    function poke(uint256 what) external {
        (,, uint256 signedAt) = door.prices(ETH);
        if (block.timestamp <= signedAt + 2 minutes) CHEATS.warp(signedAt + 2 minutes + 1);
        door.poke(uint8(what % 2));
    }

    function tighten(uint256 what, uint256 to) public {
        (ICircuitBreaker.State held,,) = breaker.scope(_scope(what));
        if (held == ICircuitBreaker.State.HALTED) breaker.loosen(_scope(what), ICircuitBreaker.State.NORMAL);
        else if (held == ICircuitBreaker.State.REDUCE_ONLY) to = 1;
        breaker.tighten(_scope(what), ICircuitBreaker.State(1 + to % 2));
    }

    function loosen(uint256 what, uint256 to) external {
        if (_loosen(_scope(what)) || _loosen(_scope(what + 1)) || _loosen(_scope(what + 2))) return;
        tighten(what, to);
        _loosen(_scope(what));
    }

    // --- public for the calls that catch their reverts ---

    function tryTransfer(uint64 from, uint64 to, uint8 index, uint256 quantity) external {
        uint256 held = index == USDC ? _cashDown(from) : ledger.collateral(from, index);
        CHEATS.prank(ownerOf[from]);
        clearing.transfer(from, to, index, 1 + quantity % (held / 4 + 1));
    }

    function tryMovePosition(uint64 from, uint64 to, uint112 instrument, uint256 size) external {
        CHEATS.prank(ownerOf[from]);
        clearing.transferPosition(from, to, instrument, size);
        drifting += 3;
    }

    function tryChangeMode(uint64 account, MarginMode mode) external {
        CHEATS.prank(ownerOf[account]);
        clearing.setMode(account, mode);
    }

    /// @dev A future for somebody who may hold it, so that there is something to expire.
    function _holdNear(uint8 underlying, uint256 who) private {
        uint112 instrument = instruments[4 * underlying + 1];
        if (block.timestamp >= near || ledger.openInterest(instrument) != 0) return;
        for (uint64 i; i < TRADERS; ++i) {
            uint64 account = _trader(who % TRADERS + i);
            ILedger.Account memory a = ledger.account(account);
            if (a.mode == MarginMode.ISOLATED && a.positionCount != 0) continue;
            _ready(account);
            _settle(account, LIQUIDATOR_ACCOUNT, instrument, 0.1e18, _mark(instrument));
            return;
        }
    }

    /// @dev The first account from `who` on that holds what expired.
    function _settleOne(uint256 who) private returns (bool) {
        for (uint64 i; i < LIQUIDATOR_ACCOUNT; ++i) {
            if (_settleExpired(uint64((who % LIQUIDATOR_ACCOUNT + i) % LIQUIDATOR_ACCOUNT) + 1) != 0) return true;
        }
        return false;
    }

    /// @dev ETH, BTC or all of them.
    function _scope(uint256 what) private pure returns (uint8) {
        return what % 3 == 2 ? GLOBAL : uint8(what % 3);
    }

    /// @dev Two accounts of one owner.
    function _pair(uint256 who) internal pure returns (uint64 from, uint64 to) {
        from = _trader(who);
        to = from % 2 == 1 ? from + 1 : from - 1; // keyOf
    }
}
