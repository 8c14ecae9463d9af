// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ILedger} from "../../../contracts/interfaces/ILedger.sol";
import {ILiquidator} from "../../../contracts/interfaces/ILiquidator.sol";
import {Requirement} from "../../../contracts/interfaces/IMarginEngine.sol";
import {MarginMode} from "../../../contracts/types/Book.sol";
import {Handlers} from "./Handlers.sol";
import {CHEATS} from "./World.sol";

/// @title Liquidations, debts, deficits that the fund pays
/// @notice INV-LIQ-IMPROVES and INV-LIQ-NOT-TOO-MUCH by full scans before and after; healthy accounts cannot be liquidated.
abstract contract Liquidations is Handlers {
    int256 private constant TARGET = 1.1e18; // TARGET_HEALTH
    uint256 private constant SMALL = 500e18; // SMALL_ACCOUNT
    uint256 private constant SMALL_REWARD = 5e18;

    uint256 public liquidations;

    /// @dev To a health between 0.6 and 1.05, now and then below nothing; half of what follows takes the proportionate share.
    function liquidate(uint256 who, uint256 depth, uint256 how) external {
        uint64 account = _trader(who);
        _fundLiquidator();
        Requirement memory r = _sink(account, depth % 8 == 0 ? -int256(depth >> 8) % 0.5e18 : int256(0.6e18 + (depth >> 8) % 0.44e18));
        _liquidate(account, r, how);
    }

    /// @dev The first account from `who` on whose health a witness proves to be below 1.
    function flag(uint256 who, uint256 depth) external {
        uint64 account = _trader(who);
        _sink(account, int256(depth % 0.99e18));
        liquidator.flag(account, _witness(account));
    }

    /// @notice A liquidation or a flag of an account that is not under-margined is refused, with a true witness and with any other.
    function liquidateHealthy(uint256 who, uint256 how) external {
        uint64 account = _trader(who);
        _fresh();
        Requirement memory r = engine.requirement(account);
        if (engine.health(r) < 1.05e18) {
            _ready(account);
            r = engine.requirement(account);
        }
        ILedger.PositionView[] memory held = ledger.positions(account);
        if (held.length == 0) revert NothingToDo();
        ILiquidator.Liquidation memory request;
        (request.account, request.to) = (account, LIQUIDATOR_ACCOUNT);
        request.legs = _legs(held, 0);
        request.witness = _witness(account);
        for (uint256 i; i < request.witness.underlyings.length && how % 2 == 1; ++i) {
            request.witness.underlyings[i] = bytes1(uint8((how >> 8 * (i + 1)) % 11));
        }
        int256 health = engine.health(engine.requirement(account));
        CHEATS.prank(ownerOf[LIQUIDATOR_ACCOUNT]);
        try liquidator.liquidate(request) {
            revert InvariantBroken("a healthy account was liquidated", account, 1.05e18, health);
        } catch {}
        try liquidator.flag(account, request.witness) {
            revert InvariantBroken("a healthy account was flagged", account, 1e18, health);
        } catch {}
    }

    /// @dev Bankrupt, without collateral and positions: what is left is the fund's.
    function coverDeficit(uint256 who, uint256 depth) external {
        uint64 account = uint64(who % 3) + 1; // they hold no collateral
        for (uint256 i; i < 2 && ledger.account(account).mode == MarginMode.PORTFOLIO; ++i) account = account % 3 + 1; // too safe
        if (ledger.collateral(account, WETH) + ledger.collateral(account, WBTC) != 0) revert NothingToDo();
        _fundLiquidator();
        _sink(account, -int256(depth % 0.1e18));
        _close(account);
        liquidator.coverDeficit(account);
    }

    /// @dev An account with collateral that owes: what it has in cash goes out by a trade's loss. A part of the debt is bought out.
    function convertCollateral(uint256 who, uint256 share) external {
        (uint64 account, uint8 index) = _debtor(who);
        _fundLiquidator();
        _fresh();
        uint256 held = ledger.collateral(account, index);
        uint256 quantity = uint256(-ledger.cash(account)) * WAD / spots[index] * (1 + share % 100) / 100;
        if (quantity > held) quantity = held;
        uint256 unit = vault.unit(index);
        if (quantity >= unit) quantity -= quantity % unit;
        CHEATS.prank(ownerOf[LIQUIDATOR_ACCOUNT]);
        liquidator.convertCollateral(account, LIQUIDATOR_ACCOUNT, index, quantity, type(uint256).max);
    }

    function flagDebt(uint256 who) external {
        (uint64 account,) = _debtor(who);
        liquidator.flagDebt(account);
    }

    // --- parts ---

    /// @dev The first account from `who` on that owes more than the cap and has collateral; where there is none, one is made to.
    function _debtor(uint256 who) private returns (uint64 account, uint8 index) {
        for (uint256 i; i < TRADERS; ++i) {
            account = _trader(who % TRADERS + i);
            if (ledger.cash(account) >= -100e18) continue; // DEBT_CAP
            for (index = WETH; index <= WBTC; ++index) {
                if (ledger.collateral(account, index) != 0) return (account, index);
            }
        }
        (account, index) = (uint64(4 + who % (TRADERS - 3)), WETH);
        _indebt(account);
    }

    /// @dev Takes its cash out, loses by a perp what it does not have, and has closed it.
    function _indebt(uint64 account) private {
        pay(account, WETH, 50_000e18 * WAD / spots[ETH]);
        _ready(account);
        uint256 cash = _cashDown(account) / 1e12 * 1e12;
        if (cash != 0) {
            CHEATS.prank(ownerOf[account]);
            clearing.withdraw(account, USDC, cash, ownerOf[account]);
        }
        uint112 perp = _instrumentFor(account, 0);
        int256 before = ledger.positionSize(account, perp);
        uint256 size = 100_000e18 * WAD / spots[ETH];
        bool up = spots[ETH] < 3_400e18;
        _fresh();
        this.tryUnwind(account, LIQUIDATOR_ACCOUNT, perp, up ? int256(1) : -1, size);
        _shift(up, 0.02e18);
        this.tryUnwind(account, LIQUIDATOR_ACCOUNT, perp, up ? -1 : int256(1), size);
        if (ledger.positionSize(account, perp) != before || ledger.cash(account) >= -100e18) revert NothingToDo();
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

    function _liquidate(uint64 account, Requirement memory r, uint256 how) internal {
        ILedger.PositionView[] memory held = ledger.positions(account);
        ILiquidator.Liquidation memory request;
        (request.account, request.to) = (account, LIQUIDATOR_ACCOUNT);
        request.witness = _witness(account);
        int256 health = engine.health(r);
        bool all = r.equity < 0 || r.maintenance < SMALL;
        // What brings health to between the present one and 1.09
        int256 target = how % 2 == 0 ? int256(1.09e18) : health + int256(how >> 8) % 0.3e18;
        if (target > 1.09e18) target = 1.09e18;
        request.legs = _legs(held, all || health <= 0 || target <= health ? int256(0) : health * 1e18 / target);
        uint256 feeRate = liquidator.feeNow();
        CHEATS.prank(ownerOf[LIQUIDATOR_ACCOUNT]);
        ILiquidator.Outcome memory out = liquidator.liquidate(request);
        drifting += 3 * held.length;
        ++liquidations;
        _requireImproved(account, r, out, feeRate);
    }

    /// @dev Of every position the share that is not `kept` (1e18).
    function _legs(ILedger.PositionView[] memory held, int256 kept)
        internal
        pure
        returns (ILiquidator.LiquidationLeg[] memory legs)
    {
        legs = new ILiquidator.LiquidationLeg[](held.length);
        for (uint256 i; i < held.length; ++i) {
            int256 size = held[i].size - held[i].size * kept / 1e18;
            if (size == 0) size = held[i].size;
            legs[i] = ILiquidator.LiquidationLeg(held[i].instrument, int128(size));
        }
    }

    /// @dev INV-LIQ-IMPROVES, INV-LIQ-NOT-TOO-MUCH by the exact requirement before (`r`) and after.
    function _requireImproved(uint64 account, Requirement memory r, ILiquidator.Outcome memory out, uint256 feeRate) internal view {
        if (out.tier == ILiquidator.Tier.BANKRUPT) return;
        Requirement memory a = engine.requirement(account);
        int256 fell = int256(r.maintenance) - r.marginEquityMaintenance - int256(a.maintenance) + a.marginEquityMaintenance;
        int256 least = int256(out.release * (WAD - out.discount - feeRate) / WAD) - DUST;
        bool small = out.requirementBefore < SMALL;
        if (small) least -= int256(SMALL_REWARD);
        if (fell < least) revert InvariantBroken("INV-LIQ-IMPROVES", account, least, fell);
        if (small) return;
        int256 health = engine.health(a);
        if (a.maintenance < SMALL_REWARD) revert InvariantBroken("INV-LIQ-NOT-TOO-MUCH: dust", account, int256(SMALL_REWARD), int256(a.maintenance));
        if (a.maintenance != a.longOptions && health > TARGET + DUST) revert InvariantBroken("INV-LIQ-NOT-TOO-MUCH", account, TARGET, health);
        if (out.tier == ILiquidator.Tier.PARTIAL) {
            uint256 half = (out.requirementBefore - r.longOptions) / 2;
            if (a.maintenance - a.longOptions + uint256(DUST) < half) {
                revert InvariantBroken("INV-LIQ-NOT-TOO-MUCH: half", account, int256(half), int256(a.maintenance - a.longOptions));
            }
        }
    }
}
