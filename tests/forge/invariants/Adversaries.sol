// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {SCOPE_TRADE} from "../../../contracts/interfaces/ILedger.sol";
import {ILedger} from "../../../contracts/interfaces/ILedger.sol";
import {ANY_ROUND, ILiquidationCallback, ILiquidator} from "../../../contracts/interfaces/ILiquidator.sol";
import {Requirement} from "../../../contracts/interfaces/IMarginEngine.sol";
import {IWithdrawalQueue} from "../../../contracts/interfaces/IWithdrawalQueue.sol";
import {IRiskParameters} from "../../../contracts/interfaces/IRiskParameters.sol";
import {FeeTokenMock} from "../../../contracts/mocks/FeeTokenMock.sol";
import {TokenMock} from "../../../contracts/mocks/TokenMock.sol";
import {OddTokenMock} from "../../../contracts/mocks/OddTokenMock.sol";
import {MarginMode} from "../../../contracts/types/Book.sol";
import {Attackers} from "./Attackers.sol";
import {CHEATS, World} from "./World.sol";

/// @title Tokens and liquidators that call back, tokens that are not what they seem, liquidators in the middle of others' business
/// @dev Whoever is called back makes moves of its own in the middle of somebody's; what is refused there is refused. Nobody may be richer
/// for it than by rewards, and the books are checked after every burst as ever.
abstract contract Adversaries is Attackers, ILiquidationCallback {
    uint8 private constant FEE = 2; // burns a share of what arrives
    uint8 internal constant ODD = 3; // rebases and freezes

    FeeTokenMock private immutable fee;
    OddTokenMock internal immutable odd;

    uint256 public nested; // moves made from inside of others
    uint256 public nestedRefused;

    constructor() {
        fee = FeeTokenMock(_deploy("FeeTokenMock", abi.encode(uint256(100))));
        odd = OddTokenMock(_deploy("OddTokenMock", abi.encode(uint8(18))));
    }

    function _enlistAdversaries() internal {
        vault.list(address(fee));
        vault.list(address(odd));
        parameters.setCollateral(FEE, IRiskParameters.CollateralConfig(ETH, false, 0.15e18, 0.1e18));
        parameters.setCollateral(ODD, IRiskParameters.CollateralConfig(ETH, false, 0.15e18, 0.1e18));
        for (uint64 id = 1; id <= LIQUIDATOR_ACCOUNT; ++id) {
            CHEATS.startPrank(ownerOf[id]);
            fee.approve(address(vault), type(uint256).max);
            odd.approve(address(vault), type(uint256).max);
            // So that this contract may liquidate for it, and is called back
            if (id == LIQUIDATOR_ACCOUNT) clearing.setOperator(id, address(this), SCOPE_TRADE);
            CHEATS.stopPrank();
        }
    }

    /// @notice An ERC-20 that calls back inside its transfers: a deposit or a withdrawal of it, with three moves in the middle.
    function reenter(uint256 who, uint256 what, uint256 seed) external {
        (uint64 one, uint64 other) = _pair(who);
        if (one <= 3 || other <= 3) (one, other) = (5, 6);
        _ready(one);
        _ready(other);
        pay(one, WETH, 1e18);
        uint256 before = _fortune(one, other);
        weth.setCallback(address(this), abi.encodeCall(this.onTransfer, (one, other, seed)));
        bool done = _tried(abi.encodeCall(this.tryTransferOf, (one, what)));
        weth.setCallback(address(0), "");
        uint256 afterwards = _fortune(one, other);
        if (afterwards > before + EXTRACTABLE) {
            revert InvariantBroken("reentering made richer", one, int256(before), int256(afterwards));
        }
        if (!done) revert NothingToDo();
    }

    function tryTransferOf(uint64 one, uint256 what) external {
        if (what % 2 == 0) {
            CHEATS.prank(ownerOf[one]);
            clearing.withdraw(one, WETH, 1e18, ownerOf[one]);
        } else {
            CHEATS.prank(ownerOf[one]);
            clearing.deposit(one, WETH, 1e17);
        }
    }

    /// @dev What WETH calls. Once per transfer, not inside of its own transfers.
    function onTransfer(uint64 one, uint64 other, uint256 seed) external {
        weth.setCallback(address(0), "");
        for (uint256 i; i < 3; ++i) {
            _nest(one, other, uint256(keccak256(abi.encode(seed, i))));
        }
    }

    /// @notice A liquidation whose liquidator is called back in the middle, where it makes three moves; it goes on into the next tier.
    function liquidateThrough(uint256 who, uint256 depth, uint256 seed) external {
        uint64 account = _trader(who);
        _fundLiquidator();
        Requirement memory r = _sink(account, int256(0.6e18 + depth % 0.44e18));
        ILedger.PositionView[] memory held = ledger.positions(account);
        ILiquidator.Liquidation memory request;
        (request.account, request.to) = (account, LIQUIDATOR_ACCOUNT);
        request.witness = _witness(account);
        // Where it is bankrupt from the start the further legs go with the first ones
        request.legs = _legs(held, r.equity < 0 ? int256(0.5e18) : _keptFor(r, engine.health(r), 1.05e18));
        request.callback = abi.encode(seed);
        liquidator.liquidateThrough(request, seed % 2 == 0 ? liquidator.rounds(account) : ANY_ROUND, _legs(held, 0.5e18));
        drifting += 9 * held.length;
        ++liquidations;
    }

    /// @inheritdoc ILiquidationCallback
    function onLiquidation(uint64 account, uint64 to, ILiquidator.LiquidationLeg[] calldata, bytes calldata data) external {
        uint256 seed = abi.decode(data, (uint256));
        if (seed % 4 == 1) _shift(_delta(account) < 0, 0.05e18); // a newer price, worse for the account
        _nest(account, to, uint256(keccak256(abi.encode(seed, 1))));
        _nest(to, account, uint256(keccak256(abi.encode(seed, 2))));
    }

    /// @notice Two accounts of one owner around the liquidation of a third, in one block: they flag, trade, take a slice, trade, take the
    /// rest. They gain no more than they are paid, and are paid no more than half of what the account had to hold.
    function sandwich(uint256 who, uint256 victim, uint256 seed) external {
        (uint64 one, uint64 other) = _pair(who);
        if (ledger.account(one).mode == MarginMode.ISOLATED) (one, other) = (other, one);
        if (ledger.account(one).mode == MarginMode.ISOLATED) (one, other) = _pair(who + 2);
        uint64 account = _trader(victim);
        while (account == one || account == other) account = account % TRADERS + 1;
        Requirement memory r = _sink(account, int256(0.6e18 + (seed >> 16) % 0.4e18));
        _ready(one);
        _ready(other);
        pay(one, USDC, _wholeUp(r.initial));
        if (r.equity < -1_000e18) pay(account, USDC, _wholeUp(uint256(-r.equity) - seed % 1_000e18));
        r = engine.requirement(account);
        uint256 before = _fortune(one, other);
        _tried(abi.encodeCall(this.selfTrade, (one, other, seed >> 8)));
        uint256 paid = _slice(account, one, seed % 7 * 1e17);
        _tried(abi.encodeCall(this.selfTrade, (other, one, seed >> 32)));
        paid += _slice(account, one, 0);
        if (paid == 0) revert NothingToDo();
        uint256 afterwards = _fortune(one, other);
        if (afterwards > before + paid + EXTRACTABLE) {
            revert InvariantBroken("a sandwich gained more than it was paid", one, int256(before + paid), int256(afterwards));
        }
        if (paid > r.maintenance / 2 + 5e18) revert InvariantBroken("slices were paid too much", account, int256(r.maintenance / 2), int256(paid));
    }

    /// @notice Tokens that take a fee, shrank or freeze are refused; as they are otherwise they are deposited.
    function oddToken(uint256 who, uint256 what, uint256 amount) external {
        uint64 account = uint64(4 + who % (TRADERS - 3));
        address owner = ownerOf[account];
        amount = 1e6 + amount % 1e17;
        fee.mint(owner, amount);
        odd.mint(owner, 4 * amount);
        _requireRefused(account, FEE, amount);
        if (vault.recorded(ODD) != 0) {
            odd.rebase(what % 1e18);
            _requireRefused(account, ODD, amount);
            odd.rebase(1e18);
        }
        odd.freeze(owner, true);
        _requireRefused(account, ODD, amount);
        odd.freeze(owner, false);
        CHEATS.prank(owner);
        clearing.deposit(account, ODD, amount);
    }

    /// @inheritdoc World
    function _token(uint8 index) internal view override returns (TokenMock) {
        return index == FEE ? TokenMock(fee) : index == ODD ? TokenMock(odd) : super._token(index);
    }

    function _requireRefused(uint64 account, uint8 index, uint256 amount) private {
        CHEATS.prank(ownerOf[account]);
        try clearing.deposit(account, index, amount) {
            revert InvariantBroken("a token that lies was taken", account, int256(uint256(index)), int256(amount));
        } catch {}
    }

    /// @dev Leaves `kept` (1e18) of every position, or what the health asks for. @return payment 0 where it is refused.
    function _slice(uint64 account, uint64 to, uint256 kept) private returns (uint256 payment) {
        Requirement memory r = engine.requirement(account);
        int256 least = _keptFor(r, engine.health(r), 1.04e18);
        (bool done, bytes memory answer) =
            _attempt(abi.encodeCall(this.tryLiquidate, (account, to, int256(kept) > least ? int256(kept) : least)));
        if (done) payment = abi.decode(answer, (uint256));
    }

    /// @dev One move of `one`'s owner, or of anybody, from inside of another.
    function _nest(uint64 one, uint64 other, uint256 seed) private {
        uint256 kind = seed % 10;
        seed >>= 8;
        bool done;
        if (kind == 0) done = _tried(abi.encodeCall(this.tryWithdraw, (one, WETH, seed)));
        else if (kind == 1) done = _tried(abi.encodeCall(this.tryWithdraw, (one, USDC, seed)));
        else if (kind == 2) done = _tried(abi.encodeCall(this.tryTransfer, (one, other, WETH, seed)));
        else if (kind == 3) done = _tried(abi.encodeCall(this.selfTrade, (one, other, seed)));
        else if (kind == 4) done = _tried(abi.encodeCall(this.selfLiquidate, (one, other)));
        else if (kind == 5) done = _tried(abi.encodeCall(this.selfConvert, (one, other, seed)));
        else if (kind == 6) (done,) = address(liquidator).call(abi.encodeCall(liquidator.coverDeficit, (one)));
        else if (kind == 7) (done,) = address(queue).call(abi.encodeCall(queue.claim, (1 + seed % (queue.claimCount() + 1))));
        else if (kind == 8) (done,) = address(ledger).call(abi.encodeCall(ledger.accrue, (one)));
        else (done,) = address(clearing).call(abi.encodeCall(clearing.collectFees, ()));
        if (kind == 8) drifting += 9;
        if (done) ++nested;
        else ++nestedRefused;
    }

    /// @dev What the two accounts and their owner have and what the queue owes them, USD 1e18.
    function _fortune(uint64 one, uint64 other) private view returns (uint256 value) {
        address owner = ownerOf[one];
        value = _equityDown(one) + _equityDown(other) + usdc.balanceOf(owner) * 1e12;
        value += (weth.balanceOf(owner) * spots[ETH] + wbtc.balanceOf(owner) * 1e10 * spots[BTC]) / WAD;
        for (uint256 id = queue.claimCount(); id > paidClaims; --id) {
            IWithdrawalQueue.Claim memory c = queue.claimOf(id);
            if (c.to != owner) continue;
            value += c.index == USDC ? c.quantity - c.paid : (c.quantity - c.paid) * spots[c.index == WBTC ? BTC : ETH] / WAD;
        }
    }
}
