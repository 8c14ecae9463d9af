// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {ICollateralVault, SETTLEMENT} from "../interfaces/ICollateralVault.sol";
import {MAX_COLLATERALS} from "../types/Parameter.sol";
import {Modules} from "./Modules.sol";

/// @title Collateral vault
/// @dev INV-HELD: a token's balance here is at least what is recorded of it; the difference are donations, which nobody owns.
contract CollateralVault is ICollateralVault, Modules, AccessControl, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    bytes32 public constant LISTING_ADMIN = keccak256("LISTING_ADMIN");

    uint8 private constant MAX_DECIMALS = 18;

    /// @dev Two slots.
    struct Token {
        address token; // 20 bytes
        uint64 unit; // 8 bytes: 10 ** (18 - decimals), WAD per smallest unit
        uint256 recorded; // 32 bytes, WAD
    }

    mapping(uint8 index => Token) private _tokens;
    mapping(address token => bool) private _listed;
    uint8 private _count;

    constructor(address settlementToken, address admin) {
        _grantRole(DEFAULT_ADMIN_ROLE, admin);
        _grantRole(LISTING_ADMIN, admin);
        _list(SETTLEMENT, settlementToken);
    }

    /// @inheritdoc ICollateralVault
    function list(address token_) external onlyRole(LISTING_ADMIN) returns (uint8 index) {
        index = _count;
        if (index == MAX_COLLATERALS) revert TooManyTokens(MAX_COLLATERALS);
        _count = index + 1;
        _list(index, token_);
    }

    /// @inheritdoc ICollateralVault
    function receiveFrom(uint8 index, address from, uint256 quantity) external onlyModule nonReentrant {
        (Token storage t, uint256 amount) = _amount(index, quantity);
        IERC20 erc20 = IERC20(t.token);
        uint256 before = erc20.balanceOf(address(this));
        // A balance that shrank by itself is a loss for those who are in; nobody else is let in.
        if (before < t.recorded / t.unit) revert BalanceBelowRecorded(address(erc20), before, t.recorded / t.unit);
        erc20.safeTransferFrom(from, address(this), amount);
        uint256 received = erc20.balanceOf(address(this)) - before;
        if (received != amount) revert WrongAmountReceived(address(erc20), amount, received);
        t.recorded += quantity;
        emit TokensReceived(index, from, quantity, t.recorded);
    }

    /// @inheritdoc ICollateralVault
    function sendTo(uint8 index, address to, uint256 quantity) external onlyModule nonReentrant {
        (Token storage t, uint256 amount) = _amount(index, quantity);
        if (t.recorded < quantity) revert InsufficientRecorded(index, t.recorded, quantity);
        t.recorded -= quantity;
        emit TokensSent(index, to, quantity, t.recorded);
        IERC20 erc20 = IERC20(t.token);
        uint256 before = erc20.balanceOf(address(this));
        erc20.safeTransfer(to, amount);
        uint256 sent = before - erc20.balanceOf(address(this));
        if (sent != amount) revert WrongAmountSent(address(erc20), amount, sent);
    }

    /// @inheritdoc ICollateralVault
    function recordReceived(uint8 index, uint256 quantity) external onlyModule nonReentrant {
        (Token storage t, uint256 amount) = _amount(index, quantity);
        uint256 held = IERC20(t.token).balanceOf(address(this));
        uint256 recordedAmount = t.recorded / t.unit; // exact: only whole units are ever recorded
        if (held < recordedAmount + amount) revert NotReceived(t.token, held, recordedAmount, amount);
        t.recorded += quantity;
        emit TokensReceived(index, msg.sender, quantity, t.recorded);
    }

    /// @inheritdoc ICollateralVault
    function token(uint8 index) external view returns (address) {
        return _token(index).token;
    }

    /// @inheritdoc ICollateralVault
    function unit(uint8 index) external view returns (uint256) {
        return _token(index).unit;
    }

    /// @inheritdoc ICollateralVault
    function recorded(uint8 index) external view returns (uint256) {
        return _token(index).recorded;
    }

    /// @inheritdoc ICollateralVault
    function tokenCount() external view returns (uint8) {
        return _count;
    }

    function _list(uint8 index, address token_) private {
        if (_listed[token_]) revert TokenAlreadyListed(token_);
        uint8 decimals = IERC20Metadata(token_).decimals();
        if (decimals > MAX_DECIMALS) revert TooManyDecimals(token_, decimals);
        _listed[token_] = true;
        _tokens[index] = Token({token: token_, unit: uint64(10 ** (MAX_DECIMALS - decimals)), recorded: 0});
        emit TokenListed(index, token_, decimals);
    }

    function _token(uint8 index) private view returns (Token storage t) {
        t = _tokens[index];
        if (t.token == address(0)) revert UnknownToken(index);
    }

    /// @return t The token's record.
    /// @return amount `quantity` in the token's smallest unit, exactly.
    function _amount(uint8 index, uint256 quantity) private view returns (Token storage t, uint256 amount) {
        t = _token(index);
        if (quantity == 0) revert ZeroQuantity();
        amount = quantity / t.unit;
        if (amount * t.unit != quantity) revert QuantityNotRepresentable(index, quantity);
    }
}
