// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title Modules
/// @notice Which contracts may write: named once, at deployment, and never changed (the core is not upgradeable).
interface IModules {
    event ModulesWired(address[] modules);

    error NotAModule(address caller);
    error NotDeployer(address caller);
    error AlreadyWired();
    /// @notice Every module must be a deployed contract, and there must be at least one.
    error NotAContract(address module);

    /// @notice Names the modules; once, by the deployer.
    function wire(address[] calldata modules) external;

    function isModule(address who) external view returns (bool);
}
