// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ERC4626} from "@openzeppelin/contracts/token/ERC20/extensions/ERC4626.sol";
import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";

import {IInsuranceFund} from "../interfaces/IInsuranceFund.sol";
import {IRiskParameters} from "../interfaces/IRiskParameters.sol";
import {Parameter} from "../types/Parameter.sol";

/// @title Shares of the insurance fund and how one leaves it
abstract contract FundExits is IInsuranceFund, ERC4626 {
    using SafeERC20 for IERC20;

    /// @dev A window is this share of its epoch, at most LONGEST_WINDOW.
    uint256 private constant WINDOW_SHARE = 24;
    uint256 private constant LONGEST_WINDOW = 1 hours;
    /// @dev Epochs settled per call: while a deficit is open they pile up.
    uint256 private constant MOST_EPOCHS = 32;

    /// @dev 24 bytes.
    struct Epoch {
        uint64 number;
        uint64 startedAt;
        uint64 endsAt;
    }

    /// @dev All requests of one epoch. Slots 0: 32 bytes, 1: 16 + 1 bytes.
    struct Batch {
        uint256 shares;
        uint128 assets; // set aside, token units
        bool settled;
    }

    IRiskParameters internal immutable PARAMETERS;

    Epoch private _epoch;
    uint256 private _reserved; // token units
    mapping(uint256 id => Exit) private _exits;
    uint256 private _exitCount;
    mapping(uint64 epoch => Batch) private _batches;
    uint64[] private _requested; // epochs with requests, ascending
    uint256 private _settled; // how many of them settled

    constructor(address settlementToken, IRiskParameters parameters)
        ERC20("DPRE insurance fund share", "dpreIF")
        ERC4626(IERC20(settlementToken))
    {
        PARAMETERS = parameters;
        _begin(Epoch(0, uint64(block.timestamp), uint64(block.timestamp + parameters.value(Parameter.FUND_EPOCH))));
    }

    /// @inheritdoc IInsuranceFund
    function requestExit(uint256 shares) external returns (uint256 id) {
        if (shares == 0) revert ZeroShares();
        uint64 number = _advance().number;
        id = ++_exitCount;
        uint256 assets = convertToAssets(shares);
        _exits[id] = Exit({owner: msg.sender, epoch: number, shares: shares, assets: assets});
        Batch storage batch = _batches[number];
        if (batch.shares == 0) _requested.push(number);
        batch.shares += shares;
        _transfer(msg.sender, address(this), shares);
        emit ExitRequested(id, msg.sender, number, shares, assets);
    }

    /// @inheritdoc IInsuranceFund
    function settleExits() external returns (uint256 epochs) {
        Epoch memory now_ = _advance();
        if (openDeficits() != 0 || block.timestamp >= now_.startedAt + _window(now_)) return 0;
        uint256 next = _settled;
        for (; epochs < MOST_EPOCHS && next < _requested.length; ++epochs) {
            uint64 number = _requested[next];
            if (number + 2 > now_.number) break;
            Batch storage batch = _batches[number];
            uint256 assets = convertToAssets(batch.shares);
            (batch.assets, batch.settled) = (uint128(assets), true);
            _reserved += assets;
            _burn(address(this), batch.shares);
            emit ExitsSettled(number, batch.shares, assets);
            ++next;
        }
        _settled = next;
    }

    /// @inheritdoc IInsuranceFund
    function claim(uint256 id) external returns (uint256 assets) {
        Exit memory e = _exits[id];
        if (e.owner == address(0)) revert UnknownExit(id);
        Batch storage batch = _batches[e.epoch];
        if (!batch.settled) revert ExitNotSettled(id, e.epoch);
        delete _exits[id];
        // Rounded down, so that all requests of the epoch together get at most what was set aside.
        uint256 settled = FixedPointMathLib.fullMulDiv(e.shares, batch.assets, batch.shares);
        assets = FixedPointMathLib.min(settled, e.assets);
        _reserved -= settled;
        emit ExitPaid(id, e.owner, assets, settled - assets);
        IERC20(asset()).safeTransfer(e.owner, assets);
    }

    /// @notice What the shares own: the balance but for what is set aside. Token units.
    function totalAssets() public view override returns (uint256) {
        return IERC20(asset()).balanceOf(address(this)) - _reserved;
    }

    /// @notice 0: exits are requests.
    function maxWithdraw(address) public pure override returns (uint256) {
        return 0;
    }

    /// @notice 0: exits are requests.
    function maxRedeem(address) public pure override returns (uint256) {
        return 0;
    }

    /// @inheritdoc IInsuranceFund
    function openDeficits() public view virtual returns (uint256);

    /// @inheritdoc IInsuranceFund
    function epoch() external view returns (uint64 number, uint64 startedAt, uint64 endsAt) {
        Epoch memory e = _current();
        return (e.number, e.startedAt, e.endsAt);
    }

    /// @inheritdoc IInsuranceFund
    function exitWindow() external view returns (uint64 from, uint64 to) {
        Epoch memory e = _current();
        from = e.startedAt;
        to = from + _window(e);
        if (block.timestamp < to) return (from, to);
        from = e.endsAt;
        to = from + _windowOf(PARAMETERS.value(Parameter.FUND_EPOCH));
    }

    /// @inheritdoc IInsuranceFund
    function exit(uint256 id) external view returns (Exit memory) {
        return _exits[id];
    }

    /// @inheritdoc IInsuranceFund
    function reserved() external view returns (uint256) {
        return _reserved;
    }

    function _advance() private returns (Epoch memory e) {
        e = _current();
        if (e.number != _epoch.number) _begin(e);
    }

    function _begin(Epoch memory e) private {
        _epoch = e;
        emit EpochBegan(e.number, e.startedAt, e.endsAt);
    }

    /// @dev A new length counts from the end of the epoch in which governance set it.
    function _current() private view returns (Epoch memory e) {
        e = _epoch;
        if (block.timestamp < e.endsAt) return e;
        uint256 length = PARAMETERS.value(Parameter.FUND_EPOCH);
        uint256 passed = (block.timestamp - e.endsAt) / length;
        e.startedAt = uint64(e.endsAt + passed * length);
        e.endsAt = uint64(e.startedAt + length);
        e.number += uint64(passed + 1);
    }

    function _window(Epoch memory e) private pure returns (uint64) {
        return _windowOf(e.endsAt - e.startedAt);
    }

    function _windowOf(uint256 length) private pure returns (uint64) {
        return uint64(FixedPointMathLib.min(length / WINDOW_SHARE, LONGEST_WINDOW));
    }

    /// @dev What `transferFrom` takes off an allowance is logged as well: OpenZeppelin leaves it out, and events would not tell.
    function _approve(address owner, address spender, uint256 value, bool) internal override {
        super._approve(owner, spender, value, true);
    }

    /// @dev Virtual shares (interface).
    function _decimalsOffset() internal pure override returns (uint8) {
        return 6;
    }
}
