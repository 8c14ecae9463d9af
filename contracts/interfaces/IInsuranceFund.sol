// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title Insurance fund
/// @notice ERC-4626 over the settlement token with its own custody. Fees reach it as plain transfers from the vault
/// (`IClearing.collectFees`); it pays deficits and is never negative.
/// @dev Amounts at this interface in WAD (1e18 USD) except the ERC-4626 functions (token units).
interface IInsuranceFund {
    event MemberSet(address indexed member, uint256 drawLimit, uint256 window);
    event Drawn(address indexed member, uint64 indexed account, uint256 amount, uint256 balance);

    error NotAMember(address caller);
    error DrawExceedsLimit(uint256 wanted, uint256 available);

    /// @notice Governance: a member may draw up to `drawLimit` (WAD), refilled evenly over `window` seconds.
    function setMember(address member, uint256 drawLimit, uint256 window) external;

    /// @notice Member: sends settlement tokens for `amount` (WAD, a multiple of the token unit) to `to` (the vault).
    function draw(uint64 account, uint256 amount, address to) external;

    /// @notice What the member may draw now, WAD: the lower of its bucket and the balance.
    function available(address member) external view returns (uint256);

    /// @notice Settlement tokens held, WAD.
    function balance() external view returns (uint256);
}
