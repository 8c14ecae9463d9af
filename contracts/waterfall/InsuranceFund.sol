// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ERC4626} from "@openzeppelin/contracts/token/ERC20/extensions/ERC4626.sol";

import {IInsuranceFund} from "../interfaces/IInsuranceFund.sol";

/// @title Insurance fund
contract InsuranceFund is IInsuranceFund, ERC4626, AccessControl {
    using SafeERC20 for IERC20;

    /// @notice May set members and their limits: the timelock.
    bytes32 public constant MEMBER_ADMIN = keccak256("MEMBER_ADMIN");

    /// @dev Slots 0: 16 + 8 + 8 bytes, 1: 16 bytes.
    struct Member {
        uint128 drawLimit; // WAD
        uint64 window; // seconds
        uint64 updatedAt; // unix seconds of `level`
        uint128 level; // WAD drawn and not leaked at `updatedAt`
    }

    /// @inheritdoc IInsuranceFund
    uint256 public immutable unit;

    mapping(address who => Member) private _members;

    /// @param settlementToken At most 18 decimals.
    /// @param admin First holder of MEMBER_ADMIN and of the right to pass it on.
    constructor(address settlementToken, address admin) ERC20("DPRE insurance fund share", "dpreIF") ERC4626(IERC20(settlementToken)) {
        unit = 10 ** (18 - IERC20Metadata(settlementToken).decimals());
        _grantRole(DEFAULT_ADMIN_ROLE, admin);
        _grantRole(MEMBER_ADMIN, admin);
    }

    /// @inheritdoc IInsuranceFund
    function setMember(address who, uint256 drawLimit, uint256 window) external onlyRole(MEMBER_ADMIN) {
        if (drawLimit != 0 && window == 0) revert ZeroWindow(who);
        Member storage m = _members[who];
        m.level = uint128(_level(m));
        m.updatedAt = uint64(block.timestamp);
        m.drawLimit = drawLimit > type(uint128).max ? type(uint128).max : uint128(drawLimit);
        m.window = window > type(uint64).max ? type(uint64).max : uint64(window);
        emit MemberSet(who, m.drawLimit, m.window);
    }

    /// @inheritdoc IInsuranceFund
    function draw(uint64 account, uint256 amount, address to) external {
        Member storage m = _members[msg.sender];
        if (m.drawLimit == 0) revert NotAMember(msg.sender);
        if (amount == 0 || amount % unit != 0) revert AmountNotRepresentable(amount, unit);
        uint256 limit = available(msg.sender);
        if (amount > limit) revert DrawExceedsLimit(amount, limit);

        m.level = uint128(_level(m) + amount); // at most drawLimit: `available`
        m.updatedAt = uint64(block.timestamp);
        emit Drawn(msg.sender, account, amount, holdings() - amount);
        IERC20(asset()).safeTransfer(to, amount / unit);
    }

    /// @inheritdoc IInsuranceFund
    function available(address who) public view returns (uint256) {
        Member storage m = _members[who];
        uint256 level = _level(m);
        uint256 room = level < m.drawLimit ? m.drawLimit - level : 0;
        uint256 held = holdings();
        uint256 lower = room < held ? room : held;
        return lower - lower % unit;
    }

    /// @inheritdoc IInsuranceFund
    function holdings() public view returns (uint256) {
        return IERC20(asset()).balanceOf(address(this)) * unit;
    }

    /// @inheritdoc IInsuranceFund
    function member(address who) external view returns (uint256 drawLimit, uint256 window, uint256 level) {
        Member storage m = _members[who];
        return (m.drawLimit, m.window, _level(m));
    }

    /// @dev The bucket leaks drawLimit / window per second, rounded down.
    function _level(Member storage m) private view returns (uint256) {
        uint256 level = m.level;
        if (level == 0 || m.window == 0) return level; // no window: not a member any more
        uint256 leaked = uint256(m.drawLimit) * (block.timestamp - m.updatedAt) / m.window;
        return leaked < level ? level - leaked : 0;
    }

    /// @dev Virtual shares (interface).
    function _decimalsOffset() internal pure override returns (uint8) {
        return 6;
    }
}
