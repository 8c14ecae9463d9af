// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title Chainlink aggregator
/// @dev The interface of `@chainlink/contracts` 1.5.0 (src/v0.8/shared/interfaces, MIT), signature by signature. Copied, since
/// the package brings hundreds of others along, one of them from a source repository that no lock file can pin by hash.
// solhint-disable-next-line interface-starts-with-i
interface AggregatorV3Interface {
    function decimals() external view returns (uint8);

    function description() external view returns (string memory);

    function version() external view returns (uint256);

    function getRoundData(uint80 _roundId)
        external
        view
        returns (uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound);

    function latestRoundData()
        external
        view
        returns (uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound);
}
