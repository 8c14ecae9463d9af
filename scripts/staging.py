"""Worlds that are set up in steps and taken down in the opposite order, whatever step failed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import ExitStack
from typing import Self

__all__ = ["Staged"]


class Staged(ABC):
    """A context manager: `with` sets up; leaving the block, or a failing set-up, undoes what was put on `_stack`."""

    def __init__(self) -> None:
        self._stack = ExitStack()

    @abstractmethod
    def _set_up(self) -> None: ...

    def __enter__(self) -> Self:
        try:
            self._set_up()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
