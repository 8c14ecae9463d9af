// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title ECDSA signatures for campaigns
/// @notice Valid on secp256k1 and worthless as secrets: the nonce is 1, so that r is the generator's x and a signature is one addition.
/// Forge's own cheat code multiplies points, which was an eighth of a campaign's time.
library Signatures {
    uint256 private constant ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;
    uint256 private constant GENERATOR_X = 0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798; // its y is even

    /// @return r, s, v in 65 bytes; s = digest + r * key, the lower of the two.
    function sign(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        uint256 s = addmod(uint256(digest), mulmod(GENERATOR_X, key, ORDER), ORDER);
        uint8 v = 27;
        if (s > ORDER / 2) (s, v) = (ORDER - s, 28);
        return abi.encodePacked(GENERATOR_X, s, v);
    }

    function split(bytes memory signature) internal pure returns (bytes32 r, bytes32 s, uint8 v) {
        assembly ("memory-safe") {
            r := mload(add(signature, 0x20))
            s := mload(add(signature, 0x40))
            v := byte(0, mload(add(signature, 0x60)))
        }
    }
}
