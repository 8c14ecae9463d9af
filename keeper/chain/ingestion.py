"""Following the chain: eth_getLogs from a durable cursor, with every step anchored in block hashes.

A step is stored only when the block it ends with still stands after its logs were read. Where the block under the cursor
is not the chain's any more, blocks are forgotten down to the newest one that is, and reading goes on from there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from keeper.chain.port import Block, ChainPort, Log
from keeper.chain.store import Store
from keeper.errors import ChainError, RevertError

__all__ = ["Ingestion", "Step"]

_FIRST_SPAN = 1_000
_WIDEST_SPAN = 20_000
_FEW_LOGS = 2_000


@dataclass(frozen=True, slots=True)
class Step:
    """What one advance found. cursor: the last block read; head: the chain's newest; logs: new ones, in order;
    rolled_back_to: the common ancestor where blocks were forgotten first (state must then be rebuilt), else None."""

    cursor: Block
    head: Block
    logs: tuple[Log, ...]
    rolled_back_to: int | None = None

    @property
    def caught_up(self) -> bool:
        return self.cursor.number == self.head.number


class Ingestion:
    """Reads logs of `addresses` from `first_block` on into the store."""

    def __init__(self, port: ChainPort, store: Store, addresses: Sequence[str], first_block: int) -> None:
        self._port = port
        self._store = store
        self._addresses = tuple(addresses)
        self._first_block = first_block
        self._span = _FIRST_SPAN

    def advance(self) -> Step | None:
        """One step towards the head; None where there is nothing new. Raises ChainError; the cursor then stays."""
        head = self._port.head()
        cursor = self._store.cursor()
        if cursor is not None and (cursor.hash == head.hash or self._is_behind(head, cursor)):
            return None
        rolled_back_to: int | None = None
        if cursor is not None and not self._continues(cursor, head):
            cursor = self._roll_back()
            rolled_back_to = cursor.number if cursor is not None else self._first_block - 1
        first = self._first_block if cursor is None else cursor.number + 1
        if first > head.number:
            # The chain became shorter than the deployment, or the head is the ancestor itself.
            return None if cursor is None else Step(cursor, head, (), rolled_back_to)
        end, logs = self._read(first, head, cursor)
        return Step(end, head, tuple(logs), rolled_back_to)

    def _continues(self, cursor: Block, head: Block) -> bool:
        """True where the chain still has the block under the cursor."""
        if head.number == cursor.number + 1:
            return head.parent == cursor.hash
        if head.number <= cursor.number:
            return False
        there = self._port.block(cursor.number)
        return there is not None and there.hash == cursor.hash

    def _is_behind(self, head: Block, cursor: Block) -> bool:
        """True where the node announces an old head of the same chain (several nodes behind one address)."""
        if head.number >= cursor.number:
            return False
        there = self._port.block(cursor.number)
        return there is not None and there.hash == cursor.hash

    def _roll_back(self) -> Block | None:
        """Forgets blocks down to the newest that the chain still has; that block, None where none is left."""
        for known in self._store.blocks_down():
            there = self._port.block(known.number)
            if there is not None and there.hash == known.hash:
                self._store.roll_back(known.number)
                return known
        self._store.roll_back(-1)
        return None

    def _read(self, first: int, head: Block, cursor: Block | None) -> tuple[Block, list[Log]]:
        if first == head.number:
            logs = self._port.logs_of_block(self._addresses, head.hash)
            self._store.append([head], logs)
            return head, logs
        while True:
            last = min(head.number, first + self._span - 1)
            end = head if last == head.number else self._require(last)
            try:
                logs = self._port.logs(self._addresses, first, last)
            except RevertError:
                raise
            except ChainError:
                # Nodes cap a range by blocks, results or time and say so in many ways: halve until it fits.
                if self._span == 1:
                    raise
                self._span = max(1, min(self._span, last - first + 1) // 2)
                continue
            break
        for anchor in (end,) if cursor is None else (end, cursor):
            if self._require(anchor.number).hash != anchor.hash:
                raise ChainError(f"block {anchor.number} changed while logs were read")
        if len(logs) < _FEW_LOGS:
            self._span = min(_WIDEST_SPAN, self._span * 2)
        # Headers of blocks with logs are kept too: a rollback then forgets no more than it must.
        headers = {log.block: log.block_hash for log in logs if log.block != last}
        if any(log.block_hash != end.hash for log in logs if log.block == last):
            raise ChainError(f"logs of block {last} belong to another block than the header")
        known = [Block(number, block_hash, "", 0) for number, block_hash in sorted(headers.items())]
        self._store.append([*known, end], logs)
        return end, logs

    def _require(self, number: int) -> Block:
        block = self._port.block(number)
        if block is None:
            raise ChainError(f"the node does not know block {number} that it announced")
        return block
