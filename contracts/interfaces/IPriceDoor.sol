// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ICircuitBreaker} from "./ICircuitBreaker.sol";
import {IOracleSigners} from "./IOracleSigners.sol";
import {ISpotSources} from "./ISpotSources.sol";

/// @title Price door
/// @notice The one door for all prices: updates signed by a quorum of oracle signers, stored packed (types/Feed.sol).
/// Trusted: that fewer than a quorum of signers sign a false market. Not trusted: who relays it, and when within ARRIVAL_LIMIT.
/// @dev Prices USD 1e18, vols and rates 1e18 per year, confidence 1e-4.
interface IPriceDoor is IOracleSigners {
    /// @notice One expiry as signed. `a`..`sigma` is the raw SVI slice in total variance at `refTau`.
    struct ExpiryQuote {
        uint32 expiry;
        uint96 forward;
        int64 rate;
        int64 a;
        uint64 b;
        int64 rho;
        int64 m;
        uint64 sigma;
        uint96 refForward;
        uint64 refTau;
    }

    /// @notice One underlying's market as signed by the oracle signers (EIP-712).
    struct MarketUpdate {
        uint8 underlying;
        uint32 timestamp;
        uint96 spot;
        uint96 mark;
        uint16 confidence;
        ExpiryQuote[] expiries;
    }

    /// @param mark As stored: clamped to spot (1 +- MAX_BASIS).
    event MarketUpdated(uint8 indexed underlying, uint32 timestamp, uint96 spot, uint96 mark, uint16 confidence);
    /// @dev The three packed words of types/Feed.sol.
    event ExpiryUpdated(uint8 indexed underlying, uint32 indexed expiry, uint256 quote, uint256 smile, uint256 wing);
    /// @notice An authentic update was not applied: the stored prices stay, the breaker is tripped.
    /// @param spot Of the update, after the sources where they were asked. @param observed, bound As in ICircuitBreaker.Tripped.
    event UpdateHeld(
        uint8 indexed underlying,
        uint32 timestamp,
        ICircuitBreaker.Cause indexed cause,
        uint96 spot,
        uint256 observed,
        uint256 bound
    );
    /// @notice Signed again and again since `since`: the jump applies. `MarketUpdated` follows.
    event JumpConfirmed(uint8 indexed underlying, uint32 timestamp, uint96 previous, uint96 spot, uint256 since);
    event SourcesChosen(uint8 indexed underlying, ISpotSources sources);
    /// @param price Time-weighted spot over [begin, expiry], USD 1e18, rounded down.
    event SettlementFixed(uint8 indexed underlying, uint32 indexed expiry, uint96 price, uint256 begin);

    error TimestampInFuture(uint256 timestamp, uint256 time);
    /// @notice Updates are monotone per underlying: not newer than what is stored.
    error TimestampNotNewer(uint256 timestamp, uint256 stored);
    /// @notice More than `limit` = ARRIVAL_LIMIT seconds old when it arrived.
    error StaleUpdate(uint256 timestamp, uint256 time, uint256 limit);
    error BadPrice(uint8 underlying, uint256 price);
    error BadConfidence(uint16 confidence);
    /// @notice Not an acceptable SVI slice: needs a + b sigma sqrt(1 - rho^2) >= 0, |rho| < 1, sigma > 0, refTau > 0, refForward > 0.
    error BadSlice(uint8 underlying, uint32 expiry);
    error BatchLengths(uint256 updates, uint256 signatures);
    error UnknownUnderlying(uint8 underlying);
    error ExpiryNotListed(uint8 underlying, uint32 expiry);
    /// @notice Quotes signed at or after the expiry are refused: from then on the settlement price applies.
    error ExpiryPassed(uint8 underlying, uint32 expiry, uint256 timestamp);
    /// @notice The quotes of an update come by ascending expiry, each once.
    error ExpiriesNotAscending(uint256 previous, uint256 expiry);
    /// @notice Poked, but the price is not older than STALE_LIMIT.
    error NotStale(uint8 underlying, uint256 age, uint256 limit);
    error NotExpired(uint8 underlying, uint32 expiry, uint256 time);
    /// @notice A settlement price is fixed once.
    error AlreadySettled(uint8 underlying, uint32 expiry, uint256 price);
    /// @notice The expiry is not listed, or no price was known before it.
    error SettlementUnobserved(uint8 underlying, uint32 expiry);
    error NoPrice(uint8 underlying, uint32 expiry);

    /// @notice Seconds after signing within which an update may still be stored: long enough to ride out a few congested
    /// blocks, so that a late price still informs views; actions ask for MAX_ACTION_AGE themselves.
    function ARRIVAL_LIMIT() external view returns (uint256);

    /// @notice Anyone relays a signed update. `signatures` are of ascending signers, at least the quorum, all valid.
    /// @dev Stored at once unless it breaks a rule that trips the breaker (`UpdateHeld`): a jump of the spot that has not been
    /// confirmed, too few sources that agree, arbitrage in the slices. docs/oracles.md lists what reverts and what is held.
    /// 65 bytes (r, s, v) or 64 (EIP-2098). Expiries that the update does not name keep their last quote and its time.
    function submit(MarketUpdate calldata update, bytes[] calldata signatures) external;

    /// @notice Several updates in one transaction, all or none.
    function submitBatch(MarketUpdate[] calldata updates, bytes[][] calldata signatures) external;

    /// @notice Trips the breaker where the stored price is older than STALE_LIMIT. Anyone; reverts `NotStale`, `NoPrice`.
    function poke(uint8 underlying) external;

    /// @notice Fixes the settlement price of a passed expiry, for good: the time-weighted spot over the last SETTLEMENT_WINDOW
    /// before it, a silence counting with the price that stood. Anyone. Reverts `NotExpired`, `AlreadySettled`,
    /// `SettlementUnobserved`.
    /// @return price USD 1e18, rounded down.
    function fixSettlement(uint8 underlying, uint32 expiry) external returns (uint256 price);

    /// @notice Has the spot of an underlying taken from these sources and the signed one; the zero address: from the signed one
    /// alone. Only SOURCE_ADMIN.
    function chooseSources(uint8 underlying, ISpotSources sources) external;

    /// @notice Zero address: none, the signed spot counts alone.
    function sourcesOf(uint8 underlying) external view returns (ISpotSources);

    /// @notice The EIP-712 digest that a signer signs.
    function digest(MarketUpdate calldata update) external view returns (bytes32);

    /// @notice Packed words for the margin engine, concatenated in the order asked: one (spot) for a key with expiry 0,
    /// three (quote, smile, wing) otherwise. Key = underlying << 32 | expiry. Never reverts: absent feeds read 0.
    function read(uint40[] calldata keys) external view returns (uint256[] memory words);

    /// @notice Spot and perp mark, USD 1e18, with the time they were signed at; reverts `NoPrice`.
    function prices(uint8 underlying) external view returns (uint256 spot, uint256 mark, uint256 signedAt);

    /// @notice Time integral of the premium (mark - spot) / spot of stored prices, 1e18 x seconds, projected to this block: the
    /// difference of two readings over their time apart is the time-weighted premium. Never reverts.
    /// @dev A price counts from the block that stored it. @return at This block's time.
    function premiumIntegral(uint8 underlying) external view returns (int256 integral, uint256 at);

    /// @notice The same for spot, USD 1e18 x seconds. Differences are modulo 2**128.
    function spotIntegral(uint8 underlying) external view returns (uint256 integral, uint256 at);

    /// @notice Spot from before the breaker tripped on this underlying, while it is tripped by itself; else the stored spot.
    /// USD 1e18; 0 before the first price. While tripped, withdrawals value each leg at the worse of this and the stored spot.
    function preTripSpot(uint8 underlying) external view returns (uint256);

    /// @notice The update that is held, zeros where none is.
    /// @return spot Of a jump that waits for confirmation, else 0.
    /// @return since First signing time of those that confirm each other; 0 where it is no jump.
    /// @return timestamp Signing time of the last.
    function heldUpdate(uint8 underlying) external view returns (uint256 spot, uint256 since, uint256 timestamp);
}
