// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IClearing} from "../../../contracts/interfaces/IClearing.sol";
import {ILedger} from "../../../contracts/interfaces/ILedger.sol";
import {ILiquidator} from "../../../contracts/interfaces/ILiquidator.sol";
import {Requirement} from "../../../contracts/interfaces/IMarginEngine.sol";
import {Deleveraging} from "./Deleveraging.sol";
import {CHEATS} from "./World.sol";

/// @title An owner who plays against the system with two accounts of its own
/// @notice In one block, at prices that stand still, nothing that it does with itself may make it richer: self-trading off the mark,
/// liquidating itself, flagging, converting its own collateral, moving value between its accounts.
/// @dev What it has is the sum of max(0, equity) of its accounts: who walks away from a debt does not pay it. What the fund pays as a reward
/// for a bankrupt account is allowed, and nothing else.
abstract contract Attackers is Deleveraging {
    uint256 internal constant EXTRACTABLE = uint256(DUST); // a millionth of a dollar, far below any gas (docs/invariants.md: tolerances)

    uint256 private _rewards;
    uint256 internal largestGain; // of an attack, beyond rewards: roundings

    /// @dev Five moves, each refused or not; the attack as a whole counts as done where one of them was not.
    function attack(uint256 who, uint256 first, uint256 second, uint256 third, uint256 fourth) external {
        (uint64 one, uint64 other) = _pair(who);
        if (first >> 254 != 0) {
            _ready(one);
            _ready(other);
        }
        _fresh();
        uint256 before = _wealth(one, other);
        delete _rewards;
        bool done = _move(one, other, first);
        done = _move(other, one, second) || done;
        done = _move(one, other, third) || done;
        done = _move(other, one, fourth) || done;
        if (!done) revert NothingToDo();
        uint256 afterwards = _wealth(one, other);
        if (afterwards > before + _rewards + largestGain) largestGain = afterwards - before - _rewards;
        if (largestGain > EXTRACTABLE) {
            revert InvariantBroken("an attacker gained", one, int256(before + _rewards), int256(afterwards));
        }
    }

    /// @dev Public for the call that catches its revert.
    function selfTrade(uint64 buyer, uint64 seller, uint256 seed) external {
        uint112 instrument = _instrumentFor(buyer, seed);
        if (_instrumentFor(seller, seed) != instrument) instrument = _instrumentFor(seller, seed);
        _trade(buyer, seller, instrument, seed >> 8, seed >> 128);
    }

    function selfLiquidate(uint64 account, uint64 to) external {
        Requirement memory r = engine.requirement(account);
        ILedger.PositionView[] memory held = ledger.positions(account);
        if (held.length == 0) revert NothingToDo();
        ILiquidator.Liquidation memory request;
        (request.account, request.to) = (account, to);
        request.witness = _witness(account);
        request.legs = _legs(held, r.equity < 0 || r.maintenance < 500e18 ? int256(0) : engine.health(r) * 1e18 / 1.09e18);
        CHEATS.prank(ownerOf[to]);
        ILiquidator.Outcome memory out = liquidator.liquidate(request);
        if (out.tier == ILiquidator.Tier.BANKRUPT) _rewards += out.payment;
        drifting += 3 * held.length;
    }

    /// @dev The discount on a bankrupt account's collateral is a reward too: it is the fund's loss, the same for whoever converts.
    function selfConvert(uint64 account, uint64 to, uint256 seed) external {
        uint256 quantity = 1 + seed % (ledger.collateral(account, WETH) + 1);
        CHEATS.prank(ownerOf[to]);
        liquidator.convertCollateral(account, to, WETH, quantity, type(uint256).max);
        if (engine.requirement(account).equity >= 0) return;
        _rewards += quantity * spots[ETH] / WAD * liquidator.conversionDiscountNow(account) / WAD + 1;
    }

    function selfTransfer(uint64 from, uint64 to, uint256 seed) external {
        uint8 index = seed % 2 == 0 ? USDC : WETH;
        uint256 held = index == USDC ? _cashDown(from) : ledger.collateral(from, WETH);
        CHEATS.prank(ownerOf[from]);
        clearing.transfer(from, to, index, 1 + (seed >> 8) % (held + 1));
    }

    function _move(uint64 one, uint64 other, uint256 seed) private returns (bool done) {
        uint256 kind = seed % 5;
        seed >>= 8;
        if (kind == 0) done = _tried(abi.encodeCall(this.selfTrade, (one, other, seed)));
        else if (kind == 1) done = _tried(abi.encodeCall(this.selfLiquidate, (one, other)));
        else if (kind == 2) done = _tried(abi.encodeCall(this.selfConvert, (one, other, seed)));
        else if (kind == 3) done = _tried(abi.encodeCall(this.selfTransfer, (one, other, seed)));
        else (done,) = address(liquidator).call(abi.encodeCall(liquidator.flag, (one, _witness(one))));
    }

    function _wealth(uint64 one, uint64 other) private view returns (uint256) {
        return _equityDown(one) + _equityDown(other);
    }

    function _equityDown(uint64 account) internal view returns (uint256) {
        int256 equity = engine.requirement(account).equity;
        return equity > 0 ? uint256(equity) : 0;
    }
}
