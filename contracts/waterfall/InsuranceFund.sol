// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";

import {IInsuranceFund} from "../interfaces/IInsuranceFund.sol";
import {IRiskParameters} from "../interfaces/IRiskParameters.sol";
import {WAD} from "../math/FixedPoint.sol";
import {Parameter} from "../types/Parameter.sol";
import {FundExits} from "./FundExits.sol";
import {LeakyBucket} from "./LeakyBucket.sol";

/// @title Insurance fund
/// @dev Members and what they draw; shares and exits are `FundExits`. Knows no engine: what depends on one is asked of the caller.
contract InsuranceFund is FundExits, AccessControl {
    using SafeERC20 for IERC20;
    using LeakyBucket for LeakyBucket.Bucket;

    /// @notice May set members, their limits and agents: the timelock.
    bytes32 public constant MEMBER_ADMIN = keccak256("MEMBER_ADMIN");

    /// @dev Slots 0: 16 + 8 + 8 bytes, 1: 24 + 8 bytes.
    struct Member {
        uint128 drawLimit; // WAD
        uint64 window; // seconds
        uint64 openDeficits;
        LeakyBucket.Bucket drawn;
        uint64 term; // memberships that ended: what they had reported open is forgotten with them
    }

    /// @inheritdoc IInsuranceFund
    uint256 public immutable unit;

    mapping(address who => Member) private _members;
    mapping(address agent => address member) private _agents;
    mapping(uint8 underlying => LeakyBucket.Bucket) private _underlyings;
    mapping(address member => mapping(uint64 term => mapping(uint64 account => bool))) private _deficits;
    uint256 private _openDeficits;

    /// @param settlementToken At most 18 decimals.
    /// @param parameters FUND_EPOCH, FUND_UNDERLYING_CAP, FUND_DRAW_WINDOW.
    /// @param admin First holder of MEMBER_ADMIN and of the right to pass it on.
    constructor(address settlementToken, IRiskParameters parameters, address admin) FundExits(settlementToken, parameters) {
        unit = 10 ** (18 - IERC20Metadata(settlementToken).decimals());
        _grantRole(DEFAULT_ADMIN_ROLE, admin);
        _grantRole(MEMBER_ADMIN, admin);
    }

    // --- governance ---

    /// @inheritdoc IInsuranceFund
    function setMember(address who, uint256 drawLimit, uint256 window) external onlyRole(MEMBER_ADMIN) {
        if (drawLimit != 0 && window == 0) revert ZeroWindow(who);
        Member storage m = _members[who];
        m.drawn.take(0, m.drawLimit, m.window); // what leaked so far leaked at the old rate
        m.drawLimit = uint128(FixedPointMathLib.min(drawLimit, type(uint128).max));
        m.window = uint64(FixedPointMathLib.min(window, type(uint64).max));
        if (drawLimit == 0) {
            _openDeficits -= m.openDeficits;
            m.openDeficits = 0;
            ++m.term;
        }
        emit MemberSet(who, m.drawLimit, m.window);
    }

    /// @inheritdoc IInsuranceFund
    function setAgent(address agent, address member_) external onlyRole(MEMBER_ADMIN) {
        _agents[agent] = member_;
        emit AgentSet(agent, member_);
    }

    // --- members ---

    /// @inheritdoc IInsuranceFund
    function draw(uint64 account, uint8 underlying, uint256 amount, address to) external {
        (address who, Member storage m) = _caller();
        if (amount == 0 || amount % unit != 0) revert AmountNotRepresentable(amount, unit);
        uint256 limit = available(who, underlying);
        if (amount > limit) revert DrawExceedsLimit(amount, limit);

        m.drawn.take(amount, m.drawLimit, m.window);
        (uint256 cap, uint256 window) = _underlyingCap();
        _underlyings[underlying].take(amount, cap, window);
        emit Drawn(who, account, underlying, amount, holdings() - amount);
        IERC20(asset()).safeTransfer(to, amount / unit);
    }

    /// @inheritdoc IInsuranceFund
    function deficitOpened(uint64 account) external {
        (address who, Member storage m) = _caller();
        if (_deficits[who][m.term][account]) revert DeficitIsOpen(who, account);
        _deficits[who][m.term][account] = true;
        ++m.openDeficits;
        ++_openDeficits;
        emit DeficitReported(who, account);
    }

    /// @inheritdoc IInsuranceFund
    function deficitClosed(uint64 account) external {
        (address who, Member storage m) = _caller();
        if (!_deficits[who][m.term][account]) revert DeficitIsNotOpen(who, account);
        _deficits[who][m.term][account] = false;
        --m.openDeficits;
        --_openDeficits;
        emit DeficitCleared(who, account);
    }

    // --- views ---

    /// @inheritdoc IInsuranceFund
    function available(address who, uint8 underlying) public view returns (uint256) {
        Member storage m = _members[memberOf(who)];
        (uint256 cap, uint256 window) = _underlyingCap();
        uint256 room = FixedPointMathLib.min(m.drawn.roomDown(m.drawLimit, m.window), _underlyings[underlying].roomDown(cap, window));
        uint256 lower = FixedPointMathLib.min(room, holdings());
        return lower - lower % unit;
    }

    /// @inheritdoc IInsuranceFund
    function holdings() public view returns (uint256) {
        return totalAssets() * unit;
    }

    /// @inheritdoc IInsuranceFund
    function coverage(uint256 openInterest) external view returns (uint256) {
        if (openInterest == 0) return type(uint256).max;
        return FixedPointMathLib.fullMulDiv(holdings(), WAD, openInterest);
    }

    /// @inheritdoc IInsuranceFund
    function member(address who) external view returns (uint256 drawLimit, uint256 window, uint256 level) {
        Member storage m = _members[who];
        return (m.drawLimit, m.window, m.drawn.levelUp(m.drawLimit, m.window));
    }

    /// @inheritdoc IInsuranceFund
    function memberOf(address who) public view returns (address) {
        address m = _agents[who];
        return m == address(0) ? who : m;
    }

    /// @inheritdoc IInsuranceFund
    function underlyingLevel(uint8 underlying) external view returns (uint256) {
        (uint256 cap, uint256 window) = _underlyingCap();
        return _underlyings[underlying].levelUp(cap, window);
    }

    /// @inheritdoc IInsuranceFund
    function openDeficits() public view override returns (uint256) {
        return _openDeficits;
    }

    function _caller() private view returns (address who, Member storage m) {
        who = memberOf(msg.sender);
        m = _members[who];
        if (m.drawLimit == 0) revert NotAMember(msg.sender);
    }

    /// @dev Of every underlying; a cap below 2**128 (ParameterRules).
    function _underlyingCap() private view returns (uint256 cap, uint256 window) {
        return (PARAMETERS.value(Parameter.FUND_UNDERLYING_CAP), PARAMETERS.value(Parameter.FUND_DRAW_WINDOW));
    }
}
