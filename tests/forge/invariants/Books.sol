// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IWithdrawalQueue} from "../../../contracts/interfaces/IWithdrawalQueue.sol";
import {ILedger} from "../../../contracts/interfaces/ILedger.sol";
import {Adversaries} from "./Adversaries.sol";
import {InstrumentId} from "../../../contracts/types/InstrumentId.sol";
import {LeakyLedgerMock} from "./LeakyLedgerMock.sol";
import {CHEATS} from "./World.sol";

/// @title The books' invariants
/// @notice INV-LEDGER, INV-ZERO-SUM, INV-COLLATERAL, INV-HELD, INV-COSTS (docs/invariants.md) over all accounts, house included.
abstract contract Books is Adversaries {
    error LedgerDrifts(int256 drift, uint256 operations);
    error CostsDoNotAddUp(uint64 account, int256 stored, int256 sum);
    error PositionsDoNotSumToZero(uint112 instrument, int256 sum);
    error OpenInterestIsWrong(uint112 instrument, uint256 stored, uint256 longs);
    error CollateralDoesNotAddUp(uint256 recorded, uint256 sum);
    error VaultIsShort(uint8 index, uint256 recorded, uint256 held);
    error QueueIsShort(uint256 owed, uint256 held);
    error FundIsShort(uint256 reserved, uint256 held);

    /// @notice INV-LEDGER, INV-HELD of the settlement token
    function requireLedger() public view {
        int256 left = drift();
        uint256 roundings = drifting + 2 * (TRADERS + 1); // at most two perps per account have carry that nobody realised yet
        if (left < 0 || uint256(left) > roundings) revert LedgerDrifts(left, roundings);
        _requireHeld(USDC, usdc.balanceOf(address(vault)));
    }

    /// @notice INV-ZERO-SUM, INV-COSTS
    function requireZeroSum() public view {
        int256[] memory sums = new int256[](instruments.length);
        uint256[] memory longs = new uint256[](instruments.length);
        uint256[] memory shorts = new uint256[](instruments.length);
        for (uint64 id = 1; id <= ledger.accountCount(); ++id) {
            ILedger.PositionView[] memory held = ledger.positions(id);
            int256 costs;
            for (uint256 i; i < held.length; ++i) {
                uint256 at = _indexOf(held[i].instrument);
                costs += held[i].cost;
                sums[at] += held[i].size;
                if (held[i].size > 0) longs[at] += uint256(held[i].size);
                else shorts[at] += uint256(-held[i].size);
            }
            if (costs != ledger.costs(id)) revert CostsDoNotAddUp(id, ledger.costs(id), costs);
        }
        for (uint256 i; i < (expired == 0 ? 8 : 12); ++i) {
            // While an expiry is being settled one side may be ahead of the other.
            uint32 expiry = InstrumentId.wrap(instruments[i]).expiry();
            bool settling = expiry != 0 && expiry <= block.timestamp;
            if (sums[i] != 0 && !settling) revert PositionsDoNotSumToZero(instruments[i], sums[i]);
            (uint256 storedLongs, uint256 storedShorts) = ledger.openInterestSides(instruments[i]);
            if (storedLongs != longs[i]) revert OpenInterestIsWrong(instruments[i], storedLongs, longs[i]);
            if (storedShorts != shorts[i]) revert OpenInterestIsWrong(instruments[i], storedShorts, shorts[i]);
        }
    }

    /// @notice INV-COLLATERAL, INV-HELD of the collateral token
    function requireCollateral() public view {
        for (uint8 index = WETH; index <= ODD; ++index) {
            uint256 sum;
            for (uint64 id; id <= ledger.accountCount(); ++id) {
                sum += ledger.collateral(id, index);
            }
            if (sum != vault.recorded(index)) revert CollateralDoesNotAddUp(vault.recorded(index), sum);
            _requireHeld(index, _token(index).balanceOf(address(vault)));
        }
    }

    /// @notice INV-QUEUE: the claims are still owed what of them was not paid
    function requireQueue() public view {
        uint256[5] memory owed;
        for (uint256 id = queue.claimCount(); id > paidClaims; --id) {
            IWithdrawalQueue.Claim memory c = queue.claimOf(id);
            owed[c.index == USDC ? 4 : c.index] += c.quantity - c.paid;
        }
        for (uint256 i; i < owed.length; ++i) {
            uint8 index = i == 4 ? USDC : uint8(i);
            uint256 held = _token(index).balanceOf(address(queue)) * vault.unit(index);
            if (held < owed[i]) revert QueueIsShort(owed[i], held);
        }
    }

    /// @notice INV-FUND: what is set aside for exits is there, and the rest is what the fund says it holds
    function requireFund() public view {
        uint256 held = usdc.balanceOf(address(fund));
        if (held < fund.reserved() || (held - fund.reserved()) * fund.unit() != fund.holdings()) revert FundIsShort(fund.reserved(), held);
    }

    /// @return Recorded by the vault less what the accounts hold, over values accrued to now, 1e-18 USD.
    function drift() public view returns (int256) {
        int256 sum = -ledger.inTransit();
        for (uint64 id; id <= ledger.accountCount(); ++id) {
            (int256 carry,) = ledger.accrued(id);
            sum += ledger.cash(id) - ledger.costs(id) - carry;
        }
        return int256(vault.recorded(USDC)) - sum;
    }

    /// @notice Replaces the ledger by a faulty one over the same storage.
    function leak(LeakyLedgerMock.Leak kind) external {
        address code = address(new LeakyLedgerMock(_deploy("Ledger", ""), kind));
        CHEATS.etch(address(ledger), code.code);
    }

    function _requireHeld(uint8 index, uint256 held) private view {
        uint256 recorded = vault.recorded(index) / vault.unit(index);
        if (held < recorded) revert VaultIsShort(index, recorded, held);
    }

    function _indexOf(uint112 instrument) private view returns (uint256 at) {
        while (instruments[at] != instrument) ++at;
    }
}
