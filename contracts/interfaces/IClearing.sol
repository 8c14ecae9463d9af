// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {MarginMode} from "../types/Book.sol";

/// @title Clearing
/// @notice What traders and venues call: accounts, deposits, withdrawals and the settlement of signed orders.
/// @dev After a trade each side satisfies initial margin on prices signed at most MAX_ACTION_AGE seconds ago, or its *risk
/// fell*: on the same prices the initial requirement is lower than before, requirement less margin equity did not rise, and
/// equity is not negative; where equity was negative before, the price is at mark or better for it, and fresh. Size is never
/// the test. A withdrawal always needs initial margin and fresh prices.
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

    /// @notice A match of two orders. @param size Contracts, 1e18, > 0. @param price USD 1e18.
    struct Fill {
        SignedOrder buy;
        SignedOrder sell;
        uint256 size;
        uint256 price;
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
    /// @param filled Contracts of the order filled so far.
    event OrderFilled(bytes32 indexed orderHash, uint64 indexed account, uint256 filled);
    event OrderCancelled(bytes32 indexed orderHash, uint64 indexed account);

    /// @notice `caller` (or the signer of an order) is neither the account's owner nor an operator with the scope needed.
    error NotAuthorised(uint64 account, address caller);
    error UnknownScopes(uint8 scopes);
    error BadSignature(address signer);
    error OrderExpired(uint64 expiry, uint256 time);
    error OrderOverfilled(bytes32 orderHash, uint256 size, uint256 filled, uint256 wanted);
    error OrderIsCancelled(bytes32 orderHash);
    error WrongVenue(address allowed, address caller);
    error NotOpposite(int128 buySize, int128 sellSize);
    error DifferentInstruments(uint112 buy, uint112 sell);
    error PriceOutsideLimit(uint256 price, uint256 limitPrice);
    /// @notice Rates: shares of notional, 1e18.
    error FeeAboveCap(uint256 fee, uint256 cap);
    error NotReducing(uint64 account, int256 position, int256 change);
    error StalePrice(uint256 signedAt, uint256 time, uint256 limit);
    error ZeroAmount();
    /// @notice Initial margin is missing and the action does not lower the account's risk.
    error InsufficientInitialMargin(uint64 account, int256 marginEquity, uint256 required);
    error InsufficientCash(uint64 account, int256 cash, uint256 wanted);
    /// @notice The account was bankrupt before the trade: it trades at mark or better only.
    error WorseThanMark(uint64 account, uint256 price, uint256 mark);

    function openAccount(MarginMode mode) external returns (uint64 account);

    /// @notice By the owner only.
    /// @param scopes Bits SCOPE_TRADE, SCOPE_WITHDRAW; 0 revokes.
    function setOperator(uint64 account, address operator, uint8 scopes) external;

    /// @notice Anyone deposits for any account but the house: `quantity` of token `index` (255: settlement token), WAD, a
    /// multiple of the token's smallest unit. The sender has approved the vault.
    function deposit(uint64 account, uint8 index, uint256 quantity) external;

    /// @notice By the owner or an operator with SCOPE_WITHDRAW. The account must satisfy initial margin afterwards; cash is
    /// paid out of what is realised (cash >= quantity), never out of unrealised profit.
    function withdraw(uint64 account, uint8 index, uint256 quantity, address to) external;

    /// @notice Settles `size` contracts at `price` between a buy and a sell order. Each side pays TRADE_FEE of the notional,
    /// rounded up, to the house.
    function settle(SignedOrder calldata buy, SignedOrder calldata sell, uint256 size, uint256 price) external;

    /// @notice Settles several fills in their order, all or none; each is checked on the state that it leaves.
    function settleBatch(Fill[] calldata fills) external;

    /// @notice By the owner or an operator with SCOPE_TRADE; final.
    function cancel(Order calldata order) external;

    /// @notice Moves the house's fee cash to the insurance fund, in whole token units; callable by anyone. Returns what was
    /// moved, WAD; 0 where there is less than a unit.
    function collectFees() external returns (uint256 quantity);

    /// @notice The EIP-712 digest that is signed: domain ("DPRE", "1"), this chain, this contract.
    function orderHash(Order calldata order) external view returns (bytes32);

    /// @notice Contracts of an order already filled, 1e18; type(uint256).max where cancelled.
    function filled(bytes32 orderHash) external view returns (uint256);
}
