"""Ray actors: one per shard, the book pinned in them, one market vector per tick. Importing this module needs Ray."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import ray
from ray.exceptions import ActorDiedError, ActorUnavailableError

from keeper.kernels.market import MarketVector
from keeper.margin import Book
from keeper.model import Market, Parameters
from keeper.sharding.pool import Pool
from keeper.sharding.shard import Rows, Shard, part_of

__all__ = ["RayPool"]

_Actor: Any = ray.remote(num_cpus=1, max_restarts=0)(Shard)


class RayPool(Pool):
    """One actor per shard, on the cluster that Ray is connected to, or on a local one that this pool starts.

    An actor that is lost is built again from the book, and the tick asked of the new one: an answer is never partial.
    """

    def __init__(self, book: Book, market: Market, parameters: Parameters, workers: int = 2) -> None:
        self._actors: dict[int, Any] = {}
        self.rebuilt = 0
        self._started = not ray.is_initialized()
        if self._started:
            ray.init(num_cpus=max(workers, os.cpu_count() or 1), include_dashboard=False, log_to_driver=False, configure_logging=False)
        super().__init__(book, market, parameters, workers)

    def _build(self, shard: int) -> None:
        if shard in self._actors:
            ray.kill(self._actors[shard])
        rows = self._split[shard]
        self._actors[shard] = _Actor.remote(part_of(self.book, rows), rows, self.parameters, self._underlyings, self._groups)

    def _ask(self, vector: MarketVector, health: float) -> list[tuple[Rows, NDArray[np.float64]]]:
        sent = ray.put(vector)
        asked = [self._actors[shard].below.remote(sent, health) for shard in range(self.workers)]
        answers = []
        for shard, reference in enumerate(asked):
            try:
                answers.append(ray.get(reference))
            except (ActorDiedError, ActorUnavailableError):
                self.rebuilt += 1
                self._build(shard)
                answers.append(ray.get(self._actors[shard].below.remote(sent, health)))
        return answers

    def close(self) -> None:
        for actor in self._actors.values():
            ray.kill(actor)
        self._actors.clear()
        if self._started:
            ray.shutdown()
