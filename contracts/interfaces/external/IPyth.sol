// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @title Pyth
/// @dev What a pull-style source needs of `IPyth` and `PythStructs` of `@pythnetwork/pyth-sdk-solidity` 4.3.1 (Apache-2.0),
/// signature by signature.
interface IPyth {
    /// @dev Price and confidence interval are x 10^expo.
    struct Price {
        int64 price;
        uint64 conf;
        int32 expo;
        uint256 publishTime;
    }

    /// @notice The latest stored price, however old; reverts where there is none.
    function getPriceUnsafe(bytes32 id) external view returns (Price memory price);

    /// @notice Verifies signed prices and stores those that are newer than what is stored.
    function updatePriceFeeds(bytes[] calldata updateData) external payable;

    /// @return feeAmount Wei that `updatePriceFeeds` asks for this data.
    function getUpdateFee(bytes[] calldata updateData) external view returns (uint256 feeAmount);
}
