// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";

/// @title Timelock
/// @notice Holds every role of the system: each change is announced on chain at least `minDelay` seconds before it applies.
/// @dev No admin besides itself, so proposers and the delay change only through a proposal that waited.
contract Timelock is TimelockController {
    /// @param minDelay Seconds between proposal and execution.
    /// @param proposers May schedule and cancel. @param executors May execute; the zero address opens it to everyone.
    constructor(uint256 minDelay, address[] memory proposers, address[] memory executors)
        TimelockController(minDelay, proposers, executors, address(0))
    {}
}
