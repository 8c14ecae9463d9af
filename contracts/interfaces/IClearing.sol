// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {MarginMode} from "../types/Book.sol";
import {ICircuitBreaker} from "./ICircuitBreaker.sol";
import {ICollateralVault} from "./ICollateralVault.sol";
import {IInstrumentRegistry} from "./IInstrumentRegistry.sol";
import {ILedger} from "./ILedger.sol";
import {IMarginCheck} from "./IMarginCheck.sol";
import {IMarginEngine} from "./IMarginEngine.sol";
import {IRiskParameters} from "./IRiskParameters.sol";
import {ITradingLimits} from "./ITradingLimits.sol";
import {IWithdrawalQueue} from "./IWithdrawalQueue.sol";

/// @title Clearing
/// @notice The one address that traders and venues call: accounts, deposits, withdrawals, transfers, signed orders; several calls
/// at once by `multicall`. What must hold of an account afterwards is in `IMarginCheck`, limits in `ITradingLimits`, what waits
/// for the outflow cap in `IWithdrawalQueue`.
interface IClearing {
    /// @notice What the clearing is connected to, for good.
    struct Wiring {
        ILedger ledger;
        ICollateralVault vault;
        IInstrumentRegistry registry;
        IRiskParameters parameters;
        IMarginEngine engine;
        ICircuitBreaker breaker;
        ITradingLimits limits;
        IMarginCheck checks;
        IWithdrawalQueue queue;
        address insuranceFund;
    }

    /// @notice An order as its owner (or an operator with SCOPE_TRADE, or an ERC-1271 contract) signs it (EIP-712).
    /// @param size Signed contracts, 1e18: > 0 buys, < 0 sells.
    /// @param limitPrice The worst price, USD 1e18.
    /// @param feeCap The highest fee accepted, share of notional 1e18.
    /// @param expiry Unix seconds after which it is void.
    /// @param nonce Makes orders distinct; void below the account's `leastNonce`. Partial fills and `cancel` are by order hash.
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
    /// @param quantity What left the account; a part of it may wait in the queue (`IWithdrawalQueue.WithdrawalQueued`).
    event Withdrawn(uint64 indexed account, uint8 indexed token, address indexed to, uint256 quantity);
    /// @notice Between two accounts of one owner; the ledger's events say what each holds now.
    event Transferred(uint64 indexed from, uint64 indexed to, uint8 indexed token, uint256 quantity);
    /// @notice A position moved at mark between two accounts of one owner. @param size Signed as `from` held it.
    event PositionMoved(uint64 indexed from, uint64 indexed to, uint112 indexed instrument, int256 size, uint256 price);
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
    /// @notice Every order of the account with a nonce below `leastNonce` is void.
    event OrdersCancelled(uint64 indexed account, uint64 leastNonce);
    /// @notice A fill of a batch failed and changed nothing. @param number Its place in the batch. @param reason Revert data.
    event FillSkipped(uint256 indexed number, uint64 indexed buyer, uint64 indexed seller, bytes reason);

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
    error ZeroAmount();
    error InsufficientCash(uint64 account, int256 cash, uint256 wanted);
    /// @notice The order's nonce is below what the account last cancelled up to.
    error NonceCancelled(uint64 account, uint64 nonce, uint64 leastNonce);
    /// @notice `cancelAll` only raises the least nonce.
    error NonceNotRaised(uint64 account, uint64 nonce, uint64 leastNonce);
    /// @notice Transfers are between two accounts of one owner.
    error DifferentOwners(uint64 from, uint64 to);
    error NoSuchPosition(uint64 account, uint112 instrument, int256 held, uint256 wanted);
    /// @notice After the shutdown accounts only settle.
    error IsShutDown();

    function openAccount(MarginMode mode) external returns (uint64 account);

    /// @notice By the owner only.
    /// @param scopes Bits SCOPE_TRADE, SCOPE_WITHDRAW; 0 revokes.
    function setOperator(uint64 account, address operator, uint8 scopes) external;

    /// @notice Changes the margin mode; the new mode's initial margin must hold. By the owner only.
    function setMode(uint64 account, MarginMode mode) external;

    /// @notice Anyone deposits for any account but the house: `quantity` of token `index` (255: settlement token), WAD, a
    /// multiple of the token's smallest unit. The sender has approved the vault. Who may not act for the account deposits at
    /// least MIN_FOREIGN_DEPOSIT USD. In every state of the breaker but SHUTDOWN.
    function deposit(uint64 account, uint8 index, uint256 quantity) external;

    /// @notice The same with an ERC-2612 permit of the sender for the vault, over `quantity` in the token's own units.
    /// @dev A permit that somebody else sent first does not stop the deposit: what counts is the allowance.
    function depositWithPermit(
        uint64 account, uint8 index, uint256 quantity, uint256 deadline, uint8 v, bytes32 r, bytes32 s
    ) external;

    /// @notice By the owner or an operator with SCOPE_WITHDRAW. Afterwards the account holds what IMarginCheck asks of a
    /// withdrawal; cash is paid out of what is realised (cash >= quantity), never out of unrealised profit.
    /// @return id What exceeds the outflow cap waits in the queue under this number: `IWithdrawalQueue.claim`. 0: nothing waits.
    function withdraw(uint64 account, uint8 index, uint256 quantity, address to) external returns (uint256 id);

    /// @notice Moves cash or collateral (any WAD quantity) to another account of the same owner. By the owner or an operator of
    /// `from` with SCOPE_WITHDRAW; `from` holds afterwards what a withdrawal asks.
    function transfer(uint64 from, uint64 to, uint8 index, uint256 quantity) external;

    /// @notice Moves `size` contracts of a position at mark, without a fee, to another account of the same owner. By the owner or
    /// an operator of both with SCOPE_TRADE. Both accounts hold afterwards what a trade asks.
    function transferPosition(uint64 from, uint64 to, uint112 instrument, uint256 size) external;

    /// @notice Settles `size` contracts at `price` between a buy and a sell order. Each side pays TRADE_FEE of the notional,
    /// rounded up, to the house.
    function settle(SignedOrder calldata buy, SignedOrder calldata sell, uint256 size, uint256 price) external;

    /// @notice Settles several fills in their order; each is checked on the state that it leaves.
    /// @param allOrNone True: the first failure reverts the batch. False: each fill is atomic on its own, a failed one is skipped
    /// with `FillSkipped`.
    /// @return settled How many fills were settled.
    function settleBatch(Fill[] calldata fills, bool allOrNone) external returns (uint256 settled);

    /// @notice By the owner or an operator with SCOPE_TRADE; final.
    function cancel(Order calldata order) external;

    /// @notice Voids every order of the account with a nonce below `belowNonce`. By the owner or an operator with SCOPE_TRADE.
    function cancelAll(uint64 account, uint64 belowNonce) external;

    /// @notice Moves the house's fee cash to the insurance fund, in whole token units; callable by anyone. Returns what was
    /// moved, WAD; 0 where there is less than a unit.
    function collectFees() external returns (uint256 quantity);

    /// @notice The EIP-712 digest that is signed: domain ("DPRE", "1"), this chain, this contract.
    function orderHash(Order calldata order) external view returns (bytes32);

    /// @notice Contracts of an order already filled, 1e18; type(uint256).max where cancelled.
    function filled(bytes32 orderHash) external view returns (uint256);

    /// @notice Orders with a lower nonce are void.
    function leastNonce(uint64 account) external view returns (uint64);
}
