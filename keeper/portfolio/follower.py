"""The state at the newest block: ingestion and fold together, back through reorganisations, from the store at start-up."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from keeper.chain import Block, Decoder, Event, Ingestion, Store
from keeper.errors import EventError, StoreError
from keeper.portfolio.fold import fold
from keeper.portfolio.memory import dump_state, load_state, shape_of_state
from keeper.portfolio.state import State

__all__ = ["Follower", "Progress", "StateSnapshot"]

_REMEMBERED = 256
"""States kept for rollbacks: they share what did not change, so they cost little."""


@dataclass(frozen=True, slots=True)
class Progress:
    """state: as of `block`; events: those that were new; rolled_back_to: where blocks were forgotten first, else None;
    caught_up: `block` is the head."""

    state: State
    block: Block
    events: tuple[Event, ...]
    rolled_back_to: int | None
    caught_up: bool


@dataclass(frozen=True, slots=True)
class StateSnapshot:
    """content: the state as of `block`, as bytes; reading: how often everything had been read anew by then."""

    block: Block
    content: bytes
    reading: int


class Follower:
    """token_names: address -> name of the tokens that the vault may list."""

    def __init__(self, ingestion: Ingestion, store: Store, decoder: Decoder, token_names: dict[str, str]) -> None:
        self._ingestion = ingestion
        self._store = store
        self._decoder = decoder
        self._token_names = token_names
        self._past: OrderedDict[int, State] = OrderedDict()
        self._saved = -1
        self._readings = 0
        try:
            self.state = self._rebuild()
        except EventError:
            # What is stored does not add up: the chain knows better.
            self.start_over()

    def advance(self) -> Progress | None:
        """One step towards the head; None where there is nothing new. Raises ChainError (try again) and EventError (the
        store misses events: `start_over`)."""
        step = self._ingestion.advance()
        if step is None:
            return None
        if step.rolled_back_to is not None:
            state = self._past.get(step.rolled_back_to)
            self._past = OrderedDict((number, kept) for number, kept in self._past.items() if number <= step.rolled_back_to)
            if state is None:
                # Older than what is remembered: from the store, which holds the new logs already.
                events: tuple[Event, ...] = ()
                self.state = self._rebuild()
            else:
                events = tuple(self._decoder.decode_all(step.logs))
                self.state = fold(state, events, self._token_names)
        else:
            events = tuple(self._decoder.decode_all(step.logs))
            self.state = fold(self.state, events, self._token_names)
        self._remember(step.cursor.number)
        return Progress(self.state, step.cursor, events, step.rolled_back_to, step.caught_up)

    def current(self) -> Progress | None:
        """Where the store stands; None before the first block."""
        cursor = self._store.cursor()
        return None if cursor is None else Progress(self.state, cursor, (), None, True)

    def start_over(self) -> None:
        """Forgets everything read and reads again from the first block: the cure for a store that lost events."""
        self._store.roll_back(-1)
        self._past.clear()
        self._saved = -1
        self._readings += 1
        self.state = State()

    def save(self) -> bool:
        """Writes a snapshot of the state at the cursor; False where there is nothing new since the last."""
        cursor = self._store.cursor()
        if cursor is None or cursor.number == self._saved:
            return False
        return self.keep(self.writer()())

    def writer(self) -> Callable[[], StateSnapshot]:
        """What makes a snapshot of the present state: takes a second for 10,000 accounts, and may run in another thread."""
        block, state, reading = self._store.cursor(), self.state, self._readings
        if block is None:
            raise StoreError("expected a state of some block, nothing was read yet")
        return lambda: StateSnapshot(block, dump_state(state), reading)

    def keep(self, snapshot: StateSnapshot) -> bool:
        """Stores a snapshot (of a block that is not the chain's any more it will never be read); False for one from before
        everything was read anew, since that was wrong."""
        if snapshot.reading != self._readings:
            return False
        self._store.save_snapshot(snapshot.block, shape_of_state(), snapshot.content)
        self._saved = snapshot.block.number
        return True

    @property
    def unsaved(self) -> int:
        """Blocks since the last snapshot."""
        cursor = self._store.cursor()
        return 0 if cursor is None else cursor.number - self._saved

    def _rebuild(self) -> State:
        """The newest usable snapshot and what came after it; all of the logs where there is none."""
        for block, content in self._store.snapshots(shape_of_state()):
            with suppress(StoreError):
                state = load_state(content)
                self._saved = block
                return fold(state, self._decoder.decode_all(self._store.logs(block)), self._token_names)
        self._saved = -1
        return fold(State(), self._decoder.decode_all(self._store.logs()), self._token_names)

    def _remember(self, number: int) -> None:
        self._past[number] = self.state
        while len(self._past) > _REMEMBERED:
            self._past.popitem(last=False)
