// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IModules} from "../interfaces/IModules.sol";

/// @title The wired modules of the ledger and the vault
abstract contract Modules is IModules {
    address private immutable DEPLOYER;

    bool private _wired;
    mapping(address who => bool) private _modules;

    modifier onlyModule() {
        if (!_modules[msg.sender]) revert NotAModule(msg.sender);
        _;
    }

    constructor() {
        DEPLOYER = msg.sender;
    }

    /// @inheritdoc IModules
    function wire(address[] calldata modules) external {
        if (msg.sender != DEPLOYER) revert NotDeployer(msg.sender);
        if (_wired) revert AlreadyWired();
        if (modules.length == 0) revert NotAContract(address(0));
        _wired = true;
        for (uint256 i; i < modules.length; ++i) {
            if (modules[i].code.length == 0) revert NotAContract(modules[i]);
            _modules[modules[i]] = true;
        }
        emit ModulesWired(modules);
    }

    /// @inheritdoc IModules
    function isModule(address who) external view returns (bool) {
        return _modules[who];
    }
}
