// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";
import {ECDSA} from "solady/utils/ECDSA.sol";

import {IOracleSigners} from "../interfaces/IOracleSigners.sol";

/// @title Oracle signers
abstract contract OracleSigners is IOracleSigners, AccessControl {
    /// @notice May change the oracle signers and their quorum: the timelock.
    bytes32 public constant SIGNER_ADMIN = keccak256("SIGNER_ADMIN");

    address[] private _signers;
    mapping(address account => bool) private _isSigner;
    uint256 private _quorum;

    constructor(address[] memory signers_, uint256 quorum_) {
        _setSigners(signers_, quorum_);
    }

    /// @inheritdoc IOracleSigners
    function setSigners(address[] calldata newSigners, uint256 newQuorum) external onlyRole(SIGNER_ADMIN) {
        _setSigners(newSigners, newQuorum);
    }

    /// @inheritdoc IOracleSigners
    function signers() external view returns (address[] memory, uint256 quorum) {
        return (_signers, _quorum);
    }

    /// @dev Ascending order makes each signer count once without a set; a malformed signature recovers to zero.
    function _requireQuorum(bytes32 hash, bytes[] calldata signatures) internal view {
        if (signatures.length < _quorum) revert QuorumNotReached(signatures.length, _quorum);
        address previous;
        for (uint256 i; i < signatures.length; ++i) {
            address recovered = ECDSA.tryRecoverCalldata(hash, signatures[i]);
            if (recovered <= previous || !_isSigner[recovered]) revert BadSigner(recovered, previous);
            previous = recovered;
        }
    }

    function _setSigners(address[] memory newSigners, uint256 newQuorum) private {
        // A majority, so that no two disjoint quorums can sign two markets for one moment.
        if (newQuorum > newSigners.length || 2 * newQuorum <= newSigners.length) revert BadQuorum(newQuorum, newSigners.length);
        for (uint256 i; i < _signers.length; ++i) {
            _isSigner[_signers[i]] = false;
        }
        for (uint256 i; i < newSigners.length; ++i) {
            if (newSigners[i] == address(0) || _isSigner[newSigners[i]]) revert BadSignerSet(newSigners[i]);
            _isSigner[newSigners[i]] = true;
        }
        _signers = newSigners;
        _quorum = newQuorum;
        emit SignersSet(newSigners, newQuorum);
    }
}
