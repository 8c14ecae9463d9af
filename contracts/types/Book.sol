// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @notice How an account is margined (margin.md sections 1-6).
enum MarginMode {
    ISOLATED,
    CROSS,
    PORTFOLIO
}

/// @notice Everything the margin engine needs to know of one account.
/// @param mode Margin mode.
/// @param balance Cash minus the sum of the costs of the open positions, USD 1e18: equity = balance + sum(size * mark) +
/// collateral.
/// @param collateral Quantity per collateral index, 1e18 tokens; may be shorter than the number of tokens.
/// @param positions Packed positions (`types/Position.sol`), in no particular order, one per instrument.
struct Book {
    MarginMode mode;
    int256 balance;
    uint256[] collateral;
    uint256[] positions;
}

using {answer} for Book global;

/// @notice Ends an external call with `b` as its only result.
/// @dev Readable equivalent: return b. Solidity would encode the arrays word by word, at 100 gas each.
function answer(Book memory b) pure {
    assembly ("memory-safe") {
        // | offset | mode | balance | offset of collateral | offset of positions | collateral | positions |
        let out := mload(0x40)
        let collateral := mload(add(b, 0x40))
        let positions := mload(add(b, 0x60))
        let first := shl(5, add(mload(collateral), 1))
        let second := shl(5, add(mload(positions), 1))
        mstore(out, 0x20)
        mstore(add(out, 0x20), mload(b))
        mstore(add(out, 0x40), mload(add(b, 0x20)))
        mstore(add(out, 0x60), 0x80)
        mstore(add(out, 0x80), add(0x80, first))
        mcopy(add(out, 0xa0), collateral, first)
        mcopy(add(add(out, 0xa0), first), positions, second)
        return(out, add(0xa0, add(first, second)))
    }
}

/// @notice The market an account is priced in; what the door returns for one account's instruments.
struct Market {
    uint256 time;
    UnderlyingMarket[] underlyings;
}

/// @param spot Packed `SpotWord`.
struct UnderlyingMarket {
    uint8 underlying;
    uint256 spot;
    ExpiryMarket[] expiries;
}

/// @dev Packed `QuoteWord`, `SmileWord`, `WingWord`.
struct ExpiryMarket {
    uint32 expiry;
    uint256 quote;
    uint256 smile;
    uint256 wing;
}

/// @notice A change of position. `price` matters only where the leg is traded, not where it is moved at mark.
struct Leg {
    uint112 instrument;
    int128 size;
    uint128 price;
}
