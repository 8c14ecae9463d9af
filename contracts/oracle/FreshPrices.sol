// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Parameter, ParameterTable} from "../types/Parameter.sol";

/// @title Actions need prices of now
/// @notice Each interface whose actions ask for it declares the same StalePrice.
library FreshPrices {
    error StalePrice(uint256 signedAt, uint256 time, uint256 limit);

    /// @notice Reverts StalePrice where the oldest price used is older than MAX_ACTION_AGE.
    /// @param oldestPrice Unix seconds; type(uint256).max where no price was used.
    function requireFresh(ParameterTable p, uint256 oldestPrice) internal view {
        uint256 limit = p.get(Parameter.MAX_ACTION_AGE);
        if (isOlder(oldestPrice, limit)) revert StalePrice(oldestPrice, block.timestamp, limit);
    }

    /// @notice Whether a price was signed more than `limit` seconds ago.
    function isOlder(uint256 signedAt, uint256 limit) internal view returns (bool) {
        return block.timestamp > signedAt && block.timestamp - signedAt > limit;
    }
}
