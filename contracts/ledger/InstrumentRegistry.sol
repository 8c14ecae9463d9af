// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";

import {IInstrumentRegistry} from "../interfaces/IInstrumentRegistry.sol";
import {InstrumentId} from "../types/InstrumentId.sol";
import {MAX_UNDERLYINGS} from "../types/Parameter.sol";

/// @title Instrument registry
contract InstrumentRegistry is IInstrumentRegistry, AccessControl {
    /// @notice May list underlyings and expiries: the timelock.
    bytes32 public constant LISTING_ADMIN = keccak256("LISTING_ADMIN");

    /// @dev 2 bytes.
    struct Listing {
        bool listed;
        bool tradable;
    }

    mapping(uint8 underlying => Listing) private _listings;
    /// @dev By feed key (underlying << 32 | expiry), as the price door's feeds.
    mapping(uint40 feedKey => bool) private _expiryListed;

    uint8[] private _ids;
    mapping(uint8 underlying => string) private _symbols;
    mapping(uint8 underlying => uint32[]) private _expiries;

    constructor(address admin) {
        _grantRole(DEFAULT_ADMIN_ROLE, admin);
        _grantRole(LISTING_ADMIN, admin);
    }

    /// @inheritdoc IInstrumentRegistry
    function listUnderlying(uint8 underlying, string calldata symbol, bool tradable) external onlyRole(LISTING_ADMIN) {
        if (underlying >= MAX_UNDERLYINGS) revert UnderlyingOutOfRange(underlying, MAX_UNDERLYINGS);
        if (_listings[underlying].listed) revert UnderlyingAlreadyListed(underlying);
        _listings[underlying] = Listing({listed: true, tradable: tradable});
        _ids.push(underlying);
        _symbols[underlying] = symbol;
        emit UnderlyingListed(underlying, symbol, tradable);
    }

    /// @inheritdoc IInstrumentRegistry
    function listExpiry(uint8 underlying, uint32 expiry) external onlyRole(LISTING_ADMIN) {
        if (!_listings[underlying].tradable) revert UnderlyingNotTradable(underlying);
        if (expiry <= block.timestamp) revert ExpiryNotInFuture(expiry, block.timestamp);
        uint40 key = _feedKey(underlying, expiry);
        if (_expiryListed[key]) revert ExpiryAlreadyListed(underlying, expiry);
        _expiryListed[key] = true;
        _expiries[underlying].push(expiry);
        emit ExpiryListed(underlying, expiry);
    }

    /// @inheritdoc IInstrumentRegistry
    function requireTradable(uint112 instrument) external view {
        if (!isListed(instrument)) revert InstrumentNotListed(instrument);
        uint32 expiry = InstrumentId.wrap(instrument).expiry();
        if (expiry != 0 && expiry <= block.timestamp) revert InstrumentExpired(instrument, expiry, block.timestamp);
    }

    /// @inheritdoc IInstrumentRegistry
    function isListed(uint112 instrument) public view returns (bool) {
        InstrumentId id = InstrumentId.wrap(instrument);
        if (!id.isCanonical() || !_listings[id.underlying()].tradable) return false;
        return id.expiry() == 0 || _expiryListed[id.feedKey()];
    }

    /// @inheritdoc IInstrumentRegistry
    function isUnderlyingListed(uint8 underlying) external view returns (bool) {
        return _listings[underlying].listed;
    }

    /// @inheritdoc IInstrumentRegistry
    function isExpiryListed(uint8 underlying, uint32 expiry) external view returns (bool) {
        return _expiryListed[_feedKey(underlying, expiry)];
    }

    /// @inheritdoc IInstrumentRegistry
    function underlyings() external view returns (uint8[] memory ids, string[] memory symbols) {
        ids = _ids;
        symbols = new string[](ids.length);
        for (uint256 i; i < ids.length; ++i) {
            symbols[i] = _symbols[ids[i]];
        }
    }

    /// @inheritdoc IInstrumentRegistry
    function expiries(uint8 underlying) external view returns (uint32[] memory) {
        return _expiries[underlying];
    }

    function _feedKey(uint8 underlying, uint32 expiry) private pure returns (uint40) {
        return (uint40(underlying) << 32) | uint40(expiry);
    }
}
