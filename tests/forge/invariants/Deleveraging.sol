// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ILedger} from "../../../contracts/interfaces/ILedger.sol";
import {IDeleverager} from "../../../contracts/interfaces/IDeleverager.sol";
import {Actors} from "./Actors.sol";
import {CHEATS} from "./World.sol";

/// @title Deficits that the fund cannot pay
contract Deleveraging is Actors {
    /// @dev A close rounds its price by less than a unit per contract; nobody here holds a million contracts.
    uint256 private constant PER_CLOSE = 1e6;

    error HaircutIsNotTheDeficit(uint64 account, uint256 deficit, uint256 paid, uint256 closes);

    /// @dev Moves the market until somebody owes more than the fund may pay.
    function openDeficit(uint256 who, uint256 direction) external {
        for (uint256 step; step < 3; ++step) {
            _refresh(1);
            for (uint256 i; i < TRADERS; ++i) {
                uint64 account = _trader(who % TRADERS + i);
                if (ledger.deficitOpen(account) || engine.requirement(account).equity >= 0) continue;
                try deleverager.openDeficit(account) {
                    return;
                } catch {}
            }
            _shift(direction % 2 == 0, 0.12e18);
        }
        revert NothingToDo();
    }

    /// @dev A holder, where it stands opposite an open deficit.
    function nominate(uint256 who) external {
        if (nominations.openDeficits() == 0) revert NothingToDo();
        _refresh(1);
        for (uint256 i; i < TRADERS; ++i) {
            uint64 account = _trader(who % TRADERS + i);
            ILedger.PositionView[] memory held = ledger.positions(account);
            for (uint256 j; j < held.length; ++j) {
                try nominations.nominate(held[j].instrument, account, _witness(account)) {
                    return;
                } catch {}
            }
        }
        revert NothingToDo();
    }

    /// @dev INV-ADL-EXACT where the execution finishes.
    function executeDeficit(uint256 who, uint256 closes, uint256 wait) external {
        for (uint256 i; i < TRADERS; ++i) {
            uint64 account = _trader(who % TRADERS + i);
            if (!ledger.deficitOpen(account)) continue;
            if (wait % 2 == 0) {
                CHEATS.warp(block.timestamp + 61);
                CHEATS.roll(block.number + 6);
            }
            _refresh(1);
            drifting += 200;
            IDeleverager.Execution memory e = deleverager.execute(account, 1 + closes % 16);
            if (!e.open && e.equity < 0) {
                uint256 deficit = uint256(-e.equity);
                uint256 paid = e.fundPaid + e.haircut + e.shared;
                if (paid < deficit || paid > deficit + 1e12 + PER_CLOSE * (e.closes + 1)) {
                    revert HaircutIsNotTheDeficit(account, deficit, paid, e.closes);
                }
            }
            return;
        }
        revert NothingToDo();
    }
}
