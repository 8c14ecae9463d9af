// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {LibString} from "solady/utils/LibString.sol";
import {Books} from "./Books.sol";

/// @title A campaign
/// @notice Plays handlers drawn from a deck, counts what each did, and checks what no call may ever break.
/// @dev Forge calls `play`, which makes a burst of calls: forge's own work per call would cost more than most of the calls do.
contract Campaign is Books {
    uint256 private constant BURST = 16;

    struct Counts {
        uint128 done;
        uint128 refused;
    }

    string[] private _names;
    bytes4[] private _selectors;
    /// @dev Indices into the lists above, as many as the handler's weight.
    bytes private _deck;
    mapping(uint256 index => Counts) private _counts;

    constructor() {
        // What is dear is drawn seldom: millions of calls are wanted, and enough of each.
        _add("deposit", this.deposit.selector, 12);
        _add("withdraw", this.withdraw.selector, 8);
        _add("cancel", this.cancel.selector, 8);
        _add("setOperator", this.setOperator.selector, 8);
        _add("trade", this.trade.selector, 24);
        _add("unwind", this.unwind.selector, 12);
        _add("collectFees", this.collectFees.selector, 8);
        _add("donate", this.donate.selector, 8);
        _add("moveMarket", this.moveMarket.selector, 4);
        _add("jumpTime", this.jumpTime.selector, 4);
        _add("flag", this.flag.selector, 3);
        _add("liquidate", this.liquidate.selector, 11);
        _add("coverDeficit", this.coverDeficit.selector, 42);
        _add("convertCollateral", this.convertCollateral.selector, 4);
        _add("transfer", this.transfer.selector, 7);
        _add("movePosition", this.movePosition.selector, 11);
        _add("changeMode", this.changeMode.selector, 6);
        _add("cancelAll", this.cancelAll.selector, 5);
        _add("claimWithdrawal", this.claimWithdrawal.selector, 46);
        _add("provide", this.provide.selector, 4);
        _add("requestExit", this.requestExit.selector, 4);
        _add("payExit", this.payExit.selector, 10);
        _add("accrue", this.accrue.selector, 6);
        _add("updateFunding", this.updateFunding.selector, 6);
        _add("settleExpired", this.settleExpired.selector, 8);
        _add("poke", this.poke.selector, 8);
        _add("tighten", this.tighten.selector, 2);
        _add("loosen", this.loosen.selector, 6);
        _add("openDeficit", this.openDeficit.selector, 11);
        _add("nominate", this.nominate.selector, 11);
        _add("executeDeficit", this.executeDeficit.selector, 8);
        _add("attack", this.attack.selector, 11);
    }

    /// @notice A burst of calls, all of them derived from `seed`.
    function play(uint256 seed) external {
        for (uint256 i; i < BURST; ++i) {
            uint256 index = uint8(_deck[uint256(keccak256(abi.encode(seed, i))) % _deck.length]);
            // Five words serve every handler: what it does not take it ignores.
            bytes memory call = abi.encodePacked(
                _selectors[index],
                keccak256(abi.encode(seed, i, 1)),
                keccak256(abi.encode(seed, i, 2)),
                keccak256(abi.encode(seed, i, 3)),
                keccak256(abi.encode(seed, i, 4)),
                keccak256(abi.encode(seed, i, 5))
            );
            (bool done, bytes memory answer) = address(this).call(call);
            // An attacker's gain and a haircut that is not the deficit are no refusals: they end the campaign.
            bytes4 error = done ? bytes4(0) : bytes4(answer);
            if (error == AttackerGained.selector || error == HaircutIsNotTheDeficit.selector) revert(string(answer));
            if (done) ++_counts[index].done;
            else ++_counts[index].refused;
        }
    }

    /// @notice Everything of docs/invariants.md that holds between any two calls.
    function requireAll() external view {
        requireLedger();
        requireZeroSum();
        requireCollateral();
        requireQueue();
        requireFund();
    }

    /// @notice What a run did, as one line of JSON.
    function summary() external view returns (string memory line) {
        line = string.concat('{"drift": ', LibString.toString(drift()), ', "drifting": ', LibString.toString(drifting));
        for (uint256 i; i < _names.length; ++i) {
            line = string.concat(line, ', "', _names[i], '": [', LibString.toString(_counts[i].done), ", ");
            line = string.concat(line, LibString.toString(_counts[i].refused), "]");
        }
        return string.concat(line, "}");
    }

    function _add(string memory name, bytes4 selector, uint256 weight) private {
        for (uint256 i; i < weight; ++i) {
            _deck.push(bytes1(uint8(_names.length)));
        }
        _names.push(name);
        _selectors.push(selector);
    }
}
