// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {AggregatorV3Interface} from "../interfaces/external/AggregatorV3Interface.sol";

/// @title Aggregator mock
/// @notice A Chainlink aggregator whose rounds anybody writes: the outside world's part in tests.
contract AggregatorMock is AggregatorV3Interface {
    struct Round {
        int256 answer;
        uint256 updatedAt;
    }

    uint8 public immutable decimals;
    bool public broken;
    Round[] private _rounds;

    error Broken();

    constructor(uint8 decimals_) {
        decimals = decimals_;
    }

    /// @notice A new round, as of this block.
    function answer(int256 price) external {
        _rounds.push(Round(price, block.timestamp));
    }

    /// @notice A new round with a time of its own.
    function answerAt(int256 price, uint256 updatedAt) external {
        _rounds.push(Round(price, updatedAt));
    }

    /// @notice From now on every read reverts, or no longer does.
    function setBroken(bool value) external {
        broken = value;
    }

    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80) {
        return getRoundData(uint80(_rounds.length));
    }

    function description() external pure returns (string memory) {
        return "mock";
    }

    function version() external pure returns (uint256) {
        return 4;
    }

    function getRoundData(uint80 id) public view returns (uint80, int256, uint256, uint256, uint80) {
        if (broken) revert Broken();
        Round memory r = _rounds[id - 1];
        return (id, r.answer, r.updatedAt, r.updatedAt, id);
    }
}
