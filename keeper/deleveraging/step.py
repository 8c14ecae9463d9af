"""What the keeper intends to do about a deficit, before the contract was asked."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.margin import Witness
from keeper.model import Instrument

__all__ = ["Execute", "Nominate", "Open", "Step"]


@dataclass(frozen=True, slots=True)
class Open:
    """Opens the deficit of `account`."""

    account: int


@dataclass(frozen=True, slots=True)
class Nominate:
    """Puts `account` into the queue of its side of `instrument`. score: expected, 1e-9; witness: proves its leverage."""

    instrument: Instrument
    account: int
    witness: Witness
    score: int


@dataclass(frozen=True, slots=True)
class Execute:
    """Works the deficit of `account` off: at most `closes` queue entries are looked at."""

    account: int
    closes: int


Step = Open | Nominate | Execute
