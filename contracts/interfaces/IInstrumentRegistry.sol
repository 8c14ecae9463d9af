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
    error ExpiryNotInFuture(uint32 expiry, uint256 time);

    /// @param tradable False for price-only underlyings (the price of a collateral token such as USDT).
    function listUnderlying(uint8 underlying, string calldata symbol, bool tradable) external;

    function listExpiry(uint8 underlying, uint32 expiry) external;

    /// @notice Reverts unless the instrument can be traded now.
    function requireTradable(uint112 instrument) external view;

    function isListed(uint112 instrument) external view returns (bool);

    function isExpiryListed(uint8 underlying, uint32 expiry) external view returns (bool);

    function underlyings() external view returns (uint8[] memory ids, string[] memory symbols);

    function expiries(uint8 underlying) external view returns (uint32[] memory);
}
