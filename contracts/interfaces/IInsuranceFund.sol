// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title Insurance fund
/// @notice ERC-4626 over the settlement token with its own custody. Fees reach it as plain transfers from the vault
/// (`IClearing.collectFees`); it pays deficits and is never negative.
/// @dev Amounts at this interface in WAD (1e18 USD) except the ERC-4626 functions (token units, rounded against the caller by
/// ERC-4626). Shares have six decimals more than the token (virtual shares), so that donating to an empty fund in order to round a
/// later depositor down costs the donor more than the victim loses.
///
/// INV-FUND: never negative, never pays more than its tokens; a member draws at most its limit at once and limit / window per second
/// over time (leaky bucket: the level rises by each draw and leaks evenly).
///
/// Assumption 1: exits are plain ERC-4626: who leaves before a draw does not bear it. Epoch exits (requests that settle at the lower of
/// two share prices and wait while a deficit is open) replace them before outsiders' money is invited.
interface IInsuranceFund {
    event MemberSet(address indexed member, uint256 drawLimit, uint256 window);
    event Drawn(address indexed member, uint64 indexed account, uint256 amount, uint256 balance);

    error NotAMember(address caller);
    error DrawExceedsLimit(uint256 wanted, uint256 available);
    /// @notice A draw is a positive multiple of `unit` (WAD).
    error AmountNotRepresentable(uint256 amount, uint256 unit);
    /// @notice A member with a draw limit needs a window.
    error ZeroWindow(address member);

    /// @notice Governance: a member may draw up to `drawLimit` (WAD), refilled evenly over `window` seconds. Limit 0 ends the
    /// membership. What was drawn before still counts against the new limit.
    function setMember(address member, uint256 drawLimit, uint256 window) external;

    /// @notice Member: sends settlement tokens for `amount` (WAD, a multiple of the token unit) to `to` (the vault).
    function draw(uint64 account, uint256 amount, address to) external;

    /// @notice What the member may draw now, WAD: the lower of its bucket and the balance, rounded down to token units.
    function available(address member) external view returns (uint256);

    /// @notice Settlement tokens held, WAD.
    function holdings() external view returns (uint256);

    /// @notice One unit of the settlement token, WAD.
    function unit() external view returns (uint256);

    /// @return drawLimit WAD.
    /// @return window Seconds.
    /// @return level Drawn and not yet leaked, WAD, now.
    function member(address who) external view returns (uint256 drawLimit, uint256 window, uint256 level);
}
