// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {TokenMock} from "./TokenMock.sol";

/// @title Fee-on-transfer token mock
/// @notice Burns a share of every transfer out of what arrives, or on top of what leaves: tokens that the vault refuses.
contract FeeTokenMock is TokenMock {
    uint256 private constant BASIS_POINTS = 10_000;

    uint256 private _fee; // of what arrives, basis points
    uint256 private _senderFee; // on top of what leaves, basis points

    constructor(uint256 fee) TokenMock("Fee token", "FEE", 18) {
        _fee = fee;
    }

    function setSenderFee(uint256 fee) external {
        _senderFee = fee;
    }

    function _update(address from, address to, uint256 value) internal override {
        super._update(from, to, value);
        if (from == address(0) || to == address(0)) return;
        if (_fee != 0) super._update(to, address(0), value * _fee / BASIS_POINTS);
        if (_senderFee != 0) super._update(from, address(0), value * _senderFee / BASIS_POINTS);
    }
}
