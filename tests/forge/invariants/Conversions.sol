// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ILedger} from "../../../contracts/interfaces/ILedger.sol";
import {ILiquidator} from "../../../contracts/interfaces/ILiquidator.sol";
import {Requirement} from "../../../contracts/interfaces/IMarginEngine.sol";
import {Leg, MarginMode} from "../../../contracts/types/Book.sol";
import {Liquidations} from "./Liquidations.sol";
import {CHEATS} from "./World.sol";

/// @title Debts that collateral pays
abstract contract Conversions is Liquidations {
    /// @dev What `findCovered` found: the leg's size, signed like the position.
    error Covered(int256 size);

    /// @dev Contracts between `low` and `high`, where the shortfall is `above` and `below` what it was `before`, to within `room`. USD 1e18.
    struct Search {
        int256 before;
        int256 low;
        int256 high;
        int256 above;
        int256 below;
        int256 room;
    }

    /// @dev An account with collateral that owes: what it has in cash goes out by a trade's loss. A part of the debt is bought out.
    function convertCollateral(uint256 who, uint256 share) external {
        (uint64 account, uint8 index) = _debtor(who);
        _fundLiquidator();
        _fresh();
        this.tryConvert(account, index, WAD * (1 + share % 100) / 100);
    }

    function flagDebt(uint256 who) external {
        (uint64 account,) = _debtor(who);
        liquidator.flagDebt(account);
    }

    /// @notice Collateral that covered a short perp goes to a buyer, together with as much of the short as it covered.
    function convertCollateralWithLegs(uint256 who, uint256 share) external {
        uint64 account = _coveredDebtor(who);
        _fundLiquidator();
        _fresh();
        this.tryConvertCovered(account, 10 + share % 40);
    }

    /// @notice As much WETH as pays `percent` of the debt, and what of the short perp it covered.
    /// @dev Public for the call that catches its revert.
    function tryConvertCovered(uint64 account, uint256 percent) external {
        uint256 unit = vault.unit(WETH);
        uint256 quantity = uint256(-ledger.cash(account)) * WAD / spots[ETH] * percent / 100 / unit * unit;
        (, bytes memory found) = address(this).call(abi.encodeCall(this.findCovered, (account, quantity)));
        if (bytes4(found) != Covered.selector) revert NothingToDo();
        int256 size;
        assembly ("memory-safe") {
            size := mload(add(found, 0x24))
        }
        ILiquidator.LiquidationLeg[] memory legs = new ILiquidator.LiquidationLeg[](1);
        legs[0] = ILiquidator.LiquidationLeg(instruments[0], int128(size));
        int256 before = _short(engine.requirement(account));
        CHEATS.prank(ownerOf[LIQUIDATOR_ACCOUNT]);
        liquidator.convertCollateralWithLegs(
            ILiquidator.Conversion(account, LIQUIDATOR_ACCOUNT, WETH, quantity, type(uint256).max), legs
        );
        drifting += 3;
        int256 afterwards = _short(engine.requirement(account));
        if (afterwards > before) revert InvariantBroken("a conversion raised the shortfall", account, before, afterwards);
    }

    /// @dev Moves the collateral, looks what leg leaves the shortfall as it was or a little less, and reverts with it: `Covered`.
    function findCovered(uint64 account, uint256 quantity) external {
        Search memory s;
        s.before = _short(engine.requirement(account));
        uint256 paid = quantity * spots[ETH] / WAD * (WAD - liquidator.conversionDiscountNow(account)) / WAD;
        // One by one: a prank that a revert leaves open outlives it
        CHEATS.prank(address(liquidator));
        ledger.transferCollateral(account, LIQUIDATOR_ACCOUNT, WETH, quantity);
        CHEATS.prank(address(liquidator));
        ledger.transferCash(LIQUIDATOR_ACCOUNT, account, paid, ILedger.CashReason.CONVERSION);
        s.above = _short(engine.requirement(account)) - s.before;
        if (s.above <= 0) revert NothingToDo();
        s.room = s.above / 60; // CONVERSION_BUFFER is a fiftieth
        s.high = int256(quantity);
        Leg[] memory back = new Leg[](1);
        (back[0].instrument, back[0].price) = (instruments[0], uint128(_mark(instruments[0])));
        // By the secant: between nothing taken, where the shortfall rose, and all that the collateral covered, where it is lower
        for (uint256 i; i < 5; ++i) {
            back[0].size = int128(i == 0 ? s.high : s.low + (s.high - s.low) * s.above / (s.above + s.below));
            int256 left = _short(engine.preview(account, back, 0)) - s.before;
            if (left <= 0 && left >= -s.room) revert Covered(-int256(back[0].size));
            if (i == 0 && left > 0) revert NothingToDo();
            if (left > 0) (s.low, s.above) = (back[0].size, left + s.room / 2);
            else (s.high, s.below) = (back[0].size, -left - s.room / 2);
        }
        revert NothingToDo();
    }

    // --- parts ---

    function _triedCovered(uint64 account) internal override returns (bool) {
        for (uint256 percent = 90; percent != 0 && ledger.cash(account) < 0; percent /= 3) {
            if (_tried(abi.encodeCall(this.tryConvertCovered, (account, percent)))) return true;
        }
        return false;
    }

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

    /// @dev The first PORTFOLIO account from `who` on that owes and holds WETH and a larger short perp alone; where there is none, one is made.
    function _coveredDebtor(uint256 who) private returns (uint64 account) {
        uint64 other;
        for (uint256 i; i < TRADERS - 3; ++i) {
            account = uint64(4 + (who % TRADERS + i) % (TRADERS - 3));
            ILedger.Account memory a = ledger.account(account);
            if (a.mode != MarginMode.PORTFOLIO || ledger.deficitOpen(account)) continue;
            other = account;
            if (a.positionCount != 1 || ledger.cash(account) >= -100e18) continue;
            uint256 most = ledger.collateral(account, WETH);
            if (most != 0 && ledger.positionSize(account, instruments[0]) < -int256(most * 11 / 10)) return account;
        }
        account = other == 0 ? uint64(4 + who % (TRADERS - 3)) : other;
        _ready(account);
        pay(account, USDC, 200_000e18); // for what closing realises, which it takes out again
        _close(account);
        if (other == 0) {
            CHEATS.prank(ownerOf[account]);
            clearing.setMode(account, MarginMode.PORTFOLIO);
        }
        pay(account, WETH, 50_000e18 * WAD / spots[ETH]);
        _settle(LIQUIDATOR_ACCOUNT, account, instruments[0], ledger.collateral(account, WETH) * 6 / 5, _mark(instruments[0]));
        _spend(account, false);
    }

    function _indebt(uint64 account) private {
        _ready(account);
        pay(account, WETH, (50_000e18 + _cashDown(account) * 3 / 2) * WAD / spots[ETH]);
        _spend(account, _delta(account) > 0);
    }

    /// @dev Takes its cash out and loses by a trade what it does not have.
    function _spend(uint64 account, bool up) private {
        uint256 cash = _cashDown(account) / 1e12 * 1e12;
        if (cash != 0) this.tryTakeOut(account, USDC, cash);
        _fresh();
        this.tryLose(account, _flat(account), 3_000e18, up);
        if (ledger.cash(account) >= -100e18) revert NothingToDo();
    }

    /// @dev What the account may trade and does not hold.
    function _flat(uint64 account) private view returns (uint112 instrument) {
        for (uint256 i; i < 8; ++i) {
            instrument = instruments[i * 4 % 8 + i / 2];
            if (ledger.positionSize(account, instrument) == 0 && !_isExpired(instrument)) return instrument;
        }
    }

    /// @dev By how much the account misses its maintenance margin, USD 1e18.
    function _short(Requirement memory r) private pure returns (int256) {
        return int256(r.maintenance) - r.marginEquityMaintenance;
    }
}
