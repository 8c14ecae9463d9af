// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {IClearing} from "../interfaces/IClearing.sol";
import {SETTLEMENT} from "../interfaces/ICollateralVault.sol";
import {ILiquidationCallback, ILiquidator} from "../interfaces/ILiquidator.sol";

/// @title Liquidator mock
/// @notice A liquidating contract that funds its account in the callback, or tries to enter the liquidator again.
contract LiquidatorMock is ILiquidationCallback {
    ILiquidator private immutable LIQUIDATOR;
    IClearing private immutable CLEARING;

    constructor(ILiquidator liquidator, IClearing clearing, IERC20 settlementToken, address vault) {
        LIQUIDATOR = liquidator;
        CLEARING = clearing;
        settlementToken.approve(vault, type(uint256).max);
    }

    function liquidate(ILiquidator.Liquidation calldata request) external {
        LIQUIDATOR.liquidate(request);
    }

    /// @param data abi.encode(settlement tokens to deposit for `to` (WAD), whether to try to cover a deficit meanwhile).
    function onLiquidation(uint64 account, uint64 to, ILiquidator.LiquidationLeg[] calldata, bytes calldata data) external {
        (uint256 deposit, bool reenter) = abi.decode(data, (uint256, bool));
        if (deposit != 0) CLEARING.deposit(to, SETTLEMENT, deposit);
        if (reenter) LIQUIDATOR.coverDeficit(account);
    }
}
