// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {LibString} from "solady/utils/LibString.sol";
import {Shutdown} from "./Shutdown.sol";

/// @title A campaign
/// @notice Plays handlers drawn from a deck, counts what each did, and checks what no call may ever break.
/// @dev Forge calls `play`, which makes a burst of calls: forge's own work per call would cost more than most of the calls do.
contract Campaign is Shutdown {
    uint256 private constant BURST = 128;

    struct Counts {
        uint128 done;
        uint128 refused;
    }

    string[] private _names;
    bytes4[] private _selectors;
    /// @dev Indices into the lists above, as many as the handler's weight.
    bytes private _deck;
    mapping(uint256 index => Counts) private _counts;
    uint256 private _bursts;

    constructor() {
        _enlist();
        _enlistAdversaries();
        // What is dear is drawn as seldom as leaves it above a hundredth of the calls that did something: millions of them are wanted.
        _add("deposit", this.deposit.selector, 244);
        _add("withdraw", this.withdraw.selector, 50);
        _add("cancel", this.cancel.selector, 216);
        _add("setOperator", this.setOperator.selector, 222);
        _add("trade", this.trade.selector, 52);
        _add("unwind", this.unwind.selector, 49);
        _add("collectFees", this.collectFees.selector, 268);
        _add("donate", this.donate.selector, 200);
        _add("moveMarket", this.moveMarket.selector, 67);
        _add("jumpTime", this.jumpTime.selector, 98);
        _add("liquidate", this.liquidate.selector, 49);
        _add("flag", this.flag.selector, 47);
        _add("liquidateHealthy", this.liquidateHealthy.selector, 47);
        _add("coverDeficit", this.coverDeficit.selector, 55);
        _add("convertCollateral", this.convertCollateral.selector, 60);
        _add("flagDebt", this.flagDebt.selector, 47);
        _add("transfer", this.transfer.selector, 49);
        _add("movePosition", this.movePosition.selector, 54);
        _add("changeMode", this.changeMode.selector, 52);
        _add("cancelAll", this.cancelAll.selector, 240);
        _add("claimWithdrawal", this.claimWithdrawal.selector, 45);
        _add("provide", this.provide.selector, 222);
        _add("requestExit", this.requestExit.selector, 45);
        _add("payExit", this.payExit.selector, 45);
        _add("accrue", this.accrue.selector, 444);
        _add("updateFunding", this.updateFunding.selector, 244);
        _add("settleExpired", this.settleExpired.selector, 46);
        _add("poke", this.poke.selector, 112);
        _add("tighten", this.tighten.selector, 98);
        _add("loosen", this.loosen.selector, 90);
        _add("openDeficit", this.openDeficit.selector, 52);
        _add("nominate", this.nominate.selector, 55);
        _add("executeDeficit", this.executeDeficit.selector, 56);
        _add("repayClaim", this.repayClaim.selector, 72);
        _add("attack", this.attack.selector, 66);
        _add("reenter", this.reenter.selector, 49);
        _add("liquidateThrough", this.liquidateThrough.selector, 65);
        _add("sandwich", this.sandwich.selector, 60);
        _add("convertCollateralWithLegs", this.convertCollateralWithLegs.selector, 54);
        _add("settleBatch", this.settleBatch.selector, 46);
        _add("depositWithPermit", this.depositWithPermit.selector, 46);
        _add("oddToken", this.oddToken.selector, 44);
    }

    /// @notice A burst of calls, all of them derived from `seed`.
    function play(uint256 seed) external {
        seed = uint256(keccak256(abi.encode(seed, ++_bursts))); // forge likes small numbers and those that it gave before
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
            // A broken invariant is no refusal: it ends the campaign.
            if (!done && bytes4(answer) == InvariantBroken.selector) _passOn(answer);
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

    /// @notice What a run did, as one line of JSON; `code` tells byte codes apart, of the contracts and of this one.
    function summary() external view returns (string memory line) {
        bytes32 code = keccak256(abi.encode(deployed, address(this).codehash));
        line = string.concat('{"code": "', LibString.toHexString(uint256(code)), '", "drift": ', LibString.toString(drift()));
        line = string.concat(line, ', "drifting": ', LibString.toString(drifting), ', "gain": ', LibString.toString(largestGain));
        line = string.concat(line, ', "liquidations": ', LibString.toString(liquidations));
        line = string.concat(line, ', "lack": ', LibString.toString(largestLack));
        line = string.concat(line, ', "nested": [', LibString.toString(nested), ", ", LibString.toString(nestedRefused), "]");
        line = string.concat(line, ', "handlers": {');
        for (uint256 i; i < _names.length; ++i) {
            line = string.concat(line, i == 0 ? '"' : ', "', _names[i], '": [', LibString.toString(_counts[i].done), ", ");
            line = string.concat(line, LibString.toString(_counts[i].refused), "]");
        }
        return string.concat(line, "}}");
    }

    function _add(string memory name, bytes4 selector, uint256 weight) private {
        for (uint256 i; i < weight; ++i) {
            _deck.push(bytes1(uint8(_names.length)));
        }
        _names.push(name);
        _selectors.push(selector);
    }
}
