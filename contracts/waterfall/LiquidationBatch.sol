// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ILedger, SCOPE_TRADE} from "../interfaces/ILedger.sol";
import {ILiquidationBatch} from "../interfaces/ILiquidationBatch.sol";
import {ILiquidator} from "../interfaces/ILiquidator.sol";
import {IPriceDoor} from "../interfaces/IPriceDoor.sol";

/// @title Liquidation batch
/// @dev No state: a call that re-enters finds what the first found.
contract LiquidationBatch is ILiquidationBatch {
    ILedger private immutable LEDGER;
    IPriceDoor private immutable DOOR;
    ILiquidator private immutable LIQUIDATOR;

    constructor(ILedger ledger, IPriceDoor door, ILiquidator liquidator) {
        LEDGER = ledger;
        DOOR = door;
        LIQUIDATOR = liquidator;
    }

    /// @inheritdoc ILiquidationBatch
    function liquidate(
        IPriceDoor.MarketUpdate[] calldata updates,
        bytes[][] calldata signatures,
        ILiquidator.Liquidation[] calldata members
    ) external returns (Result[] memory results) {
        if (updates.length != 0) {
            try DOOR.submitBatch(updates, signatures) {}
            catch (bytes memory reason) {
                emit PricesRefused(reason);
            }
        }
        results = new Result[](members.length);
        for (uint256 i; i < members.length; ++i) {
            // The liquidator sees this contract as the sender, and asks for its right alone
            if (!LEDGER.isAuthorised(members[i].to, msg.sender, SCOPE_TRADE)) revert NotAuthorised(members[i].to, msg.sender);
            uint256 gasBefore = gasleft();
            try LIQUIDATOR.liquidate(members[i]) returns (ILiquidator.Outcome memory outcome) {
                (results[i].done, results[i].outcome) = (true, outcome);
            } catch (bytes memory reason) {
                results[i].reason = reason;
                emit MemberRefused(members[i].account, reason);
            }
            results[i].gasUsed = gasBefore - gasleft();
        }
    }
}
