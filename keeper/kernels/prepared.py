"""A book laid out for the kernels: one call per tick gives the figures of all its accounts."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, TypeVar

import numba
import numpy as np
from numpy.typing import NDArray

from keeper.errors import BookError, MarketError
from keeper.kernels.accounts import FIGURES, OTHERS, SCRATCH, margin_accounts
from keeper.kernels.charges import CHARGED, STANDARD, charge_terms, fill_tick, price_charged
from keeper.kernels.layout import AccountLayout, SegmentLayout
from keeper.kernels.market import MarketPlan, MarketVector, moving_scenarios
from keeper.kernels.memory import line_aligned
from keeper.kernels.pricing import COLUMNS, OUTPUTS, price_slots
from keeper.kernels.reduction import stress_losses
from keeper.margin import Book
from keeper.model import CorrelationGroup, Kind, Market, Parameters
from keeper.pricing import InstrumentTable, PricedTable, Quotes, scenario_shocks, shocked_vol

__all__ = ["AccountFigures", "OtherModes", "PreparedBook", "PreparedTable", "TickArrays"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class AccountFigures:
    """USD per account, all [A], as in keeper.margin.MarginResult, in the order of `PreparedBook.row`; views of one table, a
    cache line per account."""

    initial: Floats
    maintenance: Floats
    equity: Floats
    margin_equity_initial: Floats
    margin_equity_maintenance: Floats
    long_options: Floats
    gross_notional: Floats
    health: Floats


@dataclass(frozen=True, slots=True)
class OtherModes:
    """What the rules of the other modes ask of each account, all [A] USD, in the same order: stress_requirement: R, as PORTFOLIO initial
    margin; standard_initial, standard_maintenance: CROSS and ISOLATED; long_options: marks that support nothing there."""

    stress_requirement: Floats
    standard_initial: Floats
    standard_maintenance: Floats
    long_options: Floats


@dataclass(frozen=True, slots=True)
class TickArrays:
    """What the evaluation reads of a tick besides the grid: seconds to expiry, convexity (half of the gamma charge's step squared
    within its tenor, else 0) [U + E]; unit [U x 40]: P&L of a dollar of spot; spot, mark, step (of the gamma charge, USD), doubt
    (1 - confidence where that is too low), dearest (largest forward, USD) [U]; token_price [K], 0 where there is none."""

    seconds: NDArray[np.int64]
    convexity: Floats
    unit: Floats
    spot: Floats
    mark: Floats
    step: Floats
    doubt: Floats
    dearest: Floats
    token_price: Floats


_Columns = TypeVar("_Columns", AccountFigures, OtherModes)


class PreparedTable:
    """An instrument table ready to be priced: Greeks [8, I] and the grid [I, 40], once per tick.

    underlyings: those of the markets to come, ascending. threads: how many price and reduce, numba's number by default.
    Raises MarketError for an instrument on another underlying.
    """

    def __init__(self, table: InstrumentTable, parameters: Parameters, underlyings: tuple[int, ...], threads: int | None = None) -> None:
        self.table, self.parameters = table, parameters
        self.threads = numba.get_num_threads() if threads is None else threads
        self.plan = MarketPlan.of(table, underlyings, tuple(c.token for c in parameters.collateral))
        count = len(table)
        self.width = max(8, -(-count // 8) * 8)
        self.padded_slot = np.zeros(self.width, dtype=np.int64)
        self.padded_slot[:count] = self.plan.slot
        self.padded_strike, self.sign = line_aligned(self.width), line_aligned(self.width)
        self.padded_strike[:] = 1.0
        options = np.flatnonzero(table.is_option)
        self.padded_strike[options] = table.strike[options]
        self.sign[options] = np.where(table.kind[options] == Kind.CALL, 1.0, -1.0)
        self.work, self.outputs = line_aligned(16 * self.width), line_aligned(OUTPUTS * self.width)
        self.flat_grid = line_aligned(self.width * COLUMNS)
        self.moving = moving_scenarios(parameters)
        self.fused = len(self.moving) <= COLUMNS - 8 + CHARGED
        self.stride = COLUMNS if self.fused else 8
        self.sums = self.flat_grid[COLUMNS - 8 :] if self.fused else line_aligned(self.width * 8)
        self.vol_limits = np.array([parameters.vol_floor_up, parameters.vol_floor_down, parameters.svi_clamp])
        self._scenarios, self._scale = np.zeros((0, COLUMNS)), np.zeros(0)
        self.unit = np.zeros(0)
        self.slots = np.zeros((0, 16))
        self.standard, self.near = line_aligned(self.width * STANDARD), np.zeros(self.width, dtype=np.uint8)
        self.steep = np.zeros(max(1, len(underlyings)), dtype=np.int64)
        p = parameters
        self.charge_rules = np.array([p.rate_charge, p.roll_min, p.roll_slope, p.gamma_tenor, p.gamma_step, p.confidence_threshold])
        self.standard_rules = np.array(
            [p.short_option_initial, p.short_option_initial_min, p.short_option_maintenance, p.short_initial_over_maintenance,
             p.tier_1_initial, p.tier_1_maintenance]
        )  # fmt: skip

    @property
    def grid(self) -> Floats:
        """[I, 40] weighted P&L in the parameters' scenarios, zero from S on: a copy."""
        grid = line_aligned(len(self.table), COLUMNS)
        grid[:, self.moving] = self.flat_grid.reshape(self.width, COLUMNS)[: len(self.table), : len(self.moving)]
        return grid

    def vector(self, market: Market | MarketVector) -> MarketVector:
        return market if isinstance(market, MarketVector) else self.plan.read(market)

    def read(self, vector: MarketVector) -> Floats:
        """The slots [U + E, 16] from which everything is priced next. ParameterError where a shock x spot_scale reaches -100 %."""
        self.slots = slots = self.plan.slots(vector, self.parameters)
        if not np.array_equal(self._scale, vector.spot_scale):
            self._scenarios, self._scale = self.plan.scenarios(vector, self.parameters), vector.spot_scale.copy()
            by_underlying = self._scenarios[:-3].reshape(-1, 3, COLUMNS)
            self.unit = (by_underlying[:, 0] * by_underlying[:, 2]).reshape(-1)
        return slots

    def price(self, vector: MarketVector) -> None:
        """Prices everything, as far as stress losses need it. Raises as read."""
        self.read(vector)
        price_slots(*self._pricing(), np.zeros(1, dtype=np.int64), self.threads)

    def price_charged(self, tick: TickArrays) -> None:
        """Prices everything that was read, with what charges and standard margin are made of."""
        price_charged(
            *self._pricing(), tick.step, tick.convexity, self.charge_rules, self.standard_rules, self.sums, self.stride, self.near,
            self.steep, self.standard, np.zeros(1, dtype=np.int64), self.threads,
        )  # fmt: skip

    def _pricing(self) -> tuple[Any, ...]:
        return (
            self.padded_slot, self.padded_strike, self.sign, self.slots.reshape(-1), self.plan.slot_underlying, self._scenarios.reshape(-1),
            len(self.plan.underlyings), self.vol_limits, self.work, self.outputs, self.flat_grid, self.width,
        )  # fmt: skip

    @property
    def scenarios(self) -> Floats:
        """[3 U + 3, 40] as `MarketPlan.scenarios`, of the last tick."""
        return self._scenarios

    def priced_table(self, vector: MarketVector) -> PricedTable:
        """The last tick, priced in this market, as the reference's type, in arrays of its own."""
        plan, table, count, slots = self.plan, self.table, len(self.table), self.slots
        at = slots[plan.slot]
        seconds = np.maximum(plan.expiry - vector.time, 0)[plan.slot] * (plan.expiry[plan.slot] > 0)
        live = at[:, 8] > 0.0
        vol = np.zeros(count)
        options = table.is_option & live
        a, b, skew, m, sigma, reference, tau = at[options, 9:].T
        limit = self.parameters.svi_clamp * np.sqrt(a + b * sigma)
        k = np.clip(np.log(table.strike[options] / reference), -limit, limit) - m
        vol[options] = np.sqrt(np.maximum(a + b * (skew * k + np.sqrt(k * k + sigma * sigma)), 0.0) / tau)
        quotes = Quotes(
            underlyings=np.array(plan.underlyings, dtype=np.int64),
            spot=vector.spot,
            mark=slots[: len(plan.underlyings), 0].copy(),
            confidence=vector.confidence,
            spot_scale=vector.spot_scale,
            underlying_row=plan.slot_underlying[plan.slot],
            seconds=seconds,
            tau=at[:, 1].copy(),
            live=live,
            forward=at[:, 0].copy(),
            rate=at[:, 4].copy(),
            vol=vol,
        )
        move = np.where(options[:, None], shocked_vol(vol, seconds, self.parameters) - vol[:, None], 0.0)
        outputs = self.outputs.reshape(OUTPUTS, self.width)[:, :count].copy()
        shocks = scenario_shocks(vector.spot_scale, self.parameters)
        value, delta, gamma, vega, theta, rho, vanna, volga = outputs
        return PricedTable(table, quotes, shocks, value, delta, gamma, vega, theta, rho, vanna, volga, vol_move=move, grid=self.grid)


class PreparedBook:
    """A book prepared for many ticks. groups: the market's; a market with other groups or underlyings needs another one.

    Preparing sorts the positions, about as long as a hundred ticks; afterwards the book is not read again.
    """

    def __init__(
        self,
        book: Book,
        parameters: Parameters,
        underlyings: tuple[int, ...],
        groups: tuple[CorrelationGroup, ...] = (),
        threads: int | None = None,
    ) -> None:
        if book.tokens != parameters.collateral:
            raise BookError(f"expected a book of the collateral {parameters.collateral}, got {book.tokens}")
        self.book, self.parameters, self.groups = book, parameters, groups
        self.table = PreparedTable(book.table, parameters, underlyings, threads)
        self.layout = AccountLayout.of(book, underlyings, groups)
        self._segments: SegmentLayout | None = None
        self._booked: Floats | None = None
        p, U = parameters, len(underlyings)
        self.scratch = line_aligned(self.threads * SCRATCH)
        self._figures = line_aligned(max(1, book.accounts), FIGURES)
        self._others = line_aligned(1, OTHERS)
        self._unsound = np.zeros(8 * self.threads, dtype=np.int64)
        self._rules = np.array([p.roll_min, p.short_option_rate, p.spot_contingency, p.notional_floor, p.maintenance_factor])
        self._terms = charge_terms(p)
        self._tiers = np.array(
            [p.tier_1_limit, p.tier_2_limit, p.tier_1_initial, p.tier_2_initial, p.tier_3_initial, p.tier_1_maintenance,
             p.tier_2_maintenance, p.tier_3_maintenance]
        )  # fmt: skip
        rows = {index: u for u, index in enumerate(underlyings)}
        self.token_underlying = np.array([-1 if c.underlying is None else rows.get(c.underlying, U) for c in p.collateral], dtype=np.int64)
        self._kept_initial = np.array([1.0 - c.haircut_initial for c in p.collateral])
        self._kept_maintenance = np.array([1.0 - c.haircut_maintenance for c in p.collateral])
        self.kind = book.table.kind.astype(np.int64)
        self.kappa = np.array([group.kappa for group in groups], dtype=np.float64)
        self.held = np.logical_or.reduce(book.collateral > 0.0, axis=0)

    @classmethod
    def of(cls, book: Book, market: Market, parameters: Parameters, threads: int | None = None) -> PreparedBook:
        """For markets of the underlyings and groups of this one."""
        return cls(book, parameters, tuple(market.underlyings), market.groups, threads)

    @property
    def threads(self) -> int:
        return self.table.threads

    def stress_losses(self, market: Market | MarketVector) -> Floats:
        """W [G] of every segment alone, in the order of `segment_order`: pricing and reduction, no charges and no groups,
        no joined collateral. Overwritten by the next call."""
        if self._segments is None:
            self._segments = SegmentLayout.of(self.book)
            self._losses = line_aligned(max(1, self.book.segments))
        self.table.price(self.table.vector(market))
        self.reduce()
        return self._losses[: self.book.segments]

    @property
    def segment_order(self) -> NDArray[np.int64]:
        """[G] the segments of the book in the order of `stress_losses`."""
        return SegmentLayout.of(self.book).segment if self._segments is None else self._segments.segment

    def reduce(self) -> None:
        """The reduction of `stress_losses` alone, over the grid of the last tick."""
        s = self._segments
        if s is None:
            raise BookError("expected a call of stress_losses first: it lays the segments out")
        stress_losses(
            self.table.flat_grid, s.instrument, s.size, s.chunk_position, s.chunk_length, s.chunk_segment, s.chunk_count,
            len(self.table.moving), self._losses, np.zeros(1, dtype=np.int64), self.threads,
        )  # fmt: skip

    @property
    def row(self) -> NDArray[np.int64]:
        """[A] the account's row in the book, in the order in which figures are made: writing each to its own place in the
        book's order would take longer than computing it."""
        return self.layout.row

    def in_book_order(self, figures: _Columns) -> _Columns:
        """Copies in the order of the book."""
        back = np.empty_like(self.row)
        back[self.row] = np.arange(len(back))
        return type(figures)(*(getattr(figures, item.name)[back] for item in fields(figures)))

    def owe(self, owed: Floats | None) -> None:
        """owed [A]: USD that the accounts owe beside their cash from now on, in the order of the book; None: nothing."""
        if self._booked is None:
            if owed is None:
                return
            self._booked = self.layout.funds.copy()
        np.copyto(self.layout.funds, self._booked if owed is None else self._booked - owed[self.row])

    def figures(self, market: Market | MarketVector) -> AccountFigures:
        """Every account in its own mode, in the order of `row`; the arrays are overwritten by the next call.

        Raises MarketError and ParameterError as keeper.margin.margin, BookError where a figure is not finite.
        """
        vector = self.table.vector(market)
        return self._evaluate(vector, every_mode=False)

    def side_by_side(self, market: Market | MarketVector) -> tuple[AccountFigures, OtherModes]:
        """As `figures`, and what the rules of the other modes ask of every account."""
        vector = self.table.vector(market)
        if len(self._others) < self.book.accounts:
            self._others = line_aligned(self.book.accounts, OTHERS)
        figures = self._evaluate(vector, every_mode=True)
        return figures, OtherModes(*(self._others[: self.book.accounts, k] for k in range(OTHERS)))

    def _evaluate(self, vector: MarketVector, *, every_mode: bool) -> AccountFigures:
        tick = self.tick_arrays(vector, self.table.read(vector))
        self.table.price_charged(tick)
        y = self.layout
        margin_accounts(
            *self.margin_arguments(tick), y.chunk_signature, y.chunk_start, y.chunk_count,
            every_mode, np.zeros(1, dtype=np.int64), self.threads,
        )  # fmt: skip
        figures = self._figures[: self.book.accounts]
        initial, maintenance, equity, at_initial, at_maintenance, paid, gross, health = (figures[:, k] for k in range(FIGURES))
        if self.is_unsound():
            wrong = int(np.argmin(np.isfinite(figures[:, :5]).all(axis=1)))
            raise BookError(f"expected finite figures, account {self.book.account_id[self.row[wrong]]} has {figures[wrong, :5]}")
        return AccountFigures(initial, maintenance, equity, at_initial, at_maintenance, paid, gross, health)

    def tick_arrays(self, vector: MarketVector, slots: Floats) -> TickArrays:
        """Raises MarketError where a collateral token that somebody holds has no price."""
        t, plan = self.table, self.table.plan
        U, slotted = len(plan.underlyings), len(plan.expiry)
        spot, mark, step, doubt, dearest = np.empty((5, U))
        seconds, convexity, token_price = np.empty(slotted, dtype=np.int64), np.empty(slotted), np.empty(len(self.held))
        missing = fill_tick(
            vector.time, vector.spot, vector.confidence, vector.spot_scale, vector.token_price, self.held, plan.expiry, slots.reshape(-1),
            plan.slot_underlying, t.charge_rules, spot, mark, step, doubt, dearest, t.steep, seconds, convexity, token_price,
        )  # fmt: skip
        if missing >= 0:
            raise MarketError(f"expected a price of the collateral token {self.parameters.collateral[missing].token}")
        return TickArrays(seconds, convexity, t.unit, spot, mark, step, doubt, dearest, token_price)

    def margin_arguments(self, tick: TickArrays, layout: AccountLayout | None = None, figures: Floats | None = None) -> tuple[Any, ...]:
        """What margin_accounts takes before its chunks. layout and figures [A, 8]: of other accounts with the same instruments
        and segments than the book's own."""
        t, y = self.table, self.layout if layout is None else layout
        return (
            t.flat_grid, t.sums, t.stride, t.outputs, t.standard, self.kind, t.near, tick.unit,
            y.first, y.instrument, y.opens, y.size, y.contracts, y.shorts, y.perps, y.funds, y.collateral,
            y.signature_start, y.held, y.length, y.underlying, y.group, y.role, y.portfolio, y.joins,
            tick.spot, tick.mark, tick.step, t.steep, tick.doubt, tick.dearest, self.kappa,
            tick.token_price, self.token_underlying, self._kept_initial, self._kept_maintenance,
            self._rules, self._terms, self._tiers, len(t.moving), self.scratch,
            (self._figures if figures is None else figures).reshape(-1), self._others.reshape(-1), self._unsound,
        )  # fmt: skip

    def is_unsound(self) -> bool:
        """Whether a figure of the last evaluation was not finite."""
        return bool(self._unsound.any())
