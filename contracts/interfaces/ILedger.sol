// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IModules} from "./IModules.sol";
import {Book, MarginMode} from "../types/Book.sol";

/// @title Account ledger
/// @notice Who holds what. Makes no external calls and divides only to realise cost pro rata. Users reach it through
/// `IClearing`; only the registered modules (clearing, liquidator) write.
/// @dev Amounts are USD 1e18 (WAD), sizes contracts 1e18, prices USD per unit 1e18.
///
/// Account 0 is the *house*: its cash is the fee cash that the insurance fund collects.
///
/// INV-LEDGER: sum over accounts (house included) of (cash - sum of costs) = settlement tokens recorded by the vault,
/// up to roundings against the accounts: 0 <= recorded - sum <= number of operations, in 1e-18 USD.
/// INV-ZERO-SUM: positions of an instrument sum to zero over all accounts.
/// INV-COLLATERAL: balances of a collateral token sum to the quantity recorded by the vault, exactly.
interface ILedger is IModules {
    /// @notice Why cash moved, in `CashChanged`.
    enum CashReason {
        DEPOSIT,
        WITHDRAWAL,
        TRADE, // realised profit or loss and fees of a trade
        FEE, // to the house
        LIQUIDATION, // payment for a proven release, flat rewards
        CONVERSION, // collateral bought out of a debt
        FUND, // insurance fund pays a deficit
        FEES_COLLECTED, // house to the insurance fund
        FUNDING, // paid between longs and shorts
        INTEREST, // on debts, to the house
        LOSS_SHARE, // a shared loss
        SETTLEMENT, // closed at a final price
        DELEVERAGING, // closed against a bankrupt account
        TRANSFER // between accounts of one owner
    }

    /// @dev 24 bytes: slot 0 of an account.
    struct Account {
        address owner;
        MarginMode mode;
        uint8 positionCount;
        uint8 collateralMask; // bit i: holds collateral i
        bool exists;
    }

    /// @notice A position with its cost (paid for the open size, signed, USD 1e18).
    struct PositionView {
        uint112 instrument;
        int256 size;
        int256 cost;
    }

    event AccountOpened(uint64 indexed account, address indexed owner, MarginMode mode);
    event ModeSet(uint64 indexed account, MarginMode mode);
    event OperatorSet(uint64 indexed account, address indexed operator, uint8 scopes);
    /// @param cash The account's cash after the change.
    event CashChanged(uint64 indexed account, CashReason indexed reason, int256 change, int256 cash);
    /// @param quantity The account's quantity of collateral `index` after the change, 1e18 tokens.
    event CollateralChanged(uint64 indexed account, uint8 indexed index, int256 change, uint256 quantity);
    /// @notice A position after a change. `size` 0: closed. `fundingIndex` is the perp's entry index (0 until funding runs).
    event PositionChanged(
        uint64 indexed account, uint112 indexed instrument, int256 size, int256 cost, int256 fundingIndex, int256 price
    );

    error UnknownAccount(uint64 account);
    error ZeroSize();
    error SameAccount(uint64 account);
    /// @notice The account would hold more positions than `limit`.
    error TooManyPositions(uint64 account, uint256 limit);
    /// @notice ISOLATED accounts hold one instrument.
    error IsolatedHoldsOne(uint64 account, uint112 held, uint112 wanted);
    error InsufficientCollateral(uint64 account, uint8 index, uint256 held, uint256 wanted);
    /// @notice There are `limit` collateral indices.
    error CollateralOutOfRange(uint8 index, uint256 limit);
    /// @notice Cash, sums of costs, costs and collateral fit int128: |amount| < 1.7e20 USD.
    error AmountOutOfRange(int256 amount);
    /// @notice Prices fit 127 bits.
    error PriceOutOfRange(uint256 price);

    // --- written by modules only ---

    function openAccount(address owner, MarginMode mode) external returns (uint64 account);

    /// @notice Changes the margin mode. Reverts `IsolatedHoldsOne` where ISOLATED is wanted and more than one position is open.
    function setMode(uint64 account, MarginMode mode) external;

    function setOperator(uint64 account, address operator, uint8 scopes) external;

    /// @notice `size` contracts of `instrument` go from `seller` to `buyer` at `price`; both realise pro rata what they close.
    /// @dev Notional is rounded up for the buyer and down for the seller, so that one transfer adds at most 1e-18 USD to the
    /// drift of INV-LEDGER; the cost of what closes is rounded up for both, so that realised profit is rounded down (the cost
    /// that stays open absorbs it: no drift). A flip closes fully and opens the rest.
    /// `instrument` must be canonical and listed (the module checks). Emits `PositionChanged` twice, and `CashChanged` for a
    /// side that closes.
    /// @param size > 0 and below 2**95, as is every position after.
    /// @param maxPositions Cap of positions per account (never above 255).
    function transferPosition(
        uint64 seller,
        uint64 buyer,
        uint112 instrument,
        uint256 size,
        uint256 price,
        uint256 maxPositions
    ) external;

    /// @notice Moves cash between accounts, exactly; the payer's cash may become negative (the module checks margin).
    function transferCash(uint64 from, uint64 to, uint256 amount, CashReason reason) external;

    /// @notice Cash enters (change > 0) or leaves (change < 0) the ledger with settlement tokens recorded by the vault.
    function changeCash(uint64 account, int256 change, CashReason reason) external;

    /// @notice Collateral enters (change > 0) or leaves (change < 0) the ledger with tokens recorded by the vault.
    function changeCollateral(uint64 account, uint8 index, int256 change) external;

    function transferCollateral(uint64 from, uint64 to, uint8 index, uint256 quantity) external;

    // --- views ---

    /// @notice What the margin engine reads.
    function book(uint64 account) external view returns (Book memory);

    function account(uint64 id) external view returns (Account memory);

    function cash(uint64 account) external view returns (int256);

    /// @notice Sum of the costs of the open positions.
    function costs(uint64 account) external view returns (int256);

    function collateral(uint64 account, uint8 index) external view returns (uint256);

    function positions(uint64 account) external view returns (PositionView[] memory);

    function positionSize(uint64 account, uint112 instrument) external view returns (int256);

    /// @notice Ids run from 1 to `accountCount()`; 0 is the house.
    function accountCount() external view returns (uint64);

    /// @notice Sum of positive sizes of an instrument over all accounts, contracts 1e18.
    function openInterest(uint112 instrument) external view returns (uint256);

    function operatorScopes(uint64 account, address operator) external view returns (uint8);

    /// @return True where `who` owns the account or is its operator with every bit of `scopes`.
    function isAuthorised(uint64 account, address who, uint8 scopes) external view returns (bool);
}

uint64 constant HOUSE = 0;
uint8 constant SCOPE_TRADE = 1;
uint8 constant SCOPE_WITHDRAW = 2;
