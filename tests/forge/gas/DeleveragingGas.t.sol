// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Witness} from "../../../contracts/interfaces/IMarginEngine.sol";
import {MarginMode} from "../../../contracts/types/Book.sol";
import {InstrumentId, instrumentId, Kind} from "../../../contracts/types/InstrumentId.sol";
import {CHEATS, World} from "../invariants/World.sol";

interface IRoll {
    function roll(uint256 number) external;
    function pauseGasMetering() external;
    function resumeGasMetering() external;
}

/// @title A bankrupt account, long ETH perps from far above the market, opposite sixteen CROSS accounts in profit and one PORTFOLIO
/// account with fifteen options besides its perp; a fund that may not pay
contract Bankruptcy is World {
    IRoll private constant CHAIN = IRoll(address(CHEATS));
    uint64 private constant BANKRUPT = 1; // CROSS, 60,000 USDC
    uint64 private constant NOMINEE = 2; // PORTFOLIO, 60,000 USDC
    uint256 private constant HOLDERS = 16;
    uint256 private constant PRICE = 9_000e18;

    uint64[HOLDERS] private _holders;
    uint112 private immutable PERP = InstrumentId.unwrap(instrumentId(Kind.PERP, ETH, 0, 0));

    error Unexpected(uint256 closes);

    constructor() {
        CHAIN.pauseGasMetering();
        for (uint256 i; i < HOLDERS; ++i) {
            uint64 id = _openAccount(CHEATS.addr(0xBEEF), MarginMode.CROSS);
            _holders[i] = id;
            pay(id, USDC, (10_000 + i * 500) * 1e18);
            _sell(id, BANKRUPT, PERP, 1e18, PRICE);
        }
        for (uint256 i; i < 15; ++i) {
            uint112 option = InstrumentId.unwrap(
                instrumentId(i % 2 == 0 ? Kind.CALL : Kind.PUT, ETH, i % 3 == 0 ? FAR : NEAR, uint64(3_000e8 + i * 10e8))
            );
            _sell(i % 4 < 2 ? NOMINEE : LIQUIDATOR_ACCOUNT, i % 4 < 2 ? LIQUIDATOR_ACCOUNT : NOMINEE, option, 1e18, 300e18);
        }
        _sell(NOMINEE, BANKRUPT, PERP, 1e18, PRICE);
        fund.setMember(address(liquidator), 1e18, 1 days);
        deleverager.openDeficit(BANKRUPT);
        CHAIN.resumeGasMetering();
    }

    /// @notice Nominates the first `count` holders and lets the window pass.
    function nominateHolders(uint256 count) external {
        CHAIN.pauseGasMetering();
        for (uint256 i; i < count; ++i) {
            nominations.nominate(PERP, _holders[i], Witness("", ""));
        }
        CHEATS.warp(block.timestamp + 60);
        CHAIN.roll(block.number + 5);
        publish();
        CHAIN.resumeGasMetering();
    }

    function nominate() external returns (uint256 used) {
        uint256 before = gasleft();
        nominations.nominate(PERP, NOMINEE, _witness());
        used = before - gasleft();
    }

    /// @notice What of a nomination is the witness.
    function witness() external view returns (uint256 used) {
        uint256 before = gasleft();
        engine.witnessed(NOMINEE, _witness());
        used = before - gasleft();
    }

    function execute(uint256 closes) external returns (uint256 used) {
        uint256 before = gasleft();
        uint256 closed = deleverager.execute(BANKRUPT, closes).closes;
        used = before - gasleft();
        if (closed != closes) revert Unexpected(closed);
    }

    function _witness() private pure returns (Witness memory) {
        return Witness(hex"00", hex"00");
    }

    function _sell(uint64 seller, uint64 buyer, uint112 instrument, uint256 size, uint256 price) private {
        CHEATS.prank(address(clearing));
        ledger.transferPosition(seller, buyer, instrument, size, price, 64);
    }
}

/// @notice Figures that benchmarks/gas.py reads from the log;.
contract DeleveragingGas {

    Bankruptcy private _world;

    event log_named_uint(string key, uint256 value);

    function setUp() public {
        _world = new Bankruptcy();
        _world.nominateHolders(15);
    }

    function test_gas_nominate_16() public {
        uint256 used = _world.nominate();
        emit log_named_uint("nominate_16", used);
    }

    function test_gas_nominate_16_witness() public {
        uint256 used = _world.witness();
        emit log_named_uint("nominate_16_witness", used);
    }

    function test_gas_execute_1() public {
        emit log_named_uint("adl_1_counterparty", _world.execute(1));
    }

    function test_gas_execute_11() public {
        emit log_named_uint("adl_11_counterparties", _world.execute(11));
    }
}
