"""Only what the price door needs: registry, parameters and the door itself, with five signers and a quorum of three."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from scripts.anvil import CHAIN_ID, private_key
from scripts.market_feed import MarketUpdate, market_updates, sign
from scripts.parameter_list import governed_parameters
from tests.conftest import GENESIS

ETH = 0
BTC = 1
USDT = 2
NEAR_EXPIRY = GENESIS + 30 * 86_400
FAR_EXPIRY = GENESIS + 90 * 86_400
START = 1_735_700_000  # unix seconds, well after the fixtures
SIGNER_INDICES = (5, 6, 7, 8, 9)


@pytest.fixture(scope="session")
def door_world(project: Any) -> SimpleNamespace:
    from brownie import accounts  # noqa: PLC0415 - only once the project is loaded

    governor = accounts[0]
    registry = project.InstrumentRegistry.deploy(governor, {"from": governor})
    parameters = project.RiskParameters.deploy(governor, {"from": governor})
    breaker = project.CircuitBreaker.deploy(governor, {"from": governor})
    signers = [accounts[index].address for index in SIGNER_INDICES]
    door = project.PriceDoor.deploy(governor, registry, parameters, breaker, signers, 3, {"from": governor})
    breaker.grantRole(breaker.TRIPPER(), door, {"from": governor})
    for underlying, symbol, tradable in ((ETH, "ETH", True), (BTC, "BTC", True), (USDT, "USDT", False)):
        registry.listUnderlying(underlying, symbol, tradable, {"from": governor})
    for expiry in (NEAR_EXPIRY, FAR_EXPIRY):
        registry.listExpiry(ETH, expiry, {"from": governor})
    return SimpleNamespace(
        door=door,
        registry=registry,
        parameters=parameters,
        breaker=breaker,
        governor=governor,
        relayer=accounts[11],
        stranger=accounts[12],
        signers=signers,
    )


@pytest.fixture
def door(door_world: SimpleNamespace) -> Any:
    return door_world.door


@pytest.fixture
def relayer(door_world: SimpleNamespace) -> Any:
    return door_world.relayer


@pytest.fixture
def now(anvil: Any, door_world: SimpleNamespace) -> int:
    """Timestamp of the latest block; the next transaction's block is later."""
    return anvil.time()


def slice_at(expiry: int, forward: float = 3_520.0, **changed: float) -> dict[str, Any]:
    svi = {"a": 0.01, "b": 0.05, "rho": -0.3, "m": 0.02, "sigma": 0.15, "ref_forward": 3_500.0, "ref_tau": 0.0821917808219178}
    return {"expiry": expiry, "forward": forward, "rate": 0.04, "svi": svi | changed}


@pytest.fixture
def update() -> Callable[..., MarketUpdate]:
    """An ETH update at a time; keywords replace spot, mark, confidence, expiries, symbol."""

    def build(timestamp: int, symbol: str = "ETH", **changed: Any) -> MarketUpdate:
        quoted = {"spot": 3_500.0, "mark": 3_503.5, "confidence": 0.98, "expiries": [slice_at(NEAR_EXPIRY)]} | changed
        return market_updates({"underlyings": {symbol: quoted}}, {"ETH": ETH, "BTC": BTC, "USDT": USDT, "SOL": 3}, timestamp)[0]

    return build


@pytest.fixture
def signed(door: Any) -> Callable[..., list[bytes]]:
    """Signatures of Anvil accounts by index, in the door's order; by default of the first three signers."""

    def sign_by(update: MarketUpdate, indices: tuple[int, ...] = SIGNER_INDICES[:3]) -> list[bytes]:
        return sign(update, [private_key(index) for index in indices], CHAIN_ID, door.address)

    return sign_by


@pytest.fixture
def submit(door: Any, relayer: Any, signed: Callable[..., list[bytes]]) -> Callable[..., Any]:
    """Relays an update signed by three signers."""
    return lambda update: door.submit(update.as_tuple(), signed(update), {"from": relayer})


@pytest.fixture
def submit_at(anvil: Any, submit: Any, update: Any) -> Callable[..., Any]:
    """Submits in a block of exactly that time, signed `age` seconds before."""

    def send(time: int, *, age: int = 1, **quoted: Any) -> Any:
        anvil.rpc("evm_setNextBlockTimestamp", time)
        receipt = submit(update(time - age, **({"expiries": []} | quoted)))
        assert receipt.timestamp == time
        return receipt

    return send


@pytest.fixture
def parameter() -> Callable[[str], int]:
    """Index of a governed parameter."""
    return lambda name: governed_parameters()[name].index
