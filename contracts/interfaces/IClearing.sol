// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {MarginMode} from "../types/Book.sol";

/// @title Clearing
/// @notice What traders and venues call: accounts, deposits, withdrawals and the settlement of signed orders.
/// @dev Risk-increasing actions need every price they use signed at most MAX_ACTION_AGE seconds ago.
interface IClearing {
    /// @notice An order as its owner (or an operator with SCOPE_TRADE, or an ERC-1271 contract) signs it (EIP-712).
    /// @param size Signed contracts, 1e18: > 0 buys, < 0 sells.
    /// @param limitPrice The worst price, USD 1e18.
    /// @param feeCap The highest fee accepted, share of notional 1e18.
    /// @param expiry Unix seconds after which it is void.
    /// @param nonce Makes orders distinct; cancelling and partial fills are by order hash.
    /// @param reduceOnly May only shrink the account's position.
    /// @param venue Who may settle it; zero: anyone.
    struct Order {
        uint64 account;
        uint112 instrument;
        int128 size;
        uint128 limitPrice;
        uint64 feeCap;
        uint64 expiry;
        uint64 nonce;
        bool reduceOnly;
        address venue;
    }

    /// @notice A signed order and who signed it.
    struct SignedOrder {
        Order order;
        address signer;
        bytes signature;
    }

    event Deposited(uint64 indexed account, uint8 indexed token, address indexed from, uint256 quantity);
    event Withdrawn(uint64 indexed account, uint8 indexed token, address indexed to, uint256 quantity);
    event Trade(
        uint112 indexed instrument,
        uint64 indexed buyer,
        uint64 indexed seller,
        uint256 size,
        uint256 price,
        uint256 buyerFee,
        uint256 sellerFee
    );
    event OrderFilled(bytes32 indexed orderHash, uint64 indexed account, uint256 filled);
    event OrderCancelled(bytes32 indexed orderHash, uint64 indexed account);

    error NotAuthorised(uint64 account, address caller);
    error BadSignature(address signer);
    error OrderExpired(uint64 expiry, uint256 time);
    error OrderOverfilled(bytes32 orderHash, uint256 size, uint256 filled, uint256 wanted);
    error OrderIsCancelled(bytes32 orderHash);
    error WrongVenue(address allowed, address caller);
    error NotOpposite(int128 buySize, int128 sellSize);
    error DifferentInstruments(uint112 buy, uint112 sell);
    error PriceOutsideLimit(uint256 price, uint256 limitPrice);
    error FeeAboveCap(uint256 fee, uint256 cap);
    error NotReducing(uint64 account, int256 position, int256 change);
    error StalePrice(uint256 signedAt, uint256 time, uint256 limit);
    error ZeroAmount();
    /// @notice Initial margin is missing and the action does not lower the account's risk.
    error InsufficientInitialMargin(uint64 account, int256 marginEquity, uint256 required);
    error InsufficientCash(uint64 account, int256 cash, uint256 wanted);

    function openAccount(MarginMode mode) external returns (uint64 account);

    /// @param scopes Bits SCOPE_TRADE, SCOPE_WITHDRAW; 0 revokes.
    function setOperator(uint64 account, address operator, uint8 scopes) external;

    /// @notice Anyone deposits for any account: `quantity` of token `index` (255: settlement token), WAD.
    function deposit(uint64 account, uint8 index, uint256 quantity) external;

    /// @notice The account must satisfy initial margin afterwards, without unrealised profit in cash paid out.
    function withdraw(uint64 account, uint8 index, uint256 quantity, address to) external;

    /// @notice Settles `size` contracts at `price` between a buy and a sell order.
    function settle(SignedOrder calldata buy, SignedOrder calldata sell, uint256 size, uint256 price) external;

    function cancel(Order calldata order) external;

    /// @notice Moves the house's fee cash to the insurance fund; callable by anyone. Returns the tokens moved, WAD.
    function collectFees() external returns (uint256 quantity);

    function orderHash(Order calldata order) external view returns (bytes32);

    /// @notice Contracts of an order already filled, 1e18; type(uint256).max where cancelled.
    function filled(bytes32 orderHash) external view returns (uint256);
}
