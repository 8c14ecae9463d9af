// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ILedger} from "../../../contracts/interfaces/ILedger.sol";
import {ILiquidator} from "../../../contracts/interfaces/ILiquidator.sol";
import {Requirement} from "../../../contracts/interfaces/IMarginEngine.sol";
import {InstrumentId} from "../../../contracts/types/InstrumentId.sol";
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
    int256 internal largestLack; // of what INV-LIQ-IMPROVES asks for: roundings

    /// @notice To a health between 0.6 and 1.04, now and then below nothing; half of what follows takes the proportionate share. Where that
    /// is refused, some liquidation must not be (docs/invariants.md: INV-LIQ-POSSIBLE).
    function liquidate(uint256 who, uint256 depth, uint256 how) external {
        uint64 account = _trader(who);
        _fundLiquidator();
        Requirement memory r = _sink(account, depth % 8 == 0 ? -int256(depth >> 8) % 0.1e18 : int256(0.6e18 + (depth >> 8) % 0.44e18));
        if (r.equity < -1_000e18) {
            // Deeper than the fund likes to pay: its owner brings some of it back
            pay(account, USDC, _wholeUp(uint256(-r.equity) - depth % 1_000e18));
            r = engine.requirement(account);
        }
        int256 health = engine.health(r);
        // What brings health to between the present one and 1.09
        int256 target = how % 2 == 0 ? int256(1.07e18) : health + int256(how >> 8) % 0.3e18;
        if (!_tried(abi.encodeCall(this.tryLiquidate, (account, LIQUIDATOR_ACCOUNT, _keptFor(r, health, target))))) _requireLiquidatable(account);
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
        // Those that are not too safe and, unless they bought some, hold no collateral
        uint64 account = uint64(who % 3) + 1;
        for (uint256 i; i < 2 && (ledger.account(account).mode == MarginMode.PORTFOLIO || _hasCollateral(account)); ++i) account = account % 3 + 1;
        for (uint8 index = WETH; index <= WBTC; ++index) {
            uint256 held = ledger.collateral(account, index);
            if (held == 0) continue;
            _ready(account);
            this.tryTakeOut(account, index, held);
        }
        if (_hasCollateral(account)) revert NothingToDo();
        _fundLiquidator();
        _sink(account, -int256(depth % 0.1e18));
        _close(account);
        liquidator.coverDeficit(account);
    }

    // --- parts ---

    function _hasCollateral(uint64 account) private view returns (bool) {
        return ledger.collateral(account, WETH) + ledger.collateral(account, WBTC) != 0;
    }

    /// @notice One liquidation of `account` by `to`, which leaves `kept` (1e18) of every position.
    /// @dev Public for the call that catches its revert.
    function tryLiquidate(uint64 account, uint64 to, int256 kept) external returns (uint256 payment) {
        return _liquidate(account, to, _legs(ledger.positions(account), kept));
    }

    /// @notice The same of the positions in one underlying.
    function tryLiquidateOnly(uint64 account, uint8 underlying, int256 kept) external {
        ILiquidator.LiquidationLeg[] memory legs = _legs(ledger.positions(account), kept);
        uint256 count;
        for (uint256 i; i < legs.length; ++i) {
            if (InstrumentId.wrap(legs[i].instrument).underlying() == underlying) legs[count++] = legs[i];
        }
        assembly ("memory-safe") {
            mstore(legs, count)
        }
        _liquidate(account, LIQUIDATOR_ACCOUNT, legs);
    }

    /// @notice The same of one position.
    function tryLiquidateOne(uint64 account, uint256 index, int256 kept) external {
        ILiquidator.LiquidationLeg[] memory legs = new ILiquidator.LiquidationLeg[](1);
        legs[0] = _legs(ledger.positions(account), kept)[index];
        _liquidate(account, LIQUIDATOR_ACCOUNT, legs);
    }

    function _liquidate(uint64 account, uint64 to, ILiquidator.LiquidationLeg[] memory legs) private returns (uint256 payment) {
        ILiquidator.Liquidation memory request;
        (request.account, request.to, request.legs) = (account, to, legs);
        request.witness = _witness(account);
        Requirement memory r = engine.requirement(account);
        CHEATS.prank(ownerOf[to]);
        ILiquidator.Outcome memory out = liquidator.liquidate(request);
        drifting += 3 * legs.length;
        ++liquidations;
        _requireImproved(account, r, out);
        return out.payment;
    }

    /// @dev For `_requireLiquidatable`: the collateral's share that pays the debt, at most `share` (1e18) of it.
    function tryConvert(uint64 account, uint8 index, uint256 share) external {
        uint256 held = ledger.collateral(account, index);
        uint256 quantity = uint256(-ledger.cash(account)) * WAD / spots[index] * share / WAD;
        if (quantity > held) quantity = held;
        uint256 unit = vault.unit(index);
        if (quantity >= unit) quantity -= quantity % unit;
        CHEATS.prank(ownerOf[LIQUIDATOR_ACCOUNT]);
        liquidator.convertCollateral(account, LIQUIDATOR_ACCOUNT, index, quantity, type(uint256).max);
    }

    function tryCover(uint64 account) external {
        liquidator.coverDeficit(account);
    }

    function tryOpenDeficit(uint64 account) external {
        deleverager.openDeficit(account);
        _open.push(account);
    }

    /// @dev Share of every position to keep (1e18) that would bring health to `target` if the requirement fell in proportion.
    function _keptFor(Requirement memory r, int256 health, int256 target) internal pure returns (int256) {
        if (target > 1.09e18) target = 1.09e18;
        bool all = r.equity < 0 || r.maintenance < SMALL;
        if (all) return 0;
        if (health <= 0) return 0.1e18; // nothing brings it up, and not all of it may go
        return target <= health ? int256(0) : health * 1e18 / target;
    }

    /// @dev Share of every position (1e18) that stays where the fund pays the deficit and the reward of the rest, and has as much.
    function _keptForFund(Requirement memory r) private view returns (int256) {
        uint256 most = type(uint256).max;
        for (uint8 u; u < 2; ++u) {
            uint256 available = fund.available(address(liquidator), u);
            if (available < most) most = available;
        }
        uint256 all = uint256(-r.equity) + r.grossNotional / 1_000 + WAD; // BANKRUPT_REWARD is 0.1 %
        return most < all ? int256(WAD - WAD * most * 9 / 10 / all) : int256(0);
    }

    /// @notice INV-LIQ-POSSIBLE: at fresh prices, with what expired settled, somebody with enough margin can work on whoever is
    /// under-margined. Does it; ends the campaign where nothing works.
    function _requireLiquidatable(uint64 account) internal {
        if (block.timestamp >= near) _passExpiry();
        _settleExpired(account);
        _fresh();
        Requirement memory r = engine.requirement(account);
        int256 health = engine.health(r);
        if (health >= 1e18 || ledger.deficitOpen(account)) revert NothingToDo();
        Requirement memory own = engine.requirement(LIQUIDATOR_ACCOUNT);
        int256 missing = int256(own.initial + 2 * r.initial) - own.marginEquityInitial;
        if (missing > 0) pay(LIQUIDATOR_ACCOUNT, USDC, _wholeUp(uint256(missing))); // whoever does it is good for it
        if (_tried(abi.encodeCall(this.tryLiquidate, (account, LIQUIDATOR_ACCOUNT, _keptFor(r, health, 1.02e18))))) return;
        // All, then less and less: a paid-up long option is worth more than it requires, so a little of it may already be enough
        for (uint256 part = WAD; part > WAD / 2_000; part /= 2) {
            if (_tried(abi.encodeCall(this.tryLiquidate, (account, LIQUIDATOR_ACCOUNT, int256(WAD - part))))) return;
        }
        if (r.equity < 0) {
            if (_tried(abi.encodeCall(this.tryOpenDeficit, (account)))) return;
            if (_tried(abi.encodeCall(this.tryCover, (account)))) return; // nothing but a debt is left
            // The fund may pay the deficit, but not the reward for all of the book, or not for one of its underlyings
            if (_tried(abi.encodeCall(this.tryLiquidate, (account, LIQUIDATOR_ACCOUNT, _keptForFund(r))))) return;
            for (uint256 i; i < 8; ++i) {
                if (_tried(abi.encodeCall(this.tryLiquidateOnly, (account, uint8(i % 2), 1e18 - int256(1e18 / 10 ** (i / 2)))))) return;
            }
        }
        if (_triedSome(account)) return;
        for (uint8 index = WETH; index <= WBTC && ledger.cash(account) < 0; ++index) {
            if (ledger.collateral(account, index) == 0) continue;
            if (_tried(abi.encodeCall(this.tryConvert, (account, index, WAD)))) return;
            if (_tried(abi.encodeCall(this.tryConvert, (account, index, WAD / 8)))) return;
        }
        if (_triedCovered(account)) return;
        revert InvariantBroken("INV-LIQ-POSSIBLE", account, int256(r.maintenance), r.marginEquityMaintenance);
    }

    /// @dev Of the positions in one underlying, and of each alone, all, then less and less: what hedges joined collateral had better stay.
    function _triedSome(uint64 account) private returns (bool) {
        uint256 count = ledger.positions(account).length;
        for (uint256 part = WAD; part > WAD / 2_000; part /= 2) {
            for (uint8 u; u < 2; ++u) {
                if (_tried(abi.encodeCall(this.tryLiquidateOnly, (account, u, int256(WAD - part))))) return true;
            }
            for (uint256 i; i < count; ++i) {
                if (_tried(abi.encodeCall(this.tryLiquidateOne, (account, i, int256(WAD - part))))) return true;
            }
        }
        return false;
    }

    /// @dev Collateral together with what it covers.
    function _triedCovered(uint64 account) internal virtual returns (bool);

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
    function _requireImproved(uint64 account, Requirement memory r, ILiquidator.Outcome memory out) internal {
        if (out.tier == ILiquidator.Tier.BANKRUPT) return;
        Requirement memory a = engine.requirement(account);
        int256 fell = int256(r.maintenance) - r.marginEquityMaintenance - int256(a.maintenance) + a.marginEquityMaintenance;
        // The rate is that of the open interest as the legs left it
        int256 least = int256(out.release * (WAD - out.discount - liquidator.feeNow()) / WAD);
        bool small = out.requirementBefore < SMALL;
        if (small) least -= int256(SMALL_REWARD);
        if (least - fell > largestLack) largestLack = least - fell;
        least -= DUST;
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
