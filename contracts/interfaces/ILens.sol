// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Requirement, Witness} from "./IMarginEngine.sol";
import {ILedger} from "./ILedger.sol";

/// @title Lens
/// @notice Batched reads for keepers and front ends. Holds nothing, writes nothing.
interface ILens {
    struct AccountView {
        uint64 id;
        address owner;
        uint8 mode;
        int256 cash;
        uint256[] collateral;
        ILedger.PositionView[] positions;
    }

    /// @notice `ok` false: the engine reverted (for example a price is missing); figures are then zero.
    struct RiskView {
        uint64 id;
        bool ok;
        Requirement requirement;
        int256 health;
    }

    /// @dev Figures of the ledger's invariants (INV-LEDGER), WAD.
    struct LedgerTotals {
        int256 cash; // sum over accounts, house included
        int256 costs;
        uint256 recorded; // by the vault
        int256 drift; // recorded - (cash - costs)
        uint256[] collateral; // sums per index
        uint256[] collateralRecorded;
    }

    error LengthsDiffer(uint256 accounts, uint256 witnesses);

    /// @notice Accounts `from`..`to` inclusive, cut at the last account that exists. Account 0 is the house.
    function accounts(uint64 from, uint64 to) external view returns (AccountView[] memory);

    /// @notice Full scans of accounts `from`..`to` inclusive, cut likewise.
    function risks(uint64 from, uint64 to) external view returns (RiskView[] memory);

    /// @notice Full scans of listed accounts.
    function risksOf(uint64[] calldata ids) external view returns (RiskView[] memory);

    /// @notice Witnesses' lower bounds of listed accounts; `ok` false also where a witness does not fit the account.
    function witnessedOf(uint64[] calldata ids, Witness[] calldata witnesses) external view returns (RiskView[] memory);

    /// @notice Sums over accounts `from`..`to`; the recorded figures and the drift are meaningful only for 0..accountCount.
    function totals(uint64 from, uint64 to) external view returns (LedgerTotals memory);
}
