// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title Oracle signers
/// @notice Who signs the market, and how many of them must.
interface IOracleSigners {
    event SignersSet(address[] signers, uint256 quorum);

    /// @notice A signature is not of an oracle signer, or signers are not in ascending order (each counts once).
    error BadSigner(address recovered, address previous);
    error QuorumNotReached(uint256 signatures, uint256 quorum);
    /// @notice The quorum is not a majority of the signers, or more than all of them.
    error BadQuorum(uint256 quorum, uint256 signers);
    /// @notice The zero address or a signer named twice.
    error BadSignerSet(address signer);

    /// @notice Replaces all signers. Only SIGNER_ADMIN. Signatures of earlier signers are void at once.
    function setSigners(address[] calldata signers, uint256 quorum) external;

    function signers() external view returns (address[] memory signers, uint256 quorum);
}
