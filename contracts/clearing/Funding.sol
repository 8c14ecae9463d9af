// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IFunding} from "../interfaces/IFunding.sol";
import {ILedger} from "../interfaces/ILedger.sol";
import {IPriceDoor} from "../interfaces/IPriceDoor.sol";
import {IRiskParameters} from "../interfaces/IRiskParameters.sol";
import {SWAD} from "../math/FixedPoint.sol";
import {Parameter} from "../types/Parameter.sol";

/// @title Funding
contract Funding is IFunding {
    /// @dev 32 bytes.
    struct Sample {
        int224 integral; // 28 bytes, 1e18 s
        uint32 at; // 4 bytes, unix seconds; 0: never
    }

    int256 private constant CONVENTION = 8 hours;

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
        (uint256 spot,,) = DOOR.prices(underlying);
        (int256 integral, uint256 at) = DOOR.premiumIntegral(underlying);
        _last[underlying] = Sample(int224(integral), uint32(at)); // the door keeps it in 96 bits
        if (last.at == 0) {
            emit FundingUpdated(underlying, 0, spot, 0, 0);
            return 0;
        }
        uint256 next = last.at + PARAMETERS.value(Parameter.FUNDING_INTERVAL);
        if (at < next) revert TooEarly(underlying, at, next);

        int256 elapsed = int256(at - last.at);
        int256 sum = _clamped(integral - last.integral, int256(PARAMETERS.value(Parameter.FUNDING_CLAMP)) * elapsed);
        // One division: (sum / elapsed) * spot / 8 h
        ratePerSecond = sum * int256(spot) / (elapsed * CONVENTION * SWAD);
        LEDGER.setFundingRate(underlying, ratePerSecond);
        emit FundingUpdated(underlying, sum / elapsed, spot, ratePerSecond, uint256(elapsed));
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
    function lastUpdate(uint8 underlying) external view returns (int256 integral, uint256 at) {
        Sample memory last = _last[underlying];
        return (last.integral, last.at);
    }

    function _clamped(int256 value, int256 limit) private pure returns (int256) {
        if (value > limit) return limit;
        return value < -limit ? -limit : value;
    }
}
