"""Accounts spread over workers: in this process, or over Ray actors on one or many machines; the same calls.

pool = open_pool(book, market, parameters, workers=4, backend="ray")
tick = pool.below(market)          # rows of the book below maintenance, with their figures
"""

from keeper.sharding.pool import Backend, LocalPool, Pool, TickResult, open_pool
from keeper.sharding.shard import Shard, part_of, split_accounts

__all__ = ["Backend", "LocalPool", "Pool", "Shard", "TickResult", "open_pool", "part_of", "split_accounts"]
