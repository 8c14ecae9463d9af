// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";

import {ParameterReads} from "../governance/ParameterReads.sol";
import {ICircuitBreaker} from "../interfaces/ICircuitBreaker.sol";
import {ICollateralVault, SETTLEMENT} from "../interfaces/ICollateralVault.sol";
import {IInsuranceFund} from "../interfaces/IInsuranceFund.sol";
import {HOUSE, ILedger, SCOPE_TRADE} from "../interfaces/ILedger.sol";
import {ILiquidator} from "../interfaces/ILiquidator.sol";
import {IMarginEngine, Requirement} from "../interfaces/IMarginEngine.sol";
import {IPriceDoor} from "../interfaces/IPriceDoor.sol";
import {IRiskParameters} from "../interfaces/IRiskParameters.sol";
import {ISurplusBound} from "../interfaces/ISurplusBound.sol";
import {Memory} from "../math/Memory.sol";
import {Reads} from "../margin/Reads.sol";
import {SurplusBound} from "../margin/SurplusBound.sol";
import {FreshPrices} from "../oracle/FreshPrices.sol";
import {Parameter, ParameterTable} from "../types/Parameter.sol";
import {Position} from "../types/Position.sol";
import {DutchClock} from "./DutchClock.sol";

/// @title What every entry point of the liquidator needs: its neighbours, clocks, checks of the parties, draws of the fund
abstract contract LiquidationBase is ILiquidator {
    using ParameterReads for IRiskParameters;
    using FreshPrices for ParameterTable;
    using DutchClock for Clock;
    using Memory for uint256[];

    /// @dev 14 bytes: a clock's two times (a struct of its own would take a slot of its own) and a count in the slot that a liquidation
    /// below FULL_THRESHOLD writes anyway.
    struct Record {
        uint40 startedAt;
        uint40 provenAt;
        uint32 rounds; // liquidations so far
    }

    ILedger internal immutable LEDGER;
    ICollateralVault internal immutable VAULT;
    IPriceDoor internal immutable DOOR;
    IRiskParameters internal immutable PARAMETERS;
    IMarginEngine internal immutable ENGINE;
    IInsuranceFund internal immutable FUND;
    ICircuitBreaker internal immutable BREAKER;
    ISurplusBound internal immutable SURPLUS_BOUND;

    mapping(uint64 account => Record) internal _records;
    mapping(uint64 account => Clock) internal _debtClocks;

    constructor(Wiring memory w) {
        LEDGER = w.ledger;
        VAULT = w.vault;
        DOOR = w.door;
        PARAMETERS = w.parameters;
        ENGINE = w.engine;
        FUND = w.fund;
        BREAKER = w.breaker;
        SURPLUS_BOUND = new SurplusBound(w.ledger, w.door, w.parameters);
    }

    // --- checks ---

    /// @dev Every other state of the breaker lets risk be reduced.
    function _requireNotShutDown() internal view {
        uint256 at = BREAKER.shutdownAt();
        if (at != 0) revert ShutDown(at);
    }

    function _requireParties(uint64 account, uint64 to) internal view {
        if (account == to) revert SelfLiquidation(account);
        if (!LEDGER.isAuthorised(to, msg.sender, SCOPE_TRADE)) revert NotAuthorised(to, msg.sender);
    }

    /// @dev Without the scan where the account has enough whatever the scan would say.
    function _requireInitialMargin(uint64 to, ParameterTable p) internal view {
        (int256 surplus, uint256 oldestPrice) = SURPLUS_BOUND.surplusDown(to);
        if (surplus >= 0) return p.requireFresh(oldestPrice);
        Requirement memory r = _scan(to);
        p.requireFresh(r.oldestPrice);
        if (r.marginEquityInitial < int256(r.initial)) revert LiquidatorUnderMargined(to, r.marginEquityInitial, r.initial);
    }

    // --- reads, each decoded in one place ---

    function _scan(uint64 account) internal view returns (Requirement memory) {
        return ENGINE.requirement(account);
    }

    function _cash(uint64 account) internal view returns (int256) {
        return LEDGER.cash(account);
    }

    function _account(uint64 account) internal view returns (ILedger.Account memory) {
        return LEDGER.account(account);
    }

    // --- legs ---

    /// @dev Each leg has the sign of what is held and is not larger: held < 0 ? held <= leg < 0 : 0 < leg <= held. An instrument named twice
    /// is there once. One read of the book, which the witness needs anyway: the first thing that a lost race fails.
    function _requireLegsShrink(uint64 account, LiquidationLeg[] memory legs) internal view {
        uint256[] memory words = Reads.book(LEDGER, account).positions;
        for (uint256 i; i < legs.length; ++i) {
            (uint112 instrument, int256 leg) = (legs[i].instrument, legs[i].size);
            uint256 at = _indexOf(words, instrument);
            int256 held = at < words.length ? Position.wrap(words[at]).size() : int256(0);
            if (leg == 0 || (held < 0 ? leg > 0 || leg < held : leg < 0 || leg > held)) {
                revert LegDoesNotShrink(account, instrument, held, leg);
            }
            words[at] = Position.unwrap(Position.wrap(words[at]).withSize(held - leg));
        }
    }

    /// @return at words.length where the book does not hold it.
    function _indexOf(uint256[] memory words, uint112 instrument) private pure returns (uint256 at) {
        unchecked {
            for (; at < words.length; ++at) {
                if (uint112(words.at(at)) == instrument) break;
            }
        }
    }

    /// @dev Each leg goes to `to` at mark, after `_requireLegsShrink`. The price's age was checked with the account's, whose instruments
    /// these are.
    function _takeLegs(uint64 account, uint64 to, LiquidationLeg[] memory legs, ParameterTable p) internal {
        uint112[] memory instruments = new uint112[](legs.length);
        for (uint256 i; i < instruments.length; ++i) {
            instruments[i] = legs[i].instrument;
        }
        (uint256[] memory marks,) = ENGINE.marks(instruments);
        uint256 maxPositions = p.get(Parameter.MAX_POSITIONS);
        for (uint256 i; i < instruments.length; ++i) {
            int256 leg = legs[i].size;
            if (leg > 0) LEDGER.transferPosition(account, to, instruments[i], uint256(leg), marks[i], maxPositions);
            else LEDGER.transferPosition(to, account, instruments[i], uint256(-leg), marks[i], maxPositions);
            emit LegTaken(account, to, instruments[i], leg, marks[i]);
        }
    }

    // --- fund ---

    /// @dev Fund to vault; the caller credits `amount` to accounts.
    function _draw(uint64 account, uint8 underlying, uint256 amount) internal {
        FUND.draw(account, underlying, amount, address(VAULT));
        VAULT.recordReceived(SETTLEMENT, amount);
    }

    function _toHouse(uint256 amount) internal {
        if (amount != 0) LEDGER.changeCash(HOUSE, int256(amount), ILedger.CashReason.FUND);
    }

    function _tokensUp(uint256 amount) internal view returns (uint256) {
        uint256 unit = VAULT.unit(SETTLEMENT);
        return FixedPointMathLib.divUp(amount, unit) * unit;
    }

    // --- clocks and parameters ---

    function _proven(Clock memory c, ParameterTable p) internal view returns (Clock memory) {
        return c.proven(block.timestamp, p.get(Parameter.CLOCK_EXPIRY), p.get(Parameter.CLOCK_RESUME));
    }

    function _fullDiscount(Clock memory c, ParameterTable p) internal view returns (uint256) {
        return c.discountDown(
            block.timestamp, p.get(Parameter.DUTCH_DISCOUNT_START), p.get(Parameter.DUTCH_DISCOUNT_MAX), p.get(Parameter.DUTCH_DURATION)
        );
    }

    function _conversionDiscount(Clock memory c, ParameterTable p) internal view returns (uint256) {
        return c.discountDown(
            block.timestamp,
            p.get(Parameter.CONVERSION_DISCOUNT_START),
            p.get(Parameter.CONVERSION_DISCOUNT_MAX),
            p.get(Parameter.CONVERSION_DURATION)
        );
    }

    function _table() internal view returns (ParameterTable) {
        return PARAMETERS.copied();
    }
}
