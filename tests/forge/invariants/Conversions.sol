// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ILedger} from "../../../contracts/interfaces/ILedger.sol";
import {ILiquidator} from "../../../contracts/interfaces/ILiquidator.sol";
import {Requirement} from "../../../contracts/interfaces/IMarginEngine.sol";
import {InstrumentId} from "../../../contracts/types/InstrumentId.sol";
import {Liquidations} from "./Liquidations.sol";
import {CHEATS} from "./World.sol";

/// @title Debts that collateral pays
abstract contract Conversions is Liquidations {
    uint256 public conversionsWithLegs;

    /// @dev An account with collateral that owes: what it has in cash goes out by a trade's loss. A part of the debt is bought out.
    function convertCollateral(uint256 who, uint256 share) external {
        (uint64 account, uint8 index) = _debtor(who);
        _fundLiquidator();
        _fresh();
        if (share % 4 == 0) _tried(abi.encodeCall(this.tryConvertWithLegs, (account, index, share >> 8)));
        this.tryConvert(account, index, WAD * (1 + share % 100) / 100);
    }

    function flagDebt(uint256 who) external {
        (uint64 account,) = _debtor(who);
        liquidator.flagDebt(account);
    }

    /// @notice Collateral and legs of a debtor, of any size: whoever takes both together leaves it no worse off.
    /// @dev Public for the call that catches its revert: mostly the legs are not needed, too few or too many.
    function tryConvertWithLegs(uint64 account, uint8 index, uint256 share) external {
        ILedger.PositionView[] memory held = ledger.positions(account);
        if (held.length == 0) revert NothingToDo();
        ILiquidator.LiquidationLeg[] memory legs = new ILiquidator.LiquidationLeg[](1);
        ILedger.PositionView memory p = held[share % held.length];
        uint256 unit = vault.unit(index);
        uint256 quantity = uint256(-ledger.cash(account)) * WAD / spots[index] / 10 / unit * unit;
        int256 size = int256(quantity * (25 + share % 100) / 100 * spots[index] / spots[InstrumentId.wrap(p.instrument).underlying()]);
        if (size > int256(_sizeOf(p))) size = int256(_sizeOf(p));
        legs[0] = ILiquidator.LiquidationLeg(p.instrument, int128(p.size > 0 ? size : -size));
        int256 before = _short(engine.requirement(account));
        CHEATS.prank(ownerOf[LIQUIDATOR_ACCOUNT]);
        liquidator.convertCollateralWithLegs(
            ILiquidator.Conversion(account, LIQUIDATOR_ACCOUNT, index, quantity, type(uint256).max), legs
        );
        drifting += 3;
        ++conversionsWithLegs;
        int256 afterwards = _short(engine.requirement(account));
        if (afterwards > before + DUST) revert InvariantBroken("a conversion raised the shortfall", account, before, afterwards);
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

    /// @dev Has collateral in the place of cash, takes its cash out and loses by a trade what it does not have.
    function _indebt(uint64 account) private {
        _ready(account);
        uint256 cash = _cashDown(account) / 1e12 * 1e12;
        pay(account, WETH, (50_000e18 + cash * 3 / 2) * WAD / spots[ETH]);
        if (cash != 0) this.tryTakeOut(account, USDC, cash);
        _fresh();
        this.tryLose(account, _flat(account), 3_000e18);
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
