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
    error BadScenario(uint256 index, int256 shock, uint256 weight, uint8 volDirection);
    error BadScenarioCount(uint256 count, uint256 limit);
    error BadCollateral(uint8 index, uint256 haircutInitial, uint256 haircutMaintenance);
    error BadUnderlying(uint8 underlying, uint8 group, uint256 spotScale);
    error BadGroup(uint8 group, uint256 kappa);
    /// @notice Two parameters must keep an order (for example maintenance below initial).
    error Disordered(Parameter lower, uint256 lowerValue, Parameter upper, uint256 upperValue);

    function set(Parameter parameter, uint256 value) external;

    function setScenarios(Scenario[] calldata scenarios) external;

    function setCollateral(uint8 index, CollateralConfig calldata config) external;

    /// @param group 0: none; else 1..8. @param spotScale >= 1e18; shock x spotScale stays above -1.
    function setUnderlying(uint8 underlying, uint8 group, uint64 spotScale) external;

    /// @param kappa <= 0.5e18: the share of the offset credited inside the group.
    function setGroup(uint8 group, uint256 kappa) external;

    /// @notice The data contract whose code (after its first byte 0x00) is the table.
    function pointer() external view returns (address);

    /// @notice The table's words, for readers off-chain.
    function table() external view returns (uint256[] memory words);

    function value(Parameter parameter) external view returns (uint256);

    function bounds(Parameter parameter) external view returns (uint256 lower, uint256 upper);

    function scenarios() external view returns (Scenario[] memory);

    function collateral(uint8 index) external view returns (CollateralConfig memory config, bool exists);

    function underlying(uint8 id) external view returns (uint8 group, uint256 spotScale, bool exists);

    function group(uint8 id) external view returns (uint256 kappa);
}
