// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {TokenMock} from "./TokenMock.sol";

/// @title Callback token mock
/// @notice Calls somebody in the middle of every transfer, as an attacker's token would.
contract CallbackTokenMock is TokenMock {
    address private _target;
    bytes private _data;

    constructor() TokenMock("Callback token", "CALL", 18) {}

    /// @notice The call made inside each transfer; to nobody: none. Its revert is the transfer's.
    function setCallback(address target, bytes calldata data) external {
        _target = target;
        _data = data;
    }

    function _update(address from, address to, uint256 value) internal override {
        if (from != address(0) && to != address(0) && _target != address(0)) Address.functionCall(_target, _data);
        super._update(from, to, value);
    }
}
