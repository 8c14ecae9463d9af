// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @notice What is traded: one 112-bit word that names itself, so that no registry look-up is needed to price it.
/// @dev Layout, most significant bits first:
///
///      | 111..104 | 103..96    | 95..64            | 63..0                |
///      | kind     | underlying | expiry (unix s)   | strike (1e-8 USD)    |
///
///      A perp has expiry 0 and strike 0, a future strike 0. `isCanonical` says whether the unused fields are zero:
///      two words never name the same instrument.
type InstrumentId is uint112;

/// @notice Kinds the engine prices itself. Values above are reserved for registered pricers (margin.md section 10).
enum Kind {
    PERP,
    FUTURE,
    CALL,
    PUT
}

/// @notice The word does not name an instrument the engine can price.
error UnknownInstrument(uint112 instrument);

/// @dev USD (1e18) per unit of the strike field.
uint256 constant STRIKE_UNIT = 1e10;

using {kind, underlying, expiry, strike, isCanonical, isOption, feedKey, equals as ==} for InstrumentId global;

function instrumentId(Kind kind_, uint8 underlying_, uint32 expiry_, uint64 strike_) pure returns (InstrumentId) {
    return InstrumentId.wrap(
        (uint112(uint8(kind_)) << 104) | (uint112(underlying_) << 96) | (uint112(expiry_) << 64) | uint112(strike_)
    );
}

/// @dev Reverts on a kind the engine does not know; call `isCanonical` first where the word comes from a caller.
function kind(InstrumentId id) pure returns (Kind) {
    uint8 raw = uint8(InstrumentId.unwrap(id) >> 104);
    if (raw > uint8(type(Kind).max)) revert UnknownInstrument(InstrumentId.unwrap(id));
    return Kind(raw);
}

function underlying(InstrumentId id) pure returns (uint8) {
    return uint8(InstrumentId.unwrap(id) >> 96);
}

function expiry(InstrumentId id) pure returns (uint32) {
    return uint32(InstrumentId.unwrap(id) >> 64);
}

/// @return USD per unit of underlying, 1e18.
function strike(InstrumentId id) pure returns (uint256) {
    return uint256(uint64(InstrumentId.unwrap(id))) * STRIKE_UNIT;
}

function isOption(InstrumentId id) pure returns (bool) {
    return uint8(InstrumentId.unwrap(id) >> 104) >= uint8(Kind.CALL);
}

function isCanonical(InstrumentId id) pure returns (bool) {
    uint112 raw = InstrumentId.unwrap(id);
    uint8 kind_ = uint8(raw >> 104);
    if (kind_ > uint8(type(Kind).max)) return false;
    if (kind_ == uint8(Kind.PERP)) return uint96(raw) == 0;
    if (uint32(raw >> 64) == 0) return false;
    return (uint64(raw) != 0) == (kind_ >= uint8(Kind.CALL));
}

/// @notice Key of the expiry's feed: underlying << 32 | expiry. A perp's key is the key of the spot feed.
function feedKey(InstrumentId id) pure returns (uint40) {
    return uint40(InstrumentId.unwrap(id) >> 64);
}

function equals(InstrumentId a, InstrumentId b) pure returns (bool) {
    return InstrumentId.unwrap(a) == InstrumentId.unwrap(b);
}
