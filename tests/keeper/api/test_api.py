"""The API over real sockets: documents, guard, streams, metrics. The client is the other end of most tests."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from eth_abi.abi import decode
from prometheus_client.parser import text_string_to_metric_families

from keeper.api.documents import Hello, MarginCallNews
from keeper.api.guard import hash_of, new_key
from keeper.api.metrics import METRICS
from keeper.client import Client
from keeper.config import load_config
from keeper.errors import ApiError, ConfigError, UnreachableError
from keeper.model import WAD
from tests.keeper.api.conftest import Served
from tests.keeper.engine.test_engine import LIQUIDATION, OWN, PERP, SIGNER, SYSTEM

Serve = Callable[..., Served]
TAKER = 4


@pytest.fixture
def venue(serve: Serve) -> Served:
    return serve()


@pytest.fixture
def client(venue: Served) -> Iterator[Client]:
    with Client(venue.address) as client:
        yield client


def metrics_of(address: str) -> dict[str, dict[tuple[str, ...], float]]:
    """name -> label values (by label name) -> value, read by Prometheus's own parser."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(requests.get(f"{address}/metrics", timeout=5).text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
    return found


def test_status_tells_head_bands_and_prices(venue: Served, client: Client) -> None:
    before = client.status()
    assert before.ready
    assert before.block == venue.chain.head().number
    assert before.bands["safe"] == 4
    assert before.under_margined == 0
    venue.fall()
    after = client.status()
    assert after.under_margined == 2
    assert after.bands["safe"] + sum(count for band, count in after.bands.items() if band != "safe") == 4
    assert after.oracle_ages.keys() == {"0"} or "ETH" in after.oracle_ages
    assert after.shortfall > 0.0


def test_accounts_come_worst_first_in_pages(venue: Served, client: Client) -> None:
    venue.fall()
    everything = client.accounts()
    assert [account.account for account in everything.accounts][:3] == [2, 3, 4]
    assert everything.total == 4
    page = client.accounts(offset=1, limit=1)
    assert [account.account for account in page.accounts] == [3]
    assert {account.account for account in client.accounts(below=1.0).accounts} == {2, 3}
    two = everything.accounts[0]
    # By hand: 100 perps bought at 1000, marked at 910, on 6,000 USD.
    assert two.equity == pytest.approx(6_000 - 100 * 90)
    assert two.gross_notional == pytest.approx(91_000)
    assert two.band == "bankrupt"


def test_account_risk_explains_the_margin(venue: Served, client: Client) -> None:
    risk = client.account(4)
    assert [position.instrument for position in risk.positions] == ["0-PERPETUAL"] or risk.positions[0].instrument.endswith("-PERPETUAL")
    assert int(risk.positions[0].size) == 100 * WAD
    # CROSS: 5 % of 100 contracts at 1000.
    assert risk.initial == pytest.approx(5_000.0)
    assert risk.maintenance == pytest.approx(2_500.0)
    [underlying] = risk.underlyings
    assert underlying.greeks["delta"] == pytest.approx(100.0)
    # equity 50,000 - 100 (1000 - S) = 2.5 % x 100 S
    assert underlying.liquidation_below == pytest.approx(50_000 / 97.5, rel=1e-9)
    assert underlying.liquidation_above is None
    assert client.account(4, liquidation_prices=False).underlyings[0].liquidation_below is None
    with pytest.raises(ApiError, match="404"):
        client.account(99)
    with pytest.raises(ApiError, match="404"):
        client.account(0)


def test_suggestions_are_calldata_for_the_taker(venue: Served, client: Client) -> None:
    assert client.liquidatable(TAKER).suggestions == []
    venue.fall(960)
    found = client.liquidatable(TAKER)
    assert (found.taker, found.found, found.chain_id) == (TAKER, 1, 31337)
    [suggested] = found.suggestions
    liquidator = SYSTEM.contract("Liquidator")
    assert suggested.to == liquidator.address
    data = bytes.fromhex(suggested.data[2:])
    assert data[:4] == liquidator.encode("liquidate", (0, 0, [], (b"", b""), 0, b""))[:4]
    [(account, taker, legs, (underlyings, groups), minimum, _)] = decode([LIQUIDATION], data[4:])
    assert (account, taker) == (2, TAKER)
    assert [(hex(word), str(size)) for word, size in legs] == [(leg.packed, leg.size) for leg in suggested.legs]
    assert legs[0][0] == PERP
    assert 0 < legs[0][1] <= 100 * WAD
    assert (underlyings.hex(), groups.hex()) == (suggested.witness.underlyings[2:], suggested.witness.groups[2:])
    assert minimum == 0
    with pytest.raises(ApiError, match="422"):
        client.liquidatable(0)


def test_parameters_market_and_transactions(venue: Served, client: Client) -> None:
    parameters = client.parameters()
    assert parameters.scalars["FULL_THRESHOLD"] == 1.0
    assert parameters.scalars["MAX_ACTION_AGE"] == 5.0
    [quoted] = client.market().underlyings.values()
    assert (quoted.spot, quoted.mark) == (1000.0, 1000.0)
    assert client.transactions().transactions == []
    venue.fall(960)
    [sent] = client.transactions().transactions
    assert (sent.purpose, sent.account, sent.status) == ("liquidate", 2, "sent")


def test_before_prices_there_is_nothing_to_tell(serve: Serve) -> None:
    venue = serve(seeded=False)
    with Client(venue.address) as client:
        assert not client.ready()
        assert not client.status().ready
        with pytest.raises(ApiError, match="503"):
            client.accounts()
    assert requests.get(f"{venue.address}/healthz", timeout=5).status_code == 200


def test_healthz_fails_when_the_engine_stops_stepping(serve: Serve) -> None:
    venue = serve(stalled_after=0.3)
    venue.engine.step()
    assert requests.get(f"{venue.address}/healthz", timeout=5).status_code == 200
    time.sleep(0.4)
    assert requests.get(f"{venue.address}/healthz", timeout=5).status_code == 503
    assert requests.get(f"{venue.address}/readyz", timeout=5).status_code == 503
    venue.engine.step()
    assert requests.get(f"{venue.address}/readyz", timeout=5).status_code == 200


def test_while_no_node_answers_it_lives_and_is_not_ready(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Restarting would not help: /healthz stays well, so that no supervisor does."""
    venue = serve(stalled_after=0.5)

    def silent() -> Any:
        raise UnreachableError("no answer")

    with monkeypatch.context() as patch:
        patch.setattr(venue.chain, "head", silent)
        stop = threading.Event()
        threading.Timer(1.0, stop.set).start()
        venue.engine.run(stop)
    assert requests.get(f"{venue.address}/healthz", timeout=5).status_code == 200
    assert requests.get(f"{venue.address}/readyz", timeout=5).status_code == 503
    with Client(venue.address) as client:
        assert client.status().problems == ["node_trouble"]
    venue.chain.mine()
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    venue.engine.run(stop)
    with Client(venue.address) as client:
        assert client.ready()
        assert client.status().problems == []


def test_metrics_follow_the_snapshot(venue: Served) -> None:
    venue.fall()
    found = metrics_of(venue.address)
    assert set(found) <= set(METRICS), "everything exposed is declared"
    assert found["keeper_head_block"][()] == venue.chain.head().number
    assert found["keeper_cursor_lag_blocks"][()] == 0.0
    assert found["keeper_ready"][()] == 1.0
    assert sum(found["keeper_accounts"].values()) == 4.0
    assert found["keeper_accounts"]["bankrupt",] == 1.0
    assert found["keeper_stage_seconds"]["0.99", "margin"] > 0.0
    assert found["keeper_transactions"]["sent",] == 2.0
    assert found["keeper_events_total"]["sent_liquidate",] == 2.0
    assert SIGNER.address in {labels[0] for labels in found["keeper_nonce_gap"]}
    requests.get(f"{venue.address}/v1/accounts/99", timeout=5)
    assert metrics_of(venue.address)["keeper_api_requests_total"]["404",] == 1.0


def test_openapi_describes_every_route(venue: Served) -> None:
    described = requests.get(f"{venue.address}/openapi.json", timeout=5).json()
    assert {"/v1/accounts", "/v1/accounts/{account}", "/v1/liquidatable", "/v1/parameters", "/healthz", "/metrics"} <= set(
        described["paths"]
    )
    schema = described["paths"]["/v1/liquidatable"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert schema["$ref"].endswith("/Liquidatable")


def test_the_dashboard_needs_nothing_from_elsewhere(venue: Served) -> None:
    page = requests.get(venue.address, timeout=5)
    assert page.status_code == 200
    assert "https://" not in page.text
    assert "http://" not in page.text
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]


# --- guard ---


def with_keys(serve: Serve, **extra: Any) -> tuple[Served, str, str]:
    reader, bot = new_key(), new_key()
    keys = [
        {"name": "reader", "sha256": hash_of(reader), "scopes": ["read"], **extra},
        {"name": "bot", "sha256": hash_of(bot), "scopes": ["liquidate", "stream", "metrics"]},
    ]
    return serve(keys=keys), reader, bot


def test_keys_open_what_their_scopes_name(serve: Serve) -> None:
    venue, reader, bot = with_keys(serve)
    with pytest.raises(ApiError, match="401"):
        Client(venue.address).status()
    with pytest.raises(ApiError, match="401"):
        Client(venue.address, new_key()).status()
    assert Client(venue.address, reader).status().ready
    with pytest.raises(ApiError, match="403"):
        Client(venue.address, reader).liquidatable(TAKER)
    with pytest.raises(ApiError, match="403"):
        next(Client(venue.address, reader).stream())
    assert Client(venue.address, bot).liquidatable(TAKER).found == 0
    assert isinstance(next(Client(venue.address, bot).stream()), Hello)
    with pytest.raises(ApiError, match="401"):
        next(Client(venue.address).stream())
    assert requests.get(f"{venue.address}/metrics", timeout=5).status_code == 401
    # Supervisors and browsers come without a key; they learn nothing of the venue.
    for path in ("healthz", "readyz", ""):
        assert requests.get(f"{venue.address}/{path}", timeout=5).status_code == 200


def test_a_key_is_held_to_its_rate(serve: Serve) -> None:
    venue, reader, _ = with_keys(serve, rate=2.0, burst=3)
    client = Client(venue.address, reader)
    for _ in range(3):
        client.status()
    with pytest.raises(ApiError, match="429") as refused:
        client.status()
    assert refused.value.retry_after == 1.0
    time.sleep(0.6)
    client.status()


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.7", "::"])  # noqa: S104 - refused, which is the test
def test_nobody_else_is_served_without_keys(host: str) -> None:
    with pytest.raises(ConfigError, match=r"expected api\.keys"):
        load_config(api={"host": host})
    key = {"name": "a", "sha256": hash_of(new_key()), "scopes": ["read"]}
    assert load_config(api={"host": host, "keys": [key]}).api.host == host


def test_a_page_of_another_site_learns_nothing(venue: Served) -> None:
    """Its name may point to this machine (DNS rebinding), its script may open WebSockets anywhere."""
    headers = {"Host": "evil.example:8640"}
    assert requests.get(f"{venue.address}/v1/status", headers=headers, timeout=5).status_code == 421
    port = venue.address.rpartition(":")[2]
    assert requests.get(f"{venue.address}/v1/status", headers={"Host": f"localhost:{port}"}, timeout=5).status_code == 200
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    assert requests.get(f"{venue.address}/v1/stream", headers={**upgrade, "Origin": "https://evil.example"}, timeout=5).status_code == 421
    answer = requests.get(f"{venue.address}/v1/stream", headers={**upgrade, "Origin": venue.address}, timeout=5, stream=True)
    assert answer.status_code == 101
    answer.close()


def test_a_taken_port_is_named(venue: Served, serve: Serve) -> None:
    port = int(venue.address.rpartition(":")[2])
    from keeper.api.server import served  # noqa: PLC0415 - the function under test, not the fixture's use of it
    from keeper.observation import ApiSettings  # noqa: PLC0415

    with pytest.raises(ConfigError, match="KEEPER_API__PORT"), served(venue.engine, SYSTEM, ApiSettings(port=port)):
        pass


# --- streams ---


def collect(client: Client, *topics: Any, account: int | None = None) -> tuple[list[Any], threading.Event, threading.Thread]:
    news: list[Any] = []
    opened = threading.Event()

    def read() -> None:
        try:
            for each in client.stream(*topics, account=account):
                news.append(each)
                opened.set()
        except ApiError:
            pass

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    assert opened.wait(5)
    return news, opened, thread


def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.01)


def test_streams_tell_what_was_asked_for(venue: Served) -> None:
    everything, *_ = collect(Client(venue.address))
    calls, *_ = collect(Client(venue.address), "margin_calls")
    two, *_ = collect(Client(venue.address), account=2)
    venue.fall()
    until(lambda: {news.type for news in everything} == {"hello", "health", "margin_calls", "transactions"})
    until(lambda: len(calls) == 3)
    assert [news.type for news in calls] == ["hello", "margin_calls", "margin_calls"]
    assert {news.account for news in calls[1:] if isinstance(news, MarginCallNews)} == {2, 3}
    until(lambda: len(two) >= 4)
    assert {getattr(news, "account", 2) for news in two[1:]} == {2}
    bands = {news.account: news.now for news in everything if news.type == "health"}
    assert bands == {2: "bankrupt", 3: "full"}
    assert metrics_of(venue.address)["keeper_streams"][()] == 3.0


def test_streams_end_and_are_counted(serve: Serve) -> None:
    venue = serve(streams=1)
    stream = Client(venue.address).stream()
    next(stream)
    with pytest.raises(ApiError, match="503"):
        next(Client(venue.address).stream())
    stream.close()
    until(lambda: metrics_of(venue.address)["keeper_streams"][()] == 0.0)
    assert isinstance(next(Client(venue.address).stream()), Hello)


def test_wrong_topics_are_refused(venue: Served) -> None:
    with pytest.raises(ApiError, match="400"):
        next(Client(venue.address).stream("prices"))  # type: ignore[arg-type]


def test_a_slow_reader_is_told_what_it_missed() -> None:
    import asyncio  # noqa: PLC0415

    from keeper.api.documents import AlarmNews  # noqa: PLC0415
    from keeper.api.streams import Listener  # noqa: PLC0415

    async def read() -> list[Any]:
        listener = Listener(frozenset(["alarms"]), None)
        for number in range(1_003):
            listener.put(AlarmNews(kind=str(number), severity="info", subject="", text="", at=0.0, cleared=False))
        return [await listener.next(), await listener.next()]

    lost, first = asyncio.run(read())
    assert (lost.type, lost.count) == ("lost", 3)
    assert first.kind == "3"


def test_what_does_not_answer_is_one_kind_of_error() -> None:
    client = Client("http://127.0.0.1:9", timeout=1.0)
    assert not client.ready()
    for ask in (client.status, lambda: next(client.stream())):
        with pytest.raises(ApiError) as refused:
            ask()
        assert refused.value.status is None


def test_documents_survive_json(venue: Served, client: Client) -> None:
    """Infinite health (no positions) is null, not a word that JSON does not know."""
    text = requests.get(f"{venue.address}/v1/accounts", timeout=5).text
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    own = next(account for account in client.accounts().accounts if account.account == OWN)
    assert own.health is None
