// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title Nomination queue
/// @notice The highest scores that were nominated, in order: bounded, sorted from the highest, at most one entry per account.
/// @dev Entries are 16 bytes, score << 64 | account, so that two share a slot and one comparison orders them. The order is kept in
/// memory (`inserted`, `removed`: pure); `load` and `store` keep it in storage and write only the words that changed.
library NominationQueue {
    /// @dev What a queue can hold: NOMINATION_QUEUE is at most this (ParameterRules).
    uint256 internal constant MAX_LENGTH = 64;

    /// @dev Words beyond `length` keep what stood there: rewriting them is cheaper than clearing.
    struct Queue {
        uint64 length;
        uint256[MAX_LENGTH / 2] words; // low half first
    }

    /// @notice The queue with `account` at `score`: behind the equal ones, before the lower. An account that is in it moves.
    /// @param entries Sorted, at most `limit` of them.
    /// @return after_ A new array, sorted; the same content where the account does not rank among the `limit` highest.
    /// @return entered Whether the account is in it.
    function inserted(uint256[] memory entries, uint256 limit, uint64 account, uint64 score)
        internal
        pure
        returns (uint256[] memory after_, bool entered)
    {
        uint256[] memory others = removed(entries, account);
        uint256 count = others.length;
        uint256 at = count;
        while (at != 0 && scoreOf(others[at - 1]) < score) --at;
        if (at >= limit) return (others, false);
        after_ = new uint256[](count < limit ? count + 1 : limit);
        for (uint256 i; i < after_.length; ++i) {
            after_[i] = i < at ? others[i] : i == at ? entry(account, score) : others[i - 1];
        }
        return (after_, true);
    }

    /// @notice The queue without `account`, in order.
    function removed(uint256[] memory entries, uint64 account) internal pure returns (uint256[] memory after_) {
        (bool found, uint256 at) = find(entries, account);
        if (!found) return entries;
        after_ = new uint256[](entries.length - 1);
        for (uint256 i; i < after_.length; ++i) {
            after_[i] = i < at ? entries[i] : entries[i + 1];
        }
    }

    /// @notice The place of an account, 0 the highest.
    function find(uint256[] memory entries, uint64 account) internal pure returns (bool found, uint256 at) {
        unchecked {
            for (; at < entries.length; ++at) {
                if (accountOf(entries[at]) == account) return (true, at);
            }
        }
    }

    /// @notice Whether a nominee is dust: smaller than remaining size / (4 x queue length) [A: Sybil].
    function isDust(uint256 size, uint256 remaining, uint256 limit) internal pure returns (bool) {
        return size * 4 * limit < remaining;
    }

    function entry(uint64 account, uint64 score) internal pure returns (uint256) {
        return (uint256(score) << 64) | account;
    }

    function accountOf(uint256 entry_) internal pure returns (uint64) {
        return uint64(entry_);
    }

    function scoreOf(uint256 entry_) internal pure returns (uint64) {
        return uint64(entry_ >> 64);
    }

    // --- storage, lowest first: the highest leave by the length alone ---

    function load(Queue storage queue) internal view returns (uint256[] memory entries) {
        uint256 count = queue.length;
        entries = new uint256[](count);
        unchecked {
            for (uint256 i; i < count; i += 2) {
                uint256 word = queue.words[i / 2];
                entries[count - 1 - i] = uint128(word);
                if (i + 1 < count) entries[count - 2 - i] = word >> 128;
            }
        }
    }

    /// @param before What `load` returned.
    function store(Queue storage queue, uint256[] memory before, uint256[] memory entries) internal {
        for (uint256 i; i < entries.length; i += 2) {
            uint256 word = _pair(entries, i);
            if (word != _pair(before, i)) queue.words[i / 2] = word;
        }
        if (entries.length != before.length) queue.length = uint64(entries.length);
    }

    /// @notice The highest `count` leave.
    function drop(Queue storage queue, uint256 count) internal {
        queue.length -= uint64(count);
    }

    /// @return word The entries `i` and `i + 1` from below.
    function _pair(uint256[] memory entries, uint256 i) private pure returns (uint256 word) {
        uint256 count = entries.length;
        unchecked {
            if (i < count) word = entries[count - 1 - i];
            if (i + 1 < count) word |= entries[count - 2 - i] << 128;
        }
    }
}
