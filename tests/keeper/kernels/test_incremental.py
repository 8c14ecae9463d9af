"""Incremental ticks against full passes: the same accounts below maintenance after every tick, over a million account-ticks."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from keeper.errors import ParameterError
from keeper.kernels.incremental import IncrementalBook
from keeper.kernels.market import MarketVector
from keeper.kernels.prepared import PreparedBook
from keeper.margin import Book
from keeper.model import MarginMode
from tests.keeper.kernels.conftest import DAY, GROUPS, NOW, TABLES, book_of, make_market

ACCOUNTS = 2_000
TICKS = 60
PARAMETERS = TABLES["35 scenarios"]


def tight_book(seed: int) -> Book:
    """Cash such that every account stands within some tenths of a per cent to some ten per cent of its margin, either side."""
    market = make_market()
    rough = book_of(PARAMETERS, seed, ACCOUNTS)
    prepared = PreparedBook.of(rough, market, PARAMETERS)
    figures = prepared.in_book_order(prepared.figures(market))
    rng = np.random.default_rng(seed)
    away = np.abs(figures.gross_notional) * 10.0 ** rng.uniform(-5, -1, ACCOUNTS) * rng.choice([-1.0, 1.0], ACCOUNTS)
    return replace(rough, cash=rough.cash + figures.maintenance - figures.margin_equity_maintenance + away)


class Path:
    """A market vector that moves: spots with their marks, forwards and tokens, or anything else."""

    def __init__(self, book: Book, seed: int) -> None:
        self.prepared = PreparedBook.of(book, make_market(GROUPS["one group"]), PARAMETERS, 1)
        self.vector = self.prepared.table.vector(make_market(GROUPS["one group"]))
        self.rng = np.random.default_rng(seed)
        plan = self.prepared.table.plan
        self.owner = plan.slot_underlying[len(plan.underlyings) :]
        self.expiry = plan.expiry[len(plan.underlyings) :]

    def move(self, log_moves: np.ndarray, seconds: int = 1) -> MarketVector:
        v, factor = self.vector, np.exp(log_moves)
        time = v.time + seconds
        live = self.expiry > v.time  # what has expired no longer moves with the spot
        forward = np.where(live, v.forward * factor[self.owner], v.forward)
        tokens = v.token_price * np.array([1.0, factor[1], factor[1]])
        self.vector = replace(v, time=time, spot=v.spot * factor, mark=v.mark * factor, forward=forward, token_price=tokens)
        return self.vector

    def change(self, **fields: object) -> MarketVector:
        self.vector = replace(self.vector, **fields)
        return self.vector


def diffusion(path: Path) -> Iterator[MarketVector]:
    for _ in range(TICKS):
        yield path.move(path.rng.normal(0, 0.6 / np.sqrt(365 * DAY), 3))


def fast_diffusion(path: Path) -> Iterator[MarketVector]:
    for _ in range(TICKS):
        yield path.move(path.rng.normal(0, 1e-3, 3), int(path.rng.integers(1, 4)))


def crash(path: Path) -> Iterator[MarketVector]:
    for _ in range(TICKS):
        yield path.move(path.rng.normal(-0.012, 0.01, 3))


def jumps(path: Path) -> Iterator[MarketVector]:
    for _ in range(TICKS):
        jump = path.rng.random(3) < 0.15
        yield path.move(np.where(jump, path.rng.normal(0, 0.15, 3), path.rng.normal(0, 1e-4, 3)))


def vol_spikes(path: Path) -> Iterator[MarketVector]:
    for _ in range(TICKS):
        path.move(path.rng.normal(0, 2e-4, 3))
        if path.rng.random() < 0.2:
            svi = path.vector.svi.copy()
            svi[:, :2] *= path.rng.uniform(0.5, 2.5)
            path.change(svi=svi)
        yield path.vector


def expiries(path: Path) -> Iterator[MarketVector]:
    """Through the first two expiries and the moments at which legs come within the gamma tenor, now and then to the second."""
    events = np.sort(np.unique(np.concatenate([path.expiry, path.expiry - 2 * DAY])))
    for _ in range(TICKS):
        later = events[events > path.vector.time]
        step = int(path.rng.choice([1, 30, 600, 7200]))
        if path.rng.random() < 0.4 and later.size:
            step = max(1, int(later[0] - path.vector.time) + int(path.rng.integers(-1, 2)))
        yield path.move(path.rng.normal(0, 2e-4, 3), step)


def time_decay(path: Path) -> Iterator[MarketVector]:
    for _ in range(TICKS):
        yield path.move(np.zeros(3), int(path.rng.choice([1, 10, 60, 300])))


def bases(path: Path) -> Iterator[MarketVector]:
    """Forwards, marks and tokens that drift from the spot, below and above what boxes allow for; other settings change."""
    for _ in range(TICKS):
        v = path.move(path.rng.normal(0, 1e-4, 3))
        scale = 10.0 ** path.rng.uniform(-7, -4.5)
        live = path.expiry > v.time
        path.change(
            forward=np.where(live, v.forward * (1 + scale * path.rng.normal(0, 1, len(v.forward))), v.forward),
            mark=v.mark * (1 + scale * path.rng.normal(0, 1, 3)),
            token_price=v.token_price * (1 + scale * path.rng.normal(0, 1, 3) * (path.rng.random() < 0.3)),
        )
        if path.rng.random() < 0.1:
            path.change(confidence=np.where(path.rng.random(3) < 0.5, 0.85, 1.0))
        if path.rng.random() < 0.05:
            path.change(rate=v.rate + 0.01)
        if path.rng.random() < 0.05:
            path.change(spot_scale=1.0 + 0.3 * path.rng.random(3))
        yield path.vector


PATHS: tuple[Callable[[Path], Iterator[MarketVector]], ...] = (
    diffusion, fast_diffusion, crash, jumps, vol_spikes, expiries, time_decay, bases,
)  # fmt: skip
SEEDS = 4


def test_a_million_account_ticks_miss_nothing_and_invent_nothing() -> None:
    account_ticks = missed = spurious = changes = 0
    cost: dict[str, tuple[int, int]] = {}
    for number, kind in enumerate(PATHS):
        evaluated = full = 0
        for seed in range(SEEDS):
            book = tight_book(100 * number + seed)
            path = Path(book, seed)
            incremental = IncrementalBook(path.prepared)
            oracle = PreparedBook.of(book, make_market(GROUPS["one group"]), PARAMETERS)
            incremental.tick(path.vector)
            before = incremental.below.copy()
            for vector in kind(path):
                found = incremental.tick(vector) == 1
                expected = oracle.figures(vector).health < 1.0
                missed += int((expected & ~found).sum())
                spurious += int((found & ~expected).sum())
                changes += int((found != (before == 1)).sum())
                before = found.astype(np.uint8)
                account_ticks += book.accounts
            evaluated += incremental.count.evaluated
            full += incremental.count.full
        cost[kind.__name__] = (evaluated, full)
    assert account_ticks >= 1_000_000
    assert (missed, spurious) == (0, 0)
    assert changes > 10_000, "the paths are expected to carry accounts across their margin"
    ticks = SEEDS * TICKS
    for calm in ("diffusion", "fast_diffusion", "crash", "jumps"):
        evaluated, full = cost[calm]
        assert full <= 3 * SEEDS, "spots alone are expected to need no full pass"
        assert 0 < evaluated < ticks * ACCOUNTS * 0.9
    assert cost["diffusion"][0] < ticks * ACCOUNTS * 0.5, cost


def test_boxes_that_are_too_wide_are_noticed() -> None:
    """The comparison can fail: with boxes a little wider than the bounds allow, accounts are missed."""
    book = tight_book(7)
    path = Path(book, 1)
    incremental, oracle = IncrementalBook(path.prepared), PreparedBook.of(book, make_market(), PARAMETERS)
    wrong = 0
    for vector in fast_diffusion(path):
        incremental.tick(vector)
        wrong += int(((oracle.figures(vector).health < 1.0) != (incremental.below == 1)).sum())
        incremental._low *= 0.999
        incremental._high *= 1.001
        incremental._until += 10
    assert wrong > 0


@pytest.mark.parametrize("mode", MarginMode)
def test_each_mode_alone(mode: MarginMode) -> None:
    book = tight_book(7).in_mode(mode)
    path = Path(book, 1)
    incremental, oracle = IncrementalBook(path.prepared), PreparedBook.of(book, make_market(), PARAMETERS)
    for vector in fast_diffusion(path):
        incremental.tick(vector)
        assert ((oracle.figures(vector).health < 1.0) == (incremental.below == 1)).all()
    assert (incremental.rows_below() == np.flatnonzero(oracle.in_book_order(oracle.figures(path.vector)).health < 1.0)).all()


def test_time_that_goes_back_is_a_full_pass() -> None:
    book = tight_book(3)
    path = Path(book, 1)
    incremental = IncrementalBook(path.prepared)
    vector = path.vector
    incremental.tick(vector)
    incremental.tick(path.move(np.full(3, 1e-5), 100))
    full = incremental.count.full
    incremental.tick(vector)
    assert incremental.count.full == full + 1
    oracle = PreparedBook.of(book, make_market(), PARAMETERS)
    assert ((oracle.figures(vector).health < 1.0) == (incremental.below == 1)).all()
    assert vector.time == NOW


def test_powers_that_break_the_bounds_are_refused() -> None:
    parameters = replace(PARAMETERS, vol_power_short=0.6)
    with pytest.raises(ParameterError, match=r"0\.6"):
        IncrementalBook(PreparedBook.of(book_of(parameters, 1, 20), make_market(), parameters))
