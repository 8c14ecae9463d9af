// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ILedger} from "../../../contracts/interfaces/ILedger.sol";
import {Actors} from "./Actors.sol";
import {CHEATS} from "./World.sol";

/// @title Deficits that the fund cannot pay
abstract contract Deleveraging is Actors {
    /// @dev Deeper than the fund may pay.
    function openDeficit(uint256 who, uint256 depth) public {
        uint64 account = _fragile(who);
        _fundLiquidator();
        _sink(account, -int256(1e18 + depth % 2e18));
        this.tryOpenDeficit(account);
    }

    /// @dev Whoever stands opposite an open deficit with a profit, nominated by anybody; without one a deficit is opened.
    function nominate(uint256 who, uint256 depth) external {
        if (_open.length == 0) openDeficit(who, depth);
        _fresh();
        uint64 account = _open[who % _open.length];
        ILedger.PositionView[] memory legs = ledger.positions(account);
        for (uint256 i; i < legs.length; ++i) {
            for (uint64 j; j < LIQUIDATOR_ACCOUNT; ++j) {
                uint64 holder = uint64((who % LIQUIDATOR_ACCOUNT + j) % LIQUIDATOR_ACCOUNT) + 1;
                int256 size = ledger.positionSize(holder, legs[i].instrument);
                if (size == 0 || (size > 0) == (legs[i].size > 0)) continue;
                try nominations.nominate(legs[i].instrument, holder, _witness(holder)) {
                    return;
                } catch {}
            }
        }
        revert NothingToDo();
    }

    function executeDeficit(uint256 who, uint256 closes, uint256 wait) external {
        if (_open.length == 0) openDeficit(who, wait);
        _execute(who % _open.length, 1 + closes % 16, wait % 8 != 0);
    }

    /// @dev What others paid for the account, from what its owner brings.
    function repayClaim(uint256 who, uint256 amount) external {
        for (uint256 i; i < TRADERS; ++i) {
            uint64 account = _trader(who % TRADERS + i);
            if (ledger.deficitOpen(account) || deleverager.deficit(account).claim == 0) continue;
            _fresh();
            int256 equity = engine.requirement(account).equity;
            pay(account, USDC, _wholeUp((equity < 0 ? uint256(-equity) : 0) + 1e18 + amount % 5_000e18));
            deleverager.repayClaim(account);
            return;
        }
        revert NothingToDo();
    }
}
