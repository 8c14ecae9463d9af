"""The in-memory twin of a node: blocks, logs, forks, accounts and calls without a process.

Tests and simulations build a chain with `mine`, fork it with `fork`, and answer calls with a function of their own; the
keeper on top runs unchanged.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from eth_account import Account
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from hexbytes import HexBytes
from web3 import Web3

from keeper.chain.bloom import bloom_of
from keeper.chain.port import Block, Fees, Log, Receipt
from keeper.errors import ChainError, UnreachableError

__all__ = ["MemoryChain", "PendingTransaction"]

_MINED_GAS = 21_000


@dataclass(frozen=True, slots=True)
class PendingTransaction:
    """A broadcast transaction that no block holds yet."""

    hash: str
    sender: str
    nonce: int
    to: str
    data: bytes
    max_fee: int
    priority_fee: int


@dataclass
class MemoryChain:
    """A ChainPort in memory. on_call(to, data, sender) answers eth_call and may raise RevertError; on_send(transaction)
    tells whether a transaction succeeds and which logs it leaves; reachable False makes every request fail."""

    on_call: Callable[[str, bytes, str | None], bytes] = lambda _to, _data, _sender: b""
    on_send: Callable[[PendingTransaction], tuple[bool, Sequence[tuple[str, Sequence[bytes], bytes]]]] = lambda _transaction: (True, ())
    id: int = 31337
    start_time: int = 1_735_689_600
    base_fee: int = 0
    reachable: bool = True
    codes: dict[str, bytes] = field(default_factory=dict)
    balances: dict[str, int] = field(default_factory=dict)
    largest_range: int = 1_000_000
    pending: list[PendingTransaction] = field(default_factory=list)
    sent: list[PendingTransaction] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._salt = 0
        self._blocks = [Block(0, self._hash(0), "0x" + "00" * 32, self.start_time)]
        self._logs: dict[str, list[Log]] = {self._blocks[0].hash: []}
        self._receipts: dict[str, Receipt] = {}
        self._counts: dict[str, int] = {}

    # --- what makes the chain ---

    def mine(self, logs: Sequence[tuple[str, Sequence[bytes], bytes]] = (), *, seconds: int = 1, minimum_fee: int = 0) -> Block:
        """One block with `logs` (address, topics, data) and every pending transaction that pays `minimum_fee`, in nonce
        order."""
        parent = self._blocks[-1]
        block = Block(parent.number + 1, self._hash(parent.number + 1), parent.hash, parent.time + seconds)
        found: list[Log] = []

        def add(transaction: str, entries: Sequence[tuple[str, Sequence[bytes], bytes]]) -> list[Log]:
            made = [
                Log(block.number, block.hash, transaction, len(found) + offset, address, tuple(topics), data)
                for offset, (address, topics, data) in enumerate(entries)
            ]
            found.extend(made)
            return made

        if logs:
            add(Web3.to_hex(Web3.keccak(text=f"outside {block.hash}")), logs)
        for transaction in sorted(self.pending, key=lambda item: item.nonce):
            if transaction.max_fee < minimum_fee or transaction.nonce != self._counts.get(transaction.sender, 0):
                continue
            succeeded, entries = self.on_send(transaction)
            left = add(transaction.hash, entries if succeeded else ())
            self._receipts[transaction.hash] = Receipt(transaction.hash, block.number, succeeded, _MINED_GAS, tuple(left))
            self._counts[transaction.sender] = transaction.nonce + 1
            self.pending.remove(transaction)
        self._blocks.append(replace(block, bloom=bloom_of(found)))
        self._logs[block.hash] = found
        return self._blocks[-1]

    def fork(self, depth: int) -> None:
        """Takes the newest `depth` blocks away; what is mined next has other hashes. Their transactions are lost."""
        if not 0 < depth < len(self._blocks):
            raise ChainError(f"expected a depth of 1 to {len(self._blocks) - 1}, got {depth}")
        keep = len(self._blocks) - depth
        del self._blocks[keep:]
        self._salt += 1
        self._receipts = {key: receipt for key, receipt in self._receipts.items() if receipt.block < keep}

    # --- ChainPort ---

    def chain_id(self) -> int:
        self._reach()
        return self.id

    def head(self) -> Block:
        self._reach()
        return self._blocks[-1]

    def block(self, number: int) -> Block | None:
        self._reach()
        return self._blocks[number] if 0 <= number < len(self._blocks) else None

    def blocks(self, first: int, last: int) -> list[Block]:
        self._reach()
        if not 0 <= first <= last < len(self._blocks):
            raise ChainError(f"expected blocks of 0 to {len(self._blocks) - 1}, got {first} to {last}")
        return self._blocks[first : last + 1]

    def logs(self, addresses: Sequence[str], first: int, last: int) -> list[Log]:
        self._reach()
        if last - first + 1 > self.largest_range:
            raise ChainError(f"range of {last - first + 1} blocks is more than {self.largest_range}")
        return [log for block in self._blocks[first : last + 1] for log in self._logs[block.hash] if log.address in addresses]

    def logs_of_block(self, addresses: Sequence[str], block_hash: str) -> list[Log]:
        self._reach()
        if all(block.hash != block_hash for block in self._blocks):
            raise ChainError(f"unknown block {block_hash}")
        return [log for log in self._logs[block_hash] if log.address in addresses]

    def logs_by_receipts(self, addresses: Sequence[str], block_hash: str) -> list[Log]:
        self._reach()
        return [log for log in self._logs.get(block_hash, []) if log.address in addresses]

    def code(self, address: str) -> bytes:
        self._reach()
        return self.codes.get(address, b"")

    def balance(self, address: str) -> int:
        self._reach()
        return self.balances.get(address, 0)

    def transaction_count(self, address: str, *, pending: bool = False) -> int:
        self._reach()
        mined = self._counts.get(address, 0)
        nonces = {transaction.nonce for transaction in self.pending if transaction.sender == address}
        while pending and mined in nonces:
            mined += 1
        return mined

    def fees(self) -> Fees:
        self._reach()
        return Fees(self.base_fee, 1)

    def call(
        self,
        to: str,
        data: bytes,
        *,
        sender: str | None = None,
        gas: int | None = None,  # noqa: ARG002 - gas is free here
        block: int | None = None,  # noqa: ARG002 - the past is not kept
    ) -> bytes:
        self._reach()
        return self.on_call(to, data, sender)

    def estimate_gas(self, to: str, data: bytes, sender: str) -> int:
        self._reach()
        self.on_call(to, data, sender)
        return _MINED_GAS

    def send(self, raw: bytes) -> str:
        self._reach()
        fields = TypedTransaction.from_bytes(HexBytes(raw)).as_dict()
        transaction = PendingTransaction(
            hash=Web3.to_hex(Web3.keccak(raw)),
            sender=str(Account.recover_transaction(raw)),
            nonce=int(fields["nonce"]),
            to=str(Web3.to_checksum_address(fields["to"])),
            data=bytes(fields["data"]),
            max_fee=int(fields["maxFeePerGas"]),
            priority_fee=int(fields["maxPriorityFeePerGas"]),
        )
        if transaction.nonce < self._counts.get(transaction.sender, 0):
            raise ChainError("nonce too low")
        if any(known.hash == transaction.hash for known in self.pending):
            raise ChainError("already known")
        same = [known for known in self.pending if (known.sender, known.nonce) == (transaction.sender, transaction.nonce)]
        if any(transaction.max_fee * 10 < known.max_fee * 11 for known in same):
            raise ChainError("replacement transaction underpriced")
        self.pending = [known for known in self.pending if known not in same]
        self.pending.append(transaction)
        self.sent.append(transaction)
        return transaction.hash

    def receipt(self, transaction: str) -> Receipt | None:
        self._reach()
        found = self._receipts.get(transaction)
        return None if found is None else replace(found)

    def _hash(self, number: int) -> str:
        return str(Web3.to_hex(Web3.keccak(text=f"{self._salt}/{number}/{getattr(self, '_blocks', [None])[-1]}")))

    def _reach(self) -> None:
        if not self.reachable:
            raise UnreachableError("the node cannot be reached")
