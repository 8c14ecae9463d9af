// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IClearing} from "../../../contracts/interfaces/IClearing.sol";
import {ILedger} from "../../../contracts/interfaces/ILedger.sol";
import {ILiquidator} from "../../../contracts/interfaces/ILiquidator.sol";
import {Requirement, Witness} from "../../../contracts/interfaces/IMarginEngine.sol";
import {InstrumentId} from "../../../contracts/types/InstrumentId.sol";
import {MarginMode} from "../../../contracts/types/Book.sol";
import {CHEATS, World} from "./World.sol";

/// @title What anybody may do, in any order
/// @notice One function per entry point; whatever the system refuses reverts and is counted by forge. `drifting` counts the
/// operations that may round: positions that changed hands.
contract Handlers is World {
    uint256 private constant SCENARIOS = 35;
    int256 private constant DEBT = -100e18; // DEBT_CAP: below it collateral is converted

    /// @dev Counted by forge as reverted: only calls that did something count.
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

    function deposit(uint64 who, bool collateral, uint256 quantity) external {
        uint64 account = _trader(who);
        if (collateral) pay(account, WETH, 1 + quantity % 2e18);
        else pay(account, USDC, (1 + quantity % 5_000e6) * 1e12);
    }

    function withdraw(uint64 who, bool collateral, uint256 quantity) external {
        uint64 account = _trader(who);
        _refresh(quantity);
        address owner = ledger.account(account).owner;
        uint256 held = collateral ? ledger.collateral(account, WETH) : _cashDown(account);
        uint256 wanted = collateral ? 1 + quantity % (held / 4 + 1) : (1 + quantity % (held / 4e12 + 1)) * 1e12;
        CHEATS.prank(owner);
        clearing.withdraw(account, collateral ? WETH : USDC, wanted, owner);
    }

    function trade(uint64 buyer, uint64 seller, uint256 what, uint256 size, uint256 offset) external {
        (buyer, seller) = (_trader(buyer), _trader(seller));
        if (buyer == seller) seller = buyer % TRADERS + 1;
        _refresh(offset);
        _trade(buyer, seller, instruments[what % instruments.length], size, offset);
    }

    /// @dev Buys or sells what the account holds, so that positions close and flip as often as they open.
    function unwind(uint64 who, uint64 other, uint256 which, uint256 share) external {
        uint64 account = _trader(who);
        ILedger.PositionView[] memory held = ledger.positions(account);
        if (held.length == 0) revert NothingToDo();
        ILedger.PositionView memory p = held[which % held.length];
        other = _trader(other);
        if (other == account) other = account % TRADERS + 1;
        _refresh(share);
        uint256 size = uint256(p.size < 0 ? -p.size : p.size) * (1 + share % 150) / 100; // up to half more than held
        uint256 price = _mark(p.instrument);
        if (p.size > 0) _settle(other, account, p.instrument, size + 1, price);
        else _settle(account, other, p.instrument, size + 1, price);
    }

    // --- everybody ---

    function collectFees() external {
        clearing.collectFees();
    }

    /// @dev Tokens sent to the vault past the ledger belong to nobody.
    function donate(bool collateral, uint256 amount) external {
        if (collateral) weth.mint(address(vault), amount % 1e21);
        else usdc.mint(address(vault), amount % 1e12);
    }

    function moveMarket(uint256 move) external {
        CHEATS.warp(block.timestamp + 1 + move % 30);
        _move(ETH, move);
        _move(BTC, move >> 128);
        publish();
    }

    function jumpTime(uint256 time) external {
        CHEATS.warp(block.timestamp + 1 + time % 2 hours);
    }

    // --- the waterfall ---

    /// @dev Moves the market until one of three accounts is liquidatable, then takes what brings it to just below the target.
    function liquidate(uint256 seed, bool up) external {
        for (uint256 step; step < 4; ++step) {
            _refresh(1);
            for (uint64 i; i < 3; ++i) {
                if (_liquidate(_trader(uint64(seed % TRADERS) + i))) return;
            }
            _shift(up, 0.02e18 + (seed >> 64) % 0.1e18);
        }
        revert NothingToDo();
    }

    /// @dev Moves the market until an account without collateral is bankrupt, closes it at mark and has the fund pay.
    function coverDeficit(uint64 who, bool up) external {
        for (uint256 step; step < 3; ++step) {
            _refresh(1);
            for (uint64 i; i < TRADERS; ++i) {
                uint64 account = _trader(uint64(who % TRADERS) + i);
                if (ledger.collateral(account, WETH) != 0 || engine.requirement(account).equity >= 0) continue;
                _close(account);
                liquidator.coverDeficit(account);
                return;
            }
            _shift(up, 0.12e18);
        }
        revert NothingToDo();
    }

    /// @dev The first account from `who` on that owes and has collateral: a part of the debt is bought out.
    function convertCollateral(uint64 who, uint256 share) external {
        _refresh(1);
        for (uint64 i; i < TRADERS; ++i) {
            uint64 account = _trader(uint64(who % TRADERS) + i);
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

    function _trader(uint64 seed) internal pure returns (uint64) {
        return seed % TRADERS + 1;
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
        uint256 notional = 1 + size % 250_000e18;
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
        ++drifting;
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
        request.witness = _witness(account, held);
        request.legs = _legs(held, r, health);
        CHEATS.prank(CHEATS.addr(keyOf(LIQUIDATOR_ACCOUNT)));
        liquidator.liquidate(request);
        drifting += held.length;
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

    /// @dev The worst of the witnesses that name one scenario throughout.
    function _witness(uint64 account, ILedger.PositionView[] memory held) internal view returns (Witness memory worst) {
        if (ledger.account(account).mode != MarginMode.PORTFOLIO) return worst;
        uint256 mask = ledger.collateral(account, WETH) == 0 ? 0 : 1;
        for (uint256 i; i < held.length; ++i) {
            mask |= 1 << InstrumentId.wrap(held[i].instrument).underlying();
        }
        uint256 highest;
        for (uint256 s; s < SCENARIOS; ++s) {
            Witness memory w = Witness({underlyings: mask == 3 ? _twice(s) : _once(s), groups: _once(s)});
            uint256 maintenance = engine.witnessed(account, w).maintenance;
            if (s == 0 || maintenance > highest) (worst, highest) = (w, maintenance);
        }
    }

    function _once(uint256 s) private pure returns (bytes memory) {
        return abi.encodePacked(uint8(s));
    }

    function _twice(uint256 s) private pure returns (bytes memory) {
        return abi.encodePacked(uint8(s), uint8(s));
    }
}
