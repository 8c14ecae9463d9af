// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ICollateralVault, SETTLEMENT} from "../interfaces/ICollateralVault.sol";
import {ILedger} from "../interfaces/ILedger.sol";
import {ILens} from "../interfaces/ILens.sol";
import {IMarginEngine, Requirement, Witness} from "../interfaces/IMarginEngine.sol";

/// @title Lens
contract Lens is ILens {
    ILedger private immutable LEDGER;
    ICollateralVault private immutable VAULT;
    IMarginEngine private immutable ENGINE;

    constructor(ILedger ledger, ICollateralVault vault, IMarginEngine engine) {
        LEDGER = ledger;
        VAULT = vault;
        ENGINE = engine;
    }

    /// @inheritdoc ILens
    function accounts(uint64 from, uint64 to) external view returns (AccountView[] memory list) {
        list = new AccountView[](_count(from, to));
        uint8 tokens = VAULT.tokenCount();
        for (uint256 i; i < list.length; ++i) {
            uint64 id = from + uint64(i);
            ILedger.Account memory head = LEDGER.account(id);
            list[i] = AccountView({
                id: id,
                owner: head.owner,
                mode: uint8(head.mode),
                cash: LEDGER.cash(id),
                collateral: _collateral(id, tokens),
                positions: LEDGER.positions(id)
            });
        }
    }

    /// @inheritdoc ILens
    function risks(uint64 from, uint64 to) external view returns (RiskView[] memory list) {
        list = new RiskView[](_count(from, to));
        for (uint256 i; i < list.length; ++i) {
            list[i] = _risk(from + uint64(i));
        }
    }

    /// @inheritdoc ILens
    function risksOf(uint64[] calldata ids) external view returns (RiskView[] memory list) {
        list = new RiskView[](ids.length);
        for (uint256 i; i < ids.length; ++i) {
            list[i] = _risk(ids[i]);
        }
    }

    /// @inheritdoc ILens
    function witnessedOf(uint64[] calldata ids, Witness[] calldata witnesses) external view returns (RiskView[] memory list) {
        if (ids.length != witnesses.length) revert LengthsDiffer(ids.length, witnesses.length);
        list = new RiskView[](ids.length);
        for (uint256 i; i < ids.length; ++i) {
            list[i].id = ids[i];
            try ENGINE.witnessed(ids[i], witnesses[i]) returns (Requirement memory r) {
                _fill(list[i], r);
            } catch {} // `ok` stays false
        }
    }

    /// @inheritdoc ILens
    function totals(uint64 from, uint64 to) external view returns (LedgerTotals memory t) {
        uint8 tokens = VAULT.tokenCount();
        t.collateral = new uint256[](tokens);
        t.collateralRecorded = new uint256[](tokens);
        uint256 count = _count(from, to);
        for (uint256 i; i < count; ++i) {
            uint64 id = from + uint64(i);
            t.cash += LEDGER.cash(id);
            t.costs += LEDGER.costs(id);
            uint256[] memory held = _collateral(id, tokens);
            for (uint256 k; k < tokens; ++k) {
                t.collateral[k] += held[k];
            }
        }
        t.recorded = VAULT.recorded(SETTLEMENT);
        for (uint8 k; k < tokens; ++k) {
            t.collateralRecorded[k] = VAULT.recorded(k);
        }
        t.drift = int256(t.recorded) - (t.cash - t.costs);
    }

    function _risk(uint64 id) private view returns (RiskView memory view_) {
        view_.id = id;
        try ENGINE.requirement(id) returns (Requirement memory r) {
            _fill(view_, r);
        } catch {} // `ok` stays false
    }

    function _fill(RiskView memory view_, Requirement memory r) private view {
        view_.ok = true;
        view_.requirement = r;
        view_.health = ENGINE.health(r);
    }

    function _collateral(uint64 id, uint8 tokens) private view returns (uint256[] memory held) {
        held = new uint256[](tokens);
        for (uint8 k; k < tokens; ++k) {
            held[k] = LEDGER.collateral(id, k);
        }
    }

    /// @dev Number of accounts in `from`..`to`, none beyond the last that exists.
    function _count(uint64 from, uint64 to) private view returns (uint256) {
        uint64 last = LEDGER.accountCount();
        if (to > last) to = last;
        return from > to ? 0 : uint256(to) - from + 1;
    }
}
