"""The routes over HTTP. Each reads the newest snapshot, dresses it by keeper.api.views, and returns; nothing is decided here."""

from __future__ import annotations

import time
from importlib.resources import files
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Request, Response
from fastapi.responses import HTMLResponse, PlainTextResponse

from keeper.api import views
from keeper.api.context import Assessed, context_of, needs
from keeper.api.documents import AccountList, AccountRisk, Liquidatable, Market, ParameterList, Status, TransactionList
from keeper.api.metrics import CONTENT_TYPE, exposition
from keeper.bus import Band
from keeper.errors import AccountError, MarketError
from keeper.observation import Scope

__all__ = ["service", "venue"]

_PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; img-src data:"
_PAGE_HEADERS = {
    "Content-Security-Policy": _PAGE_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
}

service = APIRouter(tags=["service"])
venue = APIRouter(prefix="/v1")


@service.get("/", include_in_schema=False)
def dashboard() -> HTMLResponse:
    return HTMLResponse(files("keeper.api").joinpath("dashboard.html").read_text(), headers=_PAGE_HEADERS)


@service.get("/healthz")
def healthz(request: Request) -> Response:
    """200 while the engine steps: restart the process where it does not."""
    context = context_of(request)
    age = time.time() - context.source.snapshot.at
    return PlainTextResponse(f"last step {age:.1f} s ago\n", 200 if age <= context.settings.stalled_after else 503)


@service.get("/readyz")
def readyz(request: Request) -> Response:
    """200 while the chain is followed and assessed."""
    context = context_of(request)
    snapshot = context.source.snapshot
    if snapshot.ready and time.time() - snapshot.at <= context.settings.stalled_after:
        return PlainTextResponse("ready\n")
    return PlainTextResponse("not ready: the chain is not followed, or has no prices\n", 503)


@service.get("/metrics", dependencies=[needs(Scope.METRICS)])
def metrics(request: Request) -> Response:
    """For Prometheus."""
    return Response(exposition(context_of(request).collector), media_type=CONTENT_TYPE)


@venue.get("/status", tags=["risk"], dependencies=[needs(Scope.READ)])
def status(request: Request) -> Status:
    """Head, prices, bands, margin calls, signers, nodes, timings."""
    return views.status(context_of(request).source.snapshot)


@venue.get("/accounts", tags=["risk"], dependencies=[needs(Scope.READ)])
def accounts(
    found: Assessed,
    below: Annotated[float | None, Query(description="only accounts with a health less than this")] = None,
    band: Annotated[Band | None, Query(description="only accounts in this band")] = None,
    offset: Annotated[int, Query(ge=0)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> AccountList:
    """Margin of every account, worst health first."""
    return views.account_list(*found, below, band, offset, limit)


@venue.get("/accounts/{account}", tags=["risk"], dependencies=[needs(Scope.READ)])
def account_risk(
    request: Request,
    found: Assessed,
    account: int,
    liquidation_prices: Annotated[bool, Query(description="some hundred revaluations")] = True,
) -> AccountRisk:
    """Everything about one account: margin, positions, Greeks, worst scenarios, liquidation prices, witness."""
    snapshot, assessment = found
    try:
        return context_of(request).kept.get(
            assessment,
            ("account", account, liquidation_prices),
            lambda: views.account_risk(snapshot, assessment, account, liquidation_prices=liquidation_prices),
        )
    except AccountError as error:
        raise HTTPException(404, str(error)) from None
    except MarketError as error:
        raise HTTPException(409, str(error)) from None


@venue.get("/liquidatable", tags=["liquidation"], dependencies=[needs(Scope.LIQUIDATE)])
def liquidatable(
    request: Request,
    found: Assessed,
    taker: Annotated[int, Query(ge=1, description="your account in the ledger: takes the legs, is paid")],
    limit: Annotated[int, Query(ge=1)] = 20,
) -> Liquidatable:
    """Accounts under their margin with witness, suggested legs and the call, ready to be simulated and sent."""
    snapshot, assessment = found
    context = context_of(request)
    most = min(limit, context.settings.liquidation_accounts)
    return context.kept.get(
        assessment,
        ("liquidatable", taker, most),
        lambda: views.liquidatable(snapshot, assessment, context.deployment, taker, most),
    )


@venue.get("/parameters", tags=["risk"], dependencies=[needs(Scope.READ)])
def parameters(found: Assessed) -> ParameterList:
    """Every governed number, the scenarios and groups."""
    return views.parameter_list(found[1])


@venue.get("/market", tags=["risk"], dependencies=[needs(Scope.READ)])
def market(found: Assessed) -> Market:
    """Signed prices, forwards and at-the-money vols."""
    return views.market(found[1])


@venue.get("/transactions", tags=["liquidation"], dependencies=[needs(Scope.READ)])
def transactions(request: Request, limit: Annotated[int, Query(ge=1, le=200)] = 50) -> TransactionList:
    """The keeper's own, latest first."""
    return views.transaction_list(context_of(request).source.snapshot.transactions, limit)
