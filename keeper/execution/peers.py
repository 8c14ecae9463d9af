"""Maker and publisher over HTTP, asked in the background: a peer that hangs must not hold the keeper up."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import requests

from keeper.errors import ExecutionError
from keeper.execution.orders import Order, SignedOrder

__all__ = ["Inquiry", "Quote", "SignedUpdate", "fetch_quote", "fetch_updates"]

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Quote:
    """The maker's signed order, opposite to what was asked, and the price it is good for (1e18 USD)."""

    order: SignedOrder
    price: int


@dataclass(frozen=True, slots=True)
class SignedUpdate:
    """IPriceDoor.MarketUpdate as a tuple in the order of its fields, with a quorum's signatures."""

    update: tuple[Any, ...]
    signatures: tuple[bytes, ...]

    @property
    def underlying(self) -> int:
        return int(self.update[0])

    @property
    def timestamp(self) -> int:
        return int(self.update[1])


def fetch_quote(url: str, instrument: int, size: int, account: int, timeout: float) -> Quote:
    """POST {instrument, size, account} (ours, signed, as decimal strings). Raises ExecutionError with the maker's reason."""
    try:
        body = {"instrument": str(instrument), "size": str(size), "account": account}
        answer = requests.post(url, json=body, timeout=timeout)
        content = answer.json()
        if answer.status_code != requests.codes.ok:
            raise ExecutionError(f"the maker does not quote: {content.get('error', answer.status_code)}")
        return _quote(content)
    except (requests.RequestException, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ExecutionError(f"the maker at {url} gave no usable quote: {type(error).__name__}: {error}") from error


def fetch_updates(url: str, timeout: float) -> tuple[SignedUpdate, ...]:
    """GET the latest signed updates. Raises ExecutionError."""
    try:
        answer = requests.get(url, timeout=timeout)
        answer.raise_for_status()
        return tuple(_update(entry) for entry in answer.json())
    except (requests.RequestException, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ExecutionError(f"the publisher at {url} gave no usable updates: {type(error).__name__}: {error}") from error


class Inquiry(Generic[Answer]):
    """At most one question at a time, answered in a thread of its own."""

    def __init__(self, name: str) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
        self._future: Future[Answer] | None = None

    @property
    def idle(self) -> bool:
        return self._future is None

    @property
    def answered(self) -> bool:
        """Whether `answer` would tell something now."""
        return self._future is not None and self._future.done()

    def ask(self, question: Callable[[], Answer]) -> None:
        """Raises ExecutionError while another question is open."""
        if self._future is not None:
            raise ExecutionError("expected the last question to be answered first")
        self._future = self._executor.submit(question)

    def answer(self) -> Answer | None:
        """None while there is none. Raises what the question raised; then the next may be asked."""
        if self._future is None or not self._future.done():
            return None
        future, self._future = self._future, None
        return future.result()

    def close(self) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)


def _quote(content: Mapping[str, Any]) -> Quote:
    account, instrument, size, limit_price, fee_cap, expiry, nonce, reduce_only, venue = content["order"]
    order = Order(
        account=int(account),
        instrument=int(instrument),
        size=int(size),
        limit_price=int(limit_price),
        fee_cap=int(fee_cap),
        expiry=int(expiry),
        nonce=int(nonce),
        reduce_only=bool(reduce_only),
        venue=str(venue),
    )
    return Quote(SignedOrder(order, str(content["signer"]), _bytes(content["signature"])), int(content["price"]))


def _update(entry: Mapping[str, Any]) -> SignedUpdate:
    *fields, expiries = entry["update"]
    quotes: Sequence[Sequence[str]] = expiries
    update = (*(int(field) for field in fields), [tuple(int(number) for number in quote) for quote in quotes])
    return SignedUpdate(update, tuple(_bytes(signature) for signature in entry["signatures"]))


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))
