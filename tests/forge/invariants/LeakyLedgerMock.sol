// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {ILedger} from "../../../contracts/interfaces/ILedger.sol";

/// @title A ledger with a fault
/// @notice Put in the place of the real ledger's code over its own storage: it does what the real one does, and then a little
/// more, as a wrong rounding would.
contract LeakyLedgerMock {
    enum Leak {
        NONE,
        ROUNDING, // notional down for the buyer and up for the seller: a unit for each
        SIZE, // the buyer's first position gets a lot, or a unit, that the seller does not give
        COLLATERAL, // a unit more than was deposited
        TOLL // whoever sends cash loses a dollar more than arrives
    }

    /// @dev Storage of the real ledger: accounts' mapping, and the first position within an account.
    uint256 private constant ACCOUNTS_SLOT = 2;
    uint256 private constant POSITIONS_OFFSET = 11;
    /// @dev 1 in a size: of the half of a position, and of the slot of a wide one (contracts/ledger/PositionStore.sol).
    uint256 private constant LOT = 1 << 99;
    uint256 private constant SIZE_UNIT = 1 << 160;
    uint256 private constant WIDE_OFFSET = 128;

    address private immutable LEDGER;
    Leak private immutable LEAK;

    constructor(address ledger, Leak leak) {
        LEDGER = ledger;
        LEAK = leak;
    }

    fallback(bytes calldata) external returns (bytes memory result) {
        result = Address.functionDelegateCall(LEDGER, msg.data);
        if (msg.sig == ILedger.transferPosition.selector) {
            (uint64 seller, uint64 buyer,,,,) =
                abi.decode(msg.data[4:], (uint64, uint64, uint112, uint256, uint256, uint256));
            if (LEAK == Leak.ROUNDING) {
                _call(abi.encodeCall(ILedger.changeCash, (buyer, 1, ILedger.CashReason.TRADE)));
                _call(abi.encodeCall(ILedger.changeCash, (seller, 1, ILedger.CashReason.TRADE)));
            }
            if (LEAK == Leak.SIZE) _growFirstPosition(buyer);
        }
        if (LEAK == Leak.TOLL && msg.sig == ILedger.transferCash.selector) {
            (uint64 from,,) = abi.decode(msg.data[4:], (uint64, uint64, uint256));
            _call(abi.encodeCall(ILedger.changeCash, (from, -1e18, ILedger.CashReason.TRADE)));
        }
        if (LEAK == Leak.COLLATERAL && msg.sig == ILedger.changeCollateral.selector) {
            (uint64 account, uint8 index,) = abi.decode(msg.data[4:], (uint64, uint8, int256));
            _call(abi.encodeCall(ILedger.changeCollateral, (account, index, 1)));
        }
    }

    function _growFirstPosition(uint64 account) private {
        uint256 slot = uint256(keccak256(abi.encode(account, ACCOUNTS_SLOT))) + POSITIONS_OFFSET;
        assembly ("memory-safe") {
            let unit := LOT
            if eq(shl(128, sload(slot)), shl(128, 1)) {
                slot := add(slot, WIDE_OFFSET)
                unit := SIZE_UNIT
            }
            sstore(slot, add(sload(slot), unit))
        }
    }

    function _call(bytes memory data) private {
        Address.functionDelegateCall(LEDGER, data);
    }
}
