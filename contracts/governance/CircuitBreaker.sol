// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";

import {GLOBAL, ICircuitBreaker} from "../interfaces/ICircuitBreaker.sol";
import {MAX_UNDERLYINGS} from "../types/Parameter.sol";

/// @title Circuit breaker
contract CircuitBreaker is ICircuitBreaker, AccessControl {
    /// @notice May trip a scope for a while: the price door.
    bytes32 public constant TRIPPER = keccak256("TRIPPER");
    /// @notice May tighten up to HALTED: a quick, small group.
    bytes32 public constant GUARDIAN = keccak256("GUARDIAN");
    /// @notice May loosen and shut down: the timelock.
    bytes32 public constant GOVERNOR = keccak256("GOVERNOR");

    /// @inheritdoc ICircuitBreaker
    uint256 public constant MAX_RELEASE = 7 days;

    /// @dev 6 bytes. `held` until governance loosens it, REDUCE_ONLY besides while time < `until`.
    struct Scope {
        State held;
        uint40 until;
    }

    /// @dev 20 bytes, one slot: all that `stateOf` needs where nothing is tripped.
    struct Summary {
        Scope all; // the scope GLOBAL
        uint32 heldMask; // underlyings whose held state is not NORMAL
        uint40 lastUntil; // the latest timer of any scope
        uint40 shutdownAt;
    }

    Summary private _summary;
    mapping(uint8 underlying => Scope) private _scopes;

    /// @param admin First holder of GOVERNOR and of the right to pass roles on.
    constructor(address admin) {
        _grantRole(DEFAULT_ADMIN_ROLE, admin);
        _grantRole(GOVERNOR, admin);
    }

    /// @inheritdoc ICircuitBreaker
    function trip(uint8 id, Cause cause, uint256 observed, uint256 bound, uint256 duration) external onlyRole(TRIPPER) {
        if (duration == 0 || duration > MAX_RELEASE) revert BadDuration(duration, MAX_RELEASE);
        Scope storage s = _scope(id);
        uint40 until = uint40(block.timestamp + duration);
        if (until > s.until) s.until = until;
        else until = s.until;
        if (until > _summary.lastUntil) _summary.lastUntil = until;
        emit Tripped(id, cause, observed, bound, until);
    }

    /// @inheritdoc ICircuitBreaker
    function tighten(uint8 id, State to) external onlyRole(GUARDIAN) {
        _requireRunning();
        Scope storage s = _scope(id);
        State from = s.held;
        if (to <= from || to > State.HALTED) revert NotTighter(id, from, to);
        _hold(id, s, to);
        emit Tightened(id, from, to);
    }

    /// @inheritdoc ICircuitBreaker
    function loosen(uint8 id, State to) external onlyRole(GOVERNOR) {
        _requireRunning();
        Scope storage s = _scope(id);
        State from = _effective(s.held, s.until);
        if (to >= from) revert NotLooser(id, from, to);
        _hold(id, s, to);
        s.until = 0;
        _summary.lastUntil = _latestTimer();
        emit Loosened(id, from, to);
    }

    /// @inheritdoc ICircuitBreaker
    function shutdown() external onlyRole(GOVERNOR) {
        _requireRunning();
        _summary.all.held = State.SHUTDOWN;
        _summary.shutdownAt = uint40(block.timestamp);
        emit ShutDown(block.timestamp);
    }

    /// @inheritdoc ICircuitBreaker
    function stateOf(uint8 underlying) external view returns (State) {
        Summary memory s = _summary;
        if (!_any(s)) return State.NORMAL;
        State all = _effective(s.all.held, s.all.until);
        Scope storage own = _scopes[underlying];
        State state = _effective(own.held, own.until);
        return state > all ? state : all;
    }

    /// @inheritdoc ICircuitBreaker
    function globalState() external view returns (State) {
        Scope memory s = _summary.all;
        return _effective(s.held, s.until);
    }

    /// @inheritdoc ICircuitBreaker
    function anyTripped() external view returns (bool) {
        return _any(_summary);
    }

    /// @inheritdoc ICircuitBreaker
    function scope(uint8 id) external view returns (State held, State automatic, uint256 until) {
        Scope memory s = _scope(id);
        return (s.held, _effective(State.NORMAL, s.until), s.until);
    }

    /// @inheritdoc ICircuitBreaker
    function shutdownAt() external view returns (uint256) {
        return _summary.shutdownAt;
    }

    function _hold(uint8 id, Scope storage s, State to) private {
        s.held = to;
        if (id == GLOBAL) return;
        uint32 bit = uint32(1) << id;
        _summary.heldMask = to == State.NORMAL ? _summary.heldMask & ~bit : _summary.heldMask | bit;
    }

    /// @dev Only loosening, which is rare, pays for reading all scopes; it keeps `anyTripped` exact.
    function _latestTimer() private view returns (uint40 latest) {
        latest = _summary.all.until;
        for (uint8 id; id < MAX_UNDERLYINGS; ++id) {
            uint40 until = _scopes[id].until;
            if (until > latest) latest = until;
        }
    }

    function _requireRunning() private view {
        uint256 at = _summary.shutdownAt;
        if (at != 0) revert AlreadyShutDown(at);
    }

    function _scope(uint8 id) private view returns (Scope storage) {
        if (id == GLOBAL) return _summary.all;
        if (id >= MAX_UNDERLYINGS) revert UnknownScope(id);
        return _scopes[id];
    }

    function _any(Summary memory s) private view returns (bool) {
        return s.all.held != State.NORMAL || s.heldMask != 0 || block.timestamp < s.lastUntil;
    }

    function _effective(State held, uint256 until) private view returns (State) {
        return held == State.NORMAL && block.timestamp < until ? State.REDUCE_ONLY : held;
    }
}
