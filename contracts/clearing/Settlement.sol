// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {ILedger} from "../interfaces/ILedger.sol";
import {IPriceDoor} from "../interfaces/IPriceDoor.sol";
import {ISettlement} from "../interfaces/ISettlement.sol";
import {WingWord} from "../types/Feed.sol";
import {InstrumentId, Kind} from "../types/InstrumentId.sol";

/// @title Expiry settlement
contract Settlement is ISettlement {
    ILedger private immutable LEDGER;
    IPriceDoor private immutable DOOR;

    mapping(uint40 feedKey => uint64 account) private _visited;

    constructor(ILedger ledger, IPriceDoor door) {
        LEDGER = ledger;
        DOOR = door;
    }

    /// @inheritdoc ISettlement
    function fix(uint8 underlying, uint32 expiry) external returns (uint256) {
        return DOOR.fixSettlement(underlying, expiry);
    }

    /// @inheritdoc ISettlement
    function settle(uint64[] calldata accounts, uint8 underlying, uint32 expiry) external returns (uint256 positions) {
        uint256 price = _price(_key(underlying, expiry));
        for (uint256 i; i < accounts.length; ++i) {
            positions += _settle(accounts[i], underlying, expiry, price);
        }
    }

    /// @inheritdoc ISettlement
    function settleNext(uint8 underlying, uint32 expiry, uint64 count) external returns (uint256 positions, bool done) {
        uint40 key = _key(underlying, expiry);
        uint256 price = _price(key);
        uint64 last = LEDGER.accountCount();
        uint64 account = _visited[key];
        if (count < last - account) last = account + count;
        else done = true;
        while (account < last) {
            positions += _settle(++account, underlying, expiry, price);
        }
        _visited[key] = account;
        emit SettlementAdvanced(underlying, expiry, account);
    }

    /// @inheritdoc ISettlement
    function visited(uint8 underlying, uint32 expiry) external view returns (uint64) {
        return _visited[_key(underlying, expiry)];
    }

    /// @inheritdoc ISettlement
    function settlementValue(uint112 instrument) external view returns (uint256) {
        InstrumentId id = InstrumentId.wrap(instrument);
        return _value(id, _price(id.feedKey()));
    }

    /// @dev Goes through a copy: settling moves the last position into the place of the closed one.
    function _settle(uint64 account, uint8 underlying, uint32 expiry, uint256 price) private returns (uint256 positions) {
        uint40 key = _key(underlying, expiry);
        ILedger.PositionView[] memory held = LEDGER.positions(account);
        for (uint256 i; i < held.length; ++i) {
            InstrumentId id = InstrumentId.wrap(held[i].instrument);
            if (id.feedKey() != key) continue;
            LEDGER.settlePosition(account, held[i].instrument, _value(id, price));
            ++positions;
        }
        if (positions != 0) emit PositionsSettled(account, underlying, expiry, positions);
    }

    function _price(uint40 key) private view returns (uint256 price) {
        uint8 underlying = uint8(key >> 32);
        if (uint32(key) == 0) revert NotFixed(underlying, 0); // a perp never expires
        uint40[] memory keys = new uint40[](1);
        keys[0] = key;
        price = WingWord.wrap(DOOR.read(keys)[2]).settlement();
        if (price == 0) revert NotFixed(underlying, uint32(key));
    }

    /// @dev What the engine values it at: the settlement price, or the intrinsic value in it.
    function _value(InstrumentId id, uint256 price) private pure returns (uint256) {
        Kind kind = id.kind();
        if (kind == Kind.CALL) return FixedPointMathLib.zeroFloorSub(price, id.strike());
        return kind == Kind.PUT ? FixedPointMathLib.zeroFloorSub(id.strike(), price) : price;
    }

    function _key(uint8 underlying, uint32 expiry) private pure returns (uint40) {
        return (uint40(underlying) << 32) | expiry;
    }
}
