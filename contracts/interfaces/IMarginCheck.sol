// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ICircuitBreaker} from "./ICircuitBreaker.sol";

/// @title What must hold of an account after an action
/// @notice Views that revert. A *trade*: its price lies within the band around mark, the limits of `ITradingLimits` hold, and each
/// side either
/// - satisfies initial margin and at least MIN_ACCOUNT_MARGIN on prices signed at most MAX_ACTION_AGE seconds ago, holds at most
///   MAX_LEVERAGE and owes at most DEBT_CAP, while the breaker is in NORMAL and no deficit stops it; or
/// - its *risk fell*: on the same prices the initial requirement is lower than before, requirement less margin equity did not
///   rise, and equity is not negative; where equity was negative before, the price is at mark or better for it, and fresh.
/// Size is never the test. While the breaker is in REDUCE_ONLY or HALTED both sides must have their risk fallen.
///
/// A *withdrawal*: the first of the two, with unrealised profit beyond PROFIT_FRACTION not counting; profit realised within
/// PROFIT_VESTING seconds is unrealised here. In REDUCE_ONLY each leg counts at the worse of its price now and before the trip
/// (`ITripDiscount`); in HALTED there are no withdrawals.
/// @dev Stateless: asks ledger, engine, price door, breaker, trip discount and deficits.
interface IMarginCheck {
    /// @notice A trade that the ledger already holds. @param size > 0. @param fee What each side paid, USD 1e18.
    struct Trade {
        uint112 instrument;
        uint64 buyer;
        uint64 seller;
        uint128 size;
        uint128 price;
        uint256 fee;
    }

    /// @notice Initial margin is missing and the action does not lower the account's risk.
    error InsufficientInitialMargin(uint64 account, int256 marginEquity, uint256 required);
    error StalePrice(uint256 signedAt, uint256 time, uint256 limit);
    /// @notice The account was bankrupt before the trade: it trades at mark or better only.
    error WorseThanMark(uint64 account, uint256 price, uint256 mark);
    /// @notice Further than `band` from the mark.
    error PriceOutsideBand(uint256 price, uint256 mark, uint256 band);
    /// @notice Gross notional above `limit` times equity, and the trade does not lower the account's risk.
    error LeverageTooHigh(uint64 account, uint256 grossNotional, int256 equity, uint256 limit);
    /// @notice Cash below -`limit` after a trade that does not lower the account's risk, or after a withdrawal.
    error DebtAboveCap(uint64 account, int256 cash, uint256 limit);
    /// @notice The breaker is not in NORMAL, or a deficit is open: only what lowers the account's risk.
    error RiskMustFall(uint64 account, ICircuitBreaker.State state);
    /// @notice The account neither trades nor withdraws until its deficit is closed.
    error DeficitIsOpen(uint64 account);
    error WithdrawalsHalted(uint64 account, ICircuitBreaker.State state);

    /// @notice Reverts unless both sides of `trade` may have made it.
    function requireTrade(Trade calldata trade) external view;

    /// @notice Reverts unless `account`, as it is now, may have withdrawn or transferred value.
    function requireWithdrawal(uint64 account) external view;

    /// @notice The strictest state of the breaker among the underlyings of what the account holds.
    function stateFor(uint64 account) external view returns (ICircuitBreaker.State);

    /// @notice Reverts unless the account satisfies initial margin and MIN_ACCOUNT_MARGIN on fresh prices.
    function requireInitialMargin(uint64 account) external view;
}
