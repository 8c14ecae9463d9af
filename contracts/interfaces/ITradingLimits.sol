// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title Limits on trades and deposits
/// @notice Open interest per instrument and underlying, positions per account and entity, concentration, tokens in the vault and per account.
/// A limit binds only what makes the limited quantity grow: who is above may always shrink. 0 means no limit.
/// An *entity* is a group of accounts that one party controls; its positions count together.
/// Trusted: LIMIT_ADMIN (the timelock) with all limits; ATTESTOR with who belongs together: a wrong attestation stops an entity from
/// growing, or lets it grow, up to the limits of its accounts, and moves nothing.
interface ITradingLimits {
    /// @dev Contracts 1e18. Two slots.
    struct UnderlyingLimits {
        uint128 openInterest; // slot 0, sum over the instruments of the underlying
        uint128 instrument; // slot 0, open interest of each instrument that has no limit of its own
        uint128 position; // slot 1, |size| of an account in an instrument
        uint128 entity; // slot 1, sum of |size| of an entity's accounts in the underlying
    }

    /// @dev Tokens WAD. One slot.
    struct TokenLimits {
        uint128 total; // recorded by the vault
        uint128 account; // held by one account; not for the settlement token
    }

    event UnderlyingLimitsSet(uint8 indexed underlying, UnderlyingLimits limits);
    event InstrumentLimitSet(uint112 indexed instrument, uint128 openInterest);
    event TokenLimitsSet(uint8 indexed index, TokenLimits limits);

    error OpenInterestAboveLimit(uint112 instrument, uint256 openInterest, uint256 limit);
    error UnderlyingAboveLimit(uint8 underlying, uint256 openInterest, uint256 limit);
    error PositionAboveLimit(uint64 account, uint112 instrument, uint256 size, uint256 limit);
    error EntityAboveLimit(uint32 entity, uint8 underlying, uint256 exposure, uint256 limit);
    /// @notice More than MAX_OI_SHARE of one side of the instrument's open interest, and of more than OI_SHARE_FREE USD.
    error TooConcentrated(uint64 account, uint112 instrument, uint256 size, uint256 limit);
    /// @notice Deposits would take the vault above `limit` of the token.
    error DepositCapReached(uint8 index, uint256 recorded, uint256 limit);
    /// @notice The account would hold more than `limit` of the token.
    error AccountCapReached(uint64 account, uint8 index, uint256 held, uint256 limit);
    /// @notice Deposits into somebody else's account are of MIN_FOREIGN_DEPOSIT USD at least: dust would change what a witness of
    /// that account must name.
    error ForeignDepositTooSmall(uint64 account, uint256 value, uint256 least);

    /// @notice Only LIMIT_ADMIN, as all that follow.
    function setUnderlyingLimits(uint8 underlying, UnderlyingLimits calldata limits) external;

    /// @notice Takes the place of the underlying's `instrument` limit for one instrument; 0 gives it back.
    function setInstrumentLimit(uint112 instrument, uint128 openInterest) external;

    function setTokenLimits(uint8 index, TokenLimits calldata limits) external;

    /// @notice Says that an account belongs to an entity (0: to none). Only ATTESTOR. The ledger tells (`EntitySet`).
    function attest(uint64 account, uint32 entity) external;

    /// @notice Reverts unless the limits hold after a trade that the ledger already has: `size` contracts from `seller` to `buyer`.
    /// @param spot USD 1e18 per unit, for the notional that is free of the share rule.
    function requireTrade(uint112 instrument, uint64 buyer, uint64 seller, uint256 size, uint256 spot) external view;

    /// @notice Reverts unless `from` may have deposited `quantity` of token `index`; vault and ledger already have it.
    function requireDeposit(uint64 account, uint8 index, uint256 quantity, address from) external view;

    function underlyingLimits(uint8 underlying) external view returns (UnderlyingLimits memory);

    function instrumentLimit(uint112 instrument) external view returns (uint128 openInterest);

    function tokenLimits(uint8 index) external view returns (TokenLimits memory);
}
