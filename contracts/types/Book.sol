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
