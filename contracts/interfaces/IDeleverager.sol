// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title Deleverager
/// @notice Auto-deleveraging of a bankrupt account whose deficit exceeds what the insurance fund may pay (ledger-and-liquidation.md
/// section 5, docs/deleveraging.md). Anyone may call everything; nobody is trusted. The order of
/// closing is `INominations`.
///
///      openDeficit ---- window: nominate ---- execute ... execute ---- deficit closed
///                                               |   fund first, then closes from the top of each leg's queue at bankruptcy prices;
///                                               |   each round that closed and ran dry opens one more window, as does a queue that others
///                                               |   emptied since it began, at most MAX_ROUNDS;
///                                               |   what is left goes to the loss index of the legs' other sides
///                                               equity >= 0: the deficit closes at once, a surplus repays the claim
///
/// @dev USD 1e18, sizes contracts 1e18. *Claim*: what the fund and the loss index paid for an account. It outlives the deficit, stops
/// withdrawals and risk-increasing trades, and is repaid from any equity above zero (to the house, that is to the fund).
///
/// INV-ADL-EXACT: haircuts and shared loss of an execution that finishes sum to the deficit left by the fund, plus at most one unit of
/// the price (1e-18 USD) per contract closed and one 1e-18 USD per close.
/// INV-SOLVENT: after it the account's equity at the execution's prices is not negative.
interface IDeleverager {
    /// @notice An open deficit. Slots: 31 bytes, 16 bytes.
    /// @param openedAt, openedBlock Begin of the nomination window that counts now. 0: no deficit is open.
    /// @param rounds Executions that closed something and ran dry. @param claim USD 1e18.
    struct Deficit {
        uint40 openedAt;
        uint64 openedBlock;
        uint8 rounds;
        uint128 claim;
    }

    /// @notice A leg as it stood when the deficit was opened. 32 bytes.
    /// @param size Signed contracts 1e18. @param share Of the deficit, 1e14.
    struct Cause {
        uint112 instrument;
        int96 size;
        uint48 share;
    }

    /// @notice What an execution did.
    /// @param equity At the prices of the execution, before it. @param fundPaid By the insurance fund to the account.
    /// @param haircut Of the counterparties closed: what they received less than at mark. @param shared By the loss index.
    /// @param closes Counterparties closed. @param open Whether the deficit is still open.
    struct Execution {
        int256 equity;
        uint256 fundPaid;
        uint256 haircut;
        uint256 shared;
        uint256 closes;
        bool open;
    }

    /// @param equity Negative, at mark. @param fundMayPay What the fund may pay of it.
    event DeficitOpened(uint64 indexed account, address indexed by, int256 equity, uint256 fundMayPay);
    /// @notice One per leg of the account, before `DeficitOpened`: its `Cause`.
    event CauseRecorded(uint64 indexed account, uint112 indexed instrument, int96 size, uint48 share);
    /// @notice A further nomination window begins with this block. @param rounds Of the deficit.
    event WindowRenewed(uint64 indexed account, uint8 rounds);
    /// @param equity At the end. @param claim What the account still owes.
    event DeficitClosed(uint64 indexed account, int256 equity, uint256 claim);
    /// @param size Contracts closed, > 0. @param mark USD 1e18. @param haircut What the counterparty received less than at mark.
    event Deleveraged(
        uint64 indexed account,
        uint64 indexed counterparty,
        uint112 indexed instrument,
        uint256 size,
        uint256 price,
        uint256 mark,
        uint256 haircut
    );
    /// @notice One call of `execute`; the figures of `Execution`.
    event Executed(uint64 indexed account, int256 equity, uint256 fundPaid, uint256 haircut, uint256 shared, uint256 closes);
    event ClaimRepaid(uint64 indexed account, uint256 amount, uint256 left);

    error StalePrice(uint256 signedAt, uint256 time, uint256 limit);
    /// @notice Equity is not negative.
    error NoDeficit(uint64 account, int256 equity);
    /// @notice The fund may pay all of it: liquidators can take the legs.
    error FundCanPay(uint64 account, uint256 deficit, uint256 fundMayPay);
    error DeficitIsOpen(uint64 account);
    error DeficitNotOpen(uint64 account);
    /// @notice Nominations are open until `time` and `number`.
    error WindowOpen(uint256 time, uint256 number);
    error NothingToRepay(uint64 account, int256 equity, uint256 claim);
    error ZeroCloses();

    /// @notice Opens the deficit of an account with negative equity at fresh prices, more than the fund may pay. Stops its trading and
    /// its interest, and whatever increases the risk of the holders opposite its legs.
    /// @dev Reverts `NoDeficit`, `FundCanPay`, `DeficitIsOpen`, `StalePrice`.
    function openDeficit(uint64 account) external;

    /// @notice Works the deficit off: at most `maxCloses` queue entries are looked at, > 0. Any time where equity is not negative or no
    /// leg is left, after the window elsewhere.
    function execute(uint64 account, uint256 maxCloses) external returns (Execution memory);

    /// @notice Repays what was paid for the account from its equity above zero.
    function repayClaim(uint64 account) external returns (uint256 paid);

    // --- views ---

    function deficit(uint64 account) external view returns (Deficit memory);

    function causes(uint64 account) external view returns (Cause[] memory);

    /// @notice What an execution would close the legs of the account at, before the fund pays anything.
    /// @return equity At mark.
    function bankruptcyPrices(uint64 account)
        external
        view
        returns (int256 equity, uint112[] memory instruments, int256[] memory sizes, uint256[] memory prices);
}
