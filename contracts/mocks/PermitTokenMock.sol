// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

/// @title Token with ERC-2612 permits; anyone may mint
contract PermitTokenMock is ERC20Permit {
    constructor() ERC20("Permit token", "PERMIT") ERC20Permit("Permit token") {}

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }
}
