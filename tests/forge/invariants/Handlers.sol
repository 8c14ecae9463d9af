// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IClearing} from "../../../contracts/interfaces/IClearing.sol";
import {ILedger} from "../../../contracts/interfaces/ILedger.sol";
import {Requirement} from "../../../contracts/interfaces/IMarginEngine.sol";
import {MarginMode} from "../../../contracts/types/Book.sol";
import {InstrumentId} from "../../../contracts/types/InstrumentId.sol";
import {Preparation} from "./Preparation.sol";
import {Signatures} from "./Signatures.sol";
import {CHEATS} from "./World.sol";

/// @title What anybody may do, in any order
/// @notice One function per entry point, its choices by whole words (`Campaign` draws them); whatever the system refuses reverts.
abstract contract Handlers is Preparation {
    uint256 private constant SPONSOR_KEY = 0x5B0;
    bytes32 private constant PERMIT = keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");

    address private immutable sponsor = CHEATS.addr(SPONSOR_KEY); // pays for others, by permit

    /// @notice Before a campaign: every trader with as much risk as initial margin allows, against the liquidator's account.
    function lever() external {
        for (uint64 id = 1; id <= TRADERS; ++id) {
            bool portfolio = ledger.account(id).mode == MarginMode.PORTFOLIO;
            Requirement memory r = engine.requirement(id);
            uint256 size = uint256(r.marginEquityInitial) * (portfolio ? 2 : 16) * WAD / spots[id % 2];
            uint112 perp = instruments[id % 2 == ETH ? 0 : 4];
            if (id % 4 < 2) _settle(id, LIQUIDATOR_ACCOUNT, perp, size, _mark(perp));
            else _settle(LIQUIDATOR_ACCOUNT, id, perp, size, _mark(perp));
        }
    }

    // --- traders ---

    function deposit(uint256 who, uint256 what, uint256 quantity) external {
        uint64 account = _trader(who);
        // The first three never hold collateral: a debt of theirs is the fund's at once.
        if (what % 4 == 0 && account > 3) pay(account, WETH, 1 + quantity % 2e18);
        else if (what % 4 == 1 && account > 3) pay(account, WBTC, (1 + quantity % 0.05e8) * 1e10);
        else pay(account, USDC, (1 + quantity % 10_000e6) * 1e12);
    }

    function withdraw(uint256 who, uint256 what, uint256 quantity) external {
        (uint64 account, uint8 index) = (_trader(who), _tokenOf(what));
        _refresh(quantity);
        if (_tried(abi.encodeCall(this.tryWithdraw, (account, index, quantity)))) return;
        _ready(account);
        pay(account, USDC, 10_000e18);
        this.tryWithdraw(account, USDC, quantity);
    }

    function trade(uint256 one, uint256 other, uint256 what, uint256 size, uint256 offset) external {
        (uint64 buyer, uint64 seller) = (_trader(one), _trader(other));
        if (buyer == seller) seller = buyer % TRADERS + 1;
        uint112 instrument = _instrumentFor(buyer, what);
        if (_instrumentFor(seller, what) != instrument) seller = LIQUIDATOR_ACCOUNT;
        _refresh(offset);
        if (_tried(abi.encodeCall(this.tryTrade, (buyer, seller, instrument, size, offset)))) return;
        _ready(buyer);
        _ready(seller);
        _trade(buyer, seller, instrument, size, offset);
    }

    /// @notice Two fills, one of which is void in two of three calls: then the other one is settled alone, or with all or none neither.
    function settleBatch(uint256 one, uint256 other, uint256 what, uint256 size, uint256 how) external {
        (uint64 buyer, uint64 seller) = (_trader(one), _trader(other));
        if (buyer == seller) seller = buyer % TRADERS + 1;
        uint112 instrument = _instrumentFor(buyer, what);
        if (_instrumentFor(seller, what) != instrument) seller = LIQUIDATOR_ACCOUNT;
        _refresh(how >> 8);
        if (_tried(abi.encodeCall(this.tryBatch, (buyer, seller, instrument, size, how)))) return;
        _ready(buyer);
        _ready(seller);
        this.tryBatch(buyer, seller, instrument, size, how);
    }

    /// @notice Somebody else's WBTC by permit; in every third call somebody sends the permit first, in every third a forged one is tried.
    function depositWithPermit(uint256 who, uint256 quantity, uint256 how) external {
        uint64 account = uint64(4 + who % (TRADERS - 3));
        quantity = (0.001e8 + quantity % 0.05e8) * 1e10;
        wbtc.mint(sponsor, quantity / 1e10);
        bytes32 digest = keccak256(
            abi.encode(PERMIT, sponsor, address(vault), quantity / 1e10, wbtc.nonces(sponsor), block.timestamp)
        );
        digest = keccak256(abi.encodePacked("\x19\x01", wbtc.DOMAIN_SEPARATOR(), digest));
        (bytes32 r, bytes32 s, uint8 v) = Signatures.split(Signatures.sign(SPONSOR_KEY, digest));
        if (how % 3 == 0) wbtc.permit(sponsor, address(vault), quantity / 1e10, block.timestamp, v, r, s);
        if (how % 3 == 1) {
            CHEATS.prank(sponsor);
            try clearing.depositWithPermit(account, WBTC, quantity, block.timestamp, v, r, bytes32(uint256(s) ^ 1)) {
                revert InvariantBroken("a forged permit moved tokens", account, 0, int256(quantity));
            } catch {}
        }
        CHEATS.prank(sponsor);
        clearing.depositWithPermit(account, WBTC, quantity, block.timestamp, v, r, s);
        uint256 left = wbtc.allowance(sponsor, address(vault));
        if (left != 0) revert InvariantBroken("a permit outlives its deposit", account, 0, int256(left));
    }

    /// @dev Buys or sells what the account holds, so that positions close and flip as often as they open.
    function unwind(uint256 who, uint256 with, uint256 which, uint256 share) external {
        (uint64 account, uint64 other) = (_trader(who), _trader(with));
        ILedger.PositionView[] memory held = ledger.positions(account);
        if (held.length == 0) revert NothingToDo();
        ILedger.PositionView memory p = held[which % held.length];
        if (_isExpired(p.instrument)) {
            _ready(account);
            held = ledger.positions(account);
            if (held.length == 0) revert NothingToDo();
            p = held[which % held.length];
        }
        if (other == account) other = account % TRADERS + 1;
        if (_instrumentFor(other, which) != p.instrument && ledger.account(other).mode == MarginMode.ISOLATED) other = LIQUIDATOR_ACCOUNT;
        _refresh(share);
        uint256 size = _sizeOf(p) * (1 + share % 125) / 100 + 1; // up to a quarter more than held
        if (_tried(abi.encodeCall(this.tryUnwind, (account, other, p.instrument, p.size, size)))) return;
        _ready(account);
        _ready(other);
        this.tryUnwind(account, other, p.instrument, p.size, size / 4 + 1);
    }

    function cancel(uint256 who, uint256 what, uint256 size) external {
        uint64 account = _trader(who);
        IClearing.Order memory order = _order(account, instruments[what % 8], int128(int256(1 + size % 1e24)), WAD);
        CHEATS.prank(ownerOf[account]);
        clearing.cancel(order);
    }

    function setOperator(uint256 who, uint256 whom, uint256 scopes) external {
        uint64 account = _trader(who);
        CHEATS.prank(ownerOf[account]);
        clearing.setOperator(account, ownerOf[_trader(whom)], uint8(scopes % 4));
    }

    // --- everybody ---

    function collectFees() external {
        clearing.collectFees();
    }

    /// @dev Tokens sent past the ledger: to the vault they belong to nobody, to the fund to its shares, to the queue to nobody.
    function donate(uint256 what, uint256 to, uint256 amount) external {
        address receiver = to % 3 == 0 ? address(vault) : to % 3 == 1 ? address(fund) : address(queue);
        uint8 index = _tokenOf(what);
        _token(index).mint(receiver, 1 + amount % (index == USDC ? 1e9 : index == WETH ? 1e21 : 1e10));
    }

    function moveMarket(uint256 move) external {
        CHEATS.warp(block.timestamp + 1 + move % 30);
        for (uint8 u; u < 2; ++u) {
            uint256 opening = u == ETH ? 3_400e18 : 94_000e18;
            // 3 % at most, and half a percent back to where it began
            _scale(u, WAD * (970 + uint128(move >> 128 * u) % 61 + (spots[u] < opening ? 5 : 0) - (spots[u] > opening ? 5 : 0)) / 1_000);
        }
        publish();
    }

    function jumpTime(uint256 time) external {
        CHEATS.warp(block.timestamp + 1 + time % 2 hours);
    }

    // --- public for the calls that catch their reverts ---

    function tryTrade(uint64 buyer, uint64 seller, uint112 instrument, uint256 size, uint256 offset) external {
        _trade(buyer, seller, instrument, size, offset);
    }

    function tryBatch(uint64 buyer, uint64 seller, uint112 instrument, uint256 size, uint256 how) external {
        uint256 price = _mark(instrument);
        size = 1 + (1 + size % 60_000e18) * WAD / spots[InstrumentId.wrap(instrument).underlying()];
        IClearing.Fill[] memory fills = new IClearing.Fill[](2);
        for (uint256 i; i < 2; ++i) {
            uint256 limit = how % 3 == i ? price - 1 : price; // one of them would not buy at the price
            fills[i].buy = signed(_order(buyer, instrument, int128(int256(size)), limit));
            fills[i].sell = signed(_order(seller, instrument, -int128(int256(size)), price));
            (fills[i].size, fills[i].price) = (size, price);
        }
        bool all = (how >> 2) % 2 == 0;
        if (all && how % 3 != 2) {
            try clearing.settleBatch(fills, true) {
                revert InvariantBroken("a batch of all or none settled with a void fill", buyer, 0, int256(size));
            } catch {}
            fills[how % 3] = fills[1 - how % 3];
            assembly ("memory-safe") {
                mstore(fills, 1)
            }
        }
        uint256 settled = clearing.settleBatch(fills, all);
        drifting += 3 * settled;
        uint256 filled;
        for (uint256 i; i < fills.length; ++i) {
            bytes32 hash = clearing.orderHash(fills[i].buy.order);
            if (clearing.filled(hash) == size && clearing.filled(clearing.orderHash(fills[i].sell.order)) == size) ++filled;
            else if (clearing.filled(hash) != 0) revert InvariantBroken("a fill in part", buyer, int256(size), int256(clearing.filled(hash)));
        }
        if (filled != settled) revert InvariantBroken("a batch miscounts", buyer, int256(settled), int256(filled));
        if (settled == 0) revert NothingToDo();
        if (fills.length == 2 && how % 3 != 2 && settled == 2) revert InvariantBroken("a void fill settled", buyer, 1, 2);
    }

    function tryWithdraw(uint64 account, uint8 index, uint256 quantity) external {
        uint256 held = index == USDC ? _cashDown(account) : ledger.collateral(account, index);
        uint256 unit = vault.unit(index);
        address owner = ownerOf[account];
        CHEATS.prank(owner);
        clearing.withdraw(account, index, (1 + quantity % (held / unit / 4 + 1)) * unit, owner);
    }

    // --- parts ---

    function _trade(uint64 buyer, uint64 seller, uint112 instrument, uint256 size, uint256 offset) internal {
        uint256 mark = _mark(instrument);
        uint256 spot = spots[InstrumentId.wrap(instrument).underlying()];
        uint256 notional = 1 + size % 120_000e18;
        uint256 price = mark * (9_950 + offset % 100) / 10_000; // half a percent around mark
        _settle(buyer, seller, instrument, 1 + notional * WAD / spot, price);
    }

    function _tokenOf(uint256 seed) internal pure returns (uint8) {
        return seed % 4 == 0 ? WETH : seed % 4 == 1 ? WBTC : USDC;
    }
}
