// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ILiquidationCallback, ILiquidator} from "../interfaces/ILiquidator.sol";

/// @title Price bringer mock
/// @notice A liquidating contract whose callback submits newer prices between the first tier and the next.
contract PriceBringerMock is ILiquidationCallback {
    ILiquidator private immutable LIQUIDATOR;
    address private immutable DOOR;

    error NotSubmitted(bytes reason);

    constructor(ILiquidator liquidator, address door) {
        LIQUIDATOR = liquidator;
        DOOR = door;
    }

    function liquidateThrough(ILiquidator.Liquidation calldata request, uint32 round, ILiquidator.LiquidationLeg[] calldata further)
        external
        returns (ILiquidator.Outcome memory first, ILiquidator.Outcome memory second)
    {
        return LIQUIDATOR.liquidateThrough(request, round, further);
    }

    /// @param data The call of the price door.
    function onLiquidation(uint64, uint64, ILiquidator.LiquidationLeg[] calldata, bytes calldata data) external {
        // The caller encoded the whole call: this mock knows no market.
        // solhint-disable-next-line avoid-low-level-calls
        (bool done, bytes memory reason) = DOOR.call(data);
        if (!done) revert NotSubmitted(reason);
    }
}
