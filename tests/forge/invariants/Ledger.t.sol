// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {LibString} from "solady/utils/LibString.sol";
import {Books} from "./Books.sol";
import {Campaign} from "./Campaign.sol";
import {LeakyLedgerMock} from "./LeakyLedgerMock.sol";
import {Market} from "./Market.sol";
import {CHEATS} from "./World.sol";

/// @notice Anybody does anything in any order, and the books balance.
contract LedgerInvariants {
    /// @dev One line per run for scripts/invariants.py.
    string private constant REPORTS = "out/invariants";

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    Campaign private campaign;

    function setUp() public {
        CHEATS.createDir(REPORTS, true);
        campaign = new Campaign();
        campaign.lever();
        // The script's own control: a campaign that must end in a violation
        if (LibString.eq(CHEATS.envOr("CAMPAIGN_LEAK", string("")), "toll")) campaign.leak(LeakyLedgerMock.Leak.TOLL);
    }

    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        bytes4[] memory selectors = new bytes4[](1);
        selectors[0] = Campaign.play.selector;
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(campaign), selectors);
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(campaign);
    }

    function invariant_books_balance() public view {
        campaign.requireAll();
    }

    function afterInvariant() public {
        string memory line = campaign.summary();
        campaign.shutDown();
        CHEATS.writeLine(CHEATS.envOr("CAMPAIGN_REPORT", string("out/invariants/runs.jsonl")), line);
    }
}

/// @notice The checks can fail: each wrong ledger is caught by the check that is meant for it.
contract LedgerInvariantsControl {
    function test_wrong_rounding_is_caught() public {
        Campaign books = new Campaign();
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
        Campaign books = new Campaign();
        books.leak(LeakyLedgerMock.Leak.SIZE);
        _play(books);
        try books.requireZeroSum() {
            revert("positions that do not sum to zero went unnoticed");
        } catch (bytes memory reason) {
            require(bytes4(reason) == Books.PositionsDoNotSumToZero.selector, "another error");
        }
    }

    function test_collateral_from_nowhere_is_caught() public {
        Campaign books = new Campaign();
        books.leak(LeakyLedgerMock.Leak.COLLATERAL);
        _play(books);
        try books.requireCollateral() {
            revert("collateral that nobody deposited went unnoticed");
        } catch (bytes memory reason) {
            require(bytes4(reason) == Books.CollateralDoesNotAddUp.selector, "another error");
        }
    }

    function test_the_same_play_is_clean_without_a_leak() public {
        Campaign books = new Campaign();
        _play(books);
        books.requireLedger();
        books.requireZeroSum();
        books.requireCollateral();
        require(books.drift() > 0, "the play rounds");
    }

    function test_a_shutdown_that_owes_more_than_there_is_is_caught() public {
        Campaign books = new Campaign();
        books.leak(LeakyLedgerMock.Leak.COLLATERAL);
        _play(books);
        try books.shutDown() {
            revert("collateral that nobody deposited was paid out");
        } catch {}
        Campaign sound = new Campaign();
        _play(sound);
        sound.shutDown();
    }

    /// @dev Found by a handler inside a call whose revert another one catches, and passed on from there.
    function test_a_violation_inside_a_handler_ends_the_play() public {
        Campaign books = new Campaign();
        books.lever();
        books.leak(LeakyLedgerMock.Leak.TOLL);
        for (uint256 i; i < 8; ++i) {
            try books.play(i) {}
            catch (bytes memory reason) {
                require(bytes4(reason) == Market.InvariantBroken.selector, "another error");
                return;
            }
        }
        revert("cash that got lost on its way went unnoticed by the handlers");
    }

    /// @dev A few trades at odd sizes and a deposit of collateral.
    function _play(Campaign books) private {
        for (uint256 i; i < 8; ++i) {
            books.trade(0, 1, i, 1_000e18 + 7 * i, 8 * i + 1); // accounts 1 and 2: CROSS and PORTFOLIO
        }
        books.deposit(3, 0, 5e18);
    }
}
