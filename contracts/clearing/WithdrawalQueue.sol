// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {ICircuitBreaker} from "../interfaces/ICircuitBreaker.sol";
import {ICollateralVault, SETTLEMENT} from "../interfaces/ICollateralVault.sol";
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

    mapping(uint8 index => Flow) private _flows;
    mapping(uint256 id => Claim) private _claims;
    /// @inheritdoc IWithdrawalQueue
    uint256 public claimCount;

    modifier onlyModule() {
        if (!VAULT.isModule(msg.sender)) revert NotAModule(msg.sender);
        _;
    }

    constructor(ICollateralVault vault, IPriceDoor priceDoor, IRiskParameters parameters, ICircuitBreaker breaker) {
        VAULT = vault;
        DOOR = priceDoor;
        PARAMETERS = parameters;
        BREAKER = breaker;
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
        Claim storage c = _claims[id];
        uint8 index = c.index;
        if (c.quantity == 0) revert UnknownClaim(id);
        if (BREAKER.globalState() == ICircuitBreaker.State.HALTED) revert ClaimsHalted();
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
    function claimable(uint256 id) external view returns (uint256 quantity) {
        Claim memory c = _claims[id];
        if (c.quantity == 0) revert UnknownClaim(id);
        if (BREAKER.globalState() == ICircuitBreaker.State.HALTED) return 0;
        return _due(c, _current(c.index), VAULT.unit(c.index));
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
        if (served == 0) return f;
        uint256 free = _room(f);
        // After the shutdown there is nothing left to protect: everyone is paid.
        if (served > free && BREAKER.globalState() != ICircuitBreaker.State.SHUTDOWN) served = free;
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
