// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IDeficitGate} from "./IDeficitGate.sol";
import {Witness} from "./IMarginEngine.sol";
import {IModules} from "./IModules.sol";

/// @title Nominations
/// @notice Who of the holders opposite an open deficit is closed first, and what they may not do meanwhile
/// (ledger-and-liquidation.md section 5, docs/deleveraging.md). Whoever fears being closed has every reason to nominate whoever ranks
/// above: anyone may, and the contract computes every score itself.
/// @dev Sizes contracts 1e18, scores 1e-9 (`DeleveragingScore`). One queue per side of an instrument, of at most NOMINATION_QUEUE
/// accounts; it serves every deficit open on the other side and is emptied with the last of them. Its one module is the deleverager.
interface INominations is IDeficitGate, IModules {
    /// @param longs The side of `account`. @param score 1e-9.
    event Nominated(uint112 indexed instrument, bool indexed longs, uint64 indexed account, uint64 score);
    /// @notice The first `count` left the queue: they have no more to give.
    event Dropped(uint112 indexed instrument, bool indexed longs, uint256 count);

    error StalePrice(uint256 signedAt, uint256 time, uint256 limit);
    /// @notice No deficit is open opposite the account's position.
    error NoDeficitOnOtherSide(uint64 account);
    error NoPosition(uint64 account, uint112 instrument);
    error NoProfit(uint64 account, int256 profit);
    /// @notice A nominee with an open deficit, or without margin equity.
    error NotSolvent(uint64 account);
    error Dust(uint64 account, uint256 size, uint256 remaining);
    /// @notice Not above the lowest score of a full queue, or below the score the account is queued with already.
    error RanksTooLow(uint64 account, uint64 score, uint64 lowest);
    /// @notice Accounts come in ascending order, without the account asked about.
    error NotAscending(uint64 account);
    error NotOnThatSide(uint64 account, uint112 instrument);

    /// @notice Puts a holder opposite an open deficit into the queue of its side of the instrument, or raises its score.
    /// @param witness Proves the nominee's leverage; a weak one ranks it too low, never too high (IMarginEngine.witnessed).
    /// @return score 1e-9.
    function nominate(uint112 instrument, uint64 account, Witness calldata witness) external returns (uint64 score);

    // --- by the deleverager ---

    /// @notice A deficit opens: opposite `sizes` (signed) of `instruments` nominations begin and risk may not grow.
    function begin(uint64 account, uint112[] calldata instruments, int256[] calldata sizes) external;

    /// @notice A further window begins there.
    function renew(uint112[] calldata instruments, int256[] calldata sizes) external;

    /// @notice The deficit is closed. The arguments of its `begin`.
    function end(uint64 account, uint112[] calldata instruments, int256[] calldata sizes) external;

    /// @notice The first `count` of a queue have no more to give.
    function drop(uint112 instrument, bool longs, uint256 count) external;

    /// @notice Whether the account owes for a deficit that others paid.
    function setOwing(uint64 account, bool owing) external;

    // --- views ---

    /// @notice Whether, after `time`, somebody left a queue opposite one of the legs with no more to give: for whichever deficit.
    function droppedSince(uint112[] calldata instruments, int256[] calldata sizes, uint256 time) external view returns (bool);

    /// @notice Deficits open now.
    function openDeficits() external view returns (uint256);

    /// @notice Who of the holders of that side would be closed first, highest first. Scores 1e-9.
    function adlQueue(uint112 instrument, bool longs) external view returns (uint64[] memory accounts, uint64[] memory scores);

    /// @notice Score of a holder now, by the full scan, 1e-9; 0 without profit.
    function score(uint64 account, uint112 instrument) external view returns (uint64);

    /// @notice The account's *ADL light* in an instrument: 5 is among the first fifth (by size) to be closed, 1 among the last, 0 has no
    /// profit and is not closed.
    /// @param others Holders of the same side, ascending. @return coverage Share of the side that account and others hold, 1e18: at 1e18
    /// the list is complete and the light exact.
    function quintile(uint64 account, uint112 instrument, uint64[] calldata others)
        external
        view
        returns (uint8 light, uint256 coverage);
}
