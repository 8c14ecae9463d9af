// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title Shutdown settlement
/// @notice What follows a shutdown of the breaker (ledger-and-liquidation.md 6), in five steps that anybody takes, in as many
/// transactions as it needs:
/// 1. `begin`, then `fixSpot` per underlying: the final spot is the time-weighted one over the SETTLEMENT_WINDOW after `begin`
///    (where the feed is dead, the last price that stood). Every instrument is valued at it once, and keeps that value: a perp at
///    the spot, the rest as the engine marks it, forwards in proportion to the spot.
/// 2. `undoWithdrawals`: what waits in the withdrawal queue goes back to its accounts, and shares like the rest: a payment ahead of
///    everyone's would turn the outflow cap into the attacker's privilege. `settle` needs it done.
/// 3. `settle` every account: positions close at the final values. Cash that is left is the account's *claim*. Of an account that
///    owes, collateral up to its debt, at final prices, joins the *pool*; the rest stays its own.
/// 4. `finalise`: the fees of the house are a claim of the insurance fund. The vault's settlement tokens and the pool belong to all
///    claims, in proportion: (tokens + pool's value) / sum of claims is what a claim is worth, never above 1.
/// 5. `claim`, per account and token: the claim's share of the tokens and, in kind, of the pool; and the account's own collateral,
///    whole. Paid to the account's owner.
/// Every rounding stays in the vault, at most one unit of a token per account.
///
/// INV-SHUTDOWN: what is paid of a token is at most what the vault recorded of it.
interface IShutdownSettlement {
    event Begun(uint64 indexed pool, uint64 accounts, uint256 at, uint256 window);
    event SpotFixed(uint8 indexed underlying, uint256 spot);
    event ValueFixed(uint112 indexed instrument, uint256 value);
    /// @param claim Cash left, USD 1e18. @param debt Cash that was missing. @param pooled Final value of what joined the pool.
    event AccountSettled(uint64 indexed account, uint256 claim, uint256 debt, uint256 pooled);
    /// @param ratio What a claim is worth, 1e18. @param tokens Settlement tokens for all claims, WAD.
    event Finalised(uint256 claims, uint256 tokens, uint256 pooled, uint256 ratio);
    event Claimed(uint64 indexed account, uint8 indexed token, address to, uint256 quantity);

    error NotShutDown();
    error AlreadyBegun();
    error NotBegun();
    /// @notice The window ends at `until`.
    error WindowOpen(uint256 until, uint256 time);
    /// @notice No price of this underlying is known, or it is not fixed yet.
    error NoFinalSpot(uint8 underlying);
    error SpotAlreadyFixed(uint8 underlying, uint256 spot);
    /// @notice `quantity` (WAD) of this token waits in the withdrawal queue and has to go back first.
    error WithdrawalsWait(uint8 token, uint256 quantity);
    error UnknownAccount(uint64 account);
    /// @notice Accounts are left to be settled.
    error NotSettled(uint256 settled, uint256 accounts);
    error AlreadyFinalised();
    error NotFinalised();
    /// @notice Nothing is due to this account in this token, or it was claimed.
    error NothingToClaim(uint64 account, uint8 token);

    /// @notice Step 1: begins the window of the final prices. Reverts `NotShutDown`.
    function begin() external;

    /// @notice Step 1: fixes the final spot once the window is over.
    function fixSpot(uint8 underlying) external returns (uint256 spot);

    /// @notice Step 2: takes withdrawals back whose turn never came, by their claims in the queue; those that were released are passed
    /// over. Reverts `IWithdrawalQueue.UnknownClaim`.
    function undoWithdrawals(uint256[] calldata claims) external;

    /// @notice Step 3: settles accounts; those that are settled already are passed over. Reverts
    /// `WithdrawalsWait`; for collateral only until a second window is over.
    function settle(uint64[] calldata accounts) external;

    /// @notice Step 4, once every account is settled: fixes what claims are worth.
    function finalise() external;

    /// @notice Step 5: pays what is due to an account in one token (255: the settlement token). Account 0: the insurance fund's.
    function claim(uint64 account, uint8 token) external returns (uint256 quantity);

    /// @notice What `claim` would pay now, WAD.
    function due(uint64 account, uint8 token) external view returns (uint256 quantity);

    /// @notice The account that holds the pool while it is collected; 0 before `begin`.
    function pool() external view returns (uint64);

    /// @return settled Accounts settled so far. @return accounts How many there are.
    function progress() external view returns (uint64 settled, uint64 accounts);

    /// @notice What a claim is worth, 1e18, rounded down; 0 before `finalise`.
    function ratio() external view returns (uint256);

    /// @notice Cash that an account had when it was settled, USD 1e18.
    function claimOf(uint64 account) external view returns (uint256);

    /// @notice 0 before it is fixed.
    function finalSpot(uint8 underlying) external view returns (uint256);

    /// @return fixed_ Whether the instrument has been valued. @return value USD 1e18 per contract.
    function finalValue(uint112 instrument) external view returns (bool fixed_, uint256 value);
}
