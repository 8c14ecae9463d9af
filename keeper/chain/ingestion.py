"""Following the chain: eth_getLogs from a durable cursor, with every step anchored in block hashes.

A step is stored only when the block it ends with still stands after its logs were read. Where the block under the cursor
is not the chain's any more, blocks are forgotten down to the newest one that is, and reading goes on from there.

Near the head every header is read and kept, each must follow its parent, and logs must not contradict their header's bloom:
a node that forgot them, or made up a head, is found out. Far behind it only the headers of blocks with logs are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from keeper.chain.bloom import may_contain
from keeper.chain.port import Block, ChainPort, Log
from keeper.chain.store import Store
from keeper.errors import ChainError, DishonestError, RevertError, UnreachableError

__all__ = ["Ingestion", "Step"]

_FIRST_SPAN = 1_000
_WIDEST_SPAN = 20_000
_FEW_LOGS = 2_000
_NEAR = 128
"""Blocks behind the head within which every header is read."""


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
        self._untold: int | None = None

    def advance(self) -> Step | None:
        """One step towards the head; None where there is nothing new. Raises ChainError; the cursor then stays."""
        head = self._port.head()
        cursor = self._store.cursor()
        if cursor is not None and (cursor.hash == head.hash or self._is_behind(head, cursor)):
            return None
        if cursor is not None and not self._continues(cursor, head):
            cursor = self._roll_back()
            ancestor = cursor.number if cursor is not None else self._first_block - 1
            # Told with the next step, whenever that succeeds: what was forgotten here must be forgotten above too.
            self._untold = ancestor if self._untold is None else min(self._untold, ancestor)
        first = self._first_block if cursor is None else cursor.number + 1
        if first > head.number:
            # The chain became shorter than the deployment, or the head is the ancestor itself.
            return None if cursor is None or self._untold is None else self._step(cursor, head, [])
        end, logs = self._read(first, head, cursor)
        return self._step(end, head, logs)

    def _step(self, cursor: Block, head: Block, logs: Sequence[Log]) -> Step:
        untold, self._untold = self._untold, None
        return Step(cursor, head, tuple(logs), untold)

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
        """Stores one range that begins at `first`; its last block and its logs."""
        if first == head.number:
            last, logs = first, self._port.logs_of_block(self._addresses, head.hash)
        else:
            last, logs = self._range(first, head.number)
        if head.number - first < _NEAR:
            headers = self._port.blocks(first, min(last, head.number - 1)) if first < head.number else []
            headers += [head] if last == head.number else []
            self._require_linked(headers, cursor)
            self._require_complete(headers, logs)
        else:
            headers = self._sparse_headers(logs, head if last == head.number else self._require(last), cursor)
        if first != head.number:
            self._require_standing(headers[-1])
        by_number = {header.number: header.hash for header in headers}
        wrong = next((log for log in logs if by_number.get(log.block) != log.block_hash), None)
        if wrong is not None:
            raise ChainError(f"logs of block {wrong.block} belong to another block than the header")
        self._store.append(headers, logs)
        return headers[-1], logs

    def _range(self, first: int, until: int) -> tuple[int, list[Log]]:
        """Logs from `first` on, as far as the node gives them at once; the last block of the range."""
        while True:
            last = min(until, first + self._span - 1)
            try:
                logs = self._port.logs(self._addresses, first, last)
            except (RevertError, UnreachableError):
                raise
            except ChainError:
                # Nodes cap a range by blocks, results or time and say so in many ways: halve until it fits.
                if self._span == 1:
                    raise
                self._span = max(1, min(self._span, last - first + 1) // 2)
                continue
            if len(logs) < _FEW_LOGS:
                self._span = min(_WIDEST_SPAN, self._span * 2)
            return last, logs

    def _sparse_headers(self, logs: Sequence[Log], end: Block, cursor: Block | None) -> list[Block]:
        """Of the blocks with logs and of the end: a rollback then forgets no more than it must."""
        if cursor is not None:
            self._require_standing(cursor)
        hashes = {log.block: log.block_hash for log in logs if log.block != end.number}
        return [*(Block(number, block_hash, "", 0) for number, block_hash in sorted(hashes.items())), end]

    def _require_standing(self, block: Block) -> None:
        if self._require(block.number).hash != block.hash:
            raise ChainError(f"block {block.number} changed while logs were read")

    def _require_linked(self, headers: Sequence[Block], before: Block | None) -> None:
        for header in headers:
            if before is not None and header.parent != before.hash:
                raise ChainError(f"block {header.number} does not follow the one before it: changed while it was read")
            before = header

    def _require_complete(self, headers: Sequence[Block], logs: Sequence[Log]) -> None:
        """Raises DishonestError where a header's bloom names an address of which the answer has no log, and the block's
        receipts do not agree with the answer either."""
        emitters: dict[int, set[str]] = {}
        for log in logs:
            emitters.setdefault(log.block, set()).add(log.address)
        for header in headers:
            if header.bloom is None:
                continue
            known = emitters.get(header.number, set())
            if all(address in known or not may_contain(header.bloom, address) for address in self._addresses):
                continue
            found = self._port.logs_by_receipts(self._addresses, header.hash)
            if found != [log for log in logs if log.block == header.number]:
                raise DishonestError(
                    f"block {header.number} has {len(found)} logs by its receipts, the node gave {len(known)} emitters' logs"
                )

    def _require(self, number: int) -> Block:
        block = self._port.block(number)
        if block is None:
            raise ChainError(f"the node does not know block {number} that it announced")
        return block
