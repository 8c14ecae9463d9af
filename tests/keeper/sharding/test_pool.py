"""Shards together answer what one book answers: in this process always, over Ray actors where Ray is installed."""

import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import fields, replace

import numpy as np
import pytest

from keeper.errors import BookError
from keeper.kernels.prepared import AccountFigures, PreparedBook
from keeper.margin import Book
from keeper.sharding import Backend, Pool, open_pool, part_of, split_accounts
from tests.keeper.kernels.conftest import GROUPS, TABLES, book_of, make_market

PARAMETERS = TABLES["35 scenarios"]
MARKET = make_market(GROUPS["one group"])

needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="the optional extra `ray` is not installed")
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning", "ignore::FutureWarning")

Open = Callable[[Book, int], Pool]


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """One local Ray for all tests: it takes seconds to start."""
    import ray  # noqa: PLC0415 - an optional extra

    ray.init(num_cpus=8, include_dashboard=False, log_to_driver=False, configure_logging=False)
    yield
    ray.shutdown()


@pytest.fixture(params=[Backend.LOCAL, pytest.param(Backend.RAY, marks=needs_ray)])
def opened(request: pytest.FixtureRequest) -> Iterator[Open]:
    pools: list[Pool] = []
    if request.param is Backend.RAY:
        request.getfixturevalue("cluster")

    def make(book: Book, workers: int) -> Pool:
        pools.append(open_pool(book, MARKET, PARAMETERS, workers, request.param))
        return pools[-1]

    yield make
    for pool in pools:
        pool.close()


def check(pool: Pool, book: Book, health: float = 1.0) -> None:
    prepared = PreparedBook.of(book, MARKET, PARAMETERS, 1)
    expected = prepared.in_book_order(prepared.figures(MARKET))
    found = pool.below(MARKET, health)
    assert (found.rows == np.flatnonzero(expected.health < health)).all()
    assert len(found.rows) > 0
    for item in fields(AccountFigures):
        assert (getattr(found.figures, item.name) == getattr(expected, item.name)[found.rows]).all(), item.name


def test_all_shards_together_answer_as_one_book(opened: Open) -> None:
    book = book_of(PARAMETERS, 4, 500)
    pool = opened(book, 3)
    check(pool, book)
    check(pool, book, np.inf)


def test_a_changed_book_rebuilds_what_changed(opened: Open) -> None:
    book = book_of(PARAMETERS, 4, 500)
    pool = opened(book, 3)
    assert pool.replace(book) == 0
    cash = book.cash.copy()
    cash[17] -= 1e9
    poorer = replace(book, cash=cash)
    assert pool.replace(poorer) == 1
    check(pool, poorer)


def test_growth_goes_to_the_smallest_shard_and_is_rebalanced(opened: Open) -> None:
    whole = book_of(PARAMETERS, 6, 500)
    pool = opened(part_of(whole, np.arange(400)), 2)
    some = part_of(whole, np.arange(401))
    assert pool.replace(some) == 1
    check(pool, some)
    assert pool.replace(whole) >= 1
    assert pool.positions().max() <= 1.2 * pool.positions().mean()
    check(pool, whole)
    one_giant = replace_sizes(whole)
    pool.replace(one_giant)
    check(pool, one_giant)


def replace_sizes(book: Book) -> Book:
    return replace(book, size=book.size * 1.5)


def test_a_book_of_other_accounts_is_refused(opened: Open) -> None:
    book = book_of(PARAMETERS, 4, 50)
    pool = opened(book, 2)
    with pytest.raises(BookError, match="in their rows"):
        pool.replace(replace(book, account_id=book.account_id[::-1].copy()))
    with pytest.raises(BookError, match="in their rows"):
        pool.replace(part_of(book, np.arange(10)))


@needs_ray
def test_a_lost_actor_is_rebuilt(cluster: None) -> None:
    import ray  # noqa: PLC0415 - an optional extra

    from keeper.sharding.actors import RayPool  # noqa: PLC0415 - same

    book = book_of(PARAMETERS, 9, 200)
    pool = RayPool(book, MARKET, PARAMETERS, 2)
    try:
        check(pool, book)
        ray.kill(pool._actors[1])
        check(pool, book)
        assert pool.rebuilt == 1
        check(pool, book)
        assert pool.rebuilt == 1
    finally:
        pool.close()


@pytest.mark.parametrize("shards", [1, 2, 7])
def test_the_split_is_a_partition_and_even(shards: int) -> None:
    book = book_of(PARAMETERS, 2, 3000)
    split = split_accounts(book, shards)
    assert sorted(np.concatenate(split).tolist()) == list(range(book.accounts))
    counts = np.bincount(book.position_account, minlength=book.accounts)
    load = [counts[rows].sum() for rows in split]
    assert max(load) <= 1.02 * np.mean(load)


def test_no_worker_is_no_pool() -> None:
    with pytest.raises(BookError, match="at least one worker"):
        open_pool(book_of(PARAMETERS, 1, 10), MARKET, PARAMETERS, 0)


@pytest.mark.skipif(importlib.util.find_spec("ray") is not None, reason="Ray is installed")
def test_without_ray_the_error_says_what_to_install() -> None:
    with pytest.raises(BookError, match=r"pip install 'dpre\[ray\]'"):
        open_pool(book_of(PARAMETERS, 1, 10), MARKET, PARAMETERS, 2, "ray")
