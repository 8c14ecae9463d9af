"""The keeper's API from Python: typed answers, no chain, no keys but the API's own.

with Client("http://127.0.0.1:8640") as keeper:
    for found in keeper.liquidatable(taker=7).suggestions:
        print(found.account, found.payment, found.to, found.data)
    for news in keeper.stream("health", "margin_calls"):
        print(news)

`examples/liquidator.py` is a whole bot on top of this.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any, Self, TypeVar
from urllib.parse import urlencode

import requests
from pydantic import BaseModel, TypeAdapter, ValidationError
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from keeper.api.documents import (
    AccountList,
    AccountRisk,
    Liquidatable,
    Market,
    News,
    ParameterList,
    Status,
    Topic,
    TransactionList,
)
from keeper.errors import ApiError

__all__ = ["Client"]

_NEWS: TypeAdapter[News] = TypeAdapter(News)

Document = TypeVar("Document", bound=BaseModel)


class Client(AbstractContextManager["Client"]):
    """Not for several threads. address: of the API; key: where the keeper asks for one; timeout: seconds per answer.

    Every method raises ApiError: with the status the API answered, or with None where no usable answer came.
    """

    def __init__(self, address: str = "http://127.0.0.1:8640", key: str | None = None, timeout: float = 10.0) -> None:
        self._address = address.rstrip("/")
        self._headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        self._timeout = timeout
        self._session = requests.Session()
        self._session.headers.update(self._headers)
        self._session.trust_env = False  # no proxy and no .netrc decides who gets the key

    def __exit__(self, *_: object) -> None:
        self.close()

    def __enter__(self) -> Self:
        return self

    def close(self) -> None:
        self._session.close()

    def ready(self) -> bool:
        """True while the keeper follows the chain; False also where it does not answer."""
        try:
            return self._session.get(f"{self._address}/readyz", timeout=self._timeout).ok
        except requests.RequestException:
            return False

    def status(self) -> Status:
        return self._get(Status, "/v1/status")

    def accounts(self, *, below: float | None = None, band: str | None = None, offset: int = 0, limit: int = 100) -> AccountList:
        """One page, worst health first. below: only those with less health; band: only those in it."""
        return self._get(AccountList, "/v1/accounts", below=below, band=band, offset=offset, limit=limit)

    def account(self, account: int, *, liquidation_prices: bool = True) -> AccountRisk:
        """ApiError.status 404: there is no such account; 409: it holds what nobody quotes."""
        return self._get(AccountRisk, f"/v1/accounts/{account}", liquidation_prices=str(liquidation_prices).lower())

    def liquidatable(self, taker: int, limit: int = 20) -> Liquidatable:
        """What `taker` could do about the most urgent accounts. Simulate before sending: the chain may have moved on."""
        return self._get(Liquidatable, "/v1/liquidatable", taker=taker, limit=limit)

    def parameters(self) -> ParameterList:
        return self._get(ParameterList, "/v1/parameters")

    def market(self) -> Market:
        return self._get(Market, "/v1/market")

    def transactions(self, limit: int = 50) -> TransactionList:
        return self._get(TransactionList, "/v1/transactions", limit=limit)

    def stream(self, *topics: Topic, account: int | None = None) -> Iterator[News]:
        """News until the iterator is closed; all topics where none is named. Raises ApiError when the connection ends: what
        happened meanwhile is in `accounts` and `status`, then stream again."""
        query = {**({"topics": ",".join(topics)} if topics else {}), **({} if account is None else {"account": str(account)})}
        address = f"ws{self._address.removeprefix('http')}/v1/stream" + (f"?{urlencode(query)}" if query else "")
        try:
            with connect(address, additional_headers=self._headers, open_timeout=self._timeout, proxy=None) as socket:
                for message in socket:
                    yield _NEWS.validate_json(message)
        except InvalidStatus as error:
            raise ApiError(error.response.status_code, _reason(error.response.body or b"")) from None
        except (ConnectionClosed, OSError, TimeoutError, ValidationError) as error:
            raise ApiError(None, f"the stream ended: {error}") from error
        raise ApiError(None, "the stream ended: the keeper closed it")

    def _get(self, kind: type[Document], path: str, **query: Any) -> Document:
        named = {name: value for name, value in query.items() if value is not None}
        try:
            answer = self._session.get(self._address + path, params=named, timeout=self._timeout, allow_redirects=False)
        except requests.RequestException as error:
            raise ApiError(None, f"{path}: no answer ({type(error).__name__})") from error
        if not answer.ok:
            raise ApiError(answer.status_code, f"{path}: {_reason(answer.content)}", _seconds(answer.headers.get("Retry-After")))
        try:
            return kind.model_validate_json(answer.content)
        except ValidationError as error:
            raise ApiError(None, f"{path}: expected {kind.__name__}, got {answer.text[:200]!r}") from error


def _reason(body: bytes) -> str:
    try:
        return str(json.loads(body)["detail"])
    except (ValueError, KeyError, TypeError):
        return body[:200].decode(errors="replace")


def _seconds(text: str | None) -> float | None:
    return float(text) if text is not None and text.isdecimal() else None
