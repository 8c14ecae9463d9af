// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {MarginMode} from "../types/Book.sol";
import {ParameterTable} from "../types/Parameter.sol";
import {Portfolio} from "./Portfolio.sol";

/// @notice A book ready to be margined: grouped, with its prices.
/// @param partially By a witness: one scenario per underlying and group.
struct Case {
    ParameterTable table;
    uint256 time;
    MarginMode mode;
    int256 balance;
    uint256[] collateral;
    Portfolio portfolio;
    uint256 oldestPrice;
    bool partially;
    bytes witnessUnderlyings;
    bytes witnessGroups;
}

/// @notice Sums over all legs of an account. @param value Sum of size x mark, 1e36. @param gross Sum of |size| x spot, 1e36.
struct Totals {
    int256 value;
    uint256 gross;
    uint256 initial;
    uint256 maintenance;
    uint256 longOptions;
}

/// @notice Working state of the scan of one account; what follows `compiledScale` is of one underlying. USD are 1e36 where not said.
/// @param scenarios Address of the compiled scenario words. @param compiled Address of those that were compiled here, 0 for none,
/// for @param compiledMask and @param compiledScale. @param mask Bit per scenario that is evaluated.
/// @param rows As in `OptionFrame`, for options that are alive.
/// @param linear What moves in proportion to the spot. @param base Lanes at the market. @param delta Delta x spot.
/// @param contracts Sum of |size| of options and futures, 1e18. @param perpContracts Of perps. @param perpValue |size| x mark.
/// @param gamma Gamma x spot^2, 1e-30 USD, where greeks are reported. @param nearGamma Of options close to expiry.
/// @param nearShort Their short contracts, 1e18. @param vegaBound Sum of |size| D F sqrt T, 1e36: |vega| is at most phi(0) times it.
struct Stress {
    ParameterTable table;
    uint256 time;
    bool greeks;
    Totals totals;
    uint256 scenarios;
    uint256 compiled;
    uint256 compiledMask;
    uint256 compiledScale;
    uint256 mask;
    uint256 rows;
    uint256 spot;
    uint256 spotScale;
    int256 linear;
    int256 base;
    int256 delta;
    uint256 contracts;
    uint256 perpContracts;
    uint256 perpValue;
    int256 gamma;
    int256 nearGamma;
    uint256 nearShort;
    uint256 vegaBound;
}

/// @notice Risk of one underlying, USD 1e18 (margin.md sections 2 and 3).
/// @param pnl Weighted profit and loss per scenario. @param worst Index of the least, lowest among ties. @param loss W.
/// @param deltaUnits Delta in units of underlying. @param gammaUnits Per USD. @param vegaUsd Per 1.00 of vol.
struct UnderlyingRisk {
    uint256 id;
    int256[] pnl;
    uint256 worst;
    uint256 loss;
    uint256 rate;
    uint256 roll;
    uint256 shortOptions;
    uint256 delta;
    uint256 gamma;
    uint256 vega;
    uint256 oracle;
    uint256 spotContingency;
    int256 deltaUnits;
    int256 gammaUnits;
    int256 vegaUsd;
}
