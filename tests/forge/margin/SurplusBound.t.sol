// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {RiskParameters} from "../../../contracts/governance/RiskParameters.sol";
import {ILedger} from "../../../contracts/interfaces/ILedger.sol";
import {Requirement} from "../../../contracts/interfaces/IMarginEngine.sol";
import {IPriceDoor} from "../../../contracts/interfaces/IPriceDoor.sol";
import {MarginEngine} from "../../../contracts/margin/MarginEngine.sol";
import {MarginModel} from "../../../contracts/margin/MarginModel.sol";
import {SurplusMath} from "../../../contracts/margin/SurplusMath.sol";
import {Book, MarginMode, Market} from "../../../contracts/types/Book.sol";
import {InstrumentId, Kind, instrumentId} from "../../../contracts/types/InstrumentId.sol";
import {COLLATERALS_AT, ParameterTable} from "../../../contracts/types/Parameter.sol";
import {Position, position} from "../../../contracts/types/Position.sol";
import {RandomBooks} from "./RandomBooks.sol";

interface ICheats {
    function pauseGasMetering() external;
    function resumeGasMetering() external;
}

/// @notice The bound against the engine's own full scan: never above what the account really has beyond initial margin.
contract SurplusBoundTest is RandomBooks {
    ICheats private constant CHEATS = ICheats(address(uint160(uint256(keccak256("hevm cheat code")))));

    MarginModel private model;

    function setUp() public {
        CHEATS.pauseGasMetering(); // the engine and the model are more than one block's gas
        RiskParameters parameters = new RiskParameters(address(this));
        _table = parameters.table();
        model = new MarginModel(new MarginEngine(ILedger(address(0)), IPriceDoor(address(0)), parameters));
        CHEATS.resumeGasMetering();
    }

    function testFuzz_never_above_the_truth(uint256 seed) public view {
        (uint256[] memory parameters, Market memory market, Book memory book) = _rich(seed);
        (int256 surplus, int256 truth,) = _both(parameters, market, book);
        require(surplus <= truth, "bound above the truth");
    }

    /// @dev Of one kind only, where nothing nets: here the bound is closest.
    function testFuzz_never_above_the_truth_of_one_kind(uint256 seed) public view {
        (uint256[] memory parameters, Market memory market, Book memory book) = _rich(seed);
        uint256 keep = _roll(seed, 801) % LEGS;
        book.positions[0] = book.positions[keep];
        uint256[] memory one = new uint256[](1);
        one[0] = book.positions[0];
        book.positions = one;
        (int256 surplus, int256 truth,) = _both(parameters, market, book);
        require(surplus <= truth, "bound above the truth");
    }

    /// @dev Below the truth by what it may cost: a fifth of |size| max(S, F, K) for charges of a year at most, what options are worth and
    /// what shorts could lose beyond 18 %.
    function testFuzz_perps_are_bounded_closely(uint256 seed) public view {
        (uint256[] memory parameters, Market memory market, Book memory book) = _case(seed);
        uint256[] memory one = new uint256[](1);
        int256 size = int256(_roll(seed, 1_001) % 1e21) - 5e20;
        InstrumentId perp = instrumentId(Kind.PERP, 2, 0, 0);
        one[0] = Position.unwrap(position(perp, 0, size == 0 ? int256(1e18) : size));
        book.positions = one;
        (int256 surplus, int256 truth, Requirement memory r) = _both(_plain(parameters), market, book);
        require(surplus <= truth, "bound above the truth");
        require(truth - surplus <= int256(r.grossNotional * 15 / 100 + 1e9), "far below the truth");
    }

    /// @dev 1 put sold at 3,000 and 3,000 x 1.2 in cash; 100 USD less than it could lose.
    function test_a_cash_secured_put_needs_no_scan() public view {
        (uint256[] memory parameters, Market memory market, Book memory book) = _case(1);
        market.underlyings[2].spot = (uint256(3_000e18) << 160) | (uint256(3_000e18) << 64) | (uint256(10_000) << 48) | TIME;
        for (uint256 e; e < 3; ++e) {
            uint256 quote = market.underlyings[2].expiries[e].quote;
            market.underlyings[2].expiries[e].quote = (uint256(3_000e18) << 160) | uint256(uint160(quote));
        }
        InstrumentId put = instrumentId(Kind.PUT, 2, market.underlyings[2].expiries[0].expiry, 3_000e8);
        uint256[] memory one = new uint256[](1);
        one[0] = Position.unwrap(position(put, 0, -1e18));
        book.positions = one;
        book.balance = 3_600e18;
        (int256 surplus,,) = _both(_plain(parameters), market, book);
        require(surplus >= 0, "covered");
        book.balance = 2_900e18;
        (surplus,,) = _both(_plain(parameters), market, book);
        require(surplus < 0, "not covered by cash");
    }

    function test_says_nothing_of_other_modes_negative_rates_and_missing_prices() public view {
        (uint256[] memory parameters, Market memory market, Book memory book) = _rich(7);
        book.mode = MarginMode.CROSS;
        require(_bound(parameters, market, book) == type(int256).min, "CROSS");
        book.mode = MarginMode.PORTFOLIO;
        require(_bound(parameters, market, book) != type(int256).min, "control");
        for (uint256 u; u < 3; ++u) {
            for (uint256 e; e < 3; ++e) {
                uint256 quote = market.underlyings[u].expiries[e].quote;
                market.underlyings[u].expiries[e].quote = (quote & ~(uint256(type(uint64).max) << 96)) | (uint256(uint64(int64(-1))) << 96);
            }
        }
        require(_bound(parameters, market, book) == type(int256).min, "negative rate");
        (parameters, market, book) = _rich(7);
        for (uint256 u; u < 3; ++u) {
            market.underlyings[u].spot = 0;
        }
        require(_bound(parameters, market, book) == type(int256).min, "no price");
    }

    /// @dev With collateral: of underlying 0, which joins, and of 1, which does not.
    function _rich(uint256 seed) private view returns (uint256[] memory parameters, Market memory market, Book memory book) {
        (parameters, market, book) = _case(seed);
        parameters[COLLATERALS_AT] = (uint256(0.15e18) << 192) | (uint256(0.1e18) << 128) | (1 << 16) | (1 << 8);
        parameters[COLLATERALS_AT + 1] = (uint256(0.15e18) << 192) | (uint256(0.1e18) << 128) | (1 << 16) | 1;
        book.collateral = new uint256[](2);
        book.collateral[0] = _roll(seed, 701) % 1e20;
        book.collateral[1] = _roll(seed, 702) % 1e20;
        book.balance = int256(_roll(seed, 703) % 1e26) - 1e22;
    }

    /// @dev Spot scales of 1.
    function _plain(uint256[] memory parameters) private view returns (uint256[] memory) {
        for (uint256 i = COLLATERALS_AT + 8; i < COLLATERALS_AT + 11; ++i) {
            parameters[i] = (parameters[i] & ~(uint256(type(uint64).max) << 32)) | (uint256(1e18) << 32);
        }
        return parameters;
    }

    function _both(uint256[] memory parameters, Market memory market, Book memory book)
        private
        view
        returns (int256 surplus, int256 truth, Requirement memory r)
    {
        surplus = _bound(parameters, market, book);
        r = model.compute(parameters, market, book);
        truth = r.marginEquityInitial - int256(r.initial);
    }

    function _bound(uint256[] memory parameters, Market memory market, Book memory book) private pure returns (int256 surplus) {
        ParameterTable p;
        assembly ("memory-safe") {
            p := add(parameters, 0x20)
        }
        SurplusMath.Markets memory m = SurplusMath.markets(book.positions);
        uint256[] memory keys = SurplusMath.keys(p, m, book.collateral);
        uint256[] memory feeds = new uint256[](4 * keys.length);
        uint256 count;
        for (uint256 i; i < keys.length; ++i) {
            (uint256 u, uint32 expiry) = (keys[i] >> 32, uint32(keys[i]));
            if (expiry == 0) {
                feeds[count++] = market.underlyings[u].spot;
                continue;
            }
            for (uint256 e; e < 3; ++e) {
                if (market.underlyings[u].expiries[e].expiry != expiry) continue;
                feeds[count++] = market.underlyings[u].expiries[e].quote;
                feeds[count++] = market.underlyings[u].expiries[e].smile;
                feeds[count++] = market.underlyings[u].expiries[e].wing;
            }
        }
        (surplus,) = SurplusMath.surplusDown(p, market.time, book, m, feeds);
    }
}
