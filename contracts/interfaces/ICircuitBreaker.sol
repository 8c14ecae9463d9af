// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @dev The scope of the whole system, beside the underlyings 0..MAX_UNDERLYINGS - 1.
uint8 constant GLOBAL = 255;

/// @title Circuit breaker
/// @notice What may be done at present, per underlying and for all of them (ledger-and-liquidation.md 6). Each scope has a held
/// state, which stays until governance loosens it, and an automatic one, which ends by its timer; the stricter counts.
/// Trusted: TRIPPER with nothing worse than MAX_RELEASE of REDUCE_ONLY per trip; GUARDIAN with tightening up to HALTED;
/// GOVERNOR (the timelock) with loosening and with the shutdown, which is final.
/// @dev Calls nobody. Liquidations, risk reductions and deposits go on in every state but SHUTDOWN.
interface ICircuitBreaker {
    /// @dev Ordered: a later state forbids whatever an earlier one forbids.
    /// REDUCE_ONLY: no trade that increases risk, both sides; withdrawals value each leg at the worse of current and pre-trip price.
    /// HALTED: no withdrawals either. SHUTDOWN: only the settlement of all accounts.
    enum State {
        NORMAL,
        REDUCE_ONLY,
        HALTED,
        SHUTDOWN
    }

    /// @notice Why a scope tripped by itself. The two numbers of `Tripped` depend on it.
    enum Cause {
        JUMP, // relative move | BREAKER_MOVE as applied, 1e18
        QUORUM, // sources left inside the band | SOURCE_QUORUM
        SLICE, // expiry of the refused slice | 0 butterfly, else the expiry whose variance it crosses
        STALE // age of the price | STALE_LIMIT, seconds
    }

    /// @param until The automatic state ends then (unix seconds).
    event Tripped(uint8 indexed scope, Cause indexed cause, uint256 observed, uint256 bound, uint256 until);
    event Tightened(uint8 indexed scope, State previous, State state);
    event Loosened(uint8 indexed scope, State previous, State state);
    event ShutDown(uint256 at);

    /// @notice Neither GLOBAL nor below MAX_UNDERLYINGS.
    error UnknownScope(uint8 scope);
    /// @notice A timer of zero, or longer than any automatic state may last.
    error BadDuration(uint256 duration, uint256 limit);
    /// @notice Tightening must raise the held state, to HALTED at most.
    error NotTighter(uint8 scope, State held, State to);
    /// @notice Loosening must lower the state of the scope.
    error NotLooser(uint8 scope, State current, State to);
    /// @notice After the shutdown nothing loosens and nothing tightens.
    error AlreadyShutDown(uint256 at);

    /// @notice Longest automatic state, seconds.
    function MAX_RELEASE() external view returns (uint256);

    /// @notice Puts a scope into REDUCE_ONLY for `duration` seconds; a running timer is prolonged, never shortened. Only TRIPPER.
    /// @param observed, bound What was measured and what it broke, by `cause`.
    function trip(uint8 scope, Cause cause, uint256 observed, uint256 bound, uint256 duration) external;

    /// @notice Raises the held state of a scope. Only GUARDIAN.
    function tighten(uint8 scope, State to) external;

    /// @notice Lowers a scope to `to`: sets the held state and ends the automatic one. Only GOVERNOR.
    function loosen(uint8 scope, State to) external;

    /// @notice Ends trading for good: all accounts settle at final prices (waterfall/ShutdownSettlement). Only GOVERNOR.
    function shutdown() external;

    /// @notice The stricter of the global state and the underlying's own, timers applied.
    /// @dev One storage slot where nothing is tripped.
    function stateOf(uint8 underlying) external view returns (State);

    /// @notice The state of the scope GLOBAL alone.
    function globalState() external view returns (State);

    /// @notice Whether any scope is in another state than NORMAL. One storage slot.
    function anyTripped() external view returns (bool);

    /// @notice A scope's own two layers. @return until When the automatic one ends or ended; 0 if it never was.
    function scope(uint8 id) external view returns (State held, State automatic, uint256 until);

    /// @notice When the system was shut down; 0: it was not.
    function shutdownAt() external view returns (uint256);
}
