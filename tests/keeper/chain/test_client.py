"""The HTTP client against a real Anvil: what it reads, what it sends, how it tells one failure from another."""

from __future__ import annotations

import time

import pytest
from eth_account import Account
from web3 import Web3

from keeper.chain import Errors, NodeClient
from keeper.errors import ChainError, RevertError, UnreachableError
from scripts.anvil import CHAIN_ID, Anvil, private_key

STALE = {"type": "error", "name": "StalePrice", "inputs": [{"name": n, "type": "uint256"} for n in ("signedAt", "time", "limit")]}


@pytest.fixture
def client(anvil: Anvil) -> NodeClient:
    return NodeClient(anvil.url, Errors([[STALE]]))


def send(client: NodeClient, data: bytes, to: str | None = None, nonce: int | None = None) -> str:
    """From Anvil's account 7."""
    account = Account.from_key(private_key(7))
    fields = {"type": 2, "chainId": CHAIN_ID, "value": 0, "gas": 1_000_000, "maxFeePerGas": 10**9, "maxPriorityFeePerGas": 10**9}
    fields["nonce"] = client.transaction_count(account.address) if nonce is None else nonce
    signed = account.sign_transaction({**fields, "data": data, **({} if to is None else {"to": to})})
    transaction = client.send(bytes(signed.raw_transaction))
    # Anvil answers before it has mined.
    while client.receipt(transaction) is None:
        time.sleep(0.005)
    return transaction


def deploy(client: NodeClient, anvil: Anvil, runtime: bytes) -> str:
    """A contract of this runtime code: PUSH1 size DUP1 PUSH1 0x0b PUSH0 CODECOPY PUSH0 RETURN runtime."""
    transaction = send(client, bytes([0x60, len(runtime), 0x80, 0x60, 0x0A, 0x5F, 0x39, 0x5F, 0xF3, 0x00]) + runtime)
    return str(Web3.to_checksum_address(anvil.rpc("eth_getTransactionReceipt", transaction)["contractAddress"]))


def test_reads_blocks_and_balances(client: NodeClient, anvil: Anvil) -> None:
    anvil.mine(3)
    head = client.head()
    assert client.chain_id() == CHAIN_ID
    assert head.time == anvil.time()
    before = client.block(head.number - 1)
    assert before is not None
    assert head.parent == before.hash
    assert client.block(head.number + 1) is None
    address = Account.from_key(private_key(8)).address
    assert client.balance(address) > 10**20
    assert client.code(address) == b""
    assert client.fees().base_fee >= 0


def test_logs_of_ranges_and_blocks_agree_and_receipts_carry_them(client: NodeClient, anvil: Anvil) -> None:
    # LOG1 of 32 bytes of memory (zero) with topic 7
    emitter = deploy(client, anvil, bytes.fromhex("600760205fa100"))
    first = client.head().number + 1
    transactions = [send(client, b"", emitter) for _ in range(3)]
    head = client.head()
    logs = client.logs([emitter], first, head.number)
    assert [log.transaction for log in logs] == transactions
    assert {log.topics for log in logs} == {((7).to_bytes(32, "big"),)}
    assert logs[0].data == bytes(32)
    assert client.logs_of_block([emitter], head.hash) == [log for log in logs if log.block_hash == head.hash]
    receipt = client.receipt(transactions[-1])
    assert receipt is not None
    assert (receipt.succeeded, receipt.logs) == (True, (logs[-1],))
    assert client.receipt("0x" + "00" * 32) is None
    assert client.logs(["0x" + "12" * 20], first, head.number) == []


def test_reverts_carry_the_contracts_error(client: NodeClient, anvil: Anvil) -> None:
    selector = Web3.keccak(text="StalePrice(uint256,uint256,uint256)")[:4]
    # MSTORE the selector at 0 (left-aligned), MSTORE8 low bytes of the three words, REVERT 100 bytes
    runtime = bytes([0x63]) + selector + bytes.fromhex("60e01b5f52600160235360026043536003606353" + "60645ffd")
    reverter = deploy(client, anvil, runtime)
    for ask in (lambda: client.call(reverter, b""), lambda: client.estimate_gas(reverter, b"", "0x" + "12" * 20)):
        with pytest.raises(RevertError) as refusal:
            ask()
        assert (refusal.value.name, refusal.value.arguments) == ("StalePrice", {"signedAt": 1, "time": 2, "limit": 3})
    bare = deploy(client, anvil, bytes.fromhex("5f5ffd"))
    with pytest.raises(RevertError, match="without a reason"):
        client.call(bare, b"")
    failed = client.receipt(send(client, b"", bare))
    assert failed is not None
    assert not failed.succeeded


def test_failures_are_told_apart(client: NodeClient, anvil: Anvil) -> None:
    send(client, b"", "0x" + "12" * 20, nonce=0)
    with pytest.raises(ChainError, match="nonce too low") as known:
        send(client, b"", "0x" + "12" * 20, nonce=0)
    assert not isinstance(known.value, UnreachableError | RevertError)
    nowhere = NodeClient("http://127.0.0.1:9", Errors([]), timeout=0.5)
    with pytest.raises(UnreachableError, match="no usable answer"):
        nowhere.head()
