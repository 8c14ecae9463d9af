// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {TokenMock} from "./TokenMock.sol";

/// @title Token that pauses, blocks holders, or changes every balance
/// @notice `rebase` scales what everybody holds; `freeze` makes transfers to or from one holder revert, as issuers' blocklists do.
contract OddTokenMock is TokenMock {
    uint256 private constant WAD = 1e18;

    uint256 private _scale = WAD;
    mapping(address holder => bool) private _frozen;

    error Frozen(address holder);

    constructor(uint8 decimals_) TokenMock("Odd token", "ODD", decimals_) {}

    function rebase(uint256 scale) external {
        _scale = scale;
    }

    function freeze(address holder, bool frozen) external {
        _frozen[holder] = frozen;
    }

    function balanceOf(address holder) public view override returns (uint256) {
        return super.balanceOf(holder) * _scale / WAD;
    }

    function _update(address from, address to, uint256 value) internal override {
        if (_frozen[from]) revert Frozen(from);
        if (_frozen[to]) revert Frozen(to);
        super._update(from, to, value * WAD / _scale);
    }
}
