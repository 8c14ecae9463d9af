"""Python's collector of reference cycles, between ticks and never inside one.

Left alone it looks at every object now and then, whenever the next allocation happens to be: a quarter of a second with the
state of 10,000 accounts, and as likely as not between a price and what has to be done about it.
"""

from __future__ import annotations

import gc
import time
from contextlib import AbstractContextManager
from typing import Self

__all__ = ["Garbage"]

_YOUNG = 10_000
"""New objects from which on a rest is used to look at them."""
_WHOLE_EVERY = 600.0


class Garbage(AbstractContextManager["Garbage"]):
    """While the block runs nothing is collected but in `rest`; what is there at its begin is never looked at again."""

    def __init__(self) -> None:
        self._next_whole = 0.0

    def __enter__(self) -> Self:
        gc.freeze()
        gc.disable()
        self._next_whole = time.monotonic() + _WHOLE_EVERY
        return self

    def __exit__(self, *_: object) -> None:
        gc.unfreeze()
        gc.enable()

    def rest(self, *, quiet: bool) -> None:
        """A moment to collect what is new; all of it now and then, if quiet."""
        if quiet and time.monotonic() >= self._next_whole:
            self._next_whole = time.monotonic() + _WHOLE_EVERY
            gc.collect()
        elif gc.get_count()[0] >= _YOUNG:
            gc.collect(1)
