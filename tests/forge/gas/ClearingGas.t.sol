// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IClearing} from "../../../contracts/interfaces/IClearing.sol";
import {InstrumentId, instrumentId, Kind} from "../../../contracts/types/InstrumentId.sol";
import {Handlers} from "../invariants/Handlers.sol";
import {CHEATS} from "../invariants/World.sol";

/// @title Two PORTFOLIO accounts with options between them
contract PairOfBooks is Handlers {
    uint64 private constant BUYER = 2;
    uint64 private constant SELLER = 5;
    uint256 private constant SIZE = 1e15;
    uint256 private constant COST = 300e18;
    uint256 private constant LARGEST = 64;

    uint256 private immutable PRICE; // mark of the instrument that the measured fill opens

    error TooMuchGas(uint256 used, uint256 limit);
    error Unexpected(bool settled);

    event GasUsed(uint256 positions, uint256 gas);

    constructor(uint256 count) {
        pay(BUYER, USDC, 10_000_000e18);
        pay(SELLER, USDC, 10_000_000e18);
        for (uint256 i; i < count; ++i) {
            CHEATS.prank(address(clearing)); // the ledger's part of a fill: 64 margin checks more would only take time
            ledger.transferPosition(SELLER, BUYER, _option(i), SIZE, COST, LARGEST);
        }
        uint112[] memory last = new uint112[](1);
        last[0] = _option(LARGEST - 1);
        (uint256[] memory marks,) = engine.marks(last);
        PRICE = marks[0];
    }

    /// @notice Opens one more position on both sides.
    function open(uint256 limit) external returns (uint256 used) {
        return _measure(limit, _option(LARGEST - 1), true);
    }

    /// @notice On prices too old to open: refused only after the state before was computed too. Nothing costs more.
    function openOnStalePrices(uint256 limit) external returns (uint256 used) {
        CHEATS.warp(block.timestamp + 1 hours);
        return _measure(limit, _option(LARGEST - 1), false);
    }

    function _measure(uint256 limit, uint112 instrument, bool settles) private returns (uint256 used) {
        IClearing.SignedOrder memory buy = signed(_order(BUYER, instrument, int128(int256(SIZE)), PRICE));
        IClearing.SignedOrder memory sell = signed(_order(SELLER, instrument, -int128(int256(SIZE)), PRICE));
        bool settled;
        uint256 before = gasleft();
        try clearing.settle(buy, sell, SIZE, PRICE) {
            settled = true;
        } catch {}
        used = before - gasleft();
        emit GasUsed(ledger.account(BUYER).positionCount, used);
        if (settled != settles) revert Unexpected(settled);
        if (used > limit) revert TooMuchGas(used, limit);
    }

    /// @dev Calls and puts of two expiries, each at a strike of its own: nothing nets.
    function _option(uint256 i) private pure returns (uint112) {
        uint64 strike = uint64(3_000e8 + i * 10e8);
        return InstrumentId.unwrap(instrumentId(i % 2 == 0 ? Kind.CALL : Kind.PUT, ETH, i % 3 == 0 ? FAR : NEAR, strike));
    }
}

/// @notice Figures that benchmarks/gas.py reads from the log.
contract Logged {
    event log_named_uint(string key, uint256 value);
}

/// @notice A fill from cold storage, with the margin check of both sides: the work of a transaction is bounded, even the largest
/// accounts stay below 15 M gas.
contract LargestFillGas is Logged {
    uint256 private constant TRANSACTION_LIMIT = 15_000_000;

    PairOfBooks private books;

    function setUp() public {
        books = new PairOfBooks(63);
    }

    function test_gas_64th_position() public {
        emit log_named_uint("fill_64", books.open(4_500_000));
    }

    function test_gas_64th_position_on_stale_prices() public {
        books.openOnStalePrices(TRANSACTION_LIMIT);
    }
}

contract MediumFillGas is Logged {
    PairOfBooks private books;

    function setUp() public {
        books = new PairOfBooks(15);
    }

    function test_gas_16th_position() public {
        emit log_named_uint("fill_16", books.open(1_700_000));
    }
}

contract FirstFillGas is Logged {
    PairOfBooks private books;

    function setUp() public {
        books = new PairOfBooks(0);
    }

    function test_gas_first_position() public {
        emit log_named_uint("fill_first", books.open(750_000));
    }
}
