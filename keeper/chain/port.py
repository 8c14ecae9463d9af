"""What the keeper needs of a chain, as an interface: a node (`client`) and an in-memory twin (`memory`) implement it.

Simulation swaps this end and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

__all__ = ["Block", "ChainPort", "Fees", "Log", "Receipt"]


@dataclass(frozen=True, slots=True)
class Block:
    """Header of a block; hashes as 0x text; time: unix seconds; bloom: of its logs, None where it is not at hand (stored
    blocks)."""

    number: int
    hash: str
    parent: str
    time: int
    bloom: int | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Log:
    """One log as the node gives it. index: within the block."""

    block: int
    block_hash: str
    transaction: str
    index: int
    address: str
    topics: tuple[bytes, ...]
    data: bytes


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a transaction: its block and whether it succeeded; logs: of that transaction alone; gas_price: wei paid
    per gas."""

    transaction: str
    block: int
    succeeded: bool
    gas_used: int
    logs: tuple[Log, ...]
    gas_price: int = 0


@dataclass(frozen=True, slots=True)
class Fees:
    """wei per gas: base_fee of the latest block, priority_fee that the node suggests."""

    base_fee: int
    priority_fee: int


class ChainPort(Protocol):
    """Reads and broadcasts. Every method raises ChainError where the node fails, `call` RevertError where a contract
    refuses."""

    def chain_id(self) -> int: ...

    def head(self) -> Block: ...

    def block(self, number: int) -> Block | None:
        """None where the chain has no such block (yet, or any more)."""
        ...

    def blocks(self, first: int, last: int) -> list[Block]:
        """Headers first..last, in one request where the node allows it. Raises ChainError where one is missing."""
        ...

    def logs(self, addresses: Sequence[str], first: int, last: int) -> list[Log]:
        """Logs of `addresses` in blocks first..last, ascending."""
        ...

    def logs_of_block(self, addresses: Sequence[str], block_hash: str) -> list[Log]:
        """Logs of `addresses` in exactly that block, ascending."""
        ...

    def logs_by_receipts(self, addresses: Sequence[str], block_hash: str) -> list[Log]:
        """The same, out of the block's receipts: a second opinion on an answer that contradicts the header."""
        ...

    def code(self, address: str) -> bytes: ...

    def balance(self, address: str) -> int:
        """wei."""
        ...

    def transaction_count(self, address: str, *, pending: bool = False) -> int: ...

    def fees(self) -> Fees: ...

    def call(self, to: str, data: bytes, *, sender: str | None = None, gas: int | None = None, block: int | None = None) -> bytes:
        """eth_call on `block`, by default the latest."""
        ...

    def estimate_gas(self, to: str, data: bytes, sender: str) -> int:
        """Raises RevertError where the transaction would fail."""
        ...

    def send(self, raw: bytes) -> str:
        """Broadcasts a signed transaction; its hash."""
        ...

    def receipt(self, transaction: str) -> Receipt | None:
        """None while it is not included."""
        ...
