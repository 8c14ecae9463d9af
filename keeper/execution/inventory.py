"""Working inventory down: what liquidations left with the keeper goes to a maker, by two signed orders."""

from __future__ import annotations

import time
from dataclasses import dataclass

from keeper.chain import Block, Deployment
from keeper.errors import ExecutionError
from keeper.execution.calls import Call
from keeper.execution.orders import Order
from keeper.execution.peers import Inquiry, Quote, fetch_quote
from keeper.execution.signer import ExternalSigner, Signer
from keeper.model import WAD, Account, Instrument, Market
from keeper.portfolio import Parameter, State

__all__ = ["PURPOSE", "Inventory", "InventoryRules", "Settlement"]

PURPOSE = "inventory"
_ORDER_SECONDS = 30
_SMALLEST_SHARE = 1.0 / 64.0


@dataclass(frozen=True, slots=True)
class InventoryRules:
    """tolerance: USD notional per instrument that may stay; spread: share of the mark that a quote may be away from it;
    timeout: seconds to wait for the maker; pause: seconds after a refusal."""

    tolerance: float
    spread: float
    timeout: float
    pause: float


@dataclass(frozen=True, slots=True)
class Settlement:
    """Both orders as one call, for the position in `instrument`; size: ours, signed 1e18; price: USD 1e18."""

    call: Call
    instrument: Instrument
    size: int
    price: int


@dataclass(frozen=True, slots=True)
class _Request:
    instrument: Instrument
    size: int  # what we trade: opposite to the position


class Inventory:
    """One request for a quote at a time; url None: positions stay."""

    def __init__(
        self, deployment: Deployment, signer: Signer | ExternalSigner, own_account: int, url: str | None, rules: InventoryRules
    ) -> None:
        self._deployment = deployment
        self._clearing = deployment.contract("Clearing")
        self._signer = signer
        self._own_account = own_account
        self._url = url
        self._rules = rules
        self._inquiry: Inquiry[Quote] = Inquiry("maker")
        self._request: _Request | None = None
        self._shares: dict[Instrument, float] = {}
        self._paused_until: dict[Instrument, float] = {}

    def next(self, state: State, market: Market, marks: dict[Instrument, float], block: Block) -> Settlement | None:
        """Asks for the next quote, or turns an answered one into the settlement of both orders; None while there is
        nothing to send. marks: USD, of the keeper's own instruments. Raises ExecutionError for a quote refused by maker
        or keeper."""
        account = state.accounts.get(self._own_account)
        if self._url is None or account is None:
            return None
        if self._request is None:
            self._ask_next(account, market)
            return None
        try:
            quote = self._inquiry.answer()
        except ExecutionError:
            # Too large for the maker's margin, most likely: ask for half, later.
            self._pause(self._request.instrument, halve=True)
            self._request = None
            raise
        if quote is None:
            return None
        request, self._request = self._request, None
        position = account.positions.get(request.instrument)
        if position is None or position.size.raw * request.size >= 0 or abs(position.size.raw) < abs(request.size):
            return None  # the position changed while we asked
        try:
            self._require_fair(request, quote, marks.get(request.instrument), market)
        except ExecutionError:
            self._pause(request.instrument, halve=False)
            raise
        return self._settlement(request, quote, state, block)

    def refused(self, instrument: Instrument) -> None:
        """The settlement of this instrument failed on the contract."""
        self._pause(instrument, halve=True)

    def close(self) -> None:
        self._inquiry.close()

    def _ask_next(self, account: Account, market: Market) -> None:
        """The largest position above tolerance that is not paused."""
        now = time.monotonic()
        ranked = sorted(
            account.positions.items(), key=lambda item: -abs(item[1].size.to_float()) * market.underlying(item[0].underlying).spot
        )
        for instrument, position in ranked:
            notional = abs(position.size.to_float()) * market.underlying(instrument.underlying).spot
            if notional <= self._rules.tolerance:
                return
            if self._paused_until.get(instrument, 0.0) > now:
                continue
            share = self._shares.get(instrument, 1.0)
            size = -position.size.raw if share >= 1.0 else -int(position.size.raw * share)
            url, timeout = self._url, self._rules.timeout
            if size == 0 or url is None:
                return
            self._request = _Request(instrument, size)
            number = instrument.pack()
            self._inquiry.ask(lambda: fetch_quote(url, number, size, self._own_account, timeout))  # noqa: B023 - returns right away
            return

    def _require_fair(self, request: _Request, quote: Quote, mark: float | None, market: Market) -> None:
        order = quote.order.order
        if (order.instrument, order.size) != (request.instrument.pack(), -request.size):
            raise ExecutionError(f"asked the maker for {-request.size} of {request.instrument}, got an order for {order.size}")
        if mark is None:
            raise ExecutionError(f"expected a mark of {request.instrument}")
        # Near worthless options trade by the tick: a share of the mark alone would refuse every quote.
        room = self._rules.spread * max(mark, 0.05 * market.underlying(request.instrument.underlying).spot)
        if abs(quote.price / WAD - mark) > room:
            raise ExecutionError(f"{request.instrument}: the maker's {quote.price / WAD} is more than {room} away from the mark {mark}")

    def _settlement(self, request: _Request, quote: Quote, state: State, block: Block) -> Settlement:
        own = Order(
            account=self._own_account,
            instrument=request.instrument.pack(),
            size=request.size,
            limit_price=quote.price,
            fee_cap=state.table.stored(Parameter.TRADE_FEE),
            expiry=block.time + _ORDER_SECONDS,
            nonce=time.time_ns(),
        )
        signed = self._signer.sign_order(own, self._deployment.chain_id, self._clearing.address)
        buy, sell = (signed, quote.order) if request.size > 0 else (quote.order, signed)
        data = self._clearing.encode("settle", buy.as_tuple(), sell.as_tuple(), abs(request.size), quote.price)
        self._shares[request.instrument] = min(1.0, 2.0 * self._shares.get(request.instrument, 1.0))
        call = Call(self._clearing.address, data, PURPOSE, self._own_account)
        return Settlement(call, request.instrument, request.size, quote.price)

    def _pause(self, instrument: Instrument, *, halve: bool) -> None:
        self._paused_until[instrument] = time.monotonic() + self._rules.pause
        if halve:
            self._shares[instrument] = max(_SMALLEST_SHARE, 0.5 * self._shares.get(instrument, 1.0))
