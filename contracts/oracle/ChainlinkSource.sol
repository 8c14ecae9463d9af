// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {AggregatorV3Interface} from "../interfaces/external/AggregatorV3Interface.sol";
import {ISpotSource} from "../interfaces/ISpotSource.sol";

/// @title Spot from a Chainlink aggregator
contract ChainlinkSource is ISpotSource {
    AggregatorV3Interface public immutable AGGREGATOR;

    /// @dev Price = answer x MULTIPLIER / DIVISOR; one of them is 1.
    uint256 private immutable MULTIPLIER;
    uint256 private immutable DIVISOR;

    /// @param aggregator Quotes USD per unit; its decimals must not change afterwards.
    constructor(AggregatorV3Interface aggregator) {
        AGGREGATOR = aggregator;
        uint256 decimals = aggregator.decimals();
        MULTIPLIER = decimals < 18 ? 10 ** (18 - decimals) : 1;
        DIVISOR = decimals > 18 ? 10 ** (decimals - 18) : 1;
    }

    /// @inheritdoc ISpotSource
    function spot() external view returns (uint256 price, uint256 publishedAt) {
        (, int256 answer,, uint256 updatedAt,) = AGGREGATOR.latestRoundData();
        if (answer <= 0) return (0, updatedAt);
        return (uint256(answer) * MULTIPLIER / DIVISOR, updatedAt);
    }
}
