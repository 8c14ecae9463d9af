// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {CircuitBreaker} from "../../../contracts/governance/CircuitBreaker.sol";
import {RiskParameters} from "../../../contracts/governance/RiskParameters.sol";
import {Requirement, Witness} from "../../../contracts/interfaces/IMarginEngine.sol";
import {IPriceDoor} from "../../../contracts/interfaces/IPriceDoor.sol";
import {IRiskParameters} from "../../../contracts/interfaces/IRiskParameters.sol";
import {InstrumentRegistry} from "../../../contracts/ledger/InstrumentRegistry.sol";
import {Ledger} from "../../../contracts/ledger/Ledger.sol";
import {MarginEngine} from "../../../contracts/margin/MarginEngine.sol";
import {PriceDoor} from "../../../contracts/oracle/PriceDoor.sol";
import {MarginMode} from "../../../contracts/types/Book.sol";
import {InstrumentId, Kind, instrumentId} from "../../../contracts/types/InstrumentId.sol";

interface ICheats {
    function addr(uint256 key) external returns (address);
    function pauseGasMetering() external;
    function resumeGasMetering() external;
    function sign(uint256 key, bytes32 digest) external returns (uint8 v, bytes32 r, bytes32 s);
    function warp(uint256 time) external;
}

/// @notice Gas of margin checks on stored accounts: each measured call is the first of its transaction (a test is one), so that
/// every slot and account is cold. benchmarks/gas.py reads the logs.
/// @dev Books: ETH options on four expiries, calls and puts, long and short, strikes 70 % to 130 % of the forward, 10 WETH of
/// collateral that joins them.
contract MarginGas {
    ICheats internal constant CHEATS = ICheats(address(uint160(uint256(keccak256("hevm cheat code")))));
    uint256 internal constant BEGIN = 1_735_689_600;
    uint256 internal constant KEY = 0xA11CE;
    uint96 internal constant SPOT = 3500e18;

    event log_named_uint(string key, uint256 value);

    Ledger internal ledger;
    RiskParameters internal parameters;
    PriceDoor internal door;
    MarginEngine internal engine;

    /// @dev Deploys the system and publishes the market; `reduced`: with the table of 23 scenarios.
    function _system(bool reduced) internal {
        CHEATS.pauseGasMetering(); // the set-up is more than one block's gas
        CHEATS.warp(BEGIN);
        ledger = new Ledger();
        address[] memory modules = new address[](1);
        modules[0] = address(this);
        ledger.wire(modules);
        parameters = new RiskParameters(address(this));
        parameters.setUnderlying(0, 1, 1e18);
        parameters.setUnderlying(1, 1, 1e18);
        parameters.setGroup(1, 0.5e18);
        parameters.setCollateral(
            0, IRiskParameters.CollateralConfig({underlying: 0, joins: true, haircutInitial: 0.1e18, haircutMaintenance: 0.07e18})
        );
        _market();
        engine = new MarginEngine(ledger, door, parameters);
        if (reduced) _reduceScenarios();
    }

    function expiryAt(uint256 i) internal pure returns (uint32) {
        uint32[4] memory tenors = [uint32(7 days), 30 days, 90 days, 365 days];
        return uint32(BEGIN + tenors[i]);
    }

    /// @dev The whole market as one signed update.
    function _market() private {
        InstrumentRegistry registry = new InstrumentRegistry(address(this));
        registry.listUnderlying(0, "ETH", true);
        address[] memory signers = new address[](1);
        signers[0] = CHEATS.addr(KEY);
        door = new PriceDoor(address(this), registry, parameters, new CircuitBreaker(address(this)), signers, 1);
        IPriceDoor.MarketUpdate memory u;
        (u.timestamp, u.spot, u.mark, u.confidence) = (uint32(BEGIN), SPOT, SPOT + 3e18, 10_000);
        u.expiries = new IPriceDoor.ExpiryQuote[](4);
        for (uint256 i; i < 4; ++i) {
            registry.listExpiry(0, expiryAt(i));
            uint64 tau = uint64((uint256(expiryAt(i)) - BEGIN) * 1e18 / 365 days);
            u.expiries[i] = IPriceDoor.ExpiryQuote({
                expiry: expiryAt(i),
                forward: SPOT + uint96(i) * 40e18,
                rate: 0.04e18,
                a: int64(uint64(uint256(tau) * 0.3e18 / 1e26 * 1e8)), // 1e-10, as the publisher rounds
                b: uint64(uint256(tau) * 0.5e18 / 1e26 * 1e8),
                rho: -0.2e18,
                m: 0.02e18,
                sigma: 0.25e18,
                refForward: SPOT + 5e18,
                refTau: tau
            });
        }
        bytes[] memory signatures = new bytes[](1);
        (uint8 v, bytes32 r, bytes32 s) = CHEATS.sign(KEY, door.digest(u));
        signatures[0] = abi.encodePacked(r, s, v);
        door.submit(u, signatures);
    }

    /// @dev x in {-18, -9, 0, 9, 18 %} x {up, none, down}, and the eight tails.
    function _reduceScenarios() private {
        IRiskParameters.Scenario[] memory all = parameters.scenarios();
        IRiskParameters.Scenario[] memory reduced = new IRiskParameters.Scenario[](23);
        uint256 count;
        for (uint256 i; i < all.length; ++i) {
            if (i >= 27 || (i / 3) % 2 == 0) reduced[count++] = all[i];
        }
        require(count == 23, "23 scenarios");
        parameters.setScenarios(reduced);
    }

    function _account(MarginMode mode, uint256 options) internal returns (uint64 account) {
        account = ledger.openAccount(address(2), mode);
        uint64 other = ledger.openAccount(address(1), MarginMode.CROSS);
        ledger.changeCollateral(account, 0, 10e18);
        for (uint256 i; i < options; ++i) {
            uint64 strike = uint64(2450 + (i * 2100) / options) * 1e8;
            InstrumentId id = instrumentId(i % 2 == 0 ? Kind.CALL : Kind.PUT, 0, expiryAt(i % 4), strike);
            (uint64 seller, uint64 buyer) = (i / 2) % 2 == 0 ? (account, other) : (other, account);
            ledger.transferPosition(seller, buyer, InstrumentId.unwrap(id), 3e18, 100e18, 255);
        }
        CHEATS.resumeGasMetering();
    }

    function _requirement(string memory key, uint64 account) internal {
        MarginEngine e = engine;
        uint256 before = gasleft();
        Requirement memory r = e.requirement(account);
        uint256 used = before - gasleft();
        require(r.initial > r.maintenance, "a requirement");
        emit log_named_uint(key, used);
    }

    function _witnessed(string memory key, uint64 account) internal {
        Witness memory witness = Witness({underlyings: hex"00", groups: hex"00"});
        MarginEngine e = engine;
        uint256 before = gasleft();
        Requirement memory r = e.witnessed(account, witness);
        uint256 used = before - gasleft();
        require(r.initial > r.maintenance, "a requirement");
        emit log_named_uint(key, used);
    }
}

contract Portfolio64x23Test is MarginGas {
    uint64 private account;

    function setUp() public {
        _system(true);
        account = _account(MarginMode.PORTFOLIO, 64);
    }

    function test_portfolio_64x23() public {
        _requirement("portfolio_64x23_cold", account);
    }
}

contract Portfolio64x35Test is MarginGas {
    uint64 private account;

    function setUp() public {
        _system(false);
        account = _account(MarginMode.PORTFOLIO, 64);
    }

    function test_portfolio_64x35() public {
        _requirement("portfolio_64x35_cold", account);
    }

    function test_witness_64() public {
        _witnessed("witness_64_cold", account);
    }
}

contract Portfolio1x23Test is MarginGas {
    uint64 private account;

    function setUp() public {
        _system(true);
        account = _account(MarginMode.PORTFOLIO, 1);
    }

    function test_portfolio_1x23() public {
        _requirement("portfolio_1x23_cold", account);
    }
}

contract Portfolio127x23Test is MarginGas {
    uint64 private account;

    function setUp() public {
        _system(true);
        account = _account(MarginMode.PORTFOLIO, 127);
    }

    function test_portfolio_127x23() public {
        _requirement("portfolio_127x23_cold", account);
    }
}

contract Portfolio127x35Test is MarginGas {
    uint64 private account;

    function setUp() public {
        _system(false);
        account = _account(MarginMode.PORTFOLIO, 127);
    }

    function test_portfolio_127x35() public {
        _requirement("portfolio_127x35_cold", account);
    }
}

contract Portfolio16Test is MarginGas {
    uint64 private account;

    function setUp() public {
        _system(false);
        account = _account(MarginMode.PORTFOLIO, 16);
    }

    function test_portfolio_16x35() public {
        _requirement("portfolio_16x35_cold", account);
    }

    function test_witness_16() public {
        _witnessed("witness_16_cold", account);
    }
}

contract Cross64Test is MarginGas {
    uint64 private account;

    function setUp() public {
        _system(false);
        account = _account(MarginMode.CROSS, 64);
    }

    function test_cross_64() public {
        _requirement("cross_64_cold", account);
    }
}
