// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {InstrumentId} from "./InstrumentId.sol";

/// @notice One open position: one word, all that the margin engine needs of it. Stored in half a slot or one (ledger/PositionStore.sol).
/// @dev Layout, most significant bits first:
///
///      | 255..160                   | 159..112                   | 111..0        |
///      | size, int96, 1e18 contracts| ln(strike), int48, 2**-42  | instrument id |
///
///      ln(strike) (strike in USD) is computed once, when the position is opened, by the ledger: it spares the engine a
///      logarithm per option and scan. It is zero for perps and futures. The cost lives in a second slot that only
///      trading reads: equity needs no more than the account's sum of costs.
type Position is uint256;

/// @notice The size of a position must fit int96: |size| < 2**95 / 1e18 = 3.9e10 contracts.
error SizeOutOfRange(int256 size);

using {instrument, size, lnStrike, withSize} for Position global;

function position(InstrumentId instrument_, int48 lnStrike_, int256 size_) pure returns (Position) {
    return Position.wrap(
        (uint256(uint96(toInt96(size_))) << 160) | (uint256(uint48(lnStrike_)) << 112)
            | uint256(InstrumentId.unwrap(instrument_))
    );
}

function instrument(Position p) pure returns (InstrumentId) {
    return InstrumentId.wrap(uint112(Position.unwrap(p)));
}

/// @return Signed contracts, 1e18.
function size(Position p) pure returns (int256) {
    return int256(Position.unwrap(p)) >> 160;
}

/// @return ln(strike in USD), 2**-42 fixed point.
function lnStrike(Position p) pure returns (int48) {
    return int48(uint48(Position.unwrap(p) >> 112));
}

function withSize(Position p, int256 size_) pure returns (Position) {
    return Position.wrap((uint256(uint96(toInt96(size_))) << 160) | (Position.unwrap(p) & type(uint160).max));
}

function toInt96(int256 value) pure returns (int96) {
    if (value != int96(value)) revert SizeOutOfRange(value);
    return int96(value);
}
