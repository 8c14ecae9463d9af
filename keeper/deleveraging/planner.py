"""Whom to nominate for an open deficit: from the highest score downwards, until the queue can close what is open, or is full."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from keeper.deleveraging.score import Holder
from keeper.deleveraging.step import Nominate
from keeper.margin import witness
from keeper.model import Instrument
from keeper.monitoring import Assessment
from keeper.portfolio import Parameter, Side

__all__ = ["Place", "Rankings", "nominations", "standing"]

Place = tuple[Instrument, int]
"""(instrument, account): who was nominated where."""

Rankings = Mapping[Side, list[Holder]]

_COVER = 1.5
"""Contracts nominated per contract to be closed: a holder is closed only as far as its margin bears it, and a queue that runs dry costs
another window. An estimate, beyond which a queue entry is gas for nothing."""


def nominations(assessment: Assessment, account: int, rankings: Rankings, refused: Collection[Place] = ()) -> list[Nominate]:
    """What is still to be nominated for the open deficit of `account`, highest score first; none where nobody opposite has profit.
    rankings: `holders` of the sides of all open deficits; refused: whom the contract did not take."""
    deficits = assessment.state.deficits
    limit = assessment.state.table.stored(Parameter.NOMINATION_QUEUE)
    chosen: list[tuple[Side, Holder]] = []
    for leg, size in standing(assessment, account).items():
        side = leg, size < 0
        wanted = sum(_left(assessment, each, side) for each in deficits.open)
        chosen += [(side, holder) for holder in _missing(assessment, side, rankings[side], wanted, limit, refused)]
    chosen.sort(key=lambda item: (-item[1].score, item[1].account))
    return [Nominate(side[0], holder.account, witness(assessment.alone(holder.account), 0), holder.score) for side, holder in chosen]


def standing(assessment: Assessment, account: int) -> dict[Instrument, int]:
    """Signed sizes 1e18 of the deficit's legs that are left; what it was opened with and no longer holds is nobody's to close."""
    deficit, held = assessment.state.deficits.open[account], assessment.state.accounts[account].positions
    left = {leg: held[leg].size.raw for leg in deficit.legs if leg in held}
    return {leg: size for leg, size in left.items() if (size > 0) == (deficit.legs[leg] > 0)}


def _left(assessment: Assessment, account: int, side: Side) -> int:
    """Contracts 1e18 of the account's deficit opposite `side`."""
    size = standing(assessment, account).get(side[0], 0)
    return abs(size) if size and (size < 0) == side[1] else 0


def _missing(
    assessment: Assessment, side: Side, ranking: list[Holder], wanted: int, limit: int, refused: Collection[Place]
) -> Iterator[Holder]:
    """Of the highest in `ranking` that would cover `wanted`, those that are not queued."""
    state = assessment.state
    queue = {nominee.account: nominee.score for nominee in state.deficits.queues.get(side, ())}
    opposite = state.deficits.opposite(side)
    room, lowest = limit - len(queue), min(queue.values(), default=0)
    covered = 0
    for holder in ranking:
        if covered >= _COVER * wanted or holder.score == 0:
            return
        if holder.account in queue:
            covered += holder.size
            continue
        dust = holder.size * 4 * limit < opposite
        insolvent = holder.equity < 0.0 or state.accounts[holder.account].deficit_open
        if dust or insolvent or (side[0], holder.account) in refused:
            continue
        if room <= 0 and holder.score <= lowest:
            return
        room -= 1
        covered += holder.size
        yield holder
