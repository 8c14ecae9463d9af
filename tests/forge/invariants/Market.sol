// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {GLOBAL, ICircuitBreaker} from "../../../contracts/interfaces/ICircuitBreaker.sol";
import {IClearing} from "../../../contracts/interfaces/IClearing.sol";
import {ILedger} from "../../../contracts/interfaces/ILedger.sol";
import {MarginMode} from "../../../contracts/types/Book.sol";
import {InstrumentId} from "../../../contracts/types/InstrumentId.sol";
import {CHEATS, World} from "./World.sol";

/// @title Prices, orders and calls that may be refused
abstract contract Market is World {
    /// @dev Counted as refused: only calls that did something count.
    error NothingToDo();
    /// @notice What must never happen did; ends the campaign.
    error InvariantBroken(string what, uint64 account, int256 bound, int256 found);

    /// @notice Operations that may round: positions that changed hands, carry that was realised.
    uint256 public drifting;
    uint64 private _nonce;

    // --- market ---

    function _fresh() internal {
        (,, uint256 signedAt) = door.prices(ETH);
        if (block.timestamp != signedAt) publish();
    }

    /// @dev One call in eight works on prices as old as they are.
    function _refresh(uint256 seed) internal {
        if (seed % 8 != 0) _fresh();
    }

    /// @dev The governor loosens whatever is tight.
    function _calm() internal {
        if (!breaker.anyTripped()) return;
        _loosen(GLOBAL);
        _loosen(ETH);
        _loosen(BTC);
    }

    function _loosen(uint8 scope) internal returns (bool) {
        (ICircuitBreaker.State held, ICircuitBreaker.State automatic,) = breaker.scope(scope);
        if (held == ICircuitBreaker.State.NORMAL && automatic == ICircuitBreaker.State.NORMAL) return false;
        breaker.loosen(scope, ICircuitBreaker.State.NORMAL);
        return true;
    }

    /// @dev Both by the same share, inside a third and three times where they began.
    function _shift(bool up, uint256 move) internal {
        CHEATS.warp(block.timestamp + 1);
        _scale(ETH, up ? WAD + move : WAD - move);
        _scale(BTC, up ? WAD + move : WAD - move);
        publish();
    }

    /// @dev Nine tenths of the way back to where the market began.
    function _recover() internal {
        CHEATS.warp(block.timestamp + 1);
        (spots[ETH], spots[BTC]) = ((spots[ETH] + 9 * 3_400e18) / 10, (spots[BTC] + 9 * 94_000e18) / 10);
        publish();
    }

    function _scale(uint8 u, uint256 factor) internal {
        uint256 opening = u == ETH ? 3_400e18 : 94_000e18;
        uint256 moved = spots[u] * factor / WAD;
        if (moved > opening / 3 && moved < opening * 3) spots[u] = moved;
    }

    function _mayMove(bool up) internal view returns (bool) {
        return up ? spots[ETH] < 8_000e18 && spots[BTC] < 220_000e18 : spots[ETH] > 1_600e18 && spots[BTC] > 44_000e18;
    }

    // --- orders ---

    /// @dev One of those tradable: what an ISOLATED account holds, or any; the perp in the place of what expired meanwhile.
    function _instrumentFor(uint64 account, uint256 seed) internal view returns (uint112 instrument) {
        instrument = instruments[seed % 8];
        ILedger.Account memory a = ledger.account(account);
        if (a.mode == MarginMode.ISOLATED && a.positionCount != 0) instrument = ledger.positions(account)[0].instrument;
        if (_isExpired(instrument)) instrument = instruments[seed % 8 / 4 * 4];
    }

    function _isExpired(uint112 instrument) internal view returns (bool) {
        uint32 expiry = InstrumentId.wrap(instrument).expiry();
        return expiry != 0 && expiry <= block.timestamp;
    }

    function _settle(uint64 buyer, uint64 seller, uint112 instrument, uint256 size, uint256 price) internal {
        clearing.settle(
            signed(_order(buyer, instrument, int128(int256(size)), price)),
            signed(_order(seller, instrument, -int128(int256(size)), price)),
            size,
            price
        );
        drifting += 3; // the transfer, and the carry of both sides
    }

    function _order(uint64 account, uint112 instrument, int128 size, uint256 price)
        internal
        returns (IClearing.Order memory)
    {
        return IClearing.Order({
            account: account,
            instrument: instrument,
            size: size,
            limitPrice: uint128(price),
            feeCap: 1e18,
            expiry: type(uint64).max,
            nonce: ++_nonce,
            reduceOnly: false,
            venue: address(0)
        });
    }

    function _sizeOf(ILedger.PositionView memory p) internal pure returns (uint256) {
        return uint256(p.size < 0 ? -p.size : p.size);
    }

    function _lastNonce() internal view returns (uint64) {
        return _nonce;
    }

    function _mark(uint112 instrument) internal view returns (uint256) {
        uint112[] memory one = new uint112[](1);
        one[0] = instrument;
        (uint256[] memory prices,) = engine.marks(one);
        return prices[0];
    }

    // --- calls ---

    /// @dev Undone as a whole where it is refused. A broken invariant is no refusal.
    function _tried(bytes memory call) internal returns (bool done) {
        (done,) = _attempt(call);
    }

    function _attempt(bytes memory call) internal returns (bool done, bytes memory answer) {
        (done, answer) = address(this).call(call);
        if (!done && bytes4(answer) == InvariantBroken.selector) _passOn(answer);
    }

    function _passOn(bytes memory answer) internal pure {
        assembly ("memory-safe") {
            revert(add(answer, 0x20), mload(answer))
        }
    }
}
