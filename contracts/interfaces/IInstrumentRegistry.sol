// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title Instrument registry
/// @notice Which underlyings exist and which expiries are listed. Instrument ids describe themselves (types/InstrumentId).
interface IInstrumentRegistry {
    event UnderlyingListed(uint8 indexed underlying, string symbol, bool tradable);
    event ExpiryListed(uint8 indexed underlying, uint32 indexed expiry);

    /// @notice Not canonical, its underlying is unknown or price-only, or its expiry is not listed.
    error InstrumentNotListed(uint112 instrument);
    /// @notice The instrument expired at `expiry`.
    error InstrumentExpired(uint112 instrument, uint32 expiry, uint256 time);
    error UnderlyingAlreadyListed(uint8 underlying);
    error UnderlyingOutOfRange(uint8 underlying, uint256 limit);
    /// @notice Unknown or price-only: it has no instruments, so no expiries.
    error UnderlyingNotTradable(uint8 underlying);
    error ExpiryAlreadyListed(uint8 underlying, uint32 expiry);
    error ExpiryNotInFuture(uint32 expiry, uint256 time);

    /// @notice Lists an underlying, for good. Only LISTING_ADMIN.
    /// @param underlying Id below MAX_UNDERLYINGS.
    /// @param symbol For readers off-chain.
    /// @param tradable False for price-only underlyings (the price of a collateral token such as USDT).
    function listUnderlying(uint8 underlying, string calldata symbol, bool tradable) external;

    /// @notice Opens futures and options of one expiry. Only LISTING_ADMIN.
    function listExpiry(uint8 underlying, uint32 expiry) external;

    /// @notice Reverts unless the instrument can be traded now.
    function requireTradable(uint112 instrument) external view;

    /// @notice Canonical, of a tradable underlying and a listed expiry; also true once it has expired.
    function isListed(uint112 instrument) external view returns (bool);

    /// @notice Whether the underlying has prices; it need not be tradable.
    function isUnderlyingListed(uint8 underlying) external view returns (bool);

    function isExpiryListed(uint8 underlying, uint32 expiry) external view returns (bool);

    /// @notice All underlyings in the order in which they were listed.
    function underlyings() external view returns (uint8[] memory ids, string[] memory symbols);

    /// @notice All expiries of an underlying in the order in which they were listed, passed ones included.
    function expiries(uint8 underlying) external view returns (uint32[] memory);
}
