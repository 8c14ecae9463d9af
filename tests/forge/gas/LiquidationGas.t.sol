// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {CircuitBreaker} from "../../../contracts/governance/CircuitBreaker.sol";
import {RiskParameters} from "../../../contracts/governance/RiskParameters.sol";
import {ILedger} from "../../../contracts/interfaces/ILedger.sol";
import {ILiquidator} from "../../../contracts/interfaces/ILiquidator.sol";
import {Requirement, Witness} from "../../../contracts/interfaces/IMarginEngine.sol";
import {IPriceDoor} from "../../../contracts/interfaces/IPriceDoor.sol";
import {IRiskParameters} from "../../../contracts/interfaces/IRiskParameters.sol";
import {CollateralVault} from "../../../contracts/ledger/CollateralVault.sol";
import {InstrumentRegistry} from "../../../contracts/ledger/InstrumentRegistry.sol";
import {Ledger} from "../../../contracts/ledger/Ledger.sol";
import {MarginEngine} from "../../../contracts/margin/MarginEngine.sol";
import {TokenMock} from "../../../contracts/mocks/TokenMock.sol";
import {PriceDoor} from "../../../contracts/oracle/PriceDoor.sol";
import {MarginMode} from "../../../contracts/types/Book.sol";
import {InstrumentId, instrumentId, Kind} from "../../../contracts/types/InstrumentId.sol";
import {Parameter} from "../../../contracts/types/Parameter.sol";
import {Deleverager} from "../../../contracts/waterfall/Deleverager.sol";
import {InsuranceFund} from "../../../contracts/waterfall/InsuranceFund.sol";
import {Liquidator} from "../../../contracts/waterfall/Liquidator.sol";
import {Nominations} from "../../../contracts/waterfall/Nominations.sol";

interface ICheats {
    function addr(uint256 key) external returns (address);
    function deployCode(string calldata artifact, bytes calldata arguments) external returns (address);
    function pauseGasMetering() external;
    function resumeGasMetering() external;
    function sign(uint256 key, bytes32 digest) external returns (uint8 v, bytes32 r, bytes32 s);
    function roll(uint256 number) external;
    function warp(uint256 time) external;
}

/// @title Gas of the waterfall's entry points on cold storage
/// @notice Each figure is the first call of its transaction. Two underlyings in one group, two expiries each, 35 scenarios; a book is
/// a perp, a future and options of both underlyings, short puts above all. The liquidator holds a book of its own before.
contract LiquidationGas {
    ICheats internal constant CHEATS = ICheats(address(uint160(uint256(keccak256("hevm cheat code")))));
    uint256 internal constant BEGIN = 1_735_689_600;
    uint256 internal constant KEY = 0xA11CE;
    uint8 internal constant USDC = 255;
    uint64 internal constant OTHER = 1;
    uint64 internal constant VICTIM = 2;
    uint64 internal constant RESCUER = 3;
    uint256 internal constant MOST = 100; // upper bound of MAX_POSITIONS

    event log_named_uint(string key, uint256 value);

    RiskParameters internal parameters;
    PriceDoor internal door;
    CollateralVault internal vault;
    Ledger internal ledger;
    MarginEngine internal engine;
    InsuranceFund internal fund;
    Liquidator internal liquidator;
    Nominations internal nominations;
    Deleverager internal deleverager;
    TokenMock internal usdc;
    uint112[] internal instruments;

    /// @dev The system, the market, and VICTIM with `positions` against OTHER, RESCUER with `own`; VICTIM is left with `health`
    /// (1e18; below 0: that much equity).
    function _set(MarginMode mode, uint256 positions, uint256 own, int256 health) internal {
        CHEATS.pauseGasMetering(); // the set-up is more than one block's gas
        CHEATS.warp(BEGIN);
        _deploy();
        _market();
        ledger.openAccount(address(1), MarginMode.CROSS);
        ledger.openAccount(address(2), mode);
        ledger.openAccount(address(this), MarginMode.PORTFOLIO);
        _pay(OTHER, 1e9);
        _pay(RESCUER, 1e8);
        ledger.changeCollateral(VICTIM, 0, 1e18);
        for (uint256 i; i < positions; ++i) {
            instruments.push(_instrument(i, positions));
            _trade(VICTIM, instruments[i], i % 4 < 2 ? int256(-2e18) : int256(1e18));
        }
        for (uint256 i; i < own; ++i) {
            _trade(RESCUER, _instrument(i + positions, positions + own), i % 2 == 0 ? int256(1e18) : int256(-1e18));
        }
        Requirement memory r = engine.requirement(VICTIM);
        int256 wanted = health < 0 ? health : int256(r.maintenance) * health / 1e18;
        int256 cash = wanted - (health < 0 ? r.equity : r.marginEquityMaintenance);
        ledger.changeCash(VICTIM, cash, ILedger.CashReason.DEPOSIT);
        CHEATS.resumeGasMetering();
    }

    function _deploy() private {
        parameters = RiskParameters(_artifact("RiskParameters", abi.encode(this)));
        parameters.setGroup(1, 0.5e18);
        parameters.setUnderlying(0, 1, 1e18);
        parameters.setUnderlying(1, 1, 1e18);
        parameters.setCollateral(
            0, IRiskParameters.CollateralConfig({underlying: 0, joins: true, haircutInitial: 0.15e18, haircutMaintenance: 0.1e18})
        );
        parameters.set(Parameter.MAX_POSITIONS, MOST);
        CircuitBreaker breaker = CircuitBreaker(_artifact("CircuitBreaker", abi.encode(this)));
        InstrumentRegistry registry = InstrumentRegistry(_artifact("InstrumentRegistry", abi.encode(this)));
        address[] memory signers = new address[](1);
        signers[0] = CHEATS.addr(KEY);
        door = PriceDoor(_artifact("PriceDoor", abi.encode(this, registry, parameters, breaker, signers, 1)));
        string[2] memory symbols = ["ETH", "BTC"];
        for (uint8 u; u < 2; ++u) {
            registry.listUnderlying(u, symbols[u], true);
            registry.listExpiry(u, _expiry(0));
            registry.listExpiry(u, _expiry(1));
        }
        usdc = TokenMock(_artifact("TokenMock", abi.encode("USD Coin", "USDC", uint8(6))));
        vault = CollateralVault(_artifact("CollateralVault", abi.encode(usdc, this)));
        vault.list(_artifact("TokenMock", abi.encode("Wrapped Ether", "WETH", uint8(18))));
        ledger = Ledger(_artifact("Ledger", ""));
        engine = MarginEngine(_artifact("MarginEngine", abi.encode(ledger, door, parameters)));
        fund = InsuranceFund(_artifact("InsuranceFund", abi.encode(usdc, parameters, this)));
        usdc.mint(address(fund), 10_000_000e6);
        liquidator = Liquidator(_artifact("Liquidator", abi.encode(ledger, vault, door, parameters, engine, fund, breaker)));
        fund.setMember(address(liquidator), 10_000_000e18, 1 days);
        nominations = Nominations(_artifact("Nominations", abi.encode(ledger, engine, parameters)));
        deleverager = Deleverager(_artifact("Deleverager", abi.encode(ledger, vault, parameters, engine, fund, nominations)));
        fund.setAgent(address(deleverager), address(liquidator));
        address[] memory modules = new address[](1);
        modules[0] = address(deleverager);
        nominations.wire(modules);
        modules = new address[](3);
        (modules[0], modules[1], modules[2]) = (address(this), address(liquidator), address(deleverager));
        ledger.wire(modules);
        vault.wire(modules);
    }

    /// @dev With all creation code inside, this contract would not fit into a block.
    function _artifact(string memory name, bytes memory arguments) private returns (address) {
        return CHEATS.deployCode(string.concat("out/forge/", name, ".sol/", name, ".json"), arguments);
    }

    function _market() internal {
        for (uint8 u; u < 2; ++u) {
            uint96 spot = u == 0 ? 3_400e18 : 94_000e18;
            IPriceDoor.MarketUpdate memory m;
            (m.underlying, m.timestamp, m.spot, m.mark, m.confidence) = (u, uint32(block.timestamp), spot, spot, 10_000);
            m.expiries = new IPriceDoor.ExpiryQuote[](2);
            for (uint256 i; i < 2; ++i) {
                uint64 tau = uint64((uint256(_expiry(i)) - BEGIN) * 1e18 / 365 days);
                m.expiries[i] = IPriceDoor.ExpiryQuote({
                    expiry: _expiry(i),
                    forward: spot + spot / 200,
                    rate: 0.04e18,
                    a: int64(uint64(uint256(tau) * 0.3e18 / 1e26 * 1e8)), // 1e-10, as the publisher rounds
                    b: uint64(uint256(tau) * 0.5e18 / 1e26 * 1e8),
                    rho: -0.2e18,
                    m: 0.02e18,
                    sigma: 0.25e18,
                    refForward: spot + spot / 200,
                    refTau: tau
                });
            }
            bytes[] memory signatures = new bytes[](1);
            (uint8 v, bytes32 r, bytes32 s) = CHEATS.sign(KEY, door.digest(m));
            signatures[0] = abi.encodePacked(r, s, v);
            door.submit(m, signatures);
        }
    }

    function _expiry(uint256 i) internal pure returns (uint32) {
        return uint32(BEGIN + (i == 0 ? 30 days : 90 days));
    }

    /// @dev 0, 1: the perps, 2, 3: futures, then options at strikes of their own, 70 % to 130 % of spot.
    function _instrument(uint256 i, uint256 count) private pure returns (uint112) {
        uint8 u = uint8(i % 2);
        if (i < 2) return InstrumentId.unwrap(instrumentId(Kind.PERP, u, 0, 0));
        if (i < 4) return InstrumentId.unwrap(instrumentId(Kind.FUTURE, u, _expiry(0), 0));
        uint256 spot = u == 0 ? 3_400 : 94_000;
        uint64 strike = uint64(spot * 70 / 100 + spot * 60 * i / (100 * count)) * 1e8;
        return InstrumentId.unwrap(instrumentId(i % 4 < 2 ? Kind.PUT : Kind.CALL, u, _expiry((i / 4) % 2), strike));
    }

    function _trade(uint64 account, uint112 instrument, int256 size) private {
        uint112[] memory one = new uint112[](1);
        one[0] = instrument;
        (uint256[] memory marks,) = engine.marks(one);
        if (InstrumentId.wrap(instrument).underlying() == 1) size /= 25; // alike in notional
        if (size > 0) ledger.transferPosition(OTHER, account, instrument, uint256(size), marks[0], 255);
        else ledger.transferPosition(account, OTHER, instrument, uint256(-size), marks[0], 255);
    }

    function _pay(uint64 account, uint256 usd) private {
        ledger.changeCash(account, int256(usd * 1e18), ILedger.CashReason.DEPOSIT);
        usdc.mint(address(vault), usd * 1e6);
        vault.recordReceived(USDC, usd * 1e18);
    }

    // --- calls ---

    /// @dev `part` percent of `count` positions: the short puts first, which are the risk.
    function _legs(uint256 count, int256 part) internal view returns (ILiquidator.LiquidationLeg[] memory legs) {
        legs = new ILiquidator.LiquidationLeg[](count);
        uint256 found;
        for (uint256 pass; pass < 2; ++pass) {
            for (uint256 i; i < instruments.length && found < count; ++i) {
                bool shortPut = i > 3 && i % 4 < 2;
                if (shortPut != (pass == 0)) continue;
                int256 held = ledger.positionSize(VICTIM, instruments[i]);
                legs[found++] = ILiquidator.LiquidationLeg(instruments[i], int128(held * part / 100));
            }
        }
    }

    function _request(ILiquidator.LiquidationLeg[] memory legs) internal view returns (ILiquidator.Liquidation memory) {
        return ILiquidator.Liquidation(VICTIM, RESCUER, legs, _witness(), 0, "");
    }

    /// @dev Both fall by 18 % with vol up; none where the mode asks for none.
    function _witness() internal view returns (Witness memory) {
        if (ledger.account(VICTIM).mode != MarginMode.PORTFOLIO) return Witness("", "");
        return Witness({underlyings: hex"0000", groups: hex"00"});
    }

    function _log(string memory key, uint256 gas) internal {
        require(gas < 15_000_000, "more than an entry point may cost");
        emit log_named_uint(key, gas);
    }

    function _liquidate(string memory key, uint256 legs, int256 part, ILiquidator.Tier tier) internal {
        CHEATS.pauseGasMetering();
        ILiquidator.Liquidation memory request = _request(_legs(legs, part));
        Liquidator l = liquidator;
        CHEATS.resumeGasMetering();
        uint256 before = gasleft();
        ILiquidator.Outcome memory out = l.liquidate(request);
        uint256 used = before - gasleft();
        require(out.tier == tier && out.payment != 0, "another tier, or nothing paid");
        _log(key, used);
    }

    function _flag(string memory key) internal {
        Witness memory witness = _witness();
        Liquidator l = liquidator;
        uint256 before = gasleft();
        l.flag(VICTIM, witness);
        _log(key, before - gasleft());
    }

    function _lose(string memory key, ILiquidator.Liquidation memory request, uint32 round, bytes4 error) internal {
        ILiquidator.LiquidationLeg[] memory further = new ILiquidator.LiquidationLeg[](0);
        Liquidator l = liquidator;
        uint256 before = gasleft();
        try l.liquidateThrough(request, round, further) {
            revert("not lost");
        } catch (bytes memory reason) {
            uint256 used = before - gasleft();
            require(bytes4(reason) == error, "lost for another reason");
            _log(key, used);
        }
    }
}

contract Liquidation16Gas is LiquidationGas {
    function setUp() public {
        _set(MarginMode.PORTFOLIO, 16, 12, 0.8e18);
    }

    function test_flag_16() public {
        _flag("flag_16");
    }

    /// @dev What the proof alone costs for the same book.
    function test_flag_16_witness() public {
        Witness memory witness = Witness({underlyings: hex"0000", groups: hex"00"});
        MarginEngine e = engine;
        uint256 before = gasleft();
        e.witnessed(VICTIM, witness);
        _log("flag_16_witness", before - gasleft());
    }

    function test_liquidate_4of16() public {
        _liquidate("liquidate_4of16", 4, 25, ILiquidator.Tier.FULL);
    }

    function test_race_lost() public {
        CHEATS.pauseGasMetering();
        ILiquidator.Liquidation memory request = _request(_legs(4, 25));
        CHEATS.resumeGasMetering();
        _lose("race_lost", request, 1, ILiquidator.RaceLost.selector);
    }

    function test_race_lost_legs() public {
        CHEATS.pauseGasMetering();
        ILiquidator.Liquidation memory request = _request(_legs(4, 25));
        request.legs[0].size *= 5; // the winner left less
        CHEATS.resumeGasMetering();
        _lose("race_lost_legs", request, type(uint32).max, ILiquidator.LegDoesNotShrink.selector);
    }
}

/// @notice A liquidator whose cash does not cover all that its book could lose: its own initial margin takes a full scan.
contract LeveredLiquidatorGas is LiquidationGas {
    function setUp() public {
        _set(MarginMode.PORTFOLIO, 16, 12, 0.8e18);
        CHEATS.pauseGasMetering();
        ledger.changeCash(RESCUER, 10_000e18 - ledger.cash(RESCUER), ILedger.CashReason.WITHDRAWAL);
        CHEATS.resumeGasMetering();
    }

    function test_liquidate_4of16_levered() public {
        _liquidate("liquidate_4of16_levered", 4, 25, ILiquidator.Tier.FULL);
    }
}

contract HealthyAgainGas is LiquidationGas {
    function setUp() public {
        _set(MarginMode.PORTFOLIO, 16, 12, 1.2e18);
    }

    function test_race_lost_healthy() public {
        CHEATS.pauseGasMetering();
        ILiquidator.Liquidation memory request = _request(_legs(4, 25));
        CHEATS.resumeGasMetering();
        _lose("race_lost_healthy", request, type(uint32).max, ILiquidator.NotLiquidatable.selector);
    }
}

/// @notice The largest accounts that governance may allow: as many positions each afterwards.
contract LargestLiquidationGas is LiquidationGas {
    function setUp() public {
        _set(MarginMode.PORTFOLIO, MOST, MOST / 2, 0.8e18);
    }

    function test_flag_largest() public {
        _flag("flag_largest");
    }

    function test_liquidate_largest() public {
        _liquidate("liquidate_largest", MOST / 2, 25, ILiquidator.Tier.FULL);
    }
}

contract LargestBankruptGas is LiquidationGas {
    function setUp() public {
        _set(MarginMode.PORTFOLIO, MOST, MOST / 2, -1_000e18);
    }

    function test_bankrupt_largest() public {
        _liquidate("bankrupt_largest", MOST / 2, 100, ILiquidator.Tier.BANKRUPT);
    }
}

/// @notice Auto-deleveraging of the largest bankrupt account, whose fund may not pay.
contract LargestDeficitGas is LiquidationGas {
    function setUp() public {
        _set(MarginMode.PORTFOLIO, MOST, MOST / 2, -1_000e18);
        CHEATS.pauseGasMetering();
        fund.setMember(address(liquidator), 1e18, 1 days);
        CHEATS.resumeGasMetering();
    }

    function test_open_deficit_largest() public {
        Deleverager d = deleverager;
        uint256 before = gasleft();
        d.openDeficit(VICTIM);
        _log("open_deficit_largest", before - gasleft());
    }

    /// @dev Nobody is nominated: every queue is looked at and every leg's part goes to its other side.
    function test_execute_largest() public {
        CHEATS.pauseGasMetering();
        deleverager.openDeficit(VICTIM);
        CHEATS.warp(BEGIN + 60);
        CHEATS.roll(block.number + 5);
        _market();
        Deleverager d = deleverager;
        CHEATS.resumeGasMetering();
        uint256 before = gasleft();
        d.execute(VICTIM, 1);
        _log("execute_largest", before - gasleft());
    }
}

contract LargestConversionGas is LiquidationGas {
    function setUp() public {
        _set(MarginMode.PORTFOLIO, MOST, MOST / 2, 0.8e18);
        CHEATS.pauseGasMetering();
        // In debt, covered by collateral of the same worth: health as it was, within haircuts.
        int256 debt = ledger.cash(VICTIM) + 5_000e18;
        ledger.changeCash(VICTIM, -debt, ILedger.CashReason.WITHDRAWAL);
        ledger.changeCollateral(VICTIM, 0, 1e18 + debt * 1e18 / 3_400e18);
        CHEATS.resumeGasMetering();
    }

    function test_convert_largest() public {
        Liquidator l = liquidator;
        uint256 before = gasleft();
        l.convertCollateral(VICTIM, RESCUER, 0, 0.1e18, type(uint256).max);
        _log("convert_largest", before - gasleft());
    }
}

contract CoverGas is LiquidationGas {
    function setUp() public {
        _set(MarginMode.CROSS, 0, 0, 0);
        CHEATS.pauseGasMetering();
        ledger.changeCollateral(VICTIM, 0, -1e18);
        ledger.changeCash(VICTIM, -ledger.cash(VICTIM) - 500e18, ILedger.CashReason.WITHDRAWAL);
        CHEATS.resumeGasMetering();
    }

    function test_cover_deficit() public {
        Liquidator l = liquidator;
        uint256 before = gasleft();
        l.coverDeficit(VICTIM);
        _log("cover_deficit", before - gasleft());
    }
}
