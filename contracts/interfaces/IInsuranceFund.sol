// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title Insurance fund
/// @notice ERC-4626 over the settlement token with its own custody, shared by several engines (*members*). Fees reach it as plain
/// transfers from the vault (`IClearing.collectFees`); it pays deficits and is never negative.
/// @dev Amounts at this interface in WAD (1e18 USD) except shares and the ERC-4626 functions (token units, rounded against the
/// caller by ERC-4626). Shares have six decimals more than the token (virtual shares), so that donating to an empty fund in order to
/// round a later depositor down costs the donor more than the victim loses.
///
/// INV-FUND: never negative, never pays more than its tokens; a member draws at most its limit at once and limit / window per second
/// over time (leaky bucket: the level rises by each draw and leaks evenly); all members together draw for one underlying at most
/// FUND_UNDERLYING_CAP at once and that again per FUND_DRAW_WINDOW [A: one pumped market empties it].
///
/// Exits [A: exits ahead of a crash]. `withdraw` and `redeem` have a maximum of 0: whoever leaves asks first, bears every draw until
/// the request settles, and earns nothing after it was made.
///
///      | epoch n        | epoch n + 1    | epoch n + 2
///      |   request      |                |settle|            the first seconds of an epoch are its window
///           price 1      bears draws      price 2            paid: shares x the lower price
///
/// A request settles inside the window that opens epoch n + 2, by anybody's `settleExits`; if nobody called, or a deficit was open all the
/// while, in the window of a later epoch. A settlement that the leaver could time would be an option on the news: within one window
/// of at most an hour, known a week ahead, there is little to time.
///
/// Underlyings are numbered alike by all members of a fund: they share one InstrumentRegistry.
interface IInsuranceFund {
    /// @dev Slots 0: 20 + 8 bytes, 1: 32 bytes, 2: 32 bytes.
    struct Exit {
        address owner; // 0: no such request, or paid
        uint64 epoch; // in which it was made
        uint256 shares;
        uint256 assets; // what the shares were worth when it was made, token units
    }

    event MemberSet(address indexed member, uint256 drawLimit, uint256 window);
    event AgentSet(address indexed agent, address indexed member);
    /// @param member Whose bucket it came from. @param balance What is left, WAD.
    event Drawn(address indexed member, uint64 indexed account, uint8 indexed underlying, uint256 amount, uint256 balance);
    event DeficitReported(address indexed member, uint64 indexed account);
    event DeficitCleared(address indexed member, uint64 indexed account);
    /// @notice An epoch was stored: later ones follow it, each FUND_EPOCH long.
    event EpochBegan(uint64 indexed number, uint256 startedAt, uint256 endsAt);
    /// @param shares Moved to the fund, who burns them when the request settles. @param assets Their worth, token units.
    event ExitRequested(uint256 indexed id, address indexed owner, uint64 indexed epoch, uint256 shares, uint256 assets);
    /// @notice All requests of `epoch` settled: `assets` (token units) are set aside for `shares`, which are burnt.
    event ExitsSettled(uint64 indexed epoch, uint256 shares, uint256 assets);
    /// @param assets Paid, token units. @param forgone What the fund earned meanwhile: it stays with those who stay.
    event ExitPaid(uint256 indexed id, address indexed owner, uint256 assets, uint256 forgone);

    error NotAMember(address caller);
    error DrawExceedsLimit(uint256 wanted, uint256 available);
    /// @notice A draw is a positive multiple of `unit` (WAD).
    error AmountNotRepresentable(uint256 amount, uint256 unit);
    /// @notice A member with a draw limit needs a window.
    error ZeroWindow(address member);
    error DeficitIsOpen(address member, uint64 account);
    error DeficitIsNotOpen(address member, uint64 account);
    error ZeroShares();
    error UnknownExit(uint256 id);
    /// @notice The requests of that epoch have not settled.
    error ExitNotSettled(uint256 id, uint64 epoch);

    // --- governance ---

    /// @notice A member may draw up to `drawLimit` (WAD), refilled evenly over `window` seconds. Limit 0 ends the membership, with it the
    /// deficits it had reported. What was drawn before still counts against the new limit.
    function setMember(address member, uint256 drawLimit, uint256 window) external;

    /// @notice `agent` draws and reports for `member`, from the member's bucket: one engine, several contracts. Member 0 ends it.
    function setAgent(address agent, address member) external;

    // --- members and their agents ---

    /// @notice Sends settlement tokens for `amount` (WAD, a multiple of the token unit) to `to` (the vault).
    /// @param underlying Whose fall made the deficit; NO_UNDERLYING where that is not known: capped like an underlying.
    function draw(uint64 account, uint8 underlying, uint256 amount, address to) external;

    /// @notice The account's deficit waits for auto-deleveraging: exits wait with it.
    function deficitOpened(uint64 account) external;

    function deficitClosed(uint64 account) external;

    // --- depositors ---

    /// @notice Asks to leave with `shares` of the caller; they move to the fund. There is no way back.
    /// @return id Of the request; its payment goes to the caller.
    function requestExit(uint256 shares) external returns (uint256 id);

    /// @notice Settles the requests that are due, at most 32 epochs per call. Anybody; does nothing outside a window or while a
    /// deficit is open.
    /// @return epochs How many epochs' requests settled.
    function settleExits() external returns (uint256 epochs);

    /// @notice Pays a settled request to its owner. Anybody may call.
    /// @return assets Token units.
    function claim(uint256 id) external returns (uint256 assets);

    // --- views ---

    /// @notice What the member may draw now for `underlying`, WAD: the lowest of its bucket, the underlying's and the balance, rounded
    /// down to token units.
    function available(address member, uint8 underlying) external view returns (uint256);

    /// @notice Settlement tokens held and not set aside for settled exits, WAD.
    function holdings() external view returns (uint256);

    /// @notice Holdings over `openInterest` (USD 1e18, from the engine that asks), 1e18; type(uint256).max where that is 0.
    function coverage(uint256 openInterest) external view returns (uint256);

    /// @notice One unit of the settlement token, WAD.
    function unit() external view returns (uint256);

    /// @return drawLimit WAD.
    /// @return window Seconds.
    /// @return level Drawn and not yet leaked, WAD, now.
    function member(address who) external view returns (uint256 drawLimit, uint256 window, uint256 level);

    /// @return The member that `who` acts for: itself unless it is an agent.
    function memberOf(address who) external view returns (address);

    /// @return Drawn for the underlying by all members and not yet leaked, WAD, now.
    function underlyingLevel(uint8 underlying) external view returns (uint256);

    /// @notice Deficits reported open by all members.
    function openDeficits() external view returns (uint256);

    /// @return number Of the epoch now. @return startedAt Unix seconds. @return endsAt Unix seconds.
    function epoch() external view returns (uint64 number, uint64 startedAt, uint64 endsAt);

    /// @return from When the next window for settlements opens (or opened, where it is open). @return to When it closes.
    function exitWindow() external view returns (uint64 from, uint64 to);

    function exit(uint256 id) external view returns (Exit memory);

    /// @notice Set aside for settled exits, token units.
    function reserved() external view returns (uint256);
}

/// @dev Draws for a deficit of cash alone, whose cause no position tells any more.
uint8 constant NO_UNDERLYING = 255;
