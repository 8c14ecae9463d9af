// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @notice Risk of one underlying of an account, USD 1e18 (margin.md sections 2 and 3).
/// @param pnl Weighted profit and loss per scenario. @param worstScenario Its least, the lowest index among ties.
/// @param stressLoss W. @param rate .. spotContingency The charges.
/// @param delta Units of underlying, 1e18. @param gamma Units per USD, 1e18. @param vega USD per 1.00 of vol, 1e18.
struct UnderlyingReport {
    uint8 underlying;
    int256[] pnl;
    uint256 worstScenario;
    uint256 stressLoss;
    uint256 rate;
    uint256 roll;
    uint256 shortOptions;
    uint256 deltaMargin;
    uint256 gammaMargin;
    uint256 vegaMargin;
    uint256 oracle;
    uint256 spotContingency;
    int256 delta;
    int256 gamma;
    int256 vega;
}

/// @notice Correlated underlyings of an account (margin.md section 4), USD 1e18.
/// @param sumLoss Sum of W. @param jointLoss J, negative where every scenario is a gain. @param worstScenario Of J.
/// @param kappa Share of the offset that is credited, 1e18.
struct GroupReport {
    uint8 group;
    uint256 sumLoss;
    int256 jointLoss;
    uint256 worstScenario;
    uint256 kappa;
}

/// @title Margin report
/// @notice Where an account's requirement comes from: the engine's own libraries, with their intermediate figures.
/// @dev Reverts as `IMarginEngine` does. Underlyings and groups are in ascending order; the positions of the underlyings'
/// figures do not depend on the account's margin mode: they are those of PORTFOLIO (in CROSS and ISOLATED for information).
interface IMarginReport {
    struct Greeks {
        uint8 underlying;
        int256 delta; // units of underlying, 1e18
        int256 gamma; // units per USD, 1e18
        int256 vega; // USD per 1.00 of vol, 1e18
    }

    /// @notice Delta, gamma and vega per underlying, joined collateral included.
    function greeks(uint64 account) external view returns (Greeks[] memory);

    /// @notice Scenario P&L, W, charges and Greeks per underlying; J per group.
    function breakdown(uint64 account)
        external
        view
        returns (UnderlyingReport[] memory underlyings, GroupReport[] memory groups);
}
