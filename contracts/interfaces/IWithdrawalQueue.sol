// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title Withdrawal queue
/// @notice Bounds what leaves the system per window of OUTFLOW_WINDOW seconds, per token and net of deposits: max(OUTFLOW_CAP of
/// what vault and queue hold as the window begins, OUTFLOW_FLOOR USD). What exceeds it waits here, first come first served, and is
/// paid in full by later windows: a delay, never a loss. Nobody can be blocked by another's claim, nor overtake one.
/// Where its account may not withdraw (a halt of all, or of an underlying of what it holds), its claims wait too. A shutdown undoes
/// what still waits: it goes back to the accounts and shares with everyone, for a cap that paid the queue first would protect
/// nobody; what a window had released is paid.
/// @dev Holds the waiting tokens itself: they have left the account, the ledger and the vault's record. Amounts WAD.
///
/// INV-QUEUE: per token, the balance here is at least the sum of what the claims are still owed.
interface IWithdrawalQueue {
    /// @dev Three slots. The claim owns [from, from + quantity) of its token's queue.
    struct Claim {
        address to; // slot 0
        uint64 account; // slot 0
        uint8 index; // slot 0
        uint128 from; // slot 1
        uint128 quantity; // slot 1
        uint128 paid; // slot 2
    }

    event WithdrawalQueued(uint256 indexed id, uint64 indexed account, uint8 indexed token, address to, uint256 quantity);
    /// @param paid Of the claim, so far.
    event WithdrawalPaid(uint256 indexed id, address indexed to, uint256 quantity, uint256 paid);
    /// @notice What of the claim had not been released went back to the vault.
    event WithdrawalUndone(uint256 indexed id, uint64 indexed account, uint8 indexed token, uint256 quantity);

    /// @notice The caller is no module of the vault.
    error NotAModule(address caller);
    error UnknownClaim(uint256 id);
    /// @notice Others wait before this claim, or the window's room is used up.
    error NothingToClaim(uint256 id, uint256 paid, uint256 quantity);
    /// @notice The breaker is halted, altogether or for what the claim's account holds: payments wait with everything else.
    error ClaimsHalted();
    error NotShutDown();

    /// @notice Module: takes note of `quantity` deposited.
    function noteInflow(uint8 index, uint256 quantity) external;

    /// @notice Module: asks to pay `quantity` (a multiple of the token's unit) to `to`.
    /// @return payable_ What may leave at once; the module sends the rest to this contract in the same transaction.
    /// @return id Of the claim on the rest; 0: there is none.
    function request(uint64 account, uint8 index, address to, uint256 quantity) external returns (uint256 payable_, uint256 id);

    /// @notice Pays what is due of a claim to its receiver; callable by anyone, any number of times. Returns what was paid.
    function claim(uint256 id) external returns (uint256 quantity);

    /// @notice Module, after a shutdown: takes what of a claim was not released out of it and sends it to the vault.
    /// @return account Whose it is. @return index Of the token. @return quantity 0 where all of it was released.
    function undo(uint256 id) external returns (uint64 account, uint8 index, uint256 quantity);

    /// @notice What `claim` would pay now.
    function claimable(uint256 id) external view returns (uint256 quantity);

    function claimOf(uint256 id) external view returns (Claim memory);

    /// @notice Claims are numbered from 1 to this.
    function claimCount() external view returns (uint256);

    /// @notice What may still leave in the present window, before what waits is served.
    function room(uint8 index) external view returns (uint256);

    /// @notice What waits and has not been released by a window yet.
    function waiting(uint8 index) external view returns (uint256);
}
