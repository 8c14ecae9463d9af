// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {ICircuitBreaker} from "../interfaces/ICircuitBreaker.sol";
import {ICollateralVault, SETTLEMENT} from "../interfaces/ICollateralVault.sol";
import {IMarginCheck} from "../interfaces/IMarginCheck.sol";
import {IPriceDoor} from "../interfaces/IPriceDoor.sol";
import {IRiskParameters} from "../interfaces/IRiskParameters.sol";
import {IWithdrawalQueue} from "../interfaces/IWithdrawalQueue.sol";
import {Parameter} from "../types/Parameter.sol";

/// @title Withdrawal queue
/// @dev The queue of a token is one line: claims take ranges of it at its end (`tail`), windows move `released` towards the end.
/// A claim is due as far as `released` reaches into its range, so nothing is iterated.
contract WithdrawalQueue is IWithdrawalQueue, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    /// @dev Two slots. Amounts WAD.
    struct Flow {
        uint32 window; // slot 0: number of the window, time / OUTFLOW_WINDOW
        int112 net; // slot 0: what left less what came in during that window
        uint112 cap; // slot 0: of that window
        uint128 released; // slot 1
        uint128 tail; // slot 1
    }

    uint256 private constant WAD = 1e18;

    ICollateralVault private immutable VAULT;
    IPriceDoor private immutable DOOR;
    IRiskParameters private immutable PARAMETERS;
    ICircuitBreaker private immutable BREAKER;
    IMarginCheck private immutable CHECKS;

    mapping(uint8 index => Flow) private _flows;
    mapping(uint256 id => Claim) private _claims;
    /// @inheritdoc IWithdrawalQueue
    uint256 public claimCount;

    modifier onlyModule() {
        if (!VAULT.isModule(msg.sender)) revert NotAModule(msg.sender);
        _;
    }

    constructor(
        ICollateralVault vault,
        IPriceDoor priceDoor,
        IRiskParameters parameters,
        ICircuitBreaker breaker,
        IMarginCheck checks
    ) {
        VAULT = vault;
        DOOR = priceDoor;
        PARAMETERS = parameters;
        BREAKER = breaker;
        CHECKS = checks;
    }

    /// @inheritdoc IWithdrawalQueue
    function noteInflow(uint8 index, uint256 quantity) external onlyModule {
        Flow memory f = _current(index);
        // Counting less than came in is safe: the ledger says what it cannot hold.
        f.net -= int112(uint112(quantity < type(uint104).max ? quantity : type(uint104).max));
        _flows[index] = f;
    }

    /// @inheritdoc IWithdrawalQueue
    function request(uint64 account, uint8 index, address to, uint256 quantity)
        external
        onlyModule
        returns (uint256 payable_, uint256 id)
    {
        Flow memory f = _current(index);
        // Nobody overtakes: with others waiting, all of it queues.
        if (f.released == f.tail) {
            uint256 unit = VAULT.unit(index);
            uint256 free = _room(f);
            payable_ = quantity < free ? quantity : free - free % unit;
            f.net += int112(uint112(SafeCast.toUint104(payable_)));
        }
        uint256 rest = quantity - payable_;
        if (rest != 0) {
            id = ++claimCount;
            _claims[id] = Claim({
                to: to,
                account: account,
                index: index,
                from: f.tail,
                quantity: SafeCast.toUint128(rest),
                paid: 0
            });
            f.tail = SafeCast.toUint128(f.tail + rest);
            emit WithdrawalQueued(id, account, index, to, rest);
        }
        _flows[index] = f;
    }

    /// @inheritdoc IWithdrawalQueue
    function claim(uint256 id) external nonReentrant returns (uint256 quantity) {
        Claim storage c = _existing(id);
        uint8 index = c.index;
        if (_halted(c.account)) revert ClaimsHalted();
        Flow memory f = _current(index);
        _flows[index] = f;
        uint256 unit = VAULT.unit(index);
        quantity = _due(c, f, unit);
        if (quantity == 0) revert NothingToClaim(id, c.paid, c.quantity);
        c.paid += uint128(quantity);
        emit WithdrawalPaid(id, c.to, quantity, c.paid);
        IERC20(VAULT.token(index)).safeTransfer(c.to, quantity / unit);
    }

    /// @inheritdoc IWithdrawalQueue
    function undo(uint256 id) external onlyModule nonReentrant returns (uint64 account, uint8 index, uint256 quantity) {
        if (BREAKER.shutdownAt() == 0) revert NotShutDown();
        Claim storage c = _existing(id);
        (account, index) = (c.account, c.index);
        Flow storage f = _flows[index];
        uint256 released = f.released > c.from ? f.released - c.from : 0; // whole units
        if (released >= c.quantity) return (account, index, 0);
        quantity = c.quantity - released;
        c.quantity = uint128(released);
        f.tail -= uint128(quantity); // nobody comes after a shutdown: from now on the tail counts what waits, no places
        emit WithdrawalUndone(id, account, index, quantity);
        IERC20(VAULT.token(index)).safeTransfer(address(VAULT), quantity / VAULT.unit(index));
    }

    /// @inheritdoc IWithdrawalQueue
    function claimable(uint256 id) external view returns (uint256 quantity) {
        Claim memory c = _existing(id);
        return _halted(c.account) ? 0 : _due(c, _current(c.index), VAULT.unit(c.index));
    }

    /// @inheritdoc IWithdrawalQueue
    function claimOf(uint256 id) external view returns (Claim memory) {
        return _claims[id];
    }

    /// @inheritdoc IWithdrawalQueue
    function room(uint8 index) external view returns (uint256) {
        return _room(_flows[index].window == _window() ? _flows[index] : _opened(index));
    }

    /// @inheritdoc IWithdrawalQueue
    function waiting(uint8 index) external view returns (uint256) {
        Flow memory f = _current(index);
        return f.tail - f.released;
    }

    /// @dev The token's flow in the present window, with what waits served as far as there is room.
    function _current(uint8 index) private view returns (Flow memory f) {
        f = _flows[index];
        if (f.window != _window()) f = _opened(index);
        uint256 served = f.tail - f.released;
        // A halt is time to think, not time in which the queue moves on; after a shutdown what waits goes back.
        if (served == 0 || BREAKER.globalState() > ICircuitBreaker.State.REDUCE_ONLY) return f;
        uint256 free = _room(f);
        if (served > free) served = free - free % VAULT.unit(index);
        f.released += uint128(served);
        f.net += int112(uint112(served));
    }

    /// @dev The flow as a new window begins.
    function _opened(uint8 index) private view returns (Flow memory f) {
        f = _flows[index];
        f.window = _window();
        f.net = 0;
        uint256 share = PARAMETERS.value(Parameter.OUTFLOW_CAP) * (VAULT.recorded(index) + f.tail - f.released) / WAD;
        uint256 floor = PARAMETERS.value(Parameter.OUTFLOW_FLOOR) * WAD / _price(index);
        f.cap = uint112(SafeCast.toUint104(share > floor ? share : floor));
    }

    function _room(Flow memory f) private pure returns (uint256) {
        int256 free = int256(uint256(f.cap)) - f.net;
        return free > 0 ? uint256(free) : 0;
    }

    function _existing(uint256 id) private view returns (Claim storage) {
        if (id == 0 || id > claimCount) revert UnknownClaim(id);
        return _claims[id];
    }

    /// @dev What was released before a shutdown is paid after it.
    function _halted(uint64 account) private view returns (bool) {
        return CHECKS.stateFor(account) == ICircuitBreaker.State.HALTED;
    }

    /// @dev Whole units of the part of the claim that was released and not paid.
    function _due(Claim memory c, Flow memory f, uint256 unit) private pure returns (uint256 due) {
        if (f.released <= c.from) return 0;
        due = f.released - c.from;
        if (due > c.quantity) due = c.quantity;
        due -= c.paid;
        return due - due % unit;
    }

    function _window() private view returns (uint32) {
        return uint32(block.timestamp / PARAMETERS.value(Parameter.OUTFLOW_WINDOW));
    }

    /// @dev USD 1e18 per token; where there is no price, one that makes the floor nothing.
    function _price(uint8 index) private view returns (uint256) {
        if (index == SETTLEMENT) return WAD;
        (IRiskParameters.CollateralConfig memory config, bool exists) = PARAMETERS.collateral(index);
        if (!exists) return type(uint256).max;
        try DOOR.prices(config.underlying) returns (uint256 spot, uint256, uint256) {
            return spot;
        } catch {
            return type(uint256).max;
        }
    }
}
