// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Books} from "./Books.sol";
import {CHEATS} from "./World.sol";

/// @title The end of every run
/// @notice Whatever the run left (open deficits, debts, expired positions, queued withdrawals): the venue shuts down, everybody is settled
/// and takes a share. INV-SHUTDOWN: never more than the vault recorded, and but for a unit per account all of it.
abstract contract Shutdown is Books {
    function shutDown() external {
        breaker.shutdown();
        shutdown.begin();
        for (uint256 i; i < 4; ++i) {
            CHEATS.warp(block.timestamp + 10 minutes);
            publish();
        }
        for (uint8 u; u < 2; ++u) {
            shutdown.fixSpot(u);
        }
        uint256[] memory waiting = new uint256[](queue.claimCount() - paidClaims);
        for (uint256 i; i < waiting.length; ++i) {
            waiting[i] = paidClaims + 1 + i;
        }
        shutdown.undoWithdrawals(waiting);
        uint64 last = shutdown.pool() - 1;
        uint64[] memory accounts = new uint64[](last);
        for (uint64 i; i < last; ++i) {
            accounts[i] = i + 1;
        }
        shutdown.settle(accounts);
        drifting += 4 * last;
        shutdown.finalise();
        for (uint256 i; i < 4; ++i) {
            _payOut(i == 3 ? USDC : i == 2 ? ODD : uint8(i), last);
        }
        requireCollateral();
    }

    function _payOut(uint8 index, uint64 last) private {
        uint256 recorded = vault.recorded(index);
        uint256 paid;
        for (uint64 id; id <= last; ++id) {
            if (shutdown.due(id, index) == 0) continue;
            address to = id == 0 ? address(fund) : ledger.account(id).owner;
            uint256 before = _token(index).balanceOf(to);
            shutdown.claim(id, index);
            paid += (_token(index).balanceOf(to) - before) * vault.unit(index);
        }
        if (paid > recorded) revert InvariantBroken("INV-SHUTDOWN: more paid than recorded", index, int256(recorded), int256(paid));
        // Where claims are worth less than they say, nothing may be left but roundings.
        bool short = shutdown.ratio() < WAD || index != USDC;
        if (short && recorded - paid > (last + 1) * vault.unit(index)) {
            revert InvariantBroken("INV-SHUTDOWN: tokens left", index, int256(recorded), int256(paid));
        }
    }
}
