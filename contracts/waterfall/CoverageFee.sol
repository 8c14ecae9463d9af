// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";

import {IInsuranceFund} from "../interfaces/IInsuranceFund.sol";
import {ILedger} from "../interfaces/ILedger.sol";
import {IPriceDoor} from "../interfaces/IPriceDoor.sol";
import {MAX_UNDERLYINGS, Parameter, ParameterTable, UNDERLYINGS_AT} from "../types/Parameter.sol";
import {ProvenRelease} from "./ProvenRelease.sol";

/// @title Liquidation fee by the fund's coverage of this engine's open interest
/// @notice The fund serves several engines and knows none: the notional is the asking engine's.
library CoverageFee {
    /// @notice The fee rate now, 1e18 of the release. Reads no open interest where governance set one fee for every coverage.
    function rateUp(ILedger ledger, IPriceDoor door, IInsuranceFund fund, ParameterTable p) internal view returns (uint256) {
        uint256 least = p.get(Parameter.LIQUIDATION_FEE_MIN);
        if (least == p.get(Parameter.LIQUIDATION_FEE_MAX)) return least;
        return ProvenRelease.feeRateUp(fund.coverage(openInterestDown(ledger, door, p)), p);
    }

    /// @notice Sum over the configured underlyings of open contracts x spot, USD 1e18, each rounded down.
    function openInterestDown(ILedger ledger, IPriceDoor door, ParameterTable p) internal view returns (uint256 notional) {
        for (uint256 id; id < MAX_UNDERLYINGS; ++id) {
            if (uint8(p.word(UNDERLYINGS_AT + id) >> 8) == 0) continue;
            uint256 contracts = ledger.openInterestOf(uint8(id));
            if (contracts == 0) continue;
            (uint256 spot,,) = door.prices(uint8(id));
            notional += FixedPointMathLib.mulDiv(contracts, spot, 1e18);
        }
    }
}
