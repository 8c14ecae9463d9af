// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IClearing} from "../interfaces/IClearing.sol";
import {IMarginEngine, Requirement} from "../interfaces/IMarginEngine.sol";
import {Leg} from "../types/Book.sol";

/// @title What must hold of an account after an action (IClearing)
library MarginCheck {
    /// @notice One side of a trade that the ledger already holds. `size` > 0: bought. `fee` USD 1e18.
    struct Traded {
        uint112 instrument;
        int128 size;
        uint128 price;
        uint256 fee;
    }

    /// @notice Initial margin on fresh prices. Reverts `InsufficientInitialMargin` or `StalePrice`.
    function requireInitialMargin(IMarginEngine engine, uint64 account, uint256 maxAge) internal view {
        Requirement memory r = engine.requirement(account);
        if (!_hasInitialMargin(r)) revert IClearing.InsufficientInitialMargin(account, r.marginEquityInitial, r.initial);
        if (_isStale(r, maxAge)) revert IClearing.StalePrice(r.oldestPrice, block.timestamp, maxAge);
    }

    /// @notice Initial margin on fresh prices, or the trade lowered the account's risk.
    function requireMarginOrLowerRisk(IMarginEngine engine, uint64 account, Traded memory traded, uint256 maxAge)
        internal
        view
    {
        Requirement memory r = engine.requirement(account);
        bool stale = _isStale(r, maxAge);
        bool margined = _hasInitialMargin(r);
        if (margined && !stale) return;

        Requirement memory before = _before(engine, account, traded);
        if (!_riskFell(before, r)) {
            if (!margined) revert IClearing.InsufficientInitialMargin(account, r.marginEquityInitial, r.initial);
            revert IClearing.StalePrice(r.oldestPrice, block.timestamp, maxAge);
        }
        if (before.equity < 0) {
            // Whoever owes more than it has must not pass on value by trading off the mark.
            if (_isStale(before, maxAge)) revert IClearing.StalePrice(before.oldestPrice, block.timestamp, maxAge);
            _requireMarkOrBetter(engine, account, traded);
        }
    }

    /// @dev The account without the trade: the engine undoes it in memory, at the prices that are stored now.
    function _before(IMarginEngine engine, uint64 account, Traded memory traded)
        private
        view
        returns (Requirement memory)
    {
        Leg[] memory undo = new Leg[](1);
        undo[0] = Leg({instrument: traded.instrument, size: -traded.size, price: traded.price});
        return engine.preview(account, undo, int256(traded.fee));
    }

    /// @dev The requirement falls, the shortfall does not rise, and the account can still pay (if it could before).
    function _riskFell(Requirement memory before, Requirement memory afterwards) private pure returns (bool) {
        return afterwards.initial < before.initial
            && int256(afterwards.initial) - afterwards.marginEquityInitial
                <= int256(before.initial) - before.marginEquityInitial && (afterwards.equity >= 0 || before.equity < 0);
    }

    function _requireMarkOrBetter(IMarginEngine engine, uint64 account, Traded memory traded) private view {
        uint112[] memory instruments = new uint112[](1);
        instruments[0] = traded.instrument;
        (uint256[] memory marks,) = engine.marks(instruments);
        bool worse = traded.size > 0 ? traded.price > marks[0] : traded.price < marks[0];
        if (worse) revert IClearing.WorseThanMark(account, traded.price, marks[0]);
    }

    function _hasInitialMargin(Requirement memory r) private pure returns (bool) {
        return r.marginEquityInitial >= int256(r.initial);
    }

    /// @dev `oldestPrice` is type(uint256).max where no price was used.
    function _isStale(Requirement memory r, uint256 maxAge) private view returns (bool) {
        return block.timestamp > r.oldestPrice && block.timestamp - r.oldestPrice > maxAge;
    }
}
