// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";
import {ECDSA} from "solady/utils/ECDSA.sol";
import {EIP712} from "solady/utils/EIP712.sol";

import {IInstrumentRegistry} from "../interfaces/IInstrumentRegistry.sol";
import {IPriceDoor} from "../interfaces/IPriceDoor.sol";
import {IRiskParameters} from "../interfaces/IRiskParameters.sol";
import {
    FULL_CONFIDENCE,
    IntegralWord,
    QuoteWord,
    SmileWord,
    SpotWord,
    WingWord,
    integralWord,
    quoteWord,
    smileWord,
    spotWord,
    wingWord
} from "../types/Feed.sol";
import {Parameter} from "../types/Parameter.sol";
import {MarketUpdateHash} from "./MarketUpdateHash.sol";
import {SviSlice} from "./SviSlice.sol";

/// @title Price door
/// @dev An update passes three gates, in this order: authentic (quorum), timely (age, order), well-formed (each field); then
/// it is stored. The first two concern who sent what when and revert; a rule that must leave a trace instead of a revert
/// belongs between the third gate and `_store`, where both the old and the new market are at hand.
contract PriceDoor is IPriceDoor, AccessControl, EIP712 {
    /// @notice May change the oracle signers and their quorum: the timelock.
    bytes32 public constant SIGNER_ADMIN = keccak256("SIGNER_ADMIN");

    /// @inheritdoc IPriceDoor
    uint256 public constant ARRIVAL_LIMIT = 60;

    uint256 private constant WAD = 1e18;
    /// @dev Slots per feed key: a spot feed uses the first, an expiry's the first three.
    uint256 private constant STRIDE = 4;

    IInstrumentRegistry public immutable registry;
    IRiskParameters public immutable parameters;

    /// @dev Feed words at STRIDE * key (+ 0 spot or quote, + 1 smile, + 2 wing). One array as long as the key space: a slot
    /// is a shift and an addition away from its key, without a hash, and an expiry's words are neighbours.
    uint256[STRIDE << 40] private _feeds;

    /// @dev What stored prices add up to over the time for which they stood (types/Feed.sol), per underlying.
    mapping(uint8 underlying => IntegralWord) private _integrals;

    address[] private _signers;
    mapping(address account => bool) private _isSigner;
    uint256 private _quorum;

    constructor(
        address admin,
        IInstrumentRegistry registry_,
        IRiskParameters parameters_,
        address[] memory signers_,
        uint256 quorum_
    ) {
        registry = registry_;
        parameters = parameters_;
        _grantRole(DEFAULT_ADMIN_ROLE, admin);
        _grantRole(SIGNER_ADMIN, admin);
        _setSigners(signers_, quorum_);
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
    function setSigners(address[] calldata newSigners, uint256 newQuorum) external onlyRole(SIGNER_ADMIN) {
        _setSigners(newSigners, newQuorum);
    }

    /// @inheritdoc IPriceDoor
    function read(uint40[] calldata keys) external view returns (uint256[] memory) {
        // Readable equivalent:
        //   for (key in keys) {
        //       words.push(_feeds[STRIDE * key]);
        //       if (uint32(key) != 0) { words.push(_feeds[STRIDE * key + 1]); words.push(_feeds[STRIDE * key + 2]); }
        //   }
        //   return words;
        // The answer is written once, ABI-encoded in place: Solidity would copy it word by word.
        assembly {
            let answer := mload(0x40)
            mstore(answer, 0x20)
            let words := add(answer, 0x40)
            let next := words
            let end := add(keys.offset, shl(5, keys.length))
            for { let at := keys.offset } lt(at, end) { at := add(at, 0x20) } {
                let key := and(calldataload(at), 0xffffffffff)
                let slot := add(_feeds.slot, shl(2, key))
                mstore(next, sload(slot))
                next := add(next, 0x20)
                if and(key, 0xffffffff) {
                    mstore(next, sload(add(slot, 1)))
                    mstore(add(next, 0x20), sload(add(slot, 2)))
                    next := add(next, 0x40)
                }
            }
            mstore(add(answer, 0x20), shr(5, sub(next, words)))
            return(answer, sub(next, answer))
        }
    }

    /// @inheritdoc IPriceDoor
    function prices(uint8 underlying) external view returns (uint256 spot, uint256 mark, uint256 signedAt) {
        SpotWord word = _spotWord(underlying);
        if (SpotWord.unwrap(word) == 0) revert NoPrice(underlying, 0);
        return (word.spot(), word.mark(), word.signedAt());
    }

    /// @inheritdoc IPriceDoor
    function premiumIntegral(uint8 underlying) external view returns (int256 integral, uint256 at) {
        IntegralWord word = _advanced(underlying);
        return (word.premium(), word.advancedAt());
    }

    /// @inheritdoc IPriceDoor
    function spotIntegral(uint8 underlying) external view returns (uint256 integral, uint256 at) {
        IntegralWord word = _advanced(underlying);
        return (word.spotSeconds(), word.advancedAt());
    }

    /// @inheritdoc IPriceDoor
    function signers() external view returns (address[] memory, uint256 quorum) {
        return (_signers, _quorum);
    }

    /// @inheritdoc IPriceDoor
    function digest(MarketUpdate calldata update) public view returns (bytes32) {
        return _hashTypedData(MarketUpdateHash.structHash(update));
    }

    function _submit(MarketUpdate calldata update, bytes[] calldata signatures) private {
        _requireQuorum(digest(update), signatures);
        _requireTimely(update);
        _requireWellFormed(update);
        _store(update);
    }

    /// @dev Ascending order makes each signer count once without a set; a malformed signature recovers to zero.
    function _requireQuorum(bytes32 hash, bytes[] calldata signatures) private view {
        if (signatures.length < _quorum) revert QuorumNotReached(signatures.length, _quorum);
        address previous;
        for (uint256 i; i < signatures.length; ++i) {
            address recovered = ECDSA.tryRecoverCalldata(hash, signatures[i]);
            if (recovered <= previous || !_isSigner[recovered]) revert BadSigner(recovered, previous);
            previous = recovered;
        }
    }

    function _requireTimely(MarketUpdate calldata update) private view {
        uint256 timestamp = update.timestamp;
        if (timestamp > block.timestamp) revert TimestampInFuture(timestamp, block.timestamp);
        if (block.timestamp - timestamp > ARRIVAL_LIMIT) revert StaleUpdate(timestamp, block.timestamp, ARRIVAL_LIMIT);
        uint256 stored = _spotWord(update.underlying).signedAt();
        if (timestamp <= stored) revert TimestampNotNewer(timestamp, stored);
    }

    function _requireWellFormed(MarketUpdate calldata update) private view {
        uint8 underlying = update.underlying;
        if (!registry.isUnderlyingListed(underlying)) revert UnknownUnderlying(underlying);
        if (update.spot == 0 || update.mark == 0) revert BadPrice(underlying, 0);
        if (update.confidence > FULL_CONFIDENCE) revert BadConfidence(update.confidence);
        for (uint256 i; i < update.expiries.length; ++i) {
            ExpiryQuote calldata quote = update.expiries[i];
            if (!registry.isExpiryListed(underlying, quote.expiry)) revert ExpiryNotListed(underlying, quote.expiry);
            if (update.timestamp >= quote.expiry) revert ExpiryPassed(underlying, quote.expiry, update.timestamp);
            if (quote.forward == 0) revert BadPrice(underlying, 0);
            if (!SviSlice.isValid(quote)) revert BadSlice(underlying, quote.expiry);
        }
    }

    function _store(MarketUpdate calldata update) private {
        uint8 underlying = update.underlying;
        _integrals[underlying] = _advanced(underlying); // with the price that stood until now
        uint96 mark = _clampedMark(update.spot, update.mark);
        SpotWord word = spotWord(update.spot, mark, update.confidence, update.timestamp);
        _feeds[STRIDE * _feedKey(underlying, 0)] = SpotWord.unwrap(word);
        emit MarketUpdated(underlying, update.timestamp, update.spot, mark, update.confidence);
        for (uint256 i; i < update.expiries.length; ++i) {
            _storeQuote(underlying, update.timestamp, update.expiries[i]);
        }
    }

    function _storeQuote(uint8 underlying, uint32 timestamp, ExpiryQuote calldata q) private {
        uint256 at = STRIDE * _feedKey(underlying, q.expiry);
        uint96 settlement = uint96(WingWord.wrap(_feeds[at + 2]).settlement());
        uint256 quote = QuoteWord.unwrap(quoteWord(q.forward, q.rate, q.refTau, timestamp));
        uint256 smile = SmileWord.unwrap(smileWord(q.a, q.b, q.rho, q.m));
        uint256 wing = WingWord.unwrap(wingWord(q.sigma, q.refForward, settlement));
        _feeds[at] = quote;
        _feeds[at + 1] = smile;
        _feeds[at + 2] = wing;
        emit ExpiryUpdated(underlying, q.expiry, quote, smile, wing);
    }

    /// @dev The perp mark inside spot (1 +- MAX_BASIS); the band's ends are rounded inwards.
    function _clampedMark(uint96 spot, uint96 mark) private view returns (uint96) {
        uint256 basis = parameters.value(Parameter.MAX_BASIS);
        uint256 lowerUp = (uint256(spot) * (WAD - basis) + WAD - 1) / WAD;
        uint256 upperDown = uint256(spot) * (WAD + basis) / WAD;
        if (mark < lowerUp) return uint96(lowerUp); // <= spot
        if (mark > upperDown) return uint96(upperDown); // < mark
        return mark;
    }

    /// @dev Integrals to this block, at the stored price. Both rates are constant between two updates, so this is exact; times are
    /// those of arrival, when a price begins to count, so that no later update changes what was read before.
    function _advanced(uint8 underlying) private view returns (IntegralWord) {
        IntegralWord word = _integrals[underlying];
        SpotWord price = _spotWord(underlying);
        uint256 spot = price.spot();
        if (spot == 0) return integralWord(0, 0, uint32(block.timestamp)); // nothing stood yet
        unchecked {
            // premium: below MAX_BASIS, whose bound is 0.2, times 2**32 s fits int96; spot: 2**96 x 2**32 s fits uint128.
            uint256 elapsed = block.timestamp - word.advancedAt();
            int256 premium = (int256(price.mark()) - int256(spot)) * int256(WAD) / int256(spot);
            return integralWord(
                word.premium() + premium * int256(elapsed), word.spotSeconds() + spot * elapsed, uint32(block.timestamp)
            );
        }
    }

    function _spotWord(uint8 underlying) private view returns (SpotWord) {
        return SpotWord.wrap(_feeds[STRIDE * _feedKey(underlying, 0)]);
    }

    function _setSigners(address[] memory newSigners, uint256 newQuorum) private {
        // A majority, so that no two disjoint quorums can sign two markets for one moment.
        if (newQuorum > newSigners.length || 2 * newQuorum <= newSigners.length) revert BadQuorum(newQuorum, newSigners.length);
        for (uint256 i; i < _signers.length; ++i) {
            _isSigner[_signers[i]] = false;
        }
        for (uint256 i; i < newSigners.length; ++i) {
            if (newSigners[i] == address(0) || _isSigner[newSigners[i]]) revert BadSignerSet(newSigners[i]);
            _isSigner[newSigners[i]] = true;
        }
        _signers = newSigners;
        _quorum = newQuorum;
        emit SignersSet(newSigners, newQuorum);
    }

    function _feedKey(uint8 underlying, uint32 expiry) private pure returns (uint256) {
        return (uint256(underlying) << 32) | uint256(expiry);
    }

    function _domainNameAndVersion() internal pure override returns (string memory name, string memory version) {
        return ("DPRE PriceDoor", "1");
    }
}
