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
    function warp(uint256) external;
}

/// @title What the tests on Anvil did, once more where forge measures coverage
/// @notice `make coverage` writes every transaction and call of these tests to a file of steps, one ABI-encoded `Step` per line.
/// @dev Same addresses, same times, same nonces, so that the recorded signatures hold. Without a file there is nothing to do.
contract ReplayTest {
    enum Kind {
        CALL,
        CREATE,
        SNAPSHOT,
        REVERT,
        STORE,
        ETCH
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
    string private constant FOLDER = "out/coverage/";

    /// @notice Some steps ended otherwise than on Anvil; the first of them, by its line.
    error StepsDiffer(uint256 count, uint256 first);
    error WrongAddress(address expected, address created);

    function test_replay_main() external {
        _replay(string.concat(FOLDER, "steps-main.txt"));
    }

    function test_replay_gw0() external {
        _replay(string.concat(FOLDER, "steps-gw0.txt"));
    }

    function test_replay_gw1() external {
        _replay(string.concat(FOLDER, "steps-gw1.txt"));
    }

    function test_replay_gw2() external {
        _replay(string.concat(FOLDER, "steps-gw2.txt"));
    }

    function test_replay_gw3() external {
        _replay(string.concat(FOLDER, "steps-gw3.txt"));
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
        } else {
            if (s.value != 0) VM.deal(s.sender, s.value);
            VM.prank(s.sender, s.sender);
            // solhint-disable-next-line avoid-low-level-calls
            (bool ok,) = s.to.call{value: s.value}(s.data);
            same = ok == s.ok;
        }
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

    function _replay(string memory path) private {
        if (!VM.isFile(path)) return;
        VM.chainId(31_337);
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
        if (differ != 0) revert StepsDiffer(differ, first);
    }
}
