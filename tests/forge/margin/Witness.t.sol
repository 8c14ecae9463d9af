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
import {FixedPoint} from "../../../contracts/math/FixedPoint.sol";
import {Book, ExpiryMarket, MarginMode, Market, UnderlyingMarket} from "../../../contracts/types/Book.sol";
import {InstrumentId, Kind, instrumentId} from "../../../contracts/types/InstrumentId.sol";
import {GROUPS_AT, UNDERLYINGS_AT} from "../../../contracts/types/Parameter.sol";
import {Position, position} from "../../../contracts/types/Position.sol";

interface ICheats {
    function pauseGasMetering() external;
    function resumeGasMetering() external;
}

/// @notice Random books in two underlyings of one group and one outside: a witness never overstates, the worst one is exact, and the
/// rules that hold of every requirement (margin.md sections 4 and 5).
contract WitnessTest {
    uint256 private constant TIME = 1_800_000_000;
    uint256 private constant LEGS = 10;
    ICheats private constant CHEATS = ICheats(address(uint160(uint256(keccak256("hevm cheat code")))));

    MarginModel private model;
    ModelReport private report;
    uint256[] private table;

    function setUp() public {
        CHEATS.pauseGasMetering(); // the engine, the model and the report are more than one block's gas
        RiskParameters parameters = new RiskParameters(address(this));
        table = parameters.table();
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

    function _case(uint256 seed) private view returns (uint256[] memory parameters, Market memory market, Book memory book) {
        parameters = table;
        for (uint256 u; u < 3; ++u) {
            uint256 scale = _roll(seed, 1 + u) % 3 == 0 ? 1e18 + _roll(seed, 4 + u) % 2e18 : 1e18;
            parameters[UNDERLYINGS_AT + u] = (scale << 32) | (1 << 8) | (u < 2 ? 1 : 0);
        }
        parameters[GROUPS_AT] = _roll(seed, 8) % 0.5e18;
        market.time = TIME;
        market.underlyings = new UnderlyingMarket[](3);
        for (uint256 u; u < 3; ++u) {
            market.underlyings[u] = _underlying(seed, u);
        }
        book.mode = MarginMode.PORTFOLIO;
        book.balance = int256(_roll(seed, 9) % 1e24);
        book.positions = new uint256[](LEGS);
        for (uint256 i; i < LEGS; ++i) {
            book.positions[i] = _position(seed, i, market);
        }
    }

    function _underlying(uint256 seed, uint256 u) private pure returns (UnderlyingMarket memory m) {
        uint256 spot = 1e18 + _roll(seed, 20 + u) % 1e23;
        m.underlying = uint8(u);
        m.spot = (spot << 160) | (spot << 64) | (uint256(8_500 + _roll(seed, 30 + u) % 1_501) << 48) | TIME;
        m.expiries = new ExpiryMarket[](3);
        for (uint256 e; e < 3; ++e) {
            uint256 tau = (_tenor(e)) * 1e18 / 365 days;
            uint256 forward = spot * (0.95e18 + _roll(seed, 40 + 10 * u + e) % 0.1e18) / 1e18;
            m.expiries[e] = ExpiryMarket({
                expiry: uint32(TIME + _tenor(e)),
                quote: (forward << 160) | (uint256(0.03e18) << 96) | (tau << 32) | TIME,
                smile: ((tau * (1 + _roll(seed, 70 + 10 * u + e) % 150) / 100) << 192) | ((tau * (_roll(seed, 100 + 10 * u + e) % 80) / 100) << 128),
                wing: (uint256(0.2e18) << 192) | (forward << 96)
            });
        }
    }

    function _tenor(uint256 e) private pure returns (uint256) {
        return e == 0 ? 20 hours : e == 1 ? 25 days : 300 days;
    }

    function _position(uint256 seed, uint256 i, Market memory market) private pure returns (uint256) {
        uint256 u = _roll(seed, 200 + i) % 3;
        uint256 kind = _roll(seed, 300 + i) % 8;
        uint256 spot = market.underlyings[u].spot >> 160;
        uint32 expiry = market.underlyings[u].expiries[_roll(seed, 400 + i) % 3].expiry;
        InstrumentId id;
        if (kind == 0) id = instrumentId(Kind.PERP, uint8(u), 0, 0);
        else if (kind == 1) id = instrumentId(Kind.FUTURE, uint8(u), expiry, 0);
        else id = instrumentId(kind % 2 == 0 ? Kind.CALL : Kind.PUT, uint8(u), expiry, _strike(spot, _roll(seed, 500 + i)));
        // up to about a million USD of notional each way
        int256 size = (int256(_roll(seed, 600 + i) % 2e6) - 1e6) * 1e36 / int256(spot);
        return Position.unwrap(position(id, FixedPoint.lnStrike(id), size == 0 ? int256(1) : size));
    }

    function _strike(uint256 spot, uint256 roll) private pure returns (uint64) {
        return uint64(spot * (0.5e18 + roll % 1.2e18) / 1e18 / 1e10) + 1;
    }

    function _roll(uint256 seed, uint256 salt) private pure returns (uint256) {
        return uint256(keccak256(abi.encode(seed, salt)));
    }
}
