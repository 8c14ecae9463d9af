// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IPriceDoor} from "../interfaces/IPriceDoor.sol";

/// @title Market update hash
/// @notice `hashStruct` of a market update (EIP-712): the array of expiries is the hash of its members' hashes.
library MarketUpdateHash {
    bytes32 internal constant EXPIRY_QUOTE_TYPEHASH = keccak256(
        "ExpiryQuote(uint32 expiry,uint96 forward,int64 rate,int64 a,uint64 b,int64 rho,int64 m,uint64 sigma,uint96 refForward,uint64 refTau)"
    );
    bytes32 internal constant MARKET_UPDATE_TYPEHASH = keccak256(
        "MarketUpdate(uint8 underlying,uint32 timestamp,uint96 spot,uint96 mark,uint16 confidence,ExpiryQuote[] expiries)"
        "ExpiryQuote(uint32 expiry,uint96 forward,int64 rate,int64 a,uint64 b,int64 rho,int64 m,uint64 sigma,uint96 refForward,uint64 refTau)"
    );

    function structHash(IPriceDoor.MarketUpdate calldata update) internal pure returns (bytes32) {
        bytes32[] memory quotes = new bytes32[](update.expiries.length);
        for (uint256 i; i < quotes.length; ++i) {
            quotes[i] = keccak256(abi.encode(EXPIRY_QUOTE_TYPEHASH, update.expiries[i]));
        }
        return keccak256(
            abi.encode(
                MARKET_UPDATE_TYPEHASH,
                update.underlying,
                update.timestamp,
                update.spot,
                update.mark,
                update.confidence,
                keccak256(abi.encodePacked(quotes))
            )
        );
    }
}
