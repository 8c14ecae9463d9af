// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";
import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {LibSort} from "solady/utils/LibSort.sol";

import {ISpotSource} from "../interfaces/ISpotSource.sol";
import {ISpotSources} from "../interfaces/ISpotSources.sol";

/// @title Spot sources
/// @dev Median of what is live; what is too far from it is dropped; the median of the rest is the spot.
contract SpotSources is ISpotSources, AccessControl {
    /// @notice May change the sources: the timelock.
    bytes32 public constant SOURCE_ADMIN = keccak256("SOURCE_ADMIN");

    /// @inheritdoc ISpotSources
    uint256 public constant MAX_SOURCES = 7;
    /// @dev Gas a source may use. A relayer who leaves less cannot silence it: too little then remains for the update itself.
    uint256 private constant SOURCE_GAS = 150_000;
    uint256 private constant WAD = 1e18;

    /// @dev What a source last said; 16 bytes.
    struct Reading {
        uint96 price;
        uint32 publishedAt;
    }

    address public immutable DOOR;

    mapping(uint8 underlying => SourceConfig[]) private _sources;
    mapping(uint8 underlying => mapping(ISpotSource => Reading)) private _readings;

    /// @param admin First holder of SOURCE_ADMIN and of the right to pass it on. @param door The only caller of `fuse`.
    constructor(address admin, address door) {
        DOOR = door;
        _grantRole(DEFAULT_ADMIN_ROLE, admin);
        _grantRole(SOURCE_ADMIN, admin);
    }

    /// @inheritdoc ISpotSources
    function setSources(uint8 underlying, SourceConfig[] calldata configs) external onlyRole(SOURCE_ADMIN) {
        if (configs.length > MAX_SOURCES) revert TooManySources(configs.length, MAX_SOURCES);
        delete _sources[underlying];
        for (uint256 i; i < configs.length; ++i) {
            SourceConfig calldata c = configs[i];
            bool valid = address(c.source).code.length != 0 && c.maxAge != 0 && c.band <= WAD;
            for (uint256 j; j < i && valid; ++j) {
                valid = configs[j].source != c.source;
            }
            if (!valid) revert BadSource(underlying, i, address(c.source));
            _sources[underlying].push(c);
            delete _readings[underlying][c.source];
        }
        emit SourcesSet(underlying, configs);
    }

    /// @inheritdoc ISpotSources
    function fuse(uint8 underlying, uint32 timestamp, uint96 signed, uint256 band)
        external
        returns (uint256 spot, uint256 agreeing, bool own)
    {
        if (msg.sender != DOOR) revert NotDoor(msg.sender);
        SourceConfig[] memory list = _sources[underlying];
        uint256[] memory prices = new uint256[](list.length + 1); // the signed one first; 0: silent
        prices[0] = signed;
        for (uint256 i; i < list.length; ++i) {
            prices[i + 1] = _read(underlying, list[i]);
        }
        uint256 median = _median(prices);
        uint256[] memory agreed = new uint256[](prices.length);
        for (uint256 i; i < prices.length; ++i) {
            if (prices[i] == 0) continue;
            uint256 width = i == 0 || list[i - 1].band == 0 ? band : list[i - 1].band;
            if (FixedPointMathLib.dist(prices[i], median) * WAD > median * width) continue;
            agreed[i] = prices[i];
            ++agreeing;
        }
        own = agreed[0] != 0;
        spot = _median(agreed);
        if (agreeing != prices.length) emit SourcesDisagreed(underlying, timestamp, prices, median, agreeing);
    }

    /// @inheritdoc ISpotSources
    function sources(uint8 underlying) external view returns (SourceConfig[] memory) {
        return _sources[underlying];
    }

    /// @return price 0 where the source is silent: it reverts, is too old or older than before, has no price, or has just jumped.
    function _read(uint8 underlying, SourceConfig memory c) private returns (uint256 price) {
        uint256 publishedAt;
        try c.source.spot{gas: SOURCE_GAS}() returns (uint256 price_, uint256 at) {
            (price, publishedAt) = (price_, at);
        } catch {
            return 0;
        }
        if (price == 0 || price > type(uint96).max || publishedAt > block.timestamp) return 0;
        if (block.timestamp - publishedAt > c.maxAge) return 0;
        Reading storage last = _readings[underlying][c.source];
        (uint256 lastPrice, uint256 lastAt) = (last.price, last.publishedAt);
        if (publishedAt < lastAt) return 0;
        if (publishedAt > lastAt) {
            (last.price, last.publishedAt) = (uint96(price), uint32(publishedAt));
            emit SourceRead(underlying, c.source, price, publishedAt);
        }
        bool jumped = c.jump != 0 && lastPrice != 0 && FixedPointMathLib.dist(price, lastPrice) * WAD > lastPrice * c.jump;
        if (jumped) return 0;
    }

    /// @dev Of the entries that are not zero; the mean of the middle two, rounded down, where their number is even.
    function _median(uint256[] memory prices) private pure returns (uint256) {
        uint256[] memory sorted = LibSort.copy(prices);
        LibSort.insertionSort(sorted);
        uint256 first;
        while (first < sorted.length && sorted[first] == 0) {
            ++first;
        }
        uint256 count = sorted.length - first;
        if (count == 0) return 0;
        uint256 upper = sorted[first + count / 2];
        return count % 2 == 1 ? upper : (sorted[first + count / 2 - 1] + upper) / 2;
    }
}
