// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {MarginMode} from "../types/Book.sol";
import {ParameterTable} from "../types/Parameter.sol";
import {ExpirySlice} from "./ExpirySlice.sol";
import {OptionPoint} from "./OptionMark.sol";
import {Portfolio} from "./Portfolio.sol";
import {ScenarioRows} from "./Scenarios.sol";

/// @notice A book ready to be margined: grouped, with its prices.
/// @param bias Position of 0 in the loaded normal table. @param witness Scenario per underlying, then per group; empty: all.
struct Case {
    ParameterTable table;
    int256 bias;
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

/// @notice Sums over the legs of one expiry.
/// @param base Lanes (math/Black76.sol) at the market. @param halfForward, halfStrike Sum of +-size D F and +-size D K, + for
/// calls, - for puts, 1e-12 USD. @param calls, puts Net contracts. @param futures Size x forward, 1e36.
/// @param lanes Sum of the absolute values that enter the lanes. @param near Within the gamma charge's tenor.
struct ExpirySums {
    int256 base;
    int256 halfForward;
    int256 halfStrike;
    int256 calls;
    int256 puts;
    int256 futures;
    uint256 lanes;
    bool near;
    bool live;
}

/// @notice Working state of the scan of one account; the middle part is reset per underlying. USD are 1e36 where not said.
/// @param linear What moves in proportion to the spot. @param base Lanes at the market. @param delta Delta x spot.
/// @param contracts Sum of |size| of options and futures, 1e18. @param perpContracts Of perps. @param perpValue |size| x mark.
/// @param gamma Gamma x spot^2, 1e-30 USD, filled in where greeks are reported. @param nearGamma Of options close to
/// expiry. @param nearShort Their short contracts, 1e18.
/// @param vegaBound Upper bound of the sum of |vega|, 1e-12 USD. @param needsDensity Greeks are reported.
struct Stress {
    ParameterTable table;
    int256 bias;
    uint256 time;
    Totals totals;
    uint256 spot;
    uint256 spotScale;
    ScenarioRows rows;
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
    bool needsDensity;
    ExpirySlice slice;
    ExpirySums sums;
    OptionPoint option;
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
