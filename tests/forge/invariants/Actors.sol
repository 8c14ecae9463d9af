// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ICircuitBreaker, GLOBAL} from "../../../contracts/interfaces/ICircuitBreaker.sol";
import {ILedger} from "../../../contracts/interfaces/ILedger.sol";
import {MarginMode} from "../../../contracts/types/Book.sol";
import {Handlers} from "./Handlers.sol";
import {CHEATS} from "./World.sol";

/// @title What owners, depositors of the fund and the guardian may do
contract Actors is Handlers {
    address internal constant DEPOSITOR = address(0xDE9051);

    uint256 public settlements; // expiries fixed

    /// @dev Requests to leave the fund, as it numbers them.
    uint256[] private _exits;

    // --- owners of two accounts ---

    function transfer(uint256 who, uint256 what, uint256 quantity) external {
        (uint64 from, uint64 to) = _pair(who);
        _refresh(quantity);
        bool collateral = what % 2 == 0;
        uint256 held = collateral ? ledger.collateral(from, WETH) : _cashDown(from);
        CHEATS.prank(ledger.account(from).owner);
        clearing.transfer(from, to, collateral ? WETH : USDC, 1 + quantity % (held / 4 + 1));
    }

    function movePosition(uint256 who, uint256 which, uint256 share) external {
        (uint64 from, uint64 to) = _pair(who);
        ILedger.PositionView[] memory held = ledger.positions(from);
        if (held.length == 0) revert NothingToDo();
        ILedger.PositionView memory p = held[which % held.length];
        _refresh(share);
        uint256 size = uint256(p.size < 0 ? -p.size : p.size);
        CHEATS.prank(ledger.account(from).owner);
        clearing.transferPosition(from, to, p.instrument, 1 + share % size);
        drifting += 3;
    }

    function changeMode(uint256 who, uint256 mode) external {
        uint64 account = _trader(who);
        MarginMode wanted = MarginMode(mode % 3);
        if (ledger.account(account).mode == wanted) revert NothingToDo();
        _refresh(1);
        CHEATS.prank(ledger.account(account).owner);
        clearing.setMode(account, wanted);
    }

    function cancelAll(uint256 who) external {
        uint64 account = _trader(who);
        CHEATS.prank(ledger.account(account).owner);
        clearing.cancelAll(account, _lastNonce());
    }

    /// @dev Whoever waits for the outflow cap is served.
    function claimWithdrawal(uint256 id) external {
        uint256 count = queue.claimCount();
        if (count == 0) revert NothingToDo();
        queue.claim(1 + id % count);
    }

    // --- the insurance fund ---

    function provide(uint256 amount) external {
        amount = 1 + amount % 100_000e6;
        usdc.mint(DEPOSITOR, amount);
        CHEATS.startPrank(DEPOSITOR);
        usdc.approve(address(fund), amount);
        fund.deposit(amount, DEPOSITOR);
        CHEATS.stopPrank();
    }

    function requestExit(uint256 share) external {
        uint256 held = fund.balanceOf(DEPOSITOR);
        if (held == 0) revert NothingToDo();
        CHEATS.prank(DEPOSITOR);
        _exits.push(fund.requestExit(1 + share % held));
    }

    /// @dev Goes to the next window for exits where there is somebody who waits, and pays one of them.
    function payExit(uint256 which, uint256 wait) external {
        if (_exits.length == 0) revert NothingToDo();
        if (wait % 4 == 0) {
            (uint64 from,) = fund.exitWindow();
            if (from > block.timestamp) CHEATS.warp(from);
        }
        fund.settleExits();
        which %= _exits.length;
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

    function updateFunding(uint256 what) external {
        funding.update(uint8(what % 2));
    }

    /// @dev Where the near expiry is over: its price is fixed, then account by account is settled. Most runs end before it.
    function settleExpired(uint256 what, uint256 who) external {
        if (block.timestamp < NEAR) revert NothingToDo();
        uint8 underlying = uint8(what % 2);
        (bool fixedNow,) = address(settlement).call(abi.encodeCall(settlement.fix, (underlying, NEAR)));
        if (fixedNow) ++settlements;
        uint64[] memory one = new uint64[](1);
        one[0] = uint64(who % (TRADERS + 1)) + 1;
        drifting += 2 * ledger.positions(one[0]).length;
        settlement.settle(one, underlying, NEAR);
    }

    // --- oracle and breaker ---

    function poke(uint256 what) external {
        door.poke(uint8(what % 2));
    }

    function tighten(uint256 what, uint256 to) external {
        breaker.tighten(_scope(what), ICircuitBreaker.State(1 + to % 2));
    }

    function loosen(uint256 what) external {
        breaker.loosen(_scope(what), ICircuitBreaker.State.NORMAL);
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
