// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ParameterReads} from "../governance/ParameterReads.sol";
import {ICircuitBreaker} from "../interfaces/ICircuitBreaker.sol";
import {IDeficitGate} from "../interfaces/IDeficitGate.sol";
import {ILedger} from "../interfaces/ILedger.sol";
import {IMarginCheck} from "../interfaces/IMarginCheck.sol";
import {IMarginEngine, Requirement} from "../interfaces/IMarginEngine.sol";
import {IPriceDoor} from "../interfaces/IPriceDoor.sol";
import {IRiskParameters} from "../interfaces/IRiskParameters.sol";
import {ITradingLimits} from "../interfaces/ITradingLimits.sol";
import {ITripDiscount} from "../interfaces/ITripDiscount.sol";
import {FixedPoint} from "../math/FixedPoint.sol";
import {FreshPrices} from "../oracle/FreshPrices.sol";
import {Book, Leg} from "../types/Book.sol";
import {InstrumentId} from "../types/InstrumentId.sol";
import {COLLATERALS_AT, Parameter, ParameterTable} from "../types/Parameter.sol";
import {Position} from "../types/Position.sol";

/// @title Margin check
/// @dev Phases: table, state of the breaker, price, limits, then each side.
contract MarginCheck is IMarginCheck {
    using ParameterReads for IRiskParameters;
    using FreshPrices for ParameterTable;

    uint256 private constant WAD = 1e18;

    ILedger private immutable LEDGER;
    IPriceDoor private immutable DOOR;
    IRiskParameters private immutable PARAMETERS;
    IMarginEngine private immutable ENGINE;
    ICircuitBreaker private immutable BREAKER;
    ITradingLimits private immutable LIMITS;
    /// @dev Zero: no deficits are asked about.
    IDeficitGate private immutable DEFICITS;
    ITripDiscount private immutable TRIPS;

    constructor(
        ILedger ledger,
        IPriceDoor priceDoor,
        IRiskParameters parameters,
        IMarginEngine engine,
        ICircuitBreaker breaker,
        ITradingLimits limits,
        IDeficitGate deficits,
        ITripDiscount trips
    ) {
        LEDGER = ledger;
        DOOR = priceDoor;
        PARAMETERS = parameters;
        ENGINE = engine;
        BREAKER = breaker;
        LIMITS = limits;
        DEFICITS = deficits;
        TRIPS = trips;
    }

    /// @inheritdoc IMarginCheck
    function requireTrade(Trade calldata trade) external view {
        ParameterTable p = _table();
        uint8 underlying = InstrumentId.wrap(trade.instrument).underlying();
        ICircuitBreaker.State state = BREAKER.stateOf(underlying);
        if (state == ICircuitBreaker.State.SHUTDOWN) revert RiskMustFall(trade.buyer, state);
        _requireNoDeficit(trade.buyer);
        _requireNoDeficit(trade.seller);
        uint256 mark = _mark(trade.instrument);
        (uint256 spot,,) = DOOR.prices(underlying);
        _requireInsideBand(trade.price, mark, spot, p);
        LIMITS.requireTrade(trade.instrument, trade.buyer, trade.seller, trade.size, spot);
        // Sizes fit 95 bits, prices 127 (the ledger's own limits).
        Leg memory bought = Leg(trade.instrument, int128(trade.size), trade.price);
        _requireSide(trade.buyer, bought, trade.fee, mark, state, p);
        bought.size = -bought.size;
        _requireSide(trade.seller, bought, trade.fee, mark, state, p);
    }

    /// @inheritdoc IMarginCheck
    function requireWithdrawal(uint64 account) external view {
        ParameterTable p = _table();
        Requirement memory r = ENGINE.requirement(account);
        Book memory book = LEDGER.book(account);
        ICircuitBreaker.State state = _strictest(book, p);
        if (state > ICircuitBreaker.State.REDUCE_ONLY) revert WithdrawalsHalted(account, state);
        _requireNoDeficit(account);
        if (!_mayIncreaseRisk(account)) revert RiskMustFall(account, state);

        int256 cash = LEDGER.cash(account);
        uint256 debtCap = p.get(Parameter.DEBT_CAP);
        if (cash < -int256(debtCap)) revert DebtAboveCap(account, cash, debtCap);
        uint256 needed = _needed(r, p);
        uint256 legs;
        uint256 collateral;
        if (state != ICircuitBreaker.State.NORMAL) (legs, collateral) = TRIPS.discount(account);
        int256 profit = r.equity - int256(legs) - cash + int256(LEDGER.unvestedProfit(account));
        uint256 uncounted = _uncountedProfitUp(profit, book, p);
        int256 counted = r.marginEquityInitial - int256(legs + collateral + uncounted);
        if (counted < int256(needed)) revert InsufficientInitialMargin(account, counted, needed);
        p.requireFresh(r.oldestPrice);
    }

    /// @inheritdoc IMarginCheck
    function requireInitialMargin(uint64 account) external view {
        ParameterTable p = _table();
        Requirement memory r = ENGINE.requirement(account);
        uint256 needed = _needed(r, p);
        if (r.marginEquityInitial < int256(needed)) revert InsufficientInitialMargin(account, r.marginEquityInitial, needed);
        p.requireFresh(r.oldestPrice);
    }

    /// @inheritdoc IMarginCheck
    function stateFor(uint64 account) external view returns (ICircuitBreaker.State) {
        return _strictest(LEDGER.book(account), _table());
    }

    // --- trades ---

    function _requireInsideBand(uint256 price, uint256 mark, uint256 spot, ParameterTable p) private pure {
        uint256 band = mark * p.get(Parameter.PRICE_BAND) / WAD;
        uint256 ofSpot = spot * p.get(Parameter.PRICE_BAND_SPOT) / WAD;
        if (ofSpot > band) band = ofSpot;
        if (price > mark + band || price + band < mark) revert PriceOutsideBand(price, mark, band);
    }

    /// @dev `traded`: the account's own side, size > 0 bought.
    function _requireSide(
        uint64 account,
        Leg memory traded,
        uint256 fee,
        uint256 mark,
        ICircuitBreaker.State state,
        ParameterTable p
    ) private view {
        Requirement memory r = ENGINE.requirement(account);
        bytes memory refusal = _refusal(account, r, state, p);
        if (refusal.length == 0) return;

        Requirement memory before = _before(account, traded, fee);
        if (!_riskFell(before, r)) {
            assembly ("memory-safe") {
                revert(add(refusal, 0x20), mload(refusal))
            }
        }
        if (before.equity < 0) {
            // Whoever owes more than it has must not pass on value by trading off the mark.
            p.requireFresh(before.oldestPrice);
            bool worse = traded.size > 0 ? traded.price > mark : traded.price < mark;
            if (worse) revert WorseThanMark(account, traded.price, mark);
        }
    }

    /// @dev Why the account may not increase its risk, as revert data; empty where it may.
    function _refusal(uint64 account, Requirement memory r, ICircuitBreaker.State state, ParameterTable p)
        private
        view
        returns (bytes memory)
    {
        uint256 needed = _needed(r, p);
        if (r.marginEquityInitial < int256(needed)) {
            return abi.encodeWithSelector(InsufficientInitialMargin.selector, account, r.marginEquityInitial, needed);
        }
        uint256 limit = p.get(Parameter.MAX_ACTION_AGE);
        if (FreshPrices.isOlder(r.oldestPrice, limit)) {
            return abi.encodeWithSelector(StalePrice.selector, r.oldestPrice, block.timestamp, limit);
        }
        if (state != ICircuitBreaker.State.NORMAL || !_mayIncreaseRisk(account)) {
            return abi.encodeWithSelector(RiskMustFall.selector, account, state);
        }
        limit = p.get(Parameter.MAX_LEVERAGE);
        if (r.equity < 0 || r.grossNotional > uint256(r.equity) * limit / WAD) {
            return abi.encodeWithSelector(LeverageTooHigh.selector, account, r.grossNotional, r.equity, limit);
        }
        limit = p.get(Parameter.DEBT_CAP);
        int256 cash = LEDGER.cash(account);
        if (cash < -int256(limit)) return abi.encodeWithSelector(DebtAboveCap.selector, account, cash, limit);
        return "";
    }

    /// @dev The account without the trade: the engine undoes it in memory, at the prices that are stored now.
    function _before(uint64 account, Leg memory traded, uint256 fee) private view returns (Requirement memory) {
        Leg[] memory undo = new Leg[](1);
        undo[0] = Leg(traded.instrument, -traded.size, traded.price);
        return ENGINE.preview(account, undo, int256(fee));
    }

    /// @dev The requirement falls, the shortfall does not rise, and the account can still pay (if it could before).
    function _riskFell(Requirement memory before, Requirement memory afterwards) private pure returns (bool) {
        return afterwards.initial < before.initial
            && int256(afterwards.initial) - afterwards.marginEquityInitial
                <= int256(before.initial) - before.marginEquityInitial && (afterwards.equity >= 0 || before.equity < 0);
    }

    // --- withdrawals ---

    /// @dev What of the account's profit does not count: all but PROFIT_FRACTION of what is unrealised (carry included) and of
    /// what was realised within PROFIT_VESTING, the two netted. USD 1e18, rounded up.
    /// @param profitAndCollateral Profit plus the value of the collateral.
    function _uncountedProfitUp(int256 profitAndCollateral, Book memory book, ParameterTable p)
        private
        view
        returns (uint256)
    {
        int256 profit = profitAndCollateral - int256(_collateralValue(book.collateral, p));
        if (profit <= 0) return 0;
        return FixedPoint.mulWadUp(uint256(profit), WAD - p.get(Parameter.PROFIT_FRACTION));
    }

    /// @dev As the engine values it: at spot, USD 1e18, rounded down per token.
    function _collateralValue(uint256[] memory quantities, ParameterTable p) private view returns (uint256 value) {
        for (uint256 i; i < quantities.length; ++i) {
            uint256 word = p.word(COLLATERALS_AT + i);
            if (quantities[i] == 0 || word == 0) continue;
            (uint256 spot,,) = DOOR.prices(uint8(word));
            value += quantities[i] * spot / WAD;
        }
    }

    /// @dev The strictest state of the underlyings that the account depends on.
    function _strictest(Book memory book, ParameterTable p) private view returns (ICircuitBreaker.State state) {
        state = BREAKER.globalState();
        if (!BREAKER.anyTripped()) return state;
        for (uint256 i; i < book.positions.length; ++i) {
            state = _stricter(state, Position.wrap(book.positions[i]).instrument().underlying());
        }
        for (uint256 i; i < book.collateral.length; ++i) {
            if (book.collateral[i] != 0) state = _stricter(state, uint8(p.word(COLLATERALS_AT + i)));
        }
    }

    function _stricter(ICircuitBreaker.State state, uint8 underlying) private view returns (ICircuitBreaker.State) {
        ICircuitBreaker.State own = BREAKER.stateOf(underlying);
        return own > state ? own : state;
    }

    // --- both ---

    /// @dev MIN_ACCOUNT_MARGIN is asked of accounts with positions.
    function _needed(Requirement memory r, ParameterTable p) private pure returns (uint256) {
        uint256 least = p.get(Parameter.MIN_ACCOUNT_MARGIN);
        return r.grossNotional != 0 && r.initial < least ? least : r.initial;
    }

    /// @dev An account with an open deficit is closed by liquidators and the deleverager, at their prices.
    function _requireNoDeficit(uint64 account) private view {
        if (LEDGER.deficitOpen(account)) revert DeficitIsOpen(account);
    }

    function _mayIncreaseRisk(uint64 account) private view returns (bool) {
        return address(DEFICITS) == address(0) || DEFICITS.mayIncreaseRisk(account);
    }

    function _mark(uint112 instrument) private view returns (uint256) {
        uint112[] memory instruments = new uint112[](1);
        instruments[0] = instrument;
        (uint256[] memory marks,) = ENGINE.marks(instruments);
        return marks[0];
    }

    function _table() private view returns (ParameterTable) {
        return PARAMETERS.copied();
    }
}
