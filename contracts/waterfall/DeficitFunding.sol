// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";

import {ParameterReads} from "../governance/ParameterReads.sol";
import {ICollateralVault, SETTLEMENT} from "../interfaces/ICollateralVault.sol";
import {IDeleverager} from "../interfaces/IDeleverager.sol";
import {IInsuranceFund, NO_UNDERLYING} from "../interfaces/IInsuranceFund.sol";
import {HOUSE, ILedger} from "../interfaces/ILedger.sol";
import {IMarginEngine, Requirement} from "../interfaces/IMarginEngine.sol";
import {INominations} from "../interfaces/INominations.sol";
import {IRiskParameters} from "../interfaces/IRiskParameters.sol";
import {FixedPoint, WAD} from "../math/FixedPoint.sol";
import {FreshPrices} from "../oracle/FreshPrices.sol";
import {Leg} from "../types/Book.sol";
import {InstrumentId} from "../types/InstrumentId.sol";
import {MAX_UNDERLYINGS, ParameterTable} from "../types/Parameter.sol";

/// @title What pays a deficit besides counterparties: the insurance fund first, the loss index last, and the claim on the account for both
abstract contract DeficitFunding is IDeleverager {
    using ParameterReads for IRiskParameters;
    using FreshPrices for ParameterTable;

    /// @notice The account's legs as they are now. @param equity At the marks.
    struct Legs {
        uint112[] instruments;
        int256[] sizes;
        uint256[] marks;
        uint256[] weights;
        int256 equity;
    }

    /// @dev Who shares a loss: one side of one instrument.
    struct Bearers {
        uint112[] instruments;
        bool[] longs;
        uint256[] weights;
    }

    ILedger internal immutable LEDGER;
    IMarginEngine internal immutable ENGINE;
    IRiskParameters internal immutable PARAMETERS;
    INominations internal immutable NOMINATIONS;
    ICollateralVault internal immutable VAULT;
    IInsuranceFund internal immutable FUND;

    mapping(uint64 account => Deficit) internal _deficits;
    mapping(uint64 account => Cause[]) internal _causes;

    constructor(
        ILedger ledger,
        ICollateralVault vault,
        IRiskParameters parameters,
        IMarginEngine engine,
        IInsuranceFund fund,
        INominations nominations
    ) {
        (LEDGER, VAULT, PARAMETERS, ENGINE, FUND, NOMINATIONS) = (ledger, vault, parameters, engine, fund, nominations);
    }

    // --- fund and loss index ---

    /// @dev What the fund may pay of `owed`, by the causes' underlyings.
    function _payable(Cause[] memory found, uint256 owed) internal view returns (uint256 total) {
        uint256[] memory weights = new uint256[](found.length);
        uint8[] memory underlyings = new uint8[](found.length);
        for (uint256 i; i < found.length; ++i) {
            (weights[i], underlyings[i]) = (found[i].share, InstrumentId.wrap(found[i].instrument).underlying());
        }
        uint256[] memory wanted = _byUnderlying(owed, underlyings, weights);
        for (uint256 u; u < wanted.length; ++u) {
            if (wanted[u] != 0) total += FixedPointMathLib.min(wanted[u], FUND.available(address(this), _name(u)));
        }
        (uint256 limit,, uint256 level) = FUND.member(FUND.memberOf(address(this)));
        return FixedPointMathLib.min(FixedPointMathLib.min(total, FUND.holdings()), FixedPointMathLib.zeroFloorSub(limit, level));
    }

    function _payFromFund(uint64 account, Legs memory legs, uint256 owed) internal returns (uint256 paid) {
        (uint8[] memory underlyings, uint256[] memory weights) = _origin(account, legs);
        uint256[] memory wanted = _byUnderlying(owed, underlyings, weights);
        uint256 unit = VAULT.unit(SETTLEMENT);
        for (uint256 u; u < wanted.length; ++u) {
            if (wanted[u] == 0) continue;
            uint256 units = FixedPointMathLib.divUp(wanted[u], unit) * unit;
            uint256 drawn = FixedPointMathLib.min(units, FUND.available(address(this), _name(u)));
            if (drawn == 0) continue;
            FUND.draw(account, _name(u), drawn, address(VAULT));
            VAULT.recordReceived(SETTLEMENT, drawn);
            uint256 credited = FixedPointMathLib.min(drawn, wanted[u]);
            LEDGER.changeCash(account, int256(credited), ILedger.CashReason.FUND);
            if (drawn != credited) LEDGER.changeCash(HOUSE, int256(drawn - credited), ILedger.CashReason.FUND);
            paid += credited;
        }
        _addClaim(account, paid);
    }

    /// @dev Over the other sides of the legs that are left; of the causes, where none is; of their underlyings' perps, where nobody
    /// holds the instrument any more; of every perp, where nothing tells the cause.
    function _share(uint64 account, Legs memory legs, uint256 owed) internal returns (uint256 shared) {
        Bearers memory b = _bearers(account, legs);
        uint256[] memory amounts = _split(owed, b.weights);
        for (uint256 i; i < amounts.length; ++i) {
            if (amounts[i] == 0) continue;
            // A side too small for its part leaves the deficit open, not the contract stuck.
            try LEDGER.shareLoss(account, b.instruments[i], b.longs[i], amounts[i]) {
                shared += amounts[i];
            } catch {}
        }
        _addClaim(account, shared);
    }

    function _bearers(uint64 account, Legs memory legs) private view returns (Bearers memory b) {
        uint256 total;
        if (legs.sizes.length != 0) {
            b = _newBearers(legs.sizes.length);
            for (uint256 i; i < legs.sizes.length; ++i) {
                (b.instruments[i], b.longs[i], b.weights[i]) = (legs.instruments[i], legs.sizes[i] < 0, legs.weights[i]);
                total += b.weights[i];
            }
            if (total != 0) return b; // the account itself holds the instrument: so does somebody opposite
        }
        Cause[] memory found = _causes[account];
        b = _newBearers(found.length);
        for (uint256 i; i < found.length; ++i) {
            bool longs = found[i].size < 0;
            uint112 perp = _perp(InstrumentId.wrap(found[i].instrument).underlying());
            b.instruments[i] = _interest(found[i].instrument, longs) != 0 ? found[i].instrument : perp;
            b.longs[i] = longs;
            b.weights[i] = _interest(b.instruments[i], longs) != 0 ? found[i].share : 0;
            total += b.weights[i];
        }
        if (total != 0) return b;
        b = _newBearers(2 * MAX_UNDERLYINGS);
        uint112[] memory instruments = new uint112[](1);
        for (uint256 i; i < 2 * MAX_UNDERLYINGS; ++i) {
            (instruments[0], b.longs[i]) = (_perp(uint8(i / 2)), i % 2 == 0);
            b.instruments[i] = instruments[0];
            uint256 interest = _interest(instruments[0], b.longs[i]);
            if (interest == 0) continue;
            (uint256[] memory marks,) = ENGINE.marks(instruments);
            b.weights[i] = FixedPointMathLib.fullMulDiv(interest, marks[0], WAD);
        }
    }

    function _addClaim(uint64 account, uint256 amount) internal {
        if (amount == 0) return;
        Deficit storage d = _deficits[account];
        if (d.claim == 0) NOMINATIONS.setOwing(account, true);
        d.claim += uint128(amount); // cash fits int128, so does what is paid of a deficit
    }

    function _repay(uint64 account, int256 equity) internal returns (uint256 paid) {
        Deficit storage d = _deficits[account];
        if (equity <= 0 || d.claim == 0) return 0;
        paid = FixedPointMathLib.min(uint256(equity), d.claim);
        d.claim -= uint128(paid);
        if (d.claim == 0) NOMINATIONS.setOwing(account, false);
        LEDGER.transferCash(account, HOUSE, paid, ILedger.CashReason.DELEVERAGING);
        emit ClaimRepaid(account, paid, d.claim);
    }

    // --- figures ---

    /// @dev Equity with every leg closed at its mark, as the ledger would round it. Reverts `StalePrice`.
    function _legs(uint64 account, ParameterTable p) internal view returns (Legs memory legs) {
        ILedger.PositionView[] memory held = LEDGER.positions(account);
        uint256 count = held.length;
        (legs.instruments, legs.sizes, legs.weights) = (new uint112[](count), new int256[](count), new uint256[](count));
        for (uint256 i; i < count; ++i) {
            (legs.instruments[i], legs.sizes[i]) = (held[i].instrument, held[i].size);
        }
        uint256 oldest = type(uint256).max;
        if (count != 0) (legs.marks, oldest) = ENGINE.marks(legs.instruments);
        else legs.marks = new uint256[](0);
        Leg[] memory closing = new Leg[](count);
        for (uint256 i; i < count; ++i) {
            closing[i] = Leg(legs.instruments[i], int128(-legs.sizes[i]), uint128(legs.marks[i]));
        }
        Requirement memory r = ENGINE.preview(account, closing, 0);
        legs.equity = r.equity;
        p.requireFresh(FixedPointMathLib.min(oldest, r.oldestPrice));

        Cause[] memory found = _causes[account];
        for (uint256 i; i < found.length; ++i) {
            for (uint256 j; j < count; ++j) {
                if (legs.instruments[j] != found[i].instrument) continue;
                // What is left of the leg bears what is left of its share.
                if ((legs.sizes[j] > 0) == (found[i].size > 0)) {
                    uint256 part = FixedPoint.abs(legs.sizes[j]) * WAD / FixedPoint.abs(found[i].size);
                    legs.weights[j] = uint256(found[i].share) * FixedPointMathLib.min(part, WAD);
                }
                break;
            }
        }
    }

    /// @dev By what is left of the legs; by the causes, where nothing is.
    function _origin(uint64 account, Legs memory legs) private view returns (uint8[] memory underlyings, uint256[] memory weights) {
        uint256 count = legs.sizes.length;
        uint256 total;
        for (uint256 i; i < count; ++i) {
            total += legs.weights[i];
        }
        Cause[] memory found = total == 0 ? _causes[account] : new Cause[](0);
        if (total == 0) count = found.length;
        (underlyings, weights) = (new uint8[](count), total == 0 ? new uint256[](count) : legs.weights);
        for (uint256 i; i < count; ++i) {
            if (total == 0) weights[i] = found[i].share;
            underlyings[i] = InstrumentId.wrap(total == 0 ? found[i].instrument : legs.instruments[i]).underlying();
        }
    }

    /// @return wanted Per underlying; the last where nothing tells the cause.
    function _byUnderlying(uint256 amount, uint8[] memory underlyings, uint256[] memory weights)
        private
        pure
        returns (uint256[] memory wanted)
    {
        wanted = new uint256[](MAX_UNDERLYINGS + 1);
        uint256[] memory parts = _split(amount, weights);
        uint256 sum;
        for (uint256 i; i < parts.length; ++i) {
            wanted[underlyings[i]] += parts[i];
            sum += parts[i];
        }
        wanted[MAX_UNDERLYINGS] = amount - sum;
    }

    /// @return parts By weight, exactly `amount` in total; nothing where no weight is.
    function _split(uint256 amount, uint256[] memory weights) internal pure returns (uint256[] memory parts) {
        parts = new uint256[](weights.length);
        uint256 total;
        for (uint256 i; i < parts.length; ++i) {
            total += weights[i];
        }
        if (total == 0) return parts;
        (uint256 sum, uint256 given) = (0, 0);
        for (uint256 i; i < parts.length; ++i) {
            sum += weights[i];
            uint256 upTo = FixedPointMathLib.fullMulDiv(amount, sum, total);
            parts[i] = upTo - given;
            given = upTo;
        }
    }

    function _interest(uint112 instrument, bool longs) private view returns (uint256) {
        (uint256 ofLongs, uint256 ofShorts) = LEDGER.openInterestSides(instrument);
        return longs ? ofLongs : ofShorts;
    }

    function _newBearers(uint256 count) private pure returns (Bearers memory) {
        return Bearers(new uint112[](count), new bool[](count), new uint256[](count));
    }

    function _perp(uint8 underlying) private pure returns (uint112) {
        return uint112(underlying) << 96;
    }

    function _name(uint256 u) private pure returns (uint8) {
        return u == MAX_UNDERLYINGS ? NO_UNDERLYING : uint8(u);
    }

    function _table() internal view returns (ParameterTable) {
        return PARAMETERS.copied();
    }
}
