// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {EIP712} from "solady/utils/EIP712.sol";

import {ICircuitBreaker} from "../interfaces/ICircuitBreaker.sol";
import {IInstrumentRegistry} from "../interfaces/IInstrumentRegistry.sol";
import {IPriceDoor} from "../interfaces/IPriceDoor.sol";
import {IRiskParameters} from "../interfaces/IRiskParameters.sol";
import {ISpotSources} from "../interfaces/ISpotSources.sol";
import {
    FULL_CONFIDENCE,
    IntegralWord,
    QuoteWord,
    SmileWord,
    SpotWord,
    WingWord,
    quoteWord,
    smileWord,
    spotWord,
    wingWord
} from "../types/Feed.sol";
import {Parameter, wordOf} from "../types/Parameter.sol";
import {FeedStore} from "./FeedStore.sol";
import {MarketUpdateHash} from "./MarketUpdateHash.sol";
import {OracleSigners} from "./OracleSigners.sol";
import {PriceWatch, Watch} from "./PriceWatch.sol";
import {SettlementPrices} from "./SettlementPrices.sol";
import {SviSlice} from "./SviSlice.sol";

/// @title Price door
/// @dev An update passes three gates that revert: authentic (quorum), timely (age, order), well-formed (each field). Then come
/// the rules that must leave a trace instead of a revert, which would undo the trip: arbitrage inside the slices, sources that
/// disagree, a jump. An update that breaks one is held: recorded, the breaker tripped, nothing stored. docs/oracles.md
contract PriceDoor is FeedStore, OracleSigners, SettlementPrices, EIP712 {
    using PriceWatch for Watch;

    /// @dev The governed numbers of an update, in the order of the stored table; MAX_BASIS lies elsewhere there.
    struct Limits {
        uint256 settlementWindow;
        uint256 move;
        uint256 window;
        uint256 release;
        uint256 confirm;
        uint256 stale;
        uint256 band;
        uint256 quorum;
        uint256 basis;
    }

    /// @notice May choose the sources beside the signed feed: the timelock.
    bytes32 public constant SOURCE_ADMIN = keccak256("SOURCE_ADMIN");

    /// @inheritdoc IPriceDoor
    uint256 public constant ARRIVAL_LIMIT = 60;

    IInstrumentRegistry public immutable registry;
    IRiskParameters public immutable parameters;
    ICircuitBreaker public immutable breaker;

    mapping(uint8 underlying => Watch) private _watches;

    /// @inheritdoc IPriceDoor
    mapping(uint8 underlying => ISpotSources) public sourcesOf;

    constructor(
        address admin,
        IInstrumentRegistry registry_,
        IRiskParameters parameters_,
        ICircuitBreaker breaker_,
        address[] memory signers_,
        uint256 quorum_
    ) OracleSigners(signers_, quorum_) {
        registry = registry_;
        parameters = parameters_;
        breaker = breaker_;
        _grantRole(DEFAULT_ADMIN_ROLE, admin);
        _grantRole(SIGNER_ADMIN, admin);
        _grantRole(SOURCE_ADMIN, admin);
    }

    /// @inheritdoc IPriceDoor
    function submit(MarketUpdate calldata update, bytes[] calldata signatures) external {
        _submit(update, signatures);
    }

    /// @inheritdoc IPriceDoor
    function submitBatch(MarketUpdate[] calldata updates, bytes[][] calldata signatures) external {
        if (updates.length != signatures.length) revert BatchLengths(updates.length, signatures.length);
        for (uint256 i; i < updates.length; ++i) {
            _submit(updates[i], signatures[i]);
        }
    }

    /// @inheritdoc IPriceDoor
    function poke(uint8 underlying) external {
        SpotWord word = _spotWord(underlying);
        if (word.spot() == 0) revert NoPrice(underlying, 0);
        uint256 age = block.timestamp - word.signedAt();
        Limits memory limits = _limits();
        if (age <= limits.stale) revert NotStale(underlying, age, limits.stale);
        _trip(underlying, ICircuitBreaker.Cause.STALE, age, limits.stale, limits.release);
    }

    /// @inheritdoc IPriceDoor
    function fixSettlement(uint8 underlying, uint32 expiry) external returns (uint256) {
        if (block.timestamp < expiry) revert NotExpired(underlying, expiry, block.timestamp);
        uint256 key = _feedKey(underlying, expiry);
        uint256 at = STRIDE * key;
        uint256 settled = _settled(at);
        if (settled != 0) revert AlreadySettled(underlying, expiry, settled);
        _advance(underlying, _limits().settlementWindow, true);
        (bool ended, uint96 price, uint256 begin) = _settlement(key);
        if (!ended || price == 0) revert SettlementUnobserved(underlying, expiry);
        _settle(at, price);
        emit SettlementFixed(underlying, expiry, price, begin);
        return price;
    }

    /// @inheritdoc IPriceDoor
    function chooseSources(uint8 underlying, ISpotSources sources) external onlyRole(SOURCE_ADMIN) {
        sourcesOf[underlying] = sources;
        _watches[underlying].sourced = address(sources) != address(0);
        emit SourcesChosen(underlying, sources);
    }

    /// @inheritdoc IPriceDoor
    function preTripSpot(uint8 underlying) external view returns (uint256) {
        uint256 spot = _spotWord(underlying).spot();
        if (!breaker.anyTripped()) return spot;
        uint256 before = _watches[underlying].preTrip;
        return before != 0 && _tripped(underlying) ? before : spot;
    }

    /// @inheritdoc IPriceDoor
    function heldUpdate(uint8 underlying) external view returns (uint256 spot, uint256 since, uint256 timestamp) {
        Watch storage w = _watches[underlying];
        return w.holding ? (w.held, w.heldSince, w.heldAt) : (uint256(0), uint256(0), uint256(0));
    }

    /// @inheritdoc IPriceDoor
    function digest(MarketUpdate calldata update) public view returns (bytes32) {
        return _hashTypedData(MarketUpdateHash.structHash(update));
    }

    function _submit(MarketUpdate calldata update, bytes[] calldata signatures) private {
        _requireQuorum(digest(update), signatures);
        _requireTimely(update);
        _requireWellFormed(update);
        Limits memory limits = _limits();
        (uint256 expiry, uint256 against) = _arbitrage(update);
        if (expiry != 0) return _hold(update, ICircuitBreaker.Cause.SLICE, 0, expiry, against, limits.release);
        (uint256 spot, bool own) = (update.spot, true);
        if (_watches[update.underlying].sourced) {
            uint256 agreeing;
            (spot, agreeing, own) = sourcesOf[update.underlying].fuse(update.underlying, update.timestamp, update.spot, limits.band);
            _requireTimely(update); // who was asked may have submitted a newer one meanwhile
            if (agreeing < limits.quorum || spot == 0 || spot > type(uint96).max) {
                return _hold(update, ICircuitBreaker.Cause.QUORUM, 0, agreeing, limits.quorum, limits.release);
            }
        }
        if (_passes(update, uint96(spot), limits)) _store(update, uint96(spot), own, limits);
    }

    /// @dev Whether the spot is no jump, or a confirmed one; if not, the update is held. Takes the spot into the range.
    function _passes(MarketUpdate calldata update, uint96 spot, Limits memory limits) private returns (bool) {
        uint8 underlying = update.underlying;
        Watch storage w = _watches[underlying];
        uint96 last = uint96(_spotWord(underlying).spot());
        uint256 silence = block.timestamp - _integrals[underlying].advancedAt();
        if (last != 0) {
            (uint256 move, uint256 bound) = w.measure(spot, last, silence, limits.move, limits.window);
            if (move > bound) {
                (bool applies, uint32 since) = w.confirms(spot, update.timestamp, limits.move, limits.confirm);
                if (!applies) {
                    _hold(update, ICircuitBreaker.Cause.JUMP, spot, move, bound, limits.release);
                    w.heldSince = since;
                    return false;
                }
                w.holding = false;
                w.restart(spot);
                emit JumpConfirmed(underlying, update.timestamp, last, spot, since);
                return true;
            }
        }
        if (w.holding) w.holding = false;
        w.include(spot, last, silence, limits.window);
        return true;
    }

    /// @dev Records an update that is authentic but not applied, so that it cannot be shown twice, and trips.
    /// @param spot Of a jump that a later one may confirm; else 0.
    function _hold(
        MarketUpdate calldata update,
        ICircuitBreaker.Cause cause,
        uint96 spot,
        uint256 observed,
        uint256 bound,
        uint256 release
    ) private {
        Watch storage w = _watches[update.underlying];
        w.holding = true;
        (w.held, w.heldSince, w.heldAt) = (spot, 0, update.timestamp);
        emit UpdateHeld(update.underlying, update.timestamp, cause, spot == 0 ? update.spot : spot, observed, bound);
        _trip(update.underlying, cause, observed, bound, release);
    }

    /// @dev The first trip remembers the spot before it; those during it do not.
    function _trip(uint8 underlying, ICircuitBreaker.Cause cause, uint256 observed, uint256 bound, uint256 release) private {
        if (!_tripped(underlying)) _watches[underlying].preTrip = uint96(_spotWord(underlying).spot());
        breaker.trip(underlying, cause, observed, bound, release);
    }

    function _tripped(uint8 underlying) private view returns (bool) {
        (, ICircuitBreaker.State automatic,) = breaker.scope(underlying);
        return automatic != ICircuitBreaker.State.NORMAL;
    }

    function _requireTimely(MarketUpdate calldata update) private view {
        uint256 timestamp = update.timestamp;
        if (timestamp > block.timestamp) revert TimestampInFuture(timestamp, block.timestamp);
        if (block.timestamp - timestamp > ARRIVAL_LIMIT) revert StaleUpdate(timestamp, block.timestamp, ARRIVAL_LIMIT);
        uint256 stored = _spotWord(update.underlying).signedAt();
        Watch storage w = _watches[update.underlying];
        if (w.holding && w.heldAt > stored) stored = w.heldAt;
        if (timestamp <= stored) revert TimestampNotNewer(timestamp, stored);
    }

    function _requireWellFormed(MarketUpdate calldata update) private view {
        uint8 underlying = update.underlying;
        if (!registry.isUnderlyingListed(underlying)) revert UnknownUnderlying(underlying);
        if (update.spot == 0 || update.mark == 0) revert BadPrice(underlying, 0);
        if (update.confidence > FULL_CONFIDENCE) revert BadConfidence(update.confidence);
        uint256 previous;
        for (uint256 i; i < update.expiries.length; ++i) {
            ExpiryQuote calldata quote = update.expiries[i];
            uint32 expiry = quote.expiry;
            if (expiry <= previous) revert ExpiriesNotAscending(previous, expiry);
            previous = expiry;
            if (!registry.isExpiryListed(underlying, expiry)) revert ExpiryNotListed(underlying, expiry);
            if (update.timestamp >= expiry) revert ExpiryPassed(underlying, expiry, update.timestamp);
            if (quote.forward == 0) revert BadPrice(underlying, 0);
            if (!SviSlice.isValid(quote)) revert BadSlice(underlying, expiry);
        }
    }

    /// @return expiry Of the first slice that shows arbitrage; 0: none. @return against 0 butterfly, else the earlier expiry.
    function _arbitrage(MarketUpdate calldata update) private pure returns (uint256 expiry, uint256 against) {
        unchecked {
            SviSlice.Level memory earlier;
            SviSlice.Level memory own;
            uint256 count = update.expiries.length;
            for (uint256 i; i < count; ++i) {
                ExpiryQuote calldata q = update.expiries[i];
                expiry = q.expiry;
                if (!SviSlice.butterfly(q, expiry - update.timestamp, own)) return (expiry, 0);
                if (i != 0 && !SviSlice.calendar(earlier, own)) return (expiry, against);
                (earlier, own, against) = (own, earlier, expiry);
            }
            return (0, 0);
        }
    }

    /// @param own Whether the signed feed is among the sources that agree; if not, only the others' spot is taken.
    function _store(MarketUpdate calldata update, uint96 spot, bool own, Limits memory limits) private {
        uint8 underlying = update.underlying;
        IntegralWord integral = _advance(underlying, limits.settlementWindow, false);
        uint96 mark = _clampedMark(spot, update.mark, limits.basis);
        SpotWord word = spotWord(spot, mark, update.confidence, update.timestamp);
        _feeds[STRIDE * _feedKey(underlying, 0)] = SpotWord.unwrap(word);
        emit MarketUpdated(underlying, update.timestamp, spot, mark, update.confidence);
        if (!own) return;
        uint256 due = type(uint256).max;
        for (uint256 i; i < update.expiries.length; ++i) {
            ExpiryQuote calldata q = update.expiries[i];
            uint256 own_ = _storeQuote(underlying, update.timestamp, q, integral, limits.settlementWindow);
            if (own_ < due) due = own_;
        }
        // Makes the next begin or end of a window known, if none is known that comes earlier.
        uint256 known = _watches[underlying].boundary;
        if (due != type(uint256).max && (known == 0 || due < known)) _watches[underlying].boundary = uint32(due);
    }

    /// @return due Begin or end of its settlement window, whichever comes next; the largest number where both have passed.
    function _storeQuote(uint8 underlying, uint32 timestamp, ExpiryQuote calldata q, IntegralWord integral, uint256 window)
        private
        returns (uint256 due)
    {
        uint256 key = _feedKey(underlying, q.expiry);
        uint256 at = STRIDE * key;
        uint96 forward = _blended(key, q.forward, integral, window);
        uint256 quote = QuoteWord.unwrap(quoteWord(forward, q.rate, q.refTau, timestamp));
        SmileWord smile = smileWord(q.a, q.b, q.rho, q.m);
        WingWord wing = wingWord(q.sigma, q.refForward, uint96(_settled(at)));
        _feeds[at] = quote;
        _putSlice(at, smile, wing);
        emit ExpiryUpdated(underlying, q.expiry, quote, SmileWord.unwrap(smile), WingWord.unwrap(wing));
        uint256 expiry = q.expiry;
        if (expiry <= block.timestamp) return type(uint256).max;
        return expiry - window > block.timestamp ? expiry - window : expiry;
    }

    /// @dev The perp mark inside spot (1 +- MAX_BASIS); the band's ends are rounded inwards.
    function _clampedMark(uint96 spot, uint96 mark, uint256 basis) private pure returns (uint96) {
        uint256 lowerUp = (uint256(spot) * (WAD - basis) + WAD - 1) / WAD;
        uint256 upperDown = uint256(spot) * (WAD + basis) / WAD;
        if (mark < lowerUp) return uint96(lowerUp); // <= spot
        if (mark > upperDown) return uint96(upperDown); // < mark
        return mark;
    }

    /// @dev Stores the integrals as of this block, with the price that stood until now; records what settlement averages need.
    function _advance(uint8 underlying, uint256 window, bool all) private returns (IntegralWord advanced) {
        advanced = _advanced(underlying);
        uint256 boundary = _watches[underlying].boundary;
        if (all || (boundary != 0 && block.timestamp >= boundary)) {
            uint256 spot = _spotWord(underlying).spot();
            if (spot != 0) {
                _watches[underlying].boundary =
                    _record(underlying, registry.expiries(underlying), _integrals[underlying], spot, window);
            }
        }
        _integrals[underlying] = advanced;
    }

    function _limits() private view returns (Limits memory limits) {
        // Readable equivalent: each field is parameters.value(...). The words lie side by side, but for the last.
        address pointer = parameters.pointer();
        uint256 first = 1 + 32 * wordOf(Parameter.SETTLEMENT_WINDOW);
        uint256 basis = 1 + 32 * wordOf(Parameter.MAX_BASIS);
        assembly ("memory-safe") {
            extcodecopy(pointer, limits, first, 0x100)
            extcodecopy(pointer, add(limits, 0x100), basis, 0x20)
        }
    }

    function _domainNameAndVersion() internal pure override returns (string memory name, string memory version) {
        return ("DPRE PriceDoor", "1");
    }
}
