// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {RiskParameters} from "../../../contracts/governance/RiskParameters.sol";
import {ILedger} from "../../../contracts/interfaces/ILedger.sol";
import {Requirement, Witness} from "../../../contracts/interfaces/IMarginEngine.sol";
import {GroupReport, UnderlyingReport} from "../../../contracts/interfaces/IMarginReport.sol";
import {IPriceDoor} from "../../../contracts/interfaces/IPriceDoor.sol";
import {MarginEngine} from "../../../contracts/margin/MarginEngine.sol";
import {MarginModel} from "../../../contracts/margin/MarginModel.sol";
import {ModelReport} from "../../../contracts/margin/ModelReport.sol";
import {Book, Market} from "../../../contracts/types/Book.sol";
import {Position} from "../../../contracts/types/Position.sol";
import {RandomBooks} from "./RandomBooks.sol";

interface ICheats {
    function pauseGasMetering() external;
    function resumeGasMetering() external;
}

/// @notice Random books in two underlyings of one group and one outside: a witness never overstates, the worst one is exact, and the
/// rules that hold of every requirement (margin.md sections 4 and 5).
contract WitnessTest is RandomBooks {
    ICheats private constant CHEATS = ICheats(address(uint160(uint256(keccak256("hevm cheat code")))));

    MarginModel private model;
    ModelReport private report;
    function setUp() public {
        CHEATS.pauseGasMetering(); // the engine, the model and the report are more than one block's gas
        RiskParameters parameters = new RiskParameters(address(this));
        _table = parameters.table();
        MarginEngine engine = new MarginEngine(ILedger(address(0)), IPriceDoor(address(0)), parameters);
        model = new MarginModel(engine);
        report = new ModelReport(engine);
        CHEATS.resumeGasMetering();
    }

    function testFuzz_no_witness_overstates(uint256 seed) public view {
        (uint256[] memory parameters, Market memory market, Book memory book) = _case(seed);
        Requirement memory full = model.compute(parameters, market, book);
        (UnderlyingReport[] memory underlyings, GroupReport[] memory groups) = _report(parameters, market, book);
        Witness memory w = Witness({underlyings: new bytes(underlyings.length), groups: new bytes(groups.length)});
        for (uint256 i; i < w.underlyings.length; ++i) {
            w.underlyings[i] = bytes1(uint8(_roll(seed, 900 + i) % 35));
        }
        for (uint256 i; i < w.groups.length; ++i) {
            w.groups[i] = bytes1(uint8(_roll(seed, 950 + i) % 35));
        }
        Requirement memory some = model.computeWitnessed(parameters, market, book, w);
        require(some.initial <= full.initial && some.maintenance <= full.maintenance, "R' <= R");
        require(
            some.equity == full.equity && some.marginEquityMaintenance == full.marginEquityMaintenance
                && some.grossNotional == full.grossNotional,
            "what does not depend on scenarios"
        );
    }

    function testFuzz_the_worst_witness_is_exact(uint256 seed) public view {
        (uint256[] memory parameters, Market memory market, Book memory book) = _case(seed);
        Requirement memory full = model.compute(parameters, market, book);
        (UnderlyingReport[] memory underlyings, GroupReport[] memory groups) = _report(parameters, market, book);
        Witness memory w = Witness({underlyings: new bytes(underlyings.length), groups: new bytes(groups.length)});
        for (uint256 i; i < w.underlyings.length; ++i) {
            w.underlyings[i] = bytes1(uint8(underlyings[i].worstScenario));
        }
        for (uint256 i; i < w.groups.length; ++i) {
            w.groups[i] = bytes1(uint8(groups[i].worstScenario));
        }
        Requirement memory worst = model.computeWitnessed(parameters, market, book, w);
        require(keccak256(abi.encode(worst)) == keccak256(abi.encode(full)), "R' = R");
    }

    /// R = charges + sum W - sum kappa (sum W - max(0, J)), at least 0.25 % of gross notional.
    function testFuzz_the_parts_make_the_requirement(uint256 seed) public view {
        (uint256[] memory parameters, Market memory market, Book memory book) = _case(seed);
        Requirement memory full = model.compute(parameters, market, book);
        (UnderlyingReport[] memory underlyings, GroupReport[] memory groups) = _report(parameters, market, book);
        int256 sum;
        for (uint256 i; i < underlyings.length; ++i) {
            UnderlyingReport memory u = underlyings[i];
            sum += int256(u.stressLoss + u.rate + u.roll + u.shortOptions + u.deltaMargin);
            sum += int256(u.gammaMargin + u.vegaMargin + u.oracle + u.spotContingency);
        }
        for (uint256 i; i < groups.length; ++i) {
            GroupReport memory g = groups[i];
            require(g.jointLoss <= int256(g.sumLoss), "J <= sum W");
            sum -= (int256(g.sumLoss) - (g.jointLoss > 0 ? g.jointLoss : int256(0))) * int256(g.kappa) / 1e18;
        }
        int256 least = int256(full.grossNotional / 400);
        int256 difference = int256(full.initial) - (sum > least ? sum : least);
        require(difference <= 10 && difference >= -10, "sum of the parts");
        difference = int256(full.maintenance) - int256(full.initial) * 8 / 10;
        require(difference <= 1 && difference >= 0, "maintenance");
    }

    /// Twice the book needs twice the margin but for charges that rise faster: never less.
    function testFuzz_requirement_grows_with_the_book(uint256 seed) public view {
        (uint256[] memory parameters, Market memory market, Book memory book) = _case(seed);
        uint256 single = model.compute(parameters, market, book).initial;
        for (uint256 i; i < book.positions.length; ++i) {
            Position p = Position.wrap(book.positions[i]);
            book.positions[i] = Position.unwrap(p.withSize(2 * p.size()));
        }
        require(model.compute(parameters, market, book).initial + 1e9 >= 2 * single, "homogeneous");
    }

    function _report(uint256[] memory parameters, Market memory market, Book memory book)
        private
        view
        returns (UnderlyingReport[] memory underlyings, GroupReport[] memory groups)
    {
        (, underlyings, groups) = report.computeBreakdown(parameters, market, book);
    }
}
