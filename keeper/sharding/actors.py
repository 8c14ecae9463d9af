"""Ray actors: one per shard, the book pinned in them, one market vector per tick. A RayPool needs Ray, this module does not."""

from __future__ import annotations

import importlib
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keeper.kernels.market import MarketVector
from keeper.margin import Book
from keeper.model import Market, Parameters
from keeper.sharding.pool import Pool
from keeper.sharding.shard import Rows, Shard, part_of

__all__ = ["RayPool"]


class RayPool(Pool):
    """One actor per shard, on the cluster that Ray is connected to, or on a local one that this pool starts.

    An actor that is lost is built again from the book, and the tick asked of the new one: an answer is never partial.
    """

    def __init__(self, book: Book, market: Market, parameters: Parameters, workers: int = 2) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # read when Ray is imported
        self._ray: Any = importlib.import_module("ray")
        lost = self._ray.exceptions
        self._lost: tuple[type[Exception], ...] = (lost.ActorDiedError, lost.ActorUnavailableError)
        self._actor: Any = self._ray.remote(num_cpus=1, max_restarts=0)(Shard)
        self._actors: dict[int, Any] = {}
        self.rebuilt = 0
        self._started = not self._ray.is_initialized()
        if self._started:
            self._ray.init(
                num_cpus=max(workers, os.cpu_count() or 1), include_dashboard=False, log_to_driver=False, configure_logging=False
            )
        super().__init__(book, market, parameters, workers)

    def _build(self, shard: int) -> None:
        if shard in self._actors:
            self._ray.kill(self._actors[shard])
        rows = self._split[shard]
        self._actors[shard] = self._actor.remote(part_of(self.book, rows), rows, self.parameters, self._underlyings, self._groups)

    def _ask(self, vector: MarketVector, health: float) -> list[tuple[Rows, NDArray[np.float64]]]:
        # The vector goes inside the call: a few kB, for which the object store would cost a round trip more.
        asked = [self._actors[shard].below.remote(vector, health) for shard in range(self.workers)]
        answers = []
        for shard, reference in enumerate(asked):
            try:
                answers.append(self._ray.get(reference))
            except self._lost:
                self.rebuilt += 1
                self._build(shard)
                answers.append(self._ray.get(self._actors[shard].below.remote(vector, health)))
        return answers

    def close(self) -> None:
        for actor in self._actors.values():
            self._ray.kill(actor)
        self._actors.clear()
        if self._started:
            self._ray.shutdown()
