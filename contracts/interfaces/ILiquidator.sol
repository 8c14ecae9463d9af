// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ICircuitBreaker} from "./ICircuitBreaker.sol";
import {ICollateralVault} from "./ICollateralVault.sol";
import {IInsuranceFund} from "./IInsuranceFund.sol";
import {ILedger} from "./ILedger.sol";
import {IMarginEngine, Witness} from "./IMarginEngine.sol";
import {IPriceDoor} from "./IPriceDoor.sol";
import {IRiskParameters} from "./IRiskParameters.sol";

/// @title Liquidator
/// @notice Tiered liquidation on proof (ledger-and-liquidation.md sections 2-4). Anyone may call; nobody is trusted.
/// @dev USD 1e18, health and rates 1e18. MM' is the maintenance requirement that the witness proves (a lower bound), MM+ the full
/// scan after the legs moved, release = MM' - MM+ without the marks of paid-up long options (CROSS, ISOLATED), plus as much of those as
/// the account was short of.
///
/// INV-LIQ-IMPROVES: outside BANKRUPT the true shortfall (maintenance - margin equity) falls by at least
/// (1 - discount - fee rate) * release; a small account's flat reward comes on top, out of equity that is left.
/// INV-LIQ-NOT-TOO-MUCH: outside BANKRUPT and small accounts, health after a call (exact) is at most TARGET_HEALTH, MM+ is at least
/// SMALL_REWARD (less is dust that nobody would liquidate), and in PARTIAL MM+ >= (1 - CLOSE_FACTOR) * MM'. Where only paid-up long
/// options are left, health is 0 / 0: there the margin equity beyond them is at most SMALL_REWARD.
///
/// Works in every state of the circuit breaker but SHUTDOWN. Several liquidators may work on one account in the same block. A lost race
/// is refused before any scan: `RaceLost` (who names the round), `LegDoesNotShrink` (the legs are gone); it costs gas and nothing else.
///
/// Rewards come from the account's own equity; the fund pays only deficits and the bankrupt reward.
/// Every price used is at most MAX_ACTION_AGE seconds old.
interface ILiquidator {
    enum Tier {
        NONE,
        PARTIAL,
        FULL,
        BANKRUPT
    }

    struct Wiring {
        ILedger ledger;
        ICollateralVault vault;
        IPriceDoor door;
        IRiskParameters parameters;
        IMarginEngine engine;
        IInsuranceFund fund;
        ICircuitBreaker breaker;
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

    /// @param quantity Tokens of collateral `index`, 1e18. @param maxPaid Reverts where they would cost more, USD 1e18.
    struct Conversion {
        uint64 account;
        uint64 to;
        uint8 index;
        uint256 quantity;
        uint256 maxPaid;
    }

    /// @notice What a liquidation did.
    /// @param requirementBefore MM'. @param requirementAfter MM+. @param release What counts of their difference.
    /// @param discount Share of the release paid, 1e18 (0 in BANKRUPT). @param payment All that the liquidator received, flat rewards
    /// included. @param fee To the house, who owes it to the fund. @param fundPaid Drawn from the insurance fund.
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

    /// @dev 10 bytes.
    struct Clock {
        uint40 startedAt; // 0: never
        uint40 provenAt; // last proof
    }

    /// @notice A proof of health below FULL_THRESHOLD went on record: by `flag`, or by a liquidation in tier FULL or BANKRUPT.
    event Flagged(uint64 indexed account, address indexed by, uint256 startedAt, int256 marginEquity, uint256 requirement);
    /// @notice A debt went on record: by `flagDebt` or by a conversion, with the cash as it was before.
    event DebtFlagged(uint64 indexed account, address indexed by, uint256 startedAt, int256 cash);
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
    /// @param price The collateral's oracle price, before the discount.
    event CollateralConverted(
        uint64 indexed account, uint64 indexed to, uint8 indexed index, uint256 quantity, uint256 paid, uint256 price
    );
    event DeficitCovered(uint64 indexed account, uint256 paid, int256 cash);

    error NotAuthorised(uint64 account, address caller);
    error ShutDown(uint256 at);
    /// @notice Somebody was faster: the account was liquidated `rounds` times by now, the caller decided at `round`.
    error RaceLost(uint64 account, uint32 round, uint32 rounds);
    error SelfLiquidation(uint64 account);
    error StalePrice(uint256 signedAt, uint256 time, uint256 limit);
    /// @notice The witness does not prove health below the partial threshold.
    error NotLiquidatable(uint64 account, int256 marginEquity, uint256 requirement);
    error NoLegs();
    /// @notice A leg must shrink a position the account holds: same sign, not larger.
    error LegDoesNotShrink(uint64 account, uint112 instrument, int256 position, int256 leg);
    /// @notice The legs release no requirement (for example they leave a hedge naked).
    error NothingReleased(uint256 before, uint256 afterwards);
    /// @notice INV-LIQ-NOT-TOO-MUCH: health after is above the target, nothing or dust is left, or tier 1 closed more than the close
    /// factor.
    error TooMuch(uint64 account, int256 healthAfter, uint256 requirementBefore, uint256 requirementAfter);
    error PaymentTooLow(uint256 payment, uint256 minPayment);
    error LiquidatorUnderMargined(uint64 account, int256 marginEquity, uint256 required);
    /// @notice The insurance fund may not pay the legs' share of the deficit (what of it `underlying` caused).
    error DeficitExceedsFund(uint64 account, uint8 underlying, uint256 share, uint256 available);
    /// @notice Cash is not below minus the cap (of any size where no position is left).
    error NoDebt(uint64 account, int256 cash, uint256 cap);
    error UnknownCollateral(uint8 index);
    error ZeroQuantity();
    /// @notice More than the debt and its buffer, or than the buyer's own limit.
    error ConversionTooLarge(uint256 paid, uint256 limit);
    error ShortfallRose(uint64 account, int256 before, int256 afterwards);
    /// @notice The collateral can go without legs: the shortfall does not rise.
    error LegsNotNeeded(uint64 account, int256 before, int256 afterwards);
    /// @notice More legs than the collateral's going made necessary: the shortfall fell by more than `room`.
    error TooManyLegs(uint64 account, int256 before, int256 afterwards, uint256 room);
    /// @notice The buyer would owe more than the debt cap: a debt is paid, not passed on.
    error BuyerInDebt(uint64 account, int256 cash, uint256 cap);
    /// @notice Only an account without positions and collateral whose cash is negative has a deficit to cover.
    error NoDeficit(uint64 account, int256 cash, uint256 positions, uint256 collateralMask);

    /// @notice Proves health < FULL_THRESHOLD, starts, renews or resumes the Dutch clock. Reverts `HealthNotBelow` of the engine.
    function flag(uint64 account, Witness calldata witness) external;

    /// @notice Takes legs of an under-margined account at mark and is paid for the release it proves.
    /// @dev Tier by health, of which the witness proves an upper bound: PARTIAL below PARTIAL_THRESHOLD, FULL below FULL_THRESHOLD
    /// (renews the clock), BANKRUPT where equity is negative. Outside BANKRUPT
    ///
    ///      payment = discount * release, fee = feeNow() * release,
    ///      payment + fee <= max(0, equity) * release / MM'       (both scaled down to it)
    ///
    /// and the small reward SMALL_REWARD once, where the whole book of an account below SMALL_ACCOUNT is taken, at most the equity left.
    /// In BANKRUPT the fund pays to the account the legs' share of the deficit (by requirement, `StressShare`; all of it where no
    /// leg is left) and to the liquidator min(BANKRUPT_REWARD * notional of the legs, LIQUIDATION_FEE * release): worthless
    /// long options, of any notional, earn nothing. Draws count for the underlyings of the legs; what exceeds the fund's limits reverts, the
    /// legs stay, and the deficit may be opened instead (auto-deleveraging).
    /// Liquidator's account: SCOPE_TRADE of the caller, initial margin after the callback, on fresh prices.
    function liquidate(Liquidation calldata request) external returns (Outcome memory);

    /// @notice `liquidate` that fails early where somebody was faster, and goes on into tier BANKRUPT.
    /// @param round `rounds(account)` when the caller decided, ANY_ROUND not to ask.
    /// @param further Legs for the case that the account is BANKRUPT: taken together with the others where it is when the call begins; as a
    /// second liquidation where the callback's newer price makes it so. Ignored otherwise.
    /// @return first As `liquidate`. @return second Tier NONE where there was none. `minPayment` is for both together.
    function liquidateThrough(Liquidation calldata request, uint32 round, LiquidationLeg[] calldata further)
        external
        returns (Outcome memory first, Outcome memory second);

    /// @notice Proves a debt that may be converted; starts, renews or resumes the clock of its discount.
    function flagDebt(uint64 account) external;

    /// @notice Buys collateral of an indebted account (cash below minus DEBT_CAP; any debt where no position is left) at its price
    /// minus a discount that rises from CONVERSION_DISCOUNT_START to CONVERSION_DISCOUNT_MAX over CONVERSION_DURATION since the
    /// debt was flagged (a clock of its own: healthy accounts may be in debt). The price paid is rounded up.
    /// @dev Pays at most the debt plus CONVERSION_BUFFER; the full-scan shortfall of the account must not rise; the buyer satisfies
    /// initial margin and its own debt cap afterwards.
    /// @param quantity Tokens, 1e18, a multiple of the token's unit. @param maxPaid Reverts where it would cost more, USD 1e18.
    function convertCollateral(uint64 account, uint64 to, uint8 index, uint256 quantity, uint256 maxPaid) external;

    /// @notice Buys collateral together with the legs that it covers, at mark: where the collateral alone may not go because the
    /// shortfall would rise [A: covered calls left naked].
    /// @dev As `convertCollateral`; the legs shrink positions; with them the shortfall is not above that before, and not below it by more
    /// than CONVERSION_BUFFER of what the collateral's going alone would have added.
    function convertCollateralWithLegs(Conversion calldata request, LiquidationLeg[] calldata legs) external;

    /// @notice The deficit of an account without positions and collateral, interest to now included, paid by the fund as far as it may.
    /// @return paid To the account, USD 1e18.
    function coverDeficit(uint64 account) external returns (uint256 paid);

    function clock(uint64 account) external view returns (Clock memory);

    function debtClock(uint64 account) external view returns (Clock memory);

    /// @notice How many liquidations the account has had.
    function rounds(uint64 account) external view returns (uint32);

    /// @notice Fee of a liquidation now, 1e18 of the release: from LIQUIDATION_FEE_MAX where the fund covers COVERAGE_LOW of the open
    /// interest's notional or less, to LIQUIDATION_FEE_MIN at COVERAGE_HIGH.
    function feeNow() external view returns (uint256);

    /// @notice Discount that a FULL liquidation of the account would pay now, 1e18 of the release.
    function discountNow(uint64 account) external view returns (uint256);

    /// @notice Discount of a conversion now, 1e18 of the collateral's price.
    function conversionDiscountNow(uint64 account) external view returns (uint256);
}

/// @dev For `liquidateThrough`.
uint32 constant ANY_ROUND = type(uint32).max;

/// @title What a liquidator that is a contract may implement to fund or hedge inside its liquidation
interface ILiquidationCallback {
    /// @notice Called by the liquidator contract after legs and payment moved, before the margin of `to` is checked.
    /// @param data As the caller passed it.
    function onLiquidation(uint64 account, uint64 to, ILiquidator.LiquidationLeg[] calldata legs, bytes calldata data) external;
}
