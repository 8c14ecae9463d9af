// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {RiskParameters} from "../../../contracts/governance/RiskParameters.sol";
import {IRiskParameters} from "../../../contracts/interfaces/IRiskParameters.sol";
import {ENGINE_WORDS, Parameter, ParameterTable, TABLE_WORDS, wordOf} from "../../../contracts/types/Parameter.sol";

interface IGasMeter {
    function pauseGasMetering() external;
}

contract RiskParametersTest {
    IGasMeter private constant METER = IGasMeter(address(uint160(uint256(keccak256("hevm cheat code")))));

    uint256 private constant COUNT = uint256(type(Parameter).max) + 1;

    RiskParameters private parameters;

    function setUp() public {
        parameters = new RiskParameters(address(this));
    }

    /// However governance moves, and whatever was refused on the way, the table stays one that the engine can use.
    function testFuzz_no_sequence_of_changes_leaves_the_rules(uint8[24] memory which, uint256[24] memory wanted) public {
        METER.pauseGasMetering(); // each change deploys a table: more than a block's gas together
        for (uint256 i; i < which.length; ++i) {
            Parameter parameter = Parameter(which[i] % COUNT);
            (uint256 lower, uint256 upper) = parameters.bounds(parameter);
            // A fifth of the values is unbounded, the rest inside the bounds: the order is what refuses them.
            uint256 value = wanted[i] % 5 == 0 ? wanted[i] : lower + wanted[i] % (upper - lower + 1);
            uint256 before = parameters.value(parameter);
            try parameters.set(parameter, value) {
                require(parameters.value(parameter) == value, "not set");
            } catch {
                require(parameters.value(parameter) == before, "changed though refused");
            }
        }
        uint256[] memory words = parameters.table();
        for (uint256 i; i < COUNT; ++i) {
            (uint256 lower, uint256 upper) = parameters.bounds(Parameter(i));
            require(words[wordOf(Parameter(i))] >= lower && words[wordOf(Parameter(i))] <= upper, "out of bounds");
        }
        require(at(words, Parameter.FULL_THRESHOLD) <= at(words, Parameter.PARTIAL_THRESHOLD), "thresholds");
        require(at(words, Parameter.PARTIAL_THRESHOLD) <= at(words, Parameter.TARGET_HEALTH), "target");
        require(at(words, Parameter.DUTCH_DISCOUNT_MAX) + at(words, Parameter.LIQUIDATION_FEE) <= 0.5e18, "discount and fee");
        require(at(words, Parameter.DUTCH_DISCOUNT_MAX) + at(words, Parameter.LIQUIDATION_FEE_MAX) <= 0.5e18, "discount and largest fee");
        require(at(words, Parameter.LIQUIDATION_FEE_MIN) <= at(words, Parameter.LIQUIDATION_FEE_MAX), "fees");
        require(at(words, Parameter.COVERAGE_LOW) <= at(words, Parameter.COVERAGE_HIGH), "coverage");
        require(at(words, Parameter.MAX_ACTION_AGE) <= at(words, Parameter.STALE_LIMIT), "ages");
        require(at(words, Parameter.TIER_1_MAINTENANCE) <= at(words, Parameter.TIER_1_INITIAL), "tier 1");
        require(at(words, Parameter.TIER_3_MAINTENANCE) <= at(words, Parameter.TIER_3_INITIAL), "tier 3");
        require(at(words, Parameter.TIER_1_INITIAL) <= at(words, Parameter.TIER_3_INITIAL), "tiers");
        require(at(words, Parameter.VOL_TENOR_FLOOR) <= at(words, Parameter.VOL_TENOR_PIVOT), "tenors");
    }

    /// A reader's copy of the table and the contract agree on every scalar, before and behind the sections.
    function test_a_copy_reads_what_the_contract_says() public view {
        uint256[] memory words = parameters.table();
        ParameterTable copied;
        assembly ("memory-safe") {
            copied := add(words, 0x20)
        }
        for (uint256 i; i < COUNT; ++i) {
            require(copied.get(Parameter(i)) == parameters.value(Parameter(i)), "get");
            require(copied.word(wordOf(Parameter(i))) == parameters.value(Parameter(i)), "wordOf");
        }
        require(wordOf(Parameter.OUTFLOW_CAP) == ENGINE_WORDS && words.length == TABLE_WORDS, "further scalars");
    }

    /// Underlyings and scenarios in any order of changes: a core shock times the scale stays above -1.
    function testFuzz_scaled_core_shocks_stay_above_minus_one(uint64[8] memory scales, int64[8] memory shocks, bool[8] memory core) public {
        for (uint256 i; i < scales.length; ++i) {
            // forge-lint: disable-next-line(unsafe-typecast)
            try parameters.setUnderlying(uint8(i % 4), 0, uint64(1e18 + scales[i] % 4.2e18)) {} catch {}
            IRiskParameters.Scenario[] memory list = new IRiskParameters.Scenario[](1);
            list[0] = IRiskParameters.Scenario(shocks[i] % 1.1e18, 1e18, core[i], 1);
            try parameters.setScenarios(list) {} catch {}
        }
        IRiskParameters.Scenario[] memory stored = parameters.scenarios();
        for (uint8 u; u < 4; ++u) {
            (, uint256 scale, bool exists) = parameters.underlying(u);
            for (uint256 i; exists && i < stored.length; ++i) {
                require(!stored[i].core || int256(stored[i].shock) * int256(scale) > -1e36, "scaled below -1");
                require(stored[i].shock > -1e18, "below -1");
            }
        }
    }

    function at(uint256[] memory words, Parameter parameter) private pure returns (uint256) {
        return words[wordOf(parameter)];
    }
}
