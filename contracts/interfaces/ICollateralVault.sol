// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IModules} from "./IModules.sol";

uint8 constant SETTLEMENT = 255;

/// @title Collateral vault
/// @notice The only contract that moves traders' tokens. Records what it received, so that donations do not matter.
/// Tokens: without a return value or with `false` (handled, a `false` reverts); with a fee on transfer, for sender or receiver
/// (refused); rebasing (up: a donation that nobody owns; down: deposits are refused, those who are in leave as long as there is
/// some); reverting or blocking holders (the transfer reverts, nobody else is concerned); calling back (guarded).
/// @dev Token index: `SETTLEMENT` (255) is the settlement token, 0..7 are the collateral tokens in the order of listing.
/// Amounts crossing this interface are WAD (1e18 tokens); the vault converts to the token's decimals (at most 18).
interface ICollateralVault is IModules {
    event TokenListed(uint8 indexed index, address indexed token, uint8 decimals);
    event TokensReceived(uint8 indexed index, address indexed from, uint256 quantity, uint256 recorded);
    event TokensSent(uint8 indexed index, address indexed to, uint256 quantity, uint256 recorded);

    error UnknownToken(uint8 index);
    error TokenAlreadyListed(address token);
    error TooManyDecimals(address token, uint8 decimals);
    error TooManyTokens(uint256 limit);
    /// @notice The token moved another amount than asked (fee on transfer, rebase): such tokens are refused. In token units.
    error WrongAmountReceived(address token, uint256 expected, uint256 received);
    /// @notice The same on the way out: what left the vault is not what was asked.
    error WrongAmountSent(address token, uint256 expected, uint256 sent);
    /// @notice The token took back what the vault had received (a negative rebase): deposits are refused. In token units.
    error BalanceBelowRecorded(address token, uint256 held, uint256 recorded);
    /// @notice The vault does not hold `quantity` beyond what it has recorded. In token units.
    error NotReceived(address token, uint256 held, uint256 recorded, uint256 quantity);
    /// @notice More than was recorded. In WAD.
    error InsufficientRecorded(uint8 index, uint256 recorded, uint256 wanted);
    /// @notice WAD quantity is not a multiple of the token's smallest unit.
    error QuantityNotRepresentable(uint8 index, uint256 quantity);
    error ZeroQuantity();

    /// @notice Governance lists a collateral token; the index is the next free one.
    function list(address token) external returns (uint8 index);

    /// @notice Module: pulls `quantity` (WAD) from `from`, who approved the vault.
    function receiveFrom(uint8 index, address from, uint256 quantity) external;

    /// @notice Module: pushes `quantity` (WAD) to `to`.
    function sendTo(uint8 index, address to, uint256 quantity) external;

    /// @notice Module: records tokens that have already been transferred here (by the insurance fund).
    function recordReceived(uint8 index, uint256 quantity) external;

    function token(uint8 index) external view returns (address);

    /// @notice One unit of the token in WAD: 10 ** (18 - decimals).
    function unit(uint8 index) external view returns (uint256);

    /// @notice Tokens recorded, WAD.
    function recorded(uint8 index) external view returns (uint256);

    function tokenCount() external view returns (uint8);
}
