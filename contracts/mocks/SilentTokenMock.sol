// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title Token whose transfers return nothing, or false
/// @notice As Tether's on the main chain (nothing at all), or as early tokens that report failure instead of reverting.
contract SilentTokenMock {
    uint8 public immutable decimals = 6;

    mapping(address holder => uint256) public balanceOf;
    mapping(address holder => mapping(address spender => uint256)) public allowance;
    bool private _fails;

    error Insufficient(uint256 held, uint256 wanted);

    /// @notice From now on transfers move nothing and return false.
    function setFails(bool fails) external {
        _fails = fails;
    }

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    function approve(address spender, uint256 amount) external {
        allowance[msg.sender][spender] = amount;
    }

    function transfer(address to, uint256 amount) external {
        _move(msg.sender, to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) external {
        if (allowance[from][msg.sender] < amount) revert Insufficient(allowance[from][msg.sender], amount);
        allowance[from][msg.sender] -= amount;
        _move(from, to, amount);
    }

    function _move(address from, address to, uint256 amount) private {
        if (_fails) {
            assembly ("memory-safe") {
                mstore(0, 0)
                return(0, 0x20)
            }
        }
        if (balanceOf[from] < amount) revert Insufficient(balanceOf[from], amount);
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
    }
}
