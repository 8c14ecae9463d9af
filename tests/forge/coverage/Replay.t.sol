// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

interface Vm {
    function chainId(uint256) external;
    function closeFile(string calldata) external;
    function deal(address, uint256) external;
    function etch(address, bytes calldata) external;
    function getCode(string calldata) external view returns (bytes memory);
    function isFile(string calldata) external view returns (bool);
    function parseBytes(string calldata) external pure returns (bytes memory);
    function prank(address, address) external;
    function readLine(string calldata) external view returns (string memory);
    function revertToState(uint256) external returns (bool);
    function roll(uint256) external;
    function setNonceUnsafe(address, uint64) external;
    function snapshotState() external returns (uint256);
    function store(address, bytes32, bytes32) external;
    function toString(uint256) external pure returns (string memory);
    function warp(uint256) external;
}

/// @title What the tests on Anvil did, once more where forge measures coverage
/// @notice `make coverage` writes every transaction and call of these tests to files of steps, one per node, one ABI-encoded `Step` per line.
/// @dev Same addresses, same times, same nonces, so that the recorded signatures hold. Without a file there is nothing to do.
contract ReplayTest {
    enum Kind {
        CALL,
        CREATE,
        SNAPSHOT,
        REVERT,
        STORE,
        ETCH,
        ASK // a call that leaves no trace
    }

    /// @param to Of a call; where a creation must end up. @param id Of a snapshot, from 0, in the order in which they are taken.
    /// @param ok Whether it succeeded on Anvil. @param data Of a call; constructor arguments; slot and value; code.
    struct Step {
        Kind kind;
        address sender;
        address to;
        uint256 value;
        uint256 time;
        uint256 number;
        uint64 nonce;
        uint256 id;
        bool ok;
        string creates;
        bytes data;
    }

    Vm private constant VM = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
    uint256 private constant MAX_SNAPSHOTS = 20_000;
    uint256 private constant STEP_GAS = 1e9; // without the optimiser; a step that burns all it has leaves the others theirs
    uint256 private constant PARTS = 4; // tests, which run side by side

    /// @notice Some steps ended otherwise than on Anvil; the first of them, by its line.
    error StepsDiffer(string path, uint256 count, uint256 first);
    error WrongAddress(address expected, address created);
    /// @notice Not an error: takes back what a call changed.
    error Asked(bool ok);

    function test_replay_0() external {
        _replayPart(0);
    }

    function test_replay_1() external {
        _replayPart(1);
    }

    function test_replay_2() external {
        _replayPart(2);
    }

    function test_replay_3() external {
        _replayPart(3);
    }

    /// @dev The next step but for snapshots, in a frame of its own: its memory is free again afterwards.
    function next(string calldata path) external returns (bool end, Kind kind, uint256 id, bool same) {
        string memory line = VM.readLine(path);
        if (bytes(line).length == 0) return (true, Kind.CALL, 0, true);
        Step memory s = abi.decode(VM.parseBytes(line), (Step));
        (kind, id, same) = (s.kind, s.id, true);
        if (kind == Kind.SNAPSHOT || kind == Kind.REVERT) return (false, kind, id, true);
        if (kind == Kind.STORE) {
            (bytes32 slot, bytes32 value) = abi.decode(s.data, (bytes32, bytes32));
            VM.store(s.to, slot, value);
            return (false, kind, id, true);
        }
        if (kind == Kind.ETCH) {
            VM.etch(s.to, s.data);
            return (false, kind, id, true);
        }
        VM.warp(s.time);
        VM.roll(s.number);
        if (kind == Kind.CREATE) {
            same = _create(s) == s.ok;
        } else if (kind == Kind.CALL) {
            same = _call(s) == s.ok;
        } else {
            try this.ask(s) {}
            catch (bytes memory reason) {
                same = keccak256(reason) == keccak256(abi.encodeWithSelector(Asked.selector, s.ok));
            }
        }
    }

    /// @notice Reverts `Asked` with how the call ended.
    function ask(Step calldata s) external {
        revert Asked(_call(s));
    }

    function _call(Step memory s) private returns (bool ok) {
        if (s.value != 0) VM.deal(s.sender, s.value);
        VM.prank(s.sender, s.sender);
        // solhint-disable-next-line avoid-low-level-calls
        (ok,) = s.to.call{gas: STEP_GAS, value: s.value}(s.data);
    }

    function _create(Step memory s) private returns (bool ok) {
        bytes memory code = abi.encodePacked(VM.getCode(s.creates), s.data);
        VM.setNonceUnsafe(s.sender, s.nonce);
        VM.prank(s.sender, s.sender);
        address created;
        assembly ("memory-safe") {
            created := create(0, add(code, 0x20), mload(code))
        }
        ok = created != address(0);
        if (ok && created != s.to) revert WrongAddress(s.to, created);
    }

    /// @dev Every fourth file, each on a chain of its own.
    function _replayPart(uint256 part) private {
        VM.chainId(31_337);
        uint256 clean = VM.snapshotState();
        for (uint256 i = part;; i += PARTS) {
            string memory path = string.concat("out/coverage/steps-", VM.toString(i), ".txt");
            if (!VM.isFile(path)) break;
            _replay(path);
            VM.revertToState(clean);
        }
    }

    function _replay(string memory path) private {
        uint256[] memory ids = new uint256[](MAX_SNAPSHOTS);
        uint256 differ;
        uint256 first;
        for (uint256 line = 1;; ++line) {
            (bool end, Kind kind, uint256 id, bool same) = this.next(path);
            if (end) break;
            if (kind == Kind.SNAPSHOT) ids[id] = VM.snapshotState();
            else if (kind == Kind.REVERT) VM.revertToState(ids[id]);
            if (same) continue;
            if (differ++ == 0) first = line;
        }
        VM.closeFile(path);
        if (differ != 0) revert StepsDiffer(path, differ, first);
    }
}
