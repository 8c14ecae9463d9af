// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IPyth} from "../interfaces/external/IPyth.sol";

/// @title Pyth mock
/// @notice Takes abi.encode(id, price) for signed prices: the outside world's part in tests.
contract PythMock is IPyth {
    uint256 public constant FEE = 7;

    mapping(bytes32 id => Price) private _prices;

    error PriceFeedNotFound();
    error InsufficientFee();

    function updatePriceFeeds(bytes[] calldata updateData) external payable {
        if (msg.value < getUpdateFee(updateData)) revert InsufficientFee();
        for (uint256 i; i < updateData.length; ++i) {
            (bytes32 id, Price memory price) = abi.decode(updateData[i], (bytes32, Price));
            if (price.publishTime > _prices[id].publishTime) _prices[id] = price;
        }
    }

    function getPriceUnsafe(bytes32 id) external view returns (Price memory price) {
        price = _prices[id];
        if (price.publishTime == 0) revert PriceFeedNotFound();
    }

    function getUpdateFee(bytes[] calldata updateData) public pure returns (uint256) {
        return FEE * updateData.length;
    }
}
