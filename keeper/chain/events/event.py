"""What all events have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

__all__ = ["Event"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """The block and the transaction it is in, and its place in the block. contract: whose it is, by deployment name."""

    contract: ClassVar[str]
    block: int
    index: int
    transaction: str
