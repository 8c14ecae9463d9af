// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPoint} from "../../../contracts/math/FixedPoint.sol";
import {MarginMathMock} from "../../../contracts/mocks/MarginMathMock.sol";
import {InstrumentId, Kind, instrumentId} from "../../../contracts/types/InstrumentId.sol";
import {Position, position} from "../../../contracts/types/Position.sol";

interface IFiles {
    function parseJsonIntArray(string calldata json, string calldata key) external pure returns (int256[] memory);
    function parseJsonStringArray(string calldata json, string calldata key) external pure returns (string[] memory);
    function readFile(string calldata path) external view returns (string memory);
}

/// @notice The kernel against 40-digit Black-76 (scripts/generate_price_vectors.py): marks at the market, and prices in a scenario, are
/// within 4e-10 of the (shocked) forward over the whole accepted domain, its edges by name. And between the rows, at random inputs,
/// monotone in vol.
contract AccuracyTest {
    IFiles private constant FILES = IFiles(address(uint160(uint256(keccak256("hevm cheat code")))));
    MarginMathMock private immutable MATH = new MarginMathMock();
    uint32 private constant TIME = 1_800_000_000;
    int256 private constant WAD = 1e18;

    string[] private names;
    int256[] private forwards;
    int256[] private variances;
    int256[] private refTaus;
    int256[] private tenors;
    int256[] private strikes;
    int256[] private shocks;
    int256[] private lnShocks;
    int256[] private calls;
    int256[] private puts;
    int256[] private means;

    function setUp() public {
        string memory json = FILES.readFile("tests/vectors/black76_reference.json");
        names = FILES.parseJsonStringArray(json, ".name");
        forwards = FILES.parseJsonIntArray(json, ".forward");
        variances = FILES.parseJsonIntArray(json, ".variance");
        refTaus = FILES.parseJsonIntArray(json, ".ref_tau");
        tenors = FILES.parseJsonIntArray(json, ".seconds");
        strikes = FILES.parseJsonIntArray(json, ".strike");
        shocks = FILES.parseJsonIntArray(json, ".shock");
        lnShocks = FILES.parseJsonIntArray(json, ".ln_shock");
        calls = FILES.parseJsonIntArray(json, ".call");
        puts = FILES.parseJsonIntArray(json, ".put");
        means = FILES.parseJsonIntArray(json, ".shocked");
        require(names.length == 256 && means.length == 256, "the whole table");
    }

    function test_marks_are_within_the_price_error() public view {
        for (uint256 i; i < names.length; ++i) {
            (int256 call, int256 put) = _marks(i);
            int256 error = _error(forwards[i]);
            require(_within(call, calls[i], error) && _within(put, puts[i], error), names[i]);
            // The control: a reference that is off by twice the error is noticed.
            require(!_within(call, calls[i] + 2 * error + 4, error) && !_within(put, puts[i] - 2 * error - 4, error), "control");
        }
    }

    function test_prices_in_scenarios_are_within_the_price_error() public view {
        for (uint256 i; i < names.length; ++i) {
            int256[] memory records = new int256[](1);
            records[0] = lnShocks[i];
            (int256[] memory upper, int256[] memory lower) = MATH.shocked(_words(i), _expiry(i), TIME, _option(i, Kind.CALL), records);
            // lanes: 1e-12 USD, 2**-41
            int256 mean = (((WAD + shocks[i]) * upper[0] + WAD * lower[0]) / 1e12) >> 41;
            int256 shocked = forwards[i] * (WAD + shocks[i]) / WAD;
            require(_within(mean, means[i], _error(shocked) + 2e6), names[i]); // lanes are rounded to 1e-12 USD per contract
        }
    }

    /// @dev Call - put = F - K to the last digit where neither touches the floor of 0.
    function test_parity_is_exact() public view {
        for (uint256 i; i < names.length; ++i) {
            (int256 call, int256 put) = _marks(i);
            int256 gap = call - put - forwards[i] + strikes[i] * 1e10;
            require((gap <= 1 && gap >= -1) || call == 0 || put == 0, names[i]);
        }
    }

    /// @dev Any forward, strike and tenor of the domain: a higher vol is worth as much, up to twice the price error.
    function testFuzz_an_option_is_worth_more_at_a_higher_vol(uint256 seed) public view {
        uint256 i = seed % names.length;
        uint256[3] memory words = _words(i);
        uint256[3] memory higher = _words(i);
        uint256 more = uint256(variances[i]) + (seed >> 16) % uint256(variances[i] + 1);
        if (more >= 1 << 63) return; // an int64
        higher[1] = more << 192;
        uint256[] memory one = new uint256[](1);
        one[0] = _option(i, seed & 256 == 0 ? Kind.CALL : Kind.PUT);
        (uint256[] memory low,) = MATH.price(words, _expiry(i), TIME, one);
        (uint256[] memory high,) = MATH.price(higher, _expiry(i), TIME, one);
        require(int256(high[0]) + 2 * _error(forwards[i]) >= int256(low[0]), names[i]);
    }

    /// @dev 4e-10 of the forward, and what two roundings to 1e-18 USD make.
    function _error(int256 forward) private pure returns (int256) {
        return forward * 4 / 1e10 + 2;
    }

    function _within(int256 value, int256 expected, int256 error) private pure returns (bool) {
        return value - expected <= error && expected - value <= error;
    }

    function _marks(uint256 i) private view returns (int256 call, int256 put) {
        uint256[] memory both = new uint256[](2);
        (both[0], both[1]) = (_option(i, Kind.CALL), _option(i, Kind.PUT));
        (uint256[] memory marks,) = MATH.price(_words(i), _expiry(i), TIME, both);
        return (int256(marks[0]), int256(marks[1]));
    }

    /// @dev One vol for all strikes: a = vol^2 refTau, b = 0; no rate.
    function _words(uint256 i) private view returns (uint256[3] memory words) {
        uint256 forward = uint256(forwards[i]);
        words[0] = (forward << 160) | (uint256(refTaus[i]) << 32) | TIME;
        words[1] = uint256(variances[i]) << 192;
        words[2] = (uint256(1e18) << 192) | (forward << 96);
    }

    function _expiry(uint256 i) private view returns (uint32) {
        return uint32(TIME + uint256(tenors[i]));
    }

    function _option(uint256 i, Kind kind) private view returns (uint256) {
        InstrumentId id = instrumentId(kind, 0, _expiry(i), uint64(uint256(strikes[i])));
        return Position.unwrap(position(id, FixedPoint.lnStrike(id), 1e18));
    }
}
