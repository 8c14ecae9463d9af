// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";
import {SSTORE2} from "solady/utils/SSTORE2.sol";

import {IRiskParameters} from "../interfaces/IRiskParameters.sol";
import {Memory} from "../math/Memory.sol";
import {Scenarios} from "../math/Scenarios.sol";
import {
    COLLATERALS_AT,
    GROUPS_AT,
    MAX_COLLATERALS,
    MAX_GROUPS,
    MAX_SCENARIOS,
    MAX_UNDERLYINGS,
    Parameter,
    SCENARIOS_AT,
    SCENARIO_COUNT_AT,
    TABLE_WORDS,
    UNDERLYINGS_AT,
    wordOf
} from "../types/Parameter.sol";
import {DefaultScenarios} from "./DefaultScenarios.sol";
import {ParameterRules} from "./ParameterRules.sol";

/// @title Risk parameters
/// @dev Holds the address of the table and nothing else; rules and defaults live in ParameterRules and DefaultScenarios.
contract RiskParameters is IRiskParameters, AccessControl {
    using Memory for uint256[];

    /// @notice May change the table inside its bounds: the timelock.
    bytes32 public constant PARAMETER_ADMIN = keccak256("PARAMETER_ADMIN");

    /// @inheritdoc IRiskParameters
    address public pointer;

    /// @param admin First holder of PARAMETER_ADMIN and of the right to pass it on.
    constructor(address admin) {
        _grantRole(DEFAULT_ADMIN_ROLE, admin);
        _grantRole(PARAMETER_ADMIN, admin);

        uint256[] memory words = new uint256[](TABLE_WORDS);
        ParameterRules.Row[] memory rows = ParameterRules.rows();
        for (uint256 i; i < rows.length; ++i) {
            words[wordOf(Parameter(i))] = rows[i].initial;
            emit ParameterSet(Parameter(i), 0, rows[i].initial);
        }
        _putScenarios(words, DefaultScenarios.list());
        _write(words);
    }

    /// @inheritdoc IRiskParameters
    function set(Parameter parameter, uint256 newValue) external onlyRole(PARAMETER_ADMIN) {
        ParameterRules.Row memory row = ParameterRules.rows()[uint256(parameter)];
        if (newValue < row.lower || newValue > row.upper) revert OutOfBounds(parameter, newValue, row.lower, row.upper);

        uint256[] memory words = table();
        uint256 index = wordOf(parameter);
        emit ParameterSet(parameter, words[index], newValue);
        words[index] = newValue;
        ParameterRules.requireOrdered(words);
        _write(words);
    }

    /// @inheritdoc IRiskParameters
    function setScenarios(Scenario[] calldata list) external onlyRole(PARAMETER_ADMIN) {
        uint256[] memory words = table();
        ParameterRules.requireScenarios(list, words);
        _putScenarios(words, list);
        _write(words);
    }

    /// @inheritdoc IRiskParameters
    function setCollateral(uint8 index, CollateralConfig calldata config) external onlyRole(PARAMETER_ADMIN) {
        if (
            index >= MAX_COLLATERALS || config.haircutInitial > ParameterRules.WAD
                || config.haircutMaintenance > config.haircutInitial
        ) revert BadCollateral(index, config.haircutInitial, config.haircutMaintenance);

        uint256[] memory words = table();
        if (config.underlying >= MAX_UNDERLYINGS || words[UNDERLYINGS_AT + config.underlying] == 0) {
            revert UnknownUnderlying(config.underlying);
        }
        words[COLLATERALS_AT + index] = (uint256(config.haircutInitial) << 192) | (uint256(config.haircutMaintenance) << 128)
            | (1 << 16) | (config.joins ? 1 << 8 : 0) | uint256(config.underlying);
        emit CollateralSet(index, config);
        _write(words);
    }

    /// @inheritdoc IRiskParameters
    function setUnderlying(uint8 id, uint8 group_, uint64 spotScale) external onlyRole(PARAMETER_ADMIN) {
        uint256[] memory words = table();
        if (id >= MAX_UNDERLYINGS || group_ > MAX_GROUPS || !ParameterRules.scalesAllCoreShocks(spotScale, words)) {
            revert BadUnderlying(id, group_, spotScale);
        }
        words[UNDERLYINGS_AT + id] = (uint256(spotScale) << 32) | (1 << 8) | uint256(group_);
        emit UnderlyingSet(id, group_, spotScale);
        _write(words);
    }

    /// @inheritdoc IRiskParameters
    function setGroup(uint8 id, uint256 kappa) external onlyRole(PARAMETER_ADMIN) {
        if (id == 0 || id > MAX_GROUPS || kappa > ParameterRules.MAX_KAPPA) revert BadGroup(id, kappa);
        uint256[] memory words = table();
        words[GROUPS_AT + id - 1] = kappa;
        emit GroupSet(id, kappa);
        _write(words);
    }

    /// @inheritdoc IRiskParameters
    function value(Parameter parameter) external view returns (uint256) {
        return _word(wordOf(parameter));
    }

    /// @inheritdoc IRiskParameters
    function bounds(Parameter parameter) external pure returns (uint256 lower, uint256 upper) {
        ParameterRules.Row memory row = ParameterRules.rows()[uint256(parameter)];
        return (row.lower, row.upper);
    }

    /// @inheritdoc IRiskParameters
    function scenarios() external view returns (Scenario[] memory list) {
        uint256[] memory words = table();
        list = new Scenario[](words[SCENARIO_COUNT_AT]);
        for (uint256 i; i < list.length; ++i) {
            uint256 w = words[SCENARIOS_AT + i];
            list[i] = Scenario({
                shock: int64(uint64(w >> 128)),
                weight: uint64(w >> 64),
                core: uint8(w >> 8) != 0,
                volDirection: uint8(w)
            });
        }
    }

    /// @inheritdoc IRiskParameters
    function collateral(uint8 index) external view returns (CollateralConfig memory config, bool exists) {
        if (index >= MAX_COLLATERALS) return (config, false);
        uint256 w = _word(COLLATERALS_AT + index);
        config = CollateralConfig({
            underlying: uint8(w),
            joins: uint8(w >> 8) != 0,
            haircutInitial: uint64(w >> 192),
            haircutMaintenance: uint64(w >> 128)
        });
        exists = uint8(w >> 16) != 0;
    }

    /// @inheritdoc IRiskParameters
    function underlying(uint8 id) external view returns (uint8 group_, uint256 spotScale, bool exists) {
        if (id >= MAX_UNDERLYINGS) return (0, 0, false);
        uint256 w = _word(UNDERLYINGS_AT + id);
        return (uint8(w), uint64(w >> 32), uint8(w >> 8) != 0);
    }

    /// @inheritdoc IRiskParameters
    function group(uint8 id) external view returns (uint256 kappa) {
        return id == 0 || id > MAX_GROUPS ? 0 : _word(GROUPS_AT + id - 1);
    }

    /// @inheritdoc IRiskParameters
    function table() public view returns (uint256[] memory words) {
        bytes memory raw = SSTORE2.read(pointer);
        words = new uint256[](TABLE_WORDS);
        assembly ("memory-safe") {
            mcopy(add(words, 0x20), add(raw, 0x20), mload(raw))
        }
        // as governed, not as compiled
        for (uint256 i = SCENARIOS_AT; i < SCENARIOS_AT + MAX_SCENARIOS; ++i) {
            words[i] &= Scenarios.PLAIN;
        }
    }

    /// @dev Packs `list` into the table and clears what a longer list left behind.
    function _putScenarios(uint256[] memory words, Scenario[] memory list) private {
        uint256[] memory packed = new uint256[](list.length);
        for (uint256 i; i < MAX_SCENARIOS; ++i) {
            uint256 w;
            if (i < list.length) {
                Scenario memory s = list[i];
                w = (uint256(uint64(s.shock)) << 128) | (uint256(s.weight) << 64) | (s.core ? 1 << 8 : 0) | uint256(s.volDirection);
                packed[i] = w;
            }
            words[SCENARIOS_AT + i] = w;
        }
        words[SCENARIO_COUNT_AT] = list.length;
        emit ScenariosSet(packed);
    }

    /// @dev With the scenarios compiled, so that a margin check need not sort them.
    function _write(uint256[] memory words) private {
        uint256[] memory compiled = new uint256[](MAX_SCENARIOS);
        Scenarios.compile(
            words.address_() + 32 * SCENARIOS_AT, compiled.address_(), (1 << words[SCENARIO_COUNT_AT]) - 1, int256(ParameterRules.WAD)
        );
        for (uint256 i; i < MAX_SCENARIOS; ++i) {
            words[SCENARIOS_AT + i] = compiled[i];
        }
        pointer = SSTORE2.write(abi.encodePacked(words));
    }

    function _word(uint256 index) private view returns (uint256) {
        return uint256(bytes32(SSTORE2.read(pointer, index * 32, index * 32 + 32)));
    }
}
