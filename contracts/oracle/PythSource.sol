// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Address} from "@openzeppelin/contracts/utils/Address.sol";

import {IPyth} from "../interfaces/external/IPyth.sol";
import {ISpotSource} from "../interfaces/ISpotSource.sol";

/// @title Spot from a Pyth feed
/// @notice Pull-style: somebody brings Pyth's signed prices on chain (`refresh`, or Pyth's own entry point) before the update
/// that is to count them.
contract PythSource is ISpotSource {
    uint256 private constant WAD = 1e18;
    /// @dev Exponents beyond these make no price of uint96 from an int64.
    int256 private constant LEAST_EXPONENT = -36;
    int256 private constant LARGEST_EXPONENT = 12;

    IPyth public immutable PYTH;
    bytes32 public immutable FEED;
    /// @notice A price whose confidence interval exceeds this share of it is no price, 1e18.
    uint256 public immutable MAX_INTERVAL;

    /// @param feed Pyth's id of the price in USD.
    constructor(IPyth pyth, bytes32 feed, uint256 maxInterval) {
        PYTH = pyth;
        FEED = feed;
        MAX_INTERVAL = maxInterval;
    }

    /// @notice Pays Pyth's fee from what was sent and returns the rest to the sender.
    function refresh(bytes[] calldata updateData) external payable {
        uint256 fee = PYTH.getUpdateFee(updateData);
        PYTH.updatePriceFeeds{value: fee}(updateData);
        if (msg.value > fee) Address.sendValue(payable(msg.sender), msg.value - fee);
    }

    /// @inheritdoc ISpotSource
    function spot() external view returns (uint256 price, uint256 publishedAt) {
        IPyth.Price memory p = PYTH.getPriceUnsafe(FEED);
        publishedAt = p.publishTime;
        if (p.price <= 0 || p.expo < LEAST_EXPONENT || p.expo > LARGEST_EXPONENT) return (0, publishedAt);
        uint256 number = uint256(int256(p.price));
        if (uint256(p.conf) * WAD > number * MAX_INTERVAL) return (0, publishedAt);
        int256 exponent = 18 + int256(p.expo);
        price = exponent >= 0 ? number * 10 ** uint256(exponent) : number / 10 ** uint256(-exponent);
    }
}
