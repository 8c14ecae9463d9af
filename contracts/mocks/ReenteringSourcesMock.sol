// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @notice Sources that, while the door asks them about one update, submit another that they were given before.
contract ReenteringSourcesMock {
    error NotSubmitted(bytes reason);

    bytes public submission;
    uint256 public answer;

    /// @param submission_ Call to the door. @param answer_ Spot that `fuse` returns, USD 1e18.
    function prepare(bytes calldata submission_, uint256 answer_) external {
        (submission, answer) = (submission_, answer_);
    }

    function fuse(uint8, uint32, uint96, uint256) external returns (uint256 spot, uint256 agreeing, bool own) {
        bytes memory data = submission;
        if (data.length != 0) {
            delete submission;
            // The caller encoded the whole call: this mock knows no market.
            // solhint-disable-next-line avoid-low-level-calls
            (bool done, bytes memory reason) = msg.sender.call(data);
            if (!done) revert NotSubmitted(reason);
        }
        return (answer, 3, true);
    }
}
