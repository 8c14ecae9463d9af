// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Witness} from "./IMarginEngine.sol";

/// @title Liquidator
/// @notice Tiered liquidation on proof (ledger-and-liquidation.md sections 2-4). Anyone may call; nobody is trusted.
/// @dev INV-LIQ-IMPROVES, INV-LIQ-NOT-TOO-MUCH. USD 1e18, health and rates 1e18.
interface ILiquidator {
    enum Tier {
        NONE,
        PARTIAL,
        FULL,
        BANKRUPT
    }

    /// @notice One leg: how much of the account's position moves to the liquidator, signed like the position.
    struct LiquidationLeg {
        uint112 instrument;
        int128 size;
    }

    /// @param account Who is liquidated. @param to The liquidator's account (caller must hold SCOPE_TRADE).
    /// @param minPayment Reverts where the liquidator would be paid less (USD 1e18).
    /// @param callback Non-empty: `onLiquidation(account, to, legs, data)` is called on the sender after the legs moved.
    struct Liquidation {
        uint64 account;
        uint64 to;
        LiquidationLeg[] legs;
        Witness witness;
        uint256 minPayment;
        bytes callback;
    }

    /// @notice What a liquidation did.
    struct Outcome {
        Tier tier;
        uint256 requirementBefore;
        uint256 requirementAfter;
        uint256 release;
        uint256 discount;
        uint256 payment;
        uint256 fee;
        uint256 fundPaid;
        int256 healthAfter;
    }

    /// @dev 12 bytes.
    struct Clock {
        uint40 startedAt; // 0: never
        uint40 provenAt; // last proof below FULL_THRESHOLD
    }

    event Flagged(uint64 indexed account, address indexed by, uint256 startedAt, int256 marginEquity, uint256 requirement);
    event LegTaken(uint64 indexed account, uint64 indexed to, uint112 indexed instrument, int256 size, uint256 price);
    event Liquidated(
        uint64 indexed account,
        uint64 indexed to,
        Tier indexed tier,
        int256 healthBefore,
        int256 healthAfter,
        uint256 requirementBefore,
        uint256 requirementAfter,
        uint256 payment,
        uint256 fee,
        uint256 fundPaid
    );
    event CollateralConverted(
        uint64 indexed account, uint64 indexed to, uint8 indexed index, uint256 quantity, uint256 paid, uint256 price
    );

    error NotAuthorised(uint64 account, address caller);
    error SelfLiquidation(uint64 account);
    error StalePrice(uint256 signedAt, uint256 time, uint256 limit);
    /// @notice The witness does not prove health below the partial threshold.
    error NotLiquidatable(uint64 account, int256 marginEquity, uint256 requirement);
    error NoLegs();
    /// @notice A leg must shrink a position the account holds: same sign, not larger.
    error LegDoesNotShrink(uint64 account, uint112 instrument, int256 position, int256 leg);
    /// @notice The legs release no requirement (for example they leave a hedge naked).
    error NothingReleased(uint256 before, uint256 afterwards);
    /// @notice INV-LIQ-NOT-TOO-MUCH: health after is above the target, or tier 1 closed more than the close factor.
    error TooMuch(uint64 account, int256 healthAfter, uint256 requirementBefore, uint256 requirementAfter);
    error PaymentTooLow(uint256 payment, uint256 minPayment);
    error LiquidatorUnderMargined(uint64 account, int256 marginEquity, uint256 required);
    /// @notice The insurance fund may not pay the legs' share of the deficit.
    error DeficitExceedsFund(uint64 account, uint256 share, uint256 available);
    error NoDebt(uint64 account, int256 cash, uint256 cap);
    error ConversionTooLarge(uint256 paid, uint256 limit);
    error ShortfallRose(uint64 account, int256 before, int256 afterwards);

    /// @notice Proves health < FULL_THRESHOLD, starts, renews or resumes the Dutch clock.
    function flag(uint64 account, Witness calldata witness) external;

    function liquidate(Liquidation calldata liquidation) external returns (Outcome memory);

    /// @notice Buys collateral of an indebted account at its price minus a small rising discount.
    /// @param quantity Tokens, 1e18. @param maxPaid Reverts where it would cost more cash, USD 1e18.
    function convertCollateral(uint64 account, uint64 to, uint8 index, uint256 quantity, uint256 maxPaid) external;

    /// @notice The deficit of an account without positions and collateral, paid by the fund.
    function coverDeficit(uint64 account) external returns (uint256 paid);

    function clock(uint64 account) external view returns (Clock memory);

    /// @notice Discount a FULL liquidation of the account would pay now, 1e18 of the release.
    function discountNow(uint64 account) external view returns (uint256);
}
