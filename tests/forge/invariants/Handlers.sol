// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IClearing} from "../../../contracts/interfaces/IClearing.sol";
import {ILedger} from "../../../contracts/interfaces/ILedger.sol";
import {ILiquidator} from "../../../contracts/interfaces/ILiquidator.sol";
import {Requirement, Witness} from "../../../contracts/interfaces/IMarginEngine.sol";
import {GroupReport, UnderlyingReport} from "../../../contracts/interfaces/IMarginReport.sol";
import {InstrumentId} from "../../../contracts/types/InstrumentId.sol";
import {MarginMode} from "../../../contracts/types/Book.sol";
import {CHEATS, World} from "./World.sol";

/// @title What anybody may do, in any order
/// @notice One function per entry point, its choices by whole words (`Campaign` draws them); whatever the system refuses reverts.
/// `drifting` counts the operations that may round: positions that changed hands.
contract Handlers is World {
    int256 private constant DEBT = -100e18; // DEBT_CAP: below it collateral is converted

    /// @dev Counted as refused: only calls that did something count.
    error NothingToDo();

    uint256 public drifting;
    uint256 public liquidations;
    uint64 private _nonce;

    /// @notice Before a campaign: every trader with as much risk as initial margin allows, against the liquidator's account.
    function lever() external {
        for (uint64 id = 1; id <= TRADERS; ++id) {
            bool portfolio = ledger.account(id).mode == MarginMode.PORTFOLIO;
            Requirement memory r = engine.requirement(id);
            uint256 equity = uint256(r.marginEquityInitial);
            uint256 size = equity * (portfolio ? 3 : 17) * WAD / spots[id % 2];
            uint112 perp = instruments[id % 2 == ETH ? 0 : 4];
            if (id % 4 < 2) _settle(id, LIQUIDATOR_ACCOUNT, perp, size, _mark(perp));
            else _settle(LIQUIDATOR_ACCOUNT, id, perp, size, _mark(perp));
        }
    }

    // --- traders ---

    function deposit(uint256 who, uint256 what, uint256 quantity) external {
        uint64 account = _trader(who);
        if (what % 4 == 0 && account > 3) pay(account, WETH, 1 + quantity % 2e18);
        else pay(account, USDC, (1 + quantity % 10_000e6) * 1e12);
    }

    function withdraw(uint256 who, uint256 what, uint256 quantity) external {
        bool collateral = what % 2 == 0;
        uint64 account = _trader(who);
        _refresh(quantity);
        address owner = ledger.account(account).owner;
        uint256 held = collateral ? ledger.collateral(account, WETH) : _cashDown(account);
        uint256 wanted = collateral ? 1 + quantity % (held / 4 + 1) : (1 + quantity % (held / 4e12 + 1)) * 1e12;
        CHEATS.prank(owner);
        clearing.withdraw(account, collateral ? WETH : USDC, wanted, owner);
    }

    function trade(uint256 one, uint256 other, uint256 what, uint256 size, uint256 offset) external {
        (uint64 buyer, uint64 seller) = (_trader(one), _trader(other));
        if (buyer == seller) seller = buyer % TRADERS + 1;
        _refresh(offset);
        _trade(buyer, seller, instruments[what % instruments.length], size, offset);
    }

    /// @dev Buys or sells what the account holds, so that positions close and flip as often as they open.
    function unwind(uint256 who, uint256 with, uint256 which, uint256 share) external {
        (uint64 account, uint64 other) = (_trader(who), _trader(with));
        ILedger.PositionView[] memory held = ledger.positions(account);
        if (held.length == 0) revert NothingToDo();
        ILedger.PositionView memory p = held[which % held.length];
        if (other == account) other = account % TRADERS + 1;
        _refresh(share);
        uint256 size = uint256(p.size < 0 ? -p.size : p.size) * (1 + share % 150) / 100; // up to half more than held
        uint256 price = _mark(p.instrument);
        if (p.size > 0) _settle(other, account, p.instrument, size + 1, price);
        else _settle(account, other, p.instrument, size + 1, price);
    }

    function cancel(uint256 who, uint256 what, uint256 size) external {
        uint64 account = _trader(who);
        IClearing.Order memory order = _order(account, instruments[what % instruments.length], int128(int256(1 + size % 1e24)), WAD);
        CHEATS.prank(ledger.account(account).owner);
        clearing.cancel(order);
    }

    function setOperator(uint256 who, uint256 whom, uint256 scopes) external {
        uint64 account = _trader(who);
        CHEATS.prank(ledger.account(account).owner);
        clearing.setOperator(account, CHEATS.addr(keyOf(_trader(whom))), uint8(scopes % 4));
    }

    // --- everybody ---

    function collectFees() external {
        clearing.collectFees();
    }

    /// @dev Tokens sent to the vault past the ledger belong to nobody.
    function donate(uint256 what, uint256 amount) external {
        if (what % 2 == 0) weth.mint(address(vault), amount % 1e21);
        else usdc.mint(address(vault), amount % 1e12);
    }

    function moveMarket(uint256 move) external {
        CHEATS.warp(block.timestamp + 1 + move % 30);
        _move(ETH, move);
        _move(BTC, move >> 128);
        publish();
    }

    function jumpTime(uint256 time) external {
        // Now and then over the near expiry, while prices are published around it.
        if (time % 16 == 0 && block.timestamp + 1 hours < NEAR) {
            CHEATS.warp(NEAR - 30 minutes);
            publish();
            CHEATS.warp(NEAR - 1);
            publish();
            CHEATS.warp(NEAR + 1);
            return;
        }
        CHEATS.warp(block.timestamp + 1 + time % 2 hours);
    }

    // --- the waterfall ---

    /// @dev Moves the market until one of three accounts is liquidatable, then takes what brings it to just below the target.
    function liquidate(uint256 who, uint256 direction, uint256 move) external {
        for (uint256 step; step < 4; ++step) {
            _refresh(1);
            for (uint256 i; i < 3; ++i) {
                if (_liquidate(_trader(who % TRADERS + i))) return;
            }
            _shift(direction % 2 == 0, 0.02e18 + move % 0.1e18);
        }
        revert NothingToDo();
    }

    /// @dev The first account from `who` on whose health a witness proves to be below 1.
    function flag(uint256 who) external {
        _refresh(1);
        for (uint256 i; i < TRADERS; ++i) {
            uint64 account = _trader(who % TRADERS + i);
            if (engine.health(engine.requirement(account)) >= 1e18) continue;
            liquidator.flag(account, _witness(account));
            return;
        }
        revert NothingToDo();
    }

    /// @dev Moves the market until an account without collateral is bankrupt, closes it at mark and has the fund pay.
    function coverDeficit(uint256 who, uint256 direction) external {
        for (uint256 step; step < 3; ++step) {
            _refresh(1);
            for (uint256 i; i < TRADERS; ++i) {
                uint64 account = _trader(who % TRADERS + i);
                if (ledger.collateral(account, WETH) != 0 || engine.requirement(account).equity >= 0) continue;
                _close(account);
                liquidator.coverDeficit(account);
                return;
            }
            _shift(direction % 2 == 0, 0.12e18);
        }
        revert NothingToDo();
    }

    /// @dev The first account from `who` on that owes and has collateral: a part of the debt is bought out.
    function convertCollateral(uint256 who, uint256 share) external {
        _refresh(1);
        for (uint256 i; i < TRADERS; ++i) {
            uint64 account = _trader(who % TRADERS + i);
            int256 cash = ledger.cash(account);
            uint256 held = ledger.collateral(account, WETH);
            if (cash >= DEBT || held == 0) continue;
            uint256 quantity = uint256(-cash) * WAD / spots[ETH] * (1 + share % 100) / 100;
            if (quantity > held) quantity = held;
            CHEATS.prank(CHEATS.addr(keyOf(LIQUIDATOR_ACCOUNT)));
            liquidator.convertCollateral(account, LIQUIDATOR_ACCOUNT, WETH, quantity, type(uint256).max);
            return;
        }
        revert NothingToDo();
    }

    // --- parts ---

    function _trader(uint256 seed) internal pure returns (uint64) {
        return uint64(seed % TRADERS) + 1;
    }

    /// @dev One call in eight works on prices as old as they are.
    function _refresh(uint256 seed) internal {
        (,, uint256 signedAt) = door.prices(ETH);
        if (seed % 8 == 0 || block.timestamp == signedAt) return;
        publish();
    }

    function _trade(uint64 buyer, uint64 seller, uint112 instrument, uint256 size, uint256 offset) internal {
        uint256 mark = _mark(instrument);
        uint256 spot = spots[InstrumentId.wrap(instrument).underlying()];
        uint256 notional = 1 + size % 120_000e18;
        uint256 price = mark * (9_950 + offset % 100) / 10_000; // half a percent around mark
        _settle(buyer, seller, instrument, 1 + notional * WAD / spot, price);
    }

    function _settle(uint64 buyer, uint64 seller, uint112 instrument, uint256 size, uint256 price) internal {
        clearing.settle(
            signed(_order(buyer, instrument, int128(int256(size)), price)),
            signed(_order(seller, instrument, -int128(int256(size)), price)),
            size,
            price
        );
        drifting += 3; // the transfer, and the carry of both sides
    }

    function _order(uint64 account, uint112 instrument, int128 size, uint256 price)
        internal
        returns (IClearing.Order memory)
    {
        return IClearing.Order({
            account: account,
            instrument: instrument,
            size: size,
            limitPrice: uint128(price),
            feeCap: 1e18,
            expiry: type(uint64).max,
            nonce: ++_nonce,
            reduceOnly: false,
            venue: address(0)
        });
    }

    function _lastNonce() internal view returns (uint64) {
        return _nonce;
    }

    function _mark(uint112 instrument) internal view returns (uint256) {
        uint112[] memory one = new uint112[](1);
        one[0] = instrument;
        (uint256[] memory prices,) = engine.marks(one);
        return prices[0];
    }

    function _cashDown(uint64 account) internal view returns (uint256) {
        int256 cash = ledger.cash(account);
        return cash > 0 ? uint256(cash) : 0;
    }

    function _move(uint8 u, uint256 move) internal {
        uint256 opening = u == ETH ? 3_400e18 : 94_000e18;
        uint256 moved = spots[u] * (970 + uint128(move) % 61) / 1_000; // 3 % at most
        if (moved > opening / 3 && moved < opening * 3) spots[u] = moved;
    }

    /// @dev At mark: what a bankrupt account may always do.
    function _close(uint64 account) internal {
        ILedger.PositionView[] memory held = ledger.positions(account);
        for (uint256 i; i < held.length; ++i) {
            (uint112 instrument, int256 size) = (held[i].instrument, held[i].size);
            if (size > 0) _settle(LIQUIDATOR_ACCOUNT, account, instrument, uint256(size), _mark(instrument));
            else _settle(account, LIQUIDATOR_ACCOUNT, instrument, uint256(-size), _mark(instrument));
        }
    }

    function _shift(bool up, uint256 move) internal {
        CHEATS.warp(block.timestamp + 1);
        for (uint8 u; u < 2; ++u) {
            uint256 opening = u == ETH ? 3_400e18 : 94_000e18;
            uint256 moved = spots[u] * (up ? WAD + move : WAD - move) / WAD;
            if (moved > opening / 3 && moved < opening * 3) spots[u] = moved;
        }
        publish();
    }

    function _liquidate(uint64 account) internal returns (bool) {
        Requirement memory r = engine.requirement(account);
        int256 health = engine.health(r);
        if (health >= 1.05e18) return false;
        ILedger.PositionView[] memory held = ledger.positions(account);
        if (held.length == 0) return false; // a debt without positions is coverDeficit's
        ILiquidator.Liquidation memory request;
        request.account = account;
        request.to = LIQUIDATOR_ACCOUNT;
        request.witness = _witness(account);
        request.legs = _legs(held, r, health);
        CHEATS.prank(CHEATS.addr(keyOf(LIQUIDATOR_ACCOUNT)));
        liquidator.liquidate(request);
        drifting += 3 * held.length;
        ++liquidations;
        return true;
    }

    /// @dev Everything where nothing may be left; else the share that brings health to 1.09.
    function _legs(ILedger.PositionView[] memory held, Requirement memory r, int256 health)
        internal
        pure
        returns (ILiquidator.LiquidationLeg[] memory legs)
    {
        bool all = r.equity < 0 || r.maintenance < 500e18;
        int256 kept = health > 0 ? health * 1e18 / 1.09e18 : int256(0);
        legs = new ILiquidator.LiquidationLeg[](held.length);
        for (uint256 i; i < held.length; ++i) {
            int256 size = all ? held[i].size : held[i].size - held[i].size * kept / 1e18;
            if (size == 0) size = held[i].size;
            legs[i] = ILiquidator.LiquidationLeg(held[i].instrument, int128(size));
        }
    }

    /// @dev The worst scenarios by the margin report: the witness that proves the whole requirement.
    function _witness(uint64 account) internal view returns (Witness memory worst) {
        if (ledger.account(account).mode != MarginMode.PORTFOLIO) return worst;
        (UnderlyingReport[] memory underlyings, GroupReport[] memory groups) = report.breakdown(account);
        for (uint256 i; i < underlyings.length; ++i) {
            worst.underlyings = bytes.concat(worst.underlyings, bytes1(uint8(underlyings[i].worstScenario)));
        }
        for (uint256 i; i < groups.length; ++i) {
            worst.groups = bytes.concat(worst.groups, bytes1(uint8(groups[i].worstScenario)));
        }
    }
}
