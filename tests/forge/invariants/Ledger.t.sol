// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Books} from "./Books.sol";
import {Handlers} from "./Handlers.sol";
import {LeakyLedgerMock} from "./LeakyLedgerMock.sol";
import {CHEATS} from "./World.sol";

/// @notice Anybody does anything in any order, and the books balance.
contract LedgerInvariants {
    /// @dev One line per run for scripts/invariants.py.
    string private constant REPORTS = "out/invariants";
    string private constant REPORT = "out/invariants/runs.jsonl";

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    Books private books;

    function setUp() public {
        CHEATS.createDir(REPORTS, true);
        books = new Books();
        books.lever();
    }

    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        bytes4[] memory selectors = new bytes4[](11);
        selectors[0] = Handlers.deposit.selector;
        selectors[1] = Handlers.withdraw.selector;
        selectors[2] = Handlers.trade.selector;
        selectors[3] = Handlers.unwind.selector;
        selectors[4] = Handlers.collectFees.selector;
        selectors[5] = Handlers.donate.selector;
        selectors[6] = Handlers.moveMarket.selector;
        selectors[7] = Handlers.jumpTime.selector;
        selectors[8] = Handlers.liquidate.selector;
        selectors[9] = Handlers.coverDeficit.selector;
        selectors[10] = Handlers.convertCollateral.selector;
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(books), selectors);
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(books);
    }

    function invariant_books_balance() public view {
        books.requireLedger();
        books.requireZeroSum();
        books.requireCollateral();
    }

    function afterInvariant() public {
        CHEATS.writeLine(REPORT, books.summary());
    }
}

/// @notice The checks can fail: each wrong ledger is caught by the check that is meant for it.
contract LedgerInvariantsControl {
    function test_wrong_rounding_is_caught() public {
        Books books = new Books();
        books.leak(LeakyLedgerMock.Leak.ROUNDING);
        _play(books);
        books.requireZeroSum();
        books.requireCollateral();
        try books.requireLedger() {
            revert("roundings in favour of the traders went unnoticed");
        } catch (bytes memory reason) {
            require(bytes4(reason) == Books.LedgerDrifts.selector, "another error");
        }
    }

    function test_a_lost_contract_is_caught() public {
        Books books = new Books();
        books.leak(LeakyLedgerMock.Leak.SIZE);
        _play(books);
        try books.requireZeroSum() {
            revert("positions that do not sum to zero went unnoticed");
        } catch (bytes memory reason) {
            require(bytes4(reason) == Books.PositionsDoNotSumToZero.selector, "another error");
        }
    }

    function test_collateral_from_nowhere_is_caught() public {
        Books books = new Books();
        books.leak(LeakyLedgerMock.Leak.COLLATERAL);
        _play(books);
        try books.requireCollateral() {
            revert("collateral that nobody deposited went unnoticed");
        } catch (bytes memory reason) {
            require(bytes4(reason) == Books.CollateralDoesNotAddUp.selector, "another error");
        }
    }

    function test_the_same_play_is_clean_without_a_leak() public {
        Books books = new Books();
        _play(books);
        books.requireLedger();
        books.requireZeroSum();
        books.requireCollateral();
        require(books.drift() > 0, "the play rounds");
    }

    /// @dev A few trades at odd sizes and a deposit of collateral.
    function _play(Books books) private {
        for (uint256 i; i < 8; ++i) {
            books.trade(0, 1, i, 1_000e18 + 7 * i, 8 * i + 1); // accounts 1 and 2: CROSS and PORTFOLIO
        }
        books.deposit(3, true, 5e18);
    }
}
