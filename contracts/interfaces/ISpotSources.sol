// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ISpotSource} from "./ISpotSource.sol";

/// @title Spot sources
/// @notice Beside the signed feed, which always counts as one, governance registers others per underlying. At each update of an
/// underlying that it sent here the price door has all of them asked.
interface ISpotSources {
    struct SourceConfig {
        ISpotSource source;
        uint32 maxAge; // seconds; an older price is none
        uint64 band; // largest deviation from the median, 1e18; 0: SOURCE_BAND
        uint64 jump; // a price that moved more than this since it was last read sits out once, 1e18; 0: no such limit
    }

    event SourcesSet(uint8 indexed underlying, SourceConfig[] sources);
    /// @notice Not all sources agree: some are silent or were dropped.
    /// @param prices The signed one first, then in the order of `sources`; 0: silent. @param agreeing How many are inside the band.
    event SourcesDisagreed(uint8 indexed underlying, uint32 timestamp, uint256[] prices, uint256 median, uint256 agreeing);

    /// @notice What a source said was kept, to be compared with what it says next.
    event SourceRead(uint8 indexed underlying, ISpotSource indexed source, uint256 price, uint256 publishedAt);

    error NotDoor(address caller);
    error TooManySources(uint256 count, uint256 limit);
    /// @notice No contract, named twice, without an age limit, or with a band above 1.
    error BadSource(uint8 underlying, uint256 index, address source);

    /// @notice Sources per underlying beside the signed one.
    function MAX_SOURCES() external view returns (uint256);

    /// @notice Replaces the sources of an underlying. Only SOURCE_ADMIN.
    function setSources(uint8 underlying, SourceConfig[] calldata sources) external;

    /// @notice Asks all sources. What is further from the median than the band is dropped; the median of the rest is the spot.
    /// Only the door.
    /// @dev The median of an even number is the mean of the middle two, rounded down. A source that reverts, has no price, is
    /// too old, older than what it said before, or has just jumped is silent. What each said is kept for the next time.
    /// @param signed Spot of the signed feed, > 0. @param band SOURCE_BAND, 1e18.
    /// @return spot USD 1e18; 0 where none agree.
    /// @return agreeing How many are inside the band, the signed one included.
    /// @return own Whether the signed one is.
    function fuse(uint8 underlying, uint32 timestamp, uint96 signed, uint256 band)
        external
        returns (uint256 spot, uint256 agreeing, bool own);

    function sources(uint8 underlying) external view returns (SourceConfig[] memory);
}
