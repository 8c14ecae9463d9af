// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Clearing} from "../../../contracts/clearing/Clearing.sol";
import {Funding} from "../../../contracts/clearing/Funding.sol";
import {MarginCheck} from "../../../contracts/clearing/MarginCheck.sol";
import {Settlement} from "../../../contracts/clearing/Settlement.sol";
import {TradingLimits} from "../../../contracts/clearing/TradingLimits.sol";
import {WithdrawalQueue} from "../../../contracts/clearing/WithdrawalQueue.sol";
import {CircuitBreaker} from "../../../contracts/governance/CircuitBreaker.sol";
import {RiskParameters} from "../../../contracts/governance/RiskParameters.sol";
import {IClearing} from "../../../contracts/interfaces/IClearing.sol";
import {IMarginModel} from "../../../contracts/interfaces/IMarginModel.sol";
import {IPriceDoor} from "../../../contracts/interfaces/IPriceDoor.sol";
import {IRiskParameters} from "../../../contracts/interfaces/IRiskParameters.sol";
import {CollateralVault} from "../../../contracts/ledger/CollateralVault.sol";
import {InstrumentRegistry} from "../../../contracts/ledger/InstrumentRegistry.sol";
import {Ledger} from "../../../contracts/ledger/Ledger.sol";
import {MarginEngine} from "../../../contracts/margin/MarginEngine.sol";
import {MarginReport} from "../../../contracts/margin/MarginReport.sol";
import {CallbackTokenMock} from "../../../contracts/mocks/CallbackTokenMock.sol";
import {PermitTokenMock} from "../../../contracts/mocks/PermitTokenMock.sol";
import {TokenMock} from "../../../contracts/mocks/TokenMock.sol";
import {PriceDoor} from "../../../contracts/oracle/PriceDoor.sol";
import {MarginMode} from "../../../contracts/types/Book.sol";
import {InstrumentId, instrumentId, Kind, STRIKE_UNIT} from "../../../contracts/types/InstrumentId.sol";
import {Parameter} from "../../../contracts/types/Parameter.sol";
import {Deleverager} from "../../../contracts/waterfall/Deleverager.sol";
import {InsuranceFund} from "../../../contracts/waterfall/InsuranceFund.sol";
import {Liquidator} from "../../../contracts/waterfall/Liquidator.sol";
import {Nominations} from "../../../contracts/waterfall/Nominations.sol";
import {ShutdownSettlement} from "../../../contracts/waterfall/ShutdownSettlement.sol";
import {Signatures} from "./Signatures.sol";

interface ICheats {
    function addr(uint256 key) external returns (address);
    function createDir(string calldata path, bool recursive) external;
    function deployCode(string calldata artifact, bytes calldata arguments) external returns (address);
    function envOr(string calldata name, string calldata fallback_) external view returns (string memory);
    function etch(address target, bytes calldata code) external;
    function prank(address sender) external;
    function roll(uint256 number) external;
    function startPrank(address sender) external;
    function stopPrank() external;
    function warp(uint256 time) external;
    function writeLine(string calldata path, string calldata line) external;
}

ICheats constant CHEATS = ICheats(address(uint160(uint256(keccak256("hevm cheat code")))));

/// @title The whole system for campaigns
/// @notice Every contract as deployed by scripts/deploy.py, traders in the three modes, a funded liquidator, collateral of 18 and 8
/// decimals beside the settlement token's 6, an oracle that this contract signs for. Nothing is mocked but the tokens; WETH calls
/// back inside its transfers where an adversary wants it.
abstract contract World {
    uint256 internal constant WAD = 1e18;
    uint256 internal constant BEGIN = 1_735_689_600;
    uint8 internal constant ETH = 0;
    uint8 internal constant BTC = 1;
    uint8 internal constant WETH = 0;
    uint8 internal constant WBTC = 1;
    uint8 internal constant USDC = 255;
    uint32 internal constant NEAR = uint32(BEGIN + 120 days); // the first one
    uint32 internal constant FAR = uint32(BEGIN + 365 days);
    uint64 internal constant TRADERS = 9;
    uint64 internal constant LIQUIDATOR_ACCOUNT = TRADERS + 1;
    uint256 private constant ORACLE_KEY = 0x0AC1E; // one signer: quorums are tested in tests/contracts/oracle

    TokenMock internal immutable usdc;
    CallbackTokenMock internal immutable weth;
    PermitTokenMock internal immutable wbtc;
    InstrumentRegistry internal immutable registry;
    RiskParameters internal immutable parameters;
    CircuitBreaker internal immutable breaker;
    PriceDoor internal immutable door;
    CollateralVault internal immutable vault;
    Ledger internal immutable ledger;
    MarginEngine internal immutable engine;
    MarginReport internal immutable report;
    InsuranceFund internal immutable fund;
    TradingLimits internal immutable limits;
    Nominations internal immutable nominations;
    Deleverager internal immutable deleverager;
    MarginCheck internal immutable checks;
    WithdrawalQueue internal immutable queue;
    Clearing internal immutable clearing;
    Funding internal immutable funding;
    Settlement internal immutable settlement;
    Liquidator internal immutable liquidator;
    ShutdownSettlement internal immutable shutdown;

    /// @dev Four of ETH and four of BTC that may be traded, then those of the last near expiry that passed (0: none did).
    uint112[12] internal instruments;
    uint32 internal near = NEAR;
    bytes32 internal deployed; // hash over the byte codes of all contracts
    uint256[2] internal spots = [uint256(3_400e18), 94_000e18];
    /// @dev Asked for at every turn: forge would derive them from the keys each time.
    mapping(uint64 account => address) internal ownerOf;

    constructor() {
        CHEATS.warp(BEGIN);
        // By artifact: with all creation code inside, this contract would not fit into a block.
        usdc = TokenMock(_deploy("TokenMock", abi.encode("USD Coin", "USDC", uint8(6))));
        weth = CallbackTokenMock(_deploy("CallbackTokenMock", ""));
        wbtc = PermitTokenMock(_deploy("PermitTokenMock", abi.encode("Wrapped Bitcoin", "WBTC", uint8(8))));
        registry = InstrumentRegistry(_deploy("InstrumentRegistry", abi.encode(this)));
        parameters = RiskParameters(_deploy("RiskParameters", abi.encode(this)));
        breaker = CircuitBreaker(_deploy("CircuitBreaker", abi.encode(this)));
        door = PriceDoor(_deploy("PriceDoor", abi.encode(this, registry, parameters, breaker, _signers(), 1)));
        vault = CollateralVault(_deploy("CollateralVault", abi.encode(usdc, this)));
        ledger = Ledger(_deploy("Ledger", ""));
        engine = MarginEngine(_deploy("MarginEngine", abi.encode(ledger, door, parameters)));
        report = MarginReport(_deploy("MarginReport", abi.encode(ledger, door, parameters, engine)));
        fund = InsuranceFund(_deploy("InsuranceFund", abi.encode(usdc, parameters, this)));
        limits = TradingLimits(_deploy("TradingLimits", abi.encode(ledger, vault, door, parameters, this)));
        nominations = Nominations(_deploy("Nominations", abi.encode(ledger, engine, parameters)));
        deleverager = Deleverager(
            _deploy("Deleverager", abi.encode(ledger, vault, parameters, engine, fund, nominations))
        );
        checks = MarginCheck(
            _deploy("MarginCheck", abi.encode(ledger, door, parameters, engine, breaker, limits, nominations, _trips()))
        );
        queue = WithdrawalQueue(_deploy("WithdrawalQueue", abi.encode(vault, door, parameters, breaker, checks)));
        clearing = Clearing(_deploy("Clearing", abi.encode(_wiring())));
        funding = Funding(_deploy("Funding", abi.encode(ledger, door, parameters)));
        settlement = Settlement(_deploy("Settlement", abi.encode(ledger, door)));
        liquidator = Liquidator(_deploy("Liquidator", abi.encode(ledger, vault, door, parameters, engine, fund, breaker)));
        shutdown = ShutdownSettlement(_deploy("ShutdownSettlement", abi.encode(_settling())));
        _wire();
        _configure();
        _list();
        publish();
        _openAccounts();
    }

    // --- people ---

    /// @dev Key of the owner of a trading account: 1 and 2 belong to one owner, 3 and 4 to the next, and so on.
    function keyOf(uint64 account) internal pure returns (uint256) {
        return 0xACC0 + (account + 1) / 2;
    }

    /// @dev Its owner lets the vault take what is deposited.
    function _openAccount(address owner, MarginMode mode) internal returns (uint64 id) {
        CHEATS.startPrank(owner);
        usdc.approve(address(vault), type(uint256).max);
        weth.approve(address(vault), type(uint256).max);
        wbtc.approve(address(vault), type(uint256).max);
        id = clearing.openAccount(mode);
        CHEATS.stopPrank();
        ownerOf[id] = owner;
    }

    function pay(uint64 account, uint8 token, uint256 quantity) internal {
        address owner = ownerOf[account];
        TokenMock erc20 = _token(token);
        erc20.mint(owner, quantity / vault.unit(token));
        CHEATS.prank(owner);
        clearing.deposit(account, token, quantity);
    }

    function _token(uint8 index) internal view virtual returns (TokenMock) {
        if (index == USDC) return usdc;
        return index == WETH ? TokenMock(address(weth)) : TokenMock(address(wbtc));
    }

    // --- prices ---

    /// @dev Signs and submits both markets at the present block time.
    function publish() internal {
        for (uint8 u; u < 2; ++u) {
            IPriceDoor.MarketUpdate memory update = IPriceDoor.MarketUpdate({
                underlying: u,
                timestamp: uint32(block.timestamp),
                spot: uint96(spots[u]),
                mark: uint96(spots[u] * (997 + spots[u] % 7) / 1_000), // so that funding flows, now one way and now the other
                confidence: 10_000,
                expiries: new IPriceDoor.ExpiryQuote[](block.timestamp < near ? 2 : 1)
            });
            if (block.timestamp < near) update.expiries[0] = _quote(near, spots[u]);
            update.expiries[update.expiries.length - 1] = _quote(FAR, spots[u]);
            bytes[] memory signatures = new bytes[](1);
            signatures[0] = Signatures.sign(ORACLE_KEY, door.digest(update));
            door.submit(update, signatures);
        }
    }

    function _quote(uint32 expiry, uint256 spot) private view returns (IPriceDoor.ExpiryQuote memory) {
        uint256 tau = (expiry - block.timestamp) * WAD / 365 days;
        uint96 forward = uint96(spot + spot * tau / WAD / 25); // 4 % per year
        // Flat at 55 %: total variance 0.3025 tau
        return IPriceDoor.ExpiryQuote({
            expiry: expiry,
            forward: forward,
            rate: 0.04e18,
            a: int64(uint64(tau * 3025 / 10_000)),
            b: 0.02e18,
            rho: -0.3e18,
            m: 0,
            sigma: 0.2e18,
            refForward: forward,
            refTau: uint64(tau)
        });
    }

    // --- orders ---

    function signed(IClearing.Order memory order) internal returns (IClearing.SignedOrder memory) {
        return IClearing.SignedOrder({
            order: order,
            signer: ownerOf[order.account],
            signature: Signatures.sign(keyOf(order.account), clearing.orderHash(order))
        });
    }

    // --- set-up ---

    function _signers() private returns (address[] memory signers) {
        signers = new address[](1);
        signers[0] = CHEATS.addr(ORACLE_KEY);
    }

    function _deploy(string memory name, bytes memory arguments) internal returns (address at) {
        at = CHEATS.deployCode(string.concat("out/forge/", name, ".sol/", name, ".json"), arguments);
        deployed = keccak256(abi.encode(deployed, at.codehash));
    }

    function _wiring() private view returns (IClearing.Wiring memory) {
        return IClearing.Wiring({
            ledger: ledger,
            vault: vault,
            registry: registry,
            parameters: parameters,
            engine: engine,
            breaker: breaker,
            limits: limits,
            checks: checks,
            queue: queue,
            insuranceFund: address(fund)
        });
    }

    function _trips() private returns (address) {
        return _deploy("TripDiscount", abi.encode(ledger, door, parameters, _model(), breaker));
    }

    function _model() private returns (address) {
        return _deploy("MarginModel", abi.encode(engine));
    }

    function _settling() private returns (ShutdownSettlement.Wiring memory) {
        return ShutdownSettlement.Wiring({
            breaker: breaker,
            door: door,
            parameters: parameters,
            registry: registry,
            model: IMarginModel(_model()),
            ledger: ledger,
            vault: vault,
            queue: queue,
            insuranceFund: address(fund)
        });
    }

    function _wire() private {
        address[] memory modules = new address[](1);
        modules[0] = address(deleverager);
        nominations.wire(modules);
        modules = new address[](4);
        (modules[0], modules[1]) = (address(clearing), address(liquidator));
        (modules[2], modules[3]) = (address(deleverager), address(shutdown));
        vault.wire(modules);
        modules = new address[](7);
        (modules[0], modules[1], modules[2]) = (address(clearing), address(liquidator), address(limits));
        (modules[3], modules[4], modules[5]) = (address(funding), address(settlement), address(deleverager));
        modules[6] = address(shutdown);
        ledger.wire(modules);
    }

    function _configure() private {
        breaker.grantRole(breaker.TRIPPER(), address(door));
        breaker.grantRole(breaker.GUARDIAN(), address(this));
        // Handlers move markets as far as they like in a block: the jump rule has tests of its own.
        parameters.set(Parameter.BREAKER_WINDOW, 1);
        parameters.set(Parameter.BREAKER_MOVE, 1e18);
        // So little that some withdrawals wait.
        parameters.set(Parameter.OUTFLOW_CAP, 0.05e18);
        parameters.set(Parameter.OUTFLOW_FLOOR, 500e18);
        vault.list(address(weth));
        vault.list(address(wbtc));
        parameters.setGroup(1, 0.5e18);
        parameters.setUnderlying(ETH, 1, 1e18);
        parameters.setUnderlying(BTC, 1, 1e18);
        parameters.setCollateral(WETH, IRiskParameters.CollateralConfig(ETH, true, 0.15e18, 0.1e18));
        parameters.setCollateral(WBTC, IRiskParameters.CollateralConfig(BTC, false, 0.15e18, 0.1e18));
        fund.setMember(address(liquidator), 10_000_000e18, 1 days);
        fund.setAgent(address(deleverager), address(liquidator));
        usdc.mint(address(fund), 100_000e6);
    }

    function _list() private {
        string[2] memory symbols = ["ETH", "BTC"];
        for (uint8 u; u < 2; ++u) {
            registry.listUnderlying(u, symbols[u], true);
            registry.listExpiry(u, FAR);
            instruments[4 * u] = _id(Kind.PERP, u, 0, 0);
            instruments[4 * u + 3] = _id(Kind.PUT, u, FAR, u == ETH ? 3_500e8 : 95_000e8);
        }
        _listNear();
    }

    /// @dev A future and a call at about the money for each underlying, in the place of those that expired.
    function _listNear() internal {
        for (uint8 u; u < 2; ++u) {
            (instruments[8 + 2 * u], instruments[9 + 2 * u]) = (instruments[4 * u + 1], instruments[4 * u + 2]);
            registry.listExpiry(u, near);
            uint256 step = u == ETH ? 100e18 : 1_000e18;
            instruments[4 * u + 1] = _id(Kind.FUTURE, u, near, 0);
            instruments[4 * u + 2] = _id(Kind.CALL, u, near, uint64((spots[u] / step + 1) * step / STRIKE_UNIT));
        }
    }

    function _id(Kind kind, uint8 u, uint32 expiry, uint64 strike) private pure returns (uint112) {
        return InstrumentId.unwrap(instrumentId(kind, u, expiry, strike));
    }

    function _openAccounts() private {
        for (uint64 id = 1; id <= LIQUIDATOR_ACCOUNT; ++id) {
            _openAccount(CHEATS.addr(keyOf(id)), id == LIQUIDATOR_ACCOUNT ? MarginMode.PORTFOLIO : MarginMode(id % 3));
            if (id == LIQUIDATOR_ACCOUNT) continue;
            // Some with cash alone, some with both, some with little but collateral.
            pay(id, USDC, id > 6 ? 4_000e18 : 60_000e18);
            if (id > 3) pay(id, WETH, id > 6 ? 25e18 : 5e18);
        }
        pay(LIQUIDATOR_ACCOUNT, USDC, 3_000_000e18);
    }
}
