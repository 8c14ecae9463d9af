// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Parameter} from "../types/Parameter.sol";

/// @title Risk parameters
/// @notice Every governed number, in one table (types/Parameter.sol) that readers copy in one piece. The only writer is the
/// holder of `PARAMETER_ADMIN` (the timelock); each scalar has bounds on chain that nobody can leave.
/// @dev The table is the code of a data contract; each change deploys the next one.
interface IRiskParameters {
    struct Scenario {
        int64 shock; // relative spot shock, 1e18
        uint64 weight; // 1e18
        bool core; // spotScale applies
        uint8 volDirection; // 0 none, 1 up, 2 down
    }

    struct CollateralConfig {
        uint8 underlying; // whose spot is the token's price
        bool joins; // the token IS the underlying: joins its legs in PORTFOLIO mode
        uint64 haircutInitial;
        uint64 haircutMaintenance;
    }

    event ParameterSet(Parameter indexed parameter, uint256 previous, uint256 value);
    event ScenariosSet(uint256[] words);
    event CollateralSet(uint8 indexed index, CollateralConfig config);
    event UnderlyingSet(uint8 indexed underlying, uint8 group, uint64 spotScale);
    event GroupSet(uint8 indexed group, uint256 kappa);

    error OutOfBounds(Parameter parameter, uint256 value, uint256 lower, uint256 upper);
    /// @notice Spot shock outside -99 % .. +900 % (a core shock also when multiplied by the largest spotScale), weight outside
    /// (0, 1], or an unknown vol direction.
    error BadScenario(uint256 index, int256 shock, uint256 weight, uint8 volDirection);
    error BadScenarioCount(uint256 count, uint256 limit);
    /// @notice Index >= MAX_COLLATERALS, initial haircut above 1 or maintenance haircut above initial.
    error BadCollateral(uint8 index, uint256 haircutInitial, uint256 haircutMaintenance);
    /// @notice Id >= MAX_UNDERLYINGS, group above MAX_GROUPS, or spotScale outside 1..5 or too large for the core shocks.
    error BadUnderlying(uint8 underlying, uint8 group, uint256 spotScale);
    error BadGroup(uint8 group, uint256 kappa);
    /// @notice A collateral's price is that of an underlying that `setUnderlying` has not configured.
    error UnknownUnderlying(uint8 underlying);
    /// @notice Two parameters must keep an order (for example maintenance below initial).
    error Disordered(Parameter lower, uint256 lowerValue, Parameter upper, uint256 upperValue);
    /// @notice The largest discount and the fee together exceed half of what a liquidation releases.
    error DiscountAndFeeTooHigh(uint256 discount, uint256 fee, uint256 limit);

    /// @notice Changes one scalar. Only PARAMETER_ADMIN, as all changes.
    /// @dev The table is checked after each change: to move a pair past each other, move the one that makes room first.
    function set(Parameter parameter, uint256 value) external;

    /// @notice Replaces the whole scenario table: 1 to MAX_SCENARIOS entries.
    function setScenarios(Scenario[] calldata scenarios) external;

    /// @notice Adds or changes a collateral token; its underlying must have been set before.
    function setCollateral(uint8 index, CollateralConfig calldata config) external;

    /// @notice Adds or changes an underlying.
    /// @param group 0: none; else 1..8. @param spotScale 1e18..5e18; core shock x spotScale stays within -99 % .. +900 %.
    function setUnderlying(uint8 underlying, uint8 group, uint64 spotScale) external;

    /// @param kappa <= 0.5e18: the share of the offset credited inside the group.
    function setGroup(uint8 group, uint256 kappa) external;

    /// @notice The data contract whose code (after its first byte 0x00) is the table.
    function pointer() external view returns (address);

    /// @notice The table's words, for readers off-chain.
    function table() external view returns (uint256[] memory words);

    /// @return One scalar; readers that need several copy the table at `pointer` instead.
    function value(Parameter parameter) external view returns (uint256);

    /// @return lower Least value that `set` accepts. @return upper Largest.
    function bounds(Parameter parameter) external view returns (uint256 lower, uint256 upper);

    /// @notice The scenario table in its order: indices are those of a witness.
    function scenarios() external view returns (Scenario[] memory);

    /// @notice Zeros where the token does not exist.
    function collateral(uint8 index) external view returns (CollateralConfig memory config, bool exists);

    /// @notice Zeros where the underlying does not exist.
    function underlying(uint8 id) external view returns (uint8 group, uint256 spotScale, bool exists);

    /// @return kappa Share of the group's offset that is credited, 1e18; 0 for a group that was never set.
    function group(uint8 id) external view returns (uint256 kappa);
}
