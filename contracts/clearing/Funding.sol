// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";

import {IFunding} from "../interfaces/IFunding.sol";
import {ILedger} from "../interfaces/ILedger.sol";
import {IPriceDoor} from "../interfaces/IPriceDoor.sol";
import {IRiskParameters} from "../interfaces/IRiskParameters.sol";
import {FixedPoint, SWAD, WAD} from "../math/FixedPoint.sol";
import {Parameter} from "../types/Parameter.sol";

/// @title Funding
contract Funding is IFunding {
    /// @dev The door's integrals (types/Feed.sol). 32 bytes.
    struct Sample {
        int96 premium; // 12 bytes, 1e18 s
        uint128 spot; // 16 bytes, USD 1e18 s, modulo 2**128
        uint32 at; // 4 bytes, unix seconds; 0: never
    }

    uint256 private constant CONVENTION = 8 hours;

    ILedger private immutable LEDGER;
    IPriceDoor private immutable DOOR;
    IRiskParameters private immutable PARAMETERS;

    mapping(uint8 underlying => Sample) private _last;

    constructor(ILedger ledger, IPriceDoor door, IRiskParameters parameters) {
        LEDGER = ledger;
        DOOR = door;
        PARAMETERS = parameters;
    }

    /// @inheritdoc IFunding
    function update(uint8 underlying) external returns (int256 ratePerSecond) {
        Sample memory last = _last[underlying];
        DOOR.prices(underlying); // reverts where there are none
        (int256 premium, uint256 at) = DOOR.premiumIntegral(underlying);
        (uint256 spotSeconds,) = DOOR.spotIntegral(underlying);
        _last[underlying] = Sample(int96(premium), uint128(spotSeconds), uint32(at)); // as the door keeps them
        if (last.at == 0) {
            emit FundingUpdated(underlying, 0, 0, 0, 0, 0);
            return 0;
        }
        uint256 next = last.at + PARAMETERS.value(Parameter.FUNDING_INTERVAL);
        if (at < next) revert TooEarly(underlying, at, next);

        uint256 elapsed = at - last.at;
        uint256 spot;
        unchecked {
            spot = uint256(uint128(spotSeconds) - last.spot) / elapsed; // modulo 2**128
        }
        uint256 clamp = PARAMETERS.value(Parameter.FUNDING_CLAMP);
        int256 sum = _clamped(premium - last.premium, clamp * elapsed);
        uint256 duration;
        (ratePerSecond, duration) = _plan(underlying, sum * int256(spot) / (int256(CONVENTION) * SWAD), clamp * spot / WAD, elapsed);
        LEDGER.setFundingRate(underlying, ratePerSecond, uint24(duration)); // at most eight hours, rounded up
        emit FundingUpdated(underlying, sum / int256(elapsed), spot, ratePerSecond, elapsed, duration);
    }

    /// @inheritdoc IFunding
    function updateDebitRate() external {
        uint256 rate = PARAMETERS.value(Parameter.DEBIT_RATE);
        if (LEDGER.debitRate() != rate) LEDGER.setDebitRate(rate);
    }

    /// @inheritdoc IFunding
    function updateProfitVesting() external {
        uint256 period = PARAMETERS.value(Parameter.PROFIT_VESTING);
        if (LEDGER.profitVesting() != period) LEDGER.setProfitVesting(period);
    }

    /// @inheritdoc IFunding
    function lastUpdate(uint8 underlying) external view returns (int256 premium, uint256 spot, uint256 at) {
        Sample memory last = _last[underlying];
        return (last.premium, last.spot, last.at);
    }

    /// @dev How what a window of `elapsed` seconds owes is paid, with what of the windows before it was not paid yet. USD 1e18 per
    /// contract; `most`: of eight hours at the clamp.
    function _plan(uint8 underlying, int256 owed, uint256 most, uint256 elapsed) private view returns (int256 rate, uint256 duration) {
        duration = elapsed < CONVENTION ? elapsed : CONVENTION;
        (int256 previous, uint256 until) = LEDGER.fundingRate(underlying);
        if (until > block.timestamp) {
            uint256 left = until - block.timestamp;
            owed += previous * int256(left);
            if (left > duration) duration = left;
        }
        owed = _clamped(owed, most);
        uint256 amount = FixedPoint.abs(owed);
        // Not faster than at the clamp; most > 0 where amount is.
        if (amount * CONVENTION > most * duration) duration = FixedPointMathLib.divUp(amount * CONVENTION, most);
        rate = owed / int256(duration);
    }

    function _clamped(int256 value, uint256 limit) private pure returns (int256) {
        if (value > int256(limit)) return int256(limit);
        return value < -int256(limit) ? -int256(limit) : value;
    }
}
