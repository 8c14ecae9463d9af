// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IClearing} from "../interfaces/IClearing.sol";

/// @title EIP-712 hash of an order
library OrderHash {
    bytes32 internal constant TYPEHASH = keccak256(
        "Order(uint64 account,uint112 instrument,int128 size,uint128 limitPrice,"
        "uint64 feeCap,uint64 expiry,uint64 nonce,bool reduceOnly,address venue)"
    );

    /// @notice hashStruct(order): every member is static, so its ABI encoding is its EIP-712 encoding.
    function structHash(IClearing.Order calldata order) internal pure returns (bytes32) {
        return keccak256(abi.encode(TYPEHASH, order));
    }
}
