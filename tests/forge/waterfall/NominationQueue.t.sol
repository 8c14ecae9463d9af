// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {NominationQueue} from "../../../contracts/waterfall/NominationQueue.sol";

interface Vm {
    function pauseGasMetering() external;
}

/// The sorted queue over its whole small domain: every sequence of nominations up to a length, against a list that is kept unsorted and
/// ranked from scratch. External calls give memory back between the pieces.
contract NominationQueueTest {
    using NominationQueue for NominationQueue.Queue;

    Vm private constant VM = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    uint64 private constant ACCOUNTS = 7;

    NominationQueue.Queue private _queue;

    /// All 5,040 orders in which seven accounts can arrive, with scores all different and with ties, into queues of one, three and seven:
    /// evictions in all but the last.
    function test_every_insertion_order_of_seven() public {
        VM.pauseGasMetering();
        for (uint256 rank; rank < 5040; ++rank) {
            this.insertInOrder(rank);
        }
    }

    function insertInOrder(uint256 rank) external pure {
        uint64[ACCOUNTS] memory order = _order(rank);
        uint64[ACCOUNTS][2] memory scores = [[uint64(1), 2, 3, 4, 5, 6, 7], [uint64(1), 2, 2, 4, 5, 5, 5]];
        uint256[3] memory limits = [uint256(1), 3, ACCOUNTS];
        for (uint256 i; i < 3; ++i) {
            for (uint256 s; s < 2; ++s) {
                _insertAll(order, scores[s], limits[i]);
            }
        }
    }

    /// Seven accounts wait, and each renews at each score from below the lowest to above the highest.
    function test_every_renewal_among_seven() public {
        VM.pauseGasMetering();
        uint256[] memory queue = new uint256[](0);
        for (uint64 id = 1; id <= ACCOUNTS; ++id) {
            (queue,) = NominationQueue.inserted(queue, ACCOUNTS, id, 2 * id);
        }
        for (uint64 id = 1; id <= ACCOUNTS; ++id) {
            for (uint64 score; score <= 2 * ACCOUNTS + 1; ++score) {
                (uint256[] memory after_, bool entered) = NominationQueue.inserted(queue, ACCOUNTS, id, score);
                (uint256[] memory expected,) = _reference(queue, ACCOUNTS, id, score);
                require(entered, "a renewal stays");
                _requireSame(after_, expected);
            }
        }
    }

    /// Every sequence of four nominations of three accounts at three scores, with a queue of one, two and three: (3 x 3)^4 x 3 = 19,683,
    /// renewals among them.
    function test_every_sequence_of_four_with_renewals() public {
        VM.pauseGasMetering();
        for (uint256 code; code < 6561; ++code) {
            for (uint256 limit = 1; limit <= 3; ++limit) {
                this.nominateInTurn(code, limit);
            }
        }
    }

    function nominateInTurn(uint256 code, uint256 limit) external pure {
        uint256[] memory queue = new uint256[](0);
        uint256[] memory expected = new uint256[](0);
        for (uint256 step; step < 4; ++step) {
            uint64 account = uint64(code % 3) + 1;
            uint64 score = uint64(code / 3 % 3);
            code /= 9;
            bool entered;
            (queue, entered) = NominationQueue.inserted(queue, limit, account, score);
            bool expectedIn;
            (expected, expectedIn) = _reference(expected, limit, account, score);
            require(entered == expectedIn, "entered");
            _requireSame(queue, expected);
        }
    }

    function test_removal_of_each_of_four() public pure {
        for (uint64 gone = 1; gone <= 4; ++gone) {
            uint256[] memory queue = new uint256[](0);
            for (uint64 id = 1; id <= 4; ++id) {
                (queue,) = NominationQueue.inserted(queue, 4, id, 10 * id);
            }
            uint256[] memory rest = NominationQueue.removed(queue, gone);
            require(rest.length == 3, "length");
            uint256 at;
            for (uint64 id = 4; id >= 1; --id) {
                if (id == gone) continue;
                require(rest[at++] == NominationQueue.entry(id, 10 * id), "order");
            }
        }
        require(NominationQueue.removed(new uint256[](0), 1).length == 0, "empty");
    }

    /// Storage keeps what memory says, over lengths that grow and shrink across a word.
    function testFuzz_storage_round_trip(uint64[12] memory accounts, uint64[12] memory scores, uint8 limit_) public {
        uint256 limit = uint256(limit_) % 8 + 1;
        for (uint256 i; i < 12; ++i) {
            uint256[] memory before = _queue.load();
            uint256[] memory afterwards;
            if (i % 3 == 2 && before.length != 0) {
                afterwards = NominationQueue.removed(before, NominationQueue.accountOf(before[scores[i] % before.length]));
            } else {
                (afterwards,) = NominationQueue.inserted(before, limit, accounts[i], scores[i]);
            }
            _queue.store(before, afterwards);
            _requireSame(_queue.load(), afterwards);
        }
    }

    function test_dust_boundary() public pure {
        require(NominationQueue.isDust(24, 1600, 16), "below 1600 / 64 = 25");
        require(!NominationQueue.isDust(25, 1600, 16), "at it");
        require(!NominationQueue.isDust(0, 0, 16), "nothing remains");
    }

    function _insertAll(uint64[ACCOUNTS] memory order, uint64[ACCOUNTS] memory scores, uint256 limit) private pure {
        uint256[] memory queue = new uint256[](0);
        uint256[] memory expected = new uint256[](0);
        for (uint256 i; i < ACCOUNTS; ++i) {
            (queue,) = NominationQueue.inserted(queue, limit, order[i], scores[order[i] - 1]);
            (expected,) = _reference(expected, limit, order[i], scores[order[i] - 1]);
        }
        _requireSame(queue, expected);
        // Where scores differ, the queue does not depend on the order of nomination: nobody gains by being late or early.
        if (scores[1] != scores[2]) {
            require(queue.length == limit, "full");
            for (uint64 i; i < limit; ++i) {
                require(queue[i] == NominationQueue.entry(ACCOUNTS - i, scores[ACCOUNTS - 1 - i]), "by score alone");
            }
        }
    }

    /// Appends in order of arrival, then selects the highest one by one (the earliest among equals).
    function _reference(uint256[] memory queue, uint256 limit, uint64 account, uint64 score)
        private
        pure
        returns (uint256[] memory kept, bool entered)
    {
        uint256[] memory all = new uint256[](queue.length + 1);
        uint256 count;
        for (uint256 i; i < queue.length; ++i) {
            if (uint64(queue[i]) != account) all[count++] = queue[i];
        }
        all[count++] = (uint256(score) << 64) | account;
        bool[] memory used = new bool[](count);
        kept = new uint256[](count < limit ? count : limit);
        for (uint256 i; i < kept.length; ++i) {
            uint256 best = type(uint256).max;
            for (uint256 j; j < count; ++j) {
                if (!used[j] && (best == type(uint256).max || all[j] >> 64 > all[best] >> 64)) best = j;
            }
            used[best] = true;
            kept[i] = all[best];
            if (uint64(all[best]) == account) entered = true;
        }
    }

    /// @return order The permutation of 1..ACCOUNTS of that rank (Lehmer code).
    function _order(uint256 rank) private pure returns (uint64[ACCOUNTS] memory order) {
        uint256 used;
        for (uint256 i; i < ACCOUNTS; ++i) {
            uint256 skip = rank % (ACCOUNTS - i);
            rank /= ACCOUNTS - i;
            uint64 id = 1;
            while (true) {
                if ((used >> id) & 1 == 0) {
                    if (skip == 0) break;
                    --skip;
                }
                ++id;
            }
            used |= 1 << id;
            order[i] = id;
        }
    }

    function _requireSame(uint256[] memory a, uint256[] memory b) private pure {
        require(a.length == b.length, "length");
        for (uint256 i; i < a.length; ++i) {
            require(a[i] == b[i], "entry");
        }
    }
}
