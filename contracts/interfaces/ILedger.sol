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
/// *Carry*: what positions owe besides their cost: funding of perps and shared losses. owed = size * (index - entry), < 0 received,
/// with an index per instrument and side; a perp's grows with time at its funding rate. *Interest*: what negative cash owes, to the
/// house. Both are accrued to the block's time in `book`, and realised into cash when the position or the cash changes, or by
/// `accrue`. Every rounding goes against the account.
///
/// INV-LEDGER: sum over accounts (house included) of (cash - sum of costs - carry owed) - `inTransit` = settlement tokens recorded by
/// the vault, up to roundings against the accounts: 0 <= recorded - sum <= number of operations, in 1e-18 USD. Interest cancels:
/// what one account owes the house is owed.
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
        FUNDING, // between longs and shorts of a perp; its shared losses too
        INTEREST, // on negative cash, to the house
        LOSS_SHARE, // a deficit, from the holders of one side of an instrument
        SETTLEMENT, // realised at a final price
        DELEVERAGING, // between a bankrupt account and who is closed against it
        TRANSFER // between accounts of one owner
    }

    /// @dev 32 bytes: slot 0 of an account.
    struct Account {
        address owner;
        MarginMode mode;
        uint8 positionCount;
        uint8 collateralMask; // bit i: holds collateral i
        bool exists;
        bool deficitOpen; // freezes interest
        uint56 interestEntry; // debit index when the debt last changed, 1e15 modulo 2**56
    }

    /// @notice A position with its cost (paid for the open size, signed, USD 1e18).
    struct PositionView {
        uint112 instrument;
        int256 size;
        int256 cost;
    }

    event AccountOpened(uint64 indexed account, address indexed owner, MarginMode mode);
    event ModeSet(uint64 indexed account, MarginMode mode);
    event EntitySet(uint64 indexed account, uint32 indexed entity);
    event DeficitSet(uint64 indexed account, bool open);
    event OperatorSet(uint64 indexed account, address indexed operator, uint8 scopes);
    /// @param cash The account's cash after the change.
    event CashChanged(uint64 indexed account, CashReason indexed reason, int256 change, int256 cash);
    /// @param quantity The account's quantity of collateral `index` after the change, 1e18 tokens.
    event CollateralChanged(uint64 indexed account, uint8 indexed index, int256 change, uint256 quantity);
    /// @notice A position after a change. `size` 0: closed. `fundingIndex` is its carry entry, USD 1e18 per contract.
    event PositionChanged(
        uint64 indexed account, uint112 indexed instrument, int256 size, int256 cost, int256 fundingIndex, int256 price
    );

    /// @notice The position's carry was realised without a trade: `fundingIndex` is its new entry.
    event CarryRealised(uint64 indexed account, uint112 indexed instrument, int256 fundingIndex);
    /// @notice A one-sided close of `size` contracts (signed) at a final price. @param inTransit After it, USD 1e18.
    event PositionSettled(uint64 indexed account, uint112 indexed instrument, int256 size, uint256 price, int256 inTransit);
    /// @notice The account's debt owes interest from debit index `debitIndex` (1e15) on.
    event InterestStarted(uint64 indexed account, uint56 debitIndex);
    /// @notice The buckets of realised profit after a change, USD 1e18; `since`: begin of the current one.
    event ProfitCounted(uint64 indexed account, uint256 current, uint256 previous, uint256 since);
    /// @param fundingIndex Of both sides at `since`, without shared losses, USD 1e18 per contract. @param until The rate ends then.
    /// @param ended The index stands for good.
    event FundingRateSet(
        uint8 indexed underlying, int256 ratePerSecond, int256 fundingIndex, uint256 since, uint256 until, bool ended
    );
    /// @param debitIndex At `since`, 1e15 modulo 2**56.
    event DebitRateSet(uint256 perYear, uint56 debitIndex, uint256 since);
    event ProfitVestingSet(uint256 period);
    /// @notice The holders of one side owe `amount` (USD 1e18) to `debtor`. @param lossIndex Of the side after it, USD 1e18 per
    /// contract. @param rounding What the side owes beyond `amount`, to the house.
    event LossShared(
        uint64 indexed debtor, uint112 indexed instrument, bool longs, uint256 amount, int256 lossIndex, uint256 rounding
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
    /// @notice Cash, sums of costs, costs and collateral fit int128: |amount| < 1.7e20 USD; indices of funding int104.
    error AmountOutOfRange(int256 amount);
    /// @notice Prices fit 127 bits.
    error PriceOutOfRange(uint256 price);

    /// @notice An hour to thirty days.
    error VestingOutOfRange(uint256 period);
    error RateOutOfRange(int256 rate);
    /// @notice The instrument's last positions are being settled: its funding stands still for good.
    error FundingEnded(uint8 underlying);
    /// @notice Nobody holds that side: there is nobody to share the loss.
    error NoHolders(uint112 instrument, bool longs);
    /// @notice Losses are shared in instruments of the first `limit` underlyings.
    error UnderlyingOutOfRange(uint8 underlying, uint256 limit);

    // --- by anybody ---

    /// @notice Realises the carry of all positions and the interest into cash. Changes no equity.
    function accrue(uint64 account) external;

    // --- written by modules only ---

    function openAccount(address owner, MarginMode mode) external returns (uint64 account);

    /// @notice Reverts `IsolatedHoldsOne` for ISOLATED with more than one position (the module checks margin).
    function setMode(uint64 account, MarginMode mode) external;

    /// @notice Puts the account into an entity (0: none), whose exposure its positions then count in.
    function setEntity(uint64 account, uint32 entity) external;

    /// @notice While a deficit is open, interest stands still.
    function setDeficit(uint64 account, bool open) external;

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

    /// @notice Closes the account's position at a final price, without another side: expiry, shutdown. What it is paid or pays is in
    /// transit until the other side is settled too. Does nothing where there is no position. For a perp, funding ends for good with
    /// the first call.
    /// @return size What was closed, signed.
    function settlePosition(uint64 account, uint112 instrument, uint256 price) external returns (int256 size);

    /// @notice Funding of an underlying's perp for the next `duration` seconds, USD 1e18 per contract and second; > 0: longs pay
    /// shorts. Afterwards none, until it is set again.
    function setFundingRate(uint8 underlying, int256 ratePerSecond, uint24 duration) external;

    /// @notice Simple interest on negative cash from now on, 1e18 per year of 365 days.
    function setDebitRate(uint256 perYear) external;

    /// @notice For how long realised profit counts in `unvestedProfit`, at least; at most twice as long. Seconds.
    function setProfitVesting(uint256 period) external;

    /// @notice `debtor` receives `amount` from the holders of one side of an instrument, in proportion to their sizes. Their index moves
    /// by amount / open interest, rounded up; what that is too much goes to the house.
    function shareLoss(uint64 debtor, uint112 instrument, bool longs, uint256 amount) external;

    /// @notice Moves cash between accounts, exactly; the payer's cash may become negative (the module checks margin).
    function transferCash(uint64 from, uint64 to, uint256 amount, CashReason reason) external;

    /// @notice Cash enters (change > 0) or leaves (change < 0) the ledger with settlement tokens recorded by the vault.
    function changeCash(uint64 account, int256 change, CashReason reason) external;

    /// @notice Collateral enters (change > 0) or leaves (change < 0) the ledger with tokens recorded by the vault.
    function changeCollateral(uint64 account, uint8 index, int256 change) external;

    function transferCollateral(uint64 from, uint64 to, uint8 index, uint256 quantity) external;

    // --- views ---

    /// @notice What the margin engine reads. `balance` includes accrued carry and interest.
    function book(uint64 account) external view returns (Book memory);

    function account(uint64 id) external view returns (Account memory);

    /// @notice Realised cash: without accrued carry and interest.
    function cash(uint64 account) external view returns (int256);

    /// @notice Sum of the costs of the open positions.
    function costs(uint64 account) external view returns (int256);

    function collateral(uint64 account, uint8 index) external view returns (uint256);

    function positions(uint64 account) external view returns (PositionView[] memory);

    function positionSize(uint64 account, uint112 instrument) external view returns (int256);

    /// @return size Signed contracts, 1e18; 0 where the account holds none. @return cost Paid for it, USD 1e18.
    function position(uint64 account, uint112 instrument) external view returns (int256 size, int256 cost);

    /// @notice Ids run from 1 to `accountCount()`; 0 is the house.
    function accountCount() external view returns (uint64);

    /// @notice Sum of positive sizes of an instrument over all accounts, contracts 1e18.
    function openInterest(uint112 instrument) external view returns (uint256);

    /// @notice The same of positive and of negative sizes; they differ only while the instrument is being settled.
    function openInterestSides(uint112 instrument) external view returns (uint256 longs, uint256 shorts);

    /// @notice Sum of `openInterest` over the instruments of an underlying, contracts 1e18.
    function openInterestOf(uint8 underlying) external view returns (uint256);

    function entityOf(uint64 account) external view returns (uint32);

    /// @notice Sum of |size| over the entity's accounts and the instruments of an underlying, contracts 1e18.
    function entityExposure(uint32 entity, uint8 underlying) external view returns (uint256);

    /// @notice Profit realised lately that withdrawals count as unrealised, USD 1e18: profits less losses of the last one to two
    /// vesting periods, never below 0.
    function unvestedProfit(uint64 account) external view returns (uint256);

    /// @notice What the account owes and has not realised yet, USD 1e18, rounded up; carry < 0: it is owed.
    function accrued(uint64 account) external view returns (int256 carry, uint256 interest);

    /// @notice Carry indices of both sides at this block, shared losses included, USD 1e18 per contract.
    function carry(uint112 instrument) external view returns (int256 longs, int256 shorts);

    /// @notice As last set: USD 1e18 per contract and second, > 0: longs pay shorts; paid until then (unix seconds).
    function fundingRate(uint8 underlying) external view returns (int256 ratePerSecond, uint256 until);

    /// @notice 1e18 per year.
    function debitRate() external view returns (uint256);

    /// @notice Seconds.
    function profitVesting() external view returns (uint256);

    function deficitOpen(uint64 account) external view returns (bool);

    /// @notice What one-sided settlements paid less what they collected, USD 1e18: 0 up to roundings (then negative: they favour the
    /// vault) once every holder of what is being settled is settled.
    function inTransit() external view returns (int256);

    function operatorScopes(uint64 account, address operator) external view returns (uint8);

    /// @return True where `who` owns the account or is its operator with every bit of `scopes`.
    function isAuthorised(uint64 account, address who, uint8 scopes) external view returns (bool);
}

uint64 constant HOUSE = 0;
uint8 constant SCOPE_TRADE = 1;
uint8 constant SCOPE_WITHDRAW = 2;
