"""SpotSources and its adapters: median, outliers, quorum. Aggregators are mocks, the outside world's part; all else is deployed."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from eth_abi import encode

from tests.contracts.oracle.conftest import BTC, ETH, NEAR_EXPIRY, START, slice_at
from tests.reverts import reverts

WAD = 10**18
ZERO = "0x" + "00" * 20
QUORUM = 1  # cause
FEED = b"\x11" * 32
MAX_AGE = 3_600


@pytest.fixture(scope="module")
def feeds(project: Any, door_world: Any) -> SimpleNamespace:
    """Three Chainlink-style aggregators of 8 decimals with their adapters."""
    sender = {"from": door_world.governor}
    aggregators = [project.AggregatorMock.deploy(8, sender) for _ in range(3)]
    adapters = [project.ChainlinkSource.deploy(aggregator, sender) for aggregator in aggregators]
    book = project.SpotSources.deploy(door_world.governor, door_world.door, sender)
    return SimpleNamespace(aggregators=aggregators, adapters=adapters, book=book)


@pytest.fixture
def use(feeds: SimpleNamespace, door_world: Any, door: Any) -> Callable[..., Any]:
    """Registers the first `count` aggregators for ETH and has the door ask them."""

    def register(count: int, *, band: int = 0, jump: int = 0, max_age: int = MAX_AGE) -> Any:
        configs = [(adapter, max_age, band, jump) for adapter in feeds.adapters[:count]]
        receipt = feeds.book.setSources(ETH, configs, {"from": door_world.governor})
        door.chooseSources(ETH, feeds.book, {"from": door_world.governor})
        return receipt

    return register


@pytest.fixture
def say(feeds: SimpleNamespace, relayer: Any) -> Callable[..., None]:
    """What each aggregator answers from now on, in USD."""

    def answer(*prices: float) -> None:
        for aggregator, price in zip(feeds.aggregators, prices, strict=False):
            aggregator.answer(round(price * 10**8), {"from": relayer})

    return answer


@pytest.fixture
def govern(door_world: Any, parameter: Any) -> Callable[[str, int], Any]:
    return lambda name, value: door_world.parameters.set(parameter(name), value, {"from": door_world.governor})


@pytest.fixture
def signed_at(anvil: Any, submit: Any, update: Any) -> Callable[..., Any]:
    """Submits an update signed now, at spot = mark."""

    def send(spot: float, **quoted: Any) -> Any:
        anvil.mine()
        return submit(update(anvil.time(), spot=spot, mark=spot, **({"expiries": []} | quoted)))

    return send


# --- what the spot is ---


@pytest.mark.parametrize(
    ("own", "others", "spot"),
    [
        (3_000.0, (3_010.0, 2_990.0), 3_000.0),  # odd: the middle one
        (3_030.0, (3_010.0, 2_990.0), 3_010.0),
        (3_000.0, (3_010.0,), 3_005.0),  # even: the mean of the middle two
        (3_000.0, (3_010.0, 3_020.0, 3_040.0), 3_015.0),
    ],
)
def test_the_spot_is_the_median(door: Any, use: Any, say: Any, signed_at: Any, own: float, others: Any, spot: float) -> None:
    use(len(others))
    say(*others)
    receipt = signed_at(own)
    assert door.prices(ETH)[0] == spot * WAD
    assert receipt.events["MarketUpdated"]["spot"] == spot * WAD
    assert "SourcesDisagreed" not in receipt.events


def test_one_source_off_is_dropped_and_trips_nothing(door: Any, door_world: Any, use: Any, say: Any, signed_at: Any) -> None:
    use(2)
    say(3_010.0, 3_900.0)
    receipt = signed_at(3_000.0)
    assert door.prices(ETH)[0] == 3_005 * WAD  # the median of the two that agree
    event = receipt.events["SourcesDisagreed"]
    assert list(event["prices"]) == [3_000 * WAD, 3_010 * WAD, 3_900 * WAD]
    assert (event["median"], event["agreeing"]) == (3_010 * WAD, 2)
    assert not door_world.breaker.anyTripped()


def test_the_signed_price_may_be_the_one_off(door: Any, door_world: Any, use: Any, say: Any, signed_at: Any) -> None:
    """Then the others' median is the spot, the mark is clamped to it, and the signed quotes do not count."""
    use(2)
    say(3_000.0, 3_010.0)
    signed_at(3_000.0, expiries=[slice_at(NEAR_EXPIRY, 3_020.0)])
    quote = door.read([(ETH << 32) | NEAR_EXPIRY])
    signed_at(2_000.0, expiries=[slice_at(NEAR_EXPIRY, 2_020.0)])
    assert tuple(door.prices(ETH))[:2] == (3_005 * WAD, 3_005 * 95 * WAD // 100)
    assert door.read([(ETH << 32) | NEAR_EXPIRY]) == quote
    assert not door_world.breaker.anyTripped()


def test_too_few_that_agree_is_recorded_and_trips(door: Any, door_world: Any, use: Any, say: Any, signed_at: Any) -> None:
    """Two that contradict each other: nobody knows who is right."""
    use(1)
    say(3_000.0)
    signed_at(3_000.0)
    before = door.read([ETH << 32])
    say(3_900.0)
    receipt = signed_at(3_000.0)
    held = receipt.events["UpdateHeld"]
    assert (held["cause"], held["observed"], held["bound"]) == (QUORUM, 0, 1)
    assert list(receipt.events["SourcesDisagreed"]["prices"]) == [3_000 * WAD, 3_900 * WAD]
    assert door.read([ETH << 32]) == before
    assert door_world.breaker.stateOf(ETH) == 1
    say(3_001.0)
    signed_at(3_000.0)
    assert door.prices(ETH)[0] == 3_000_500_000_000_000_000_000


def test_the_quorum_is_governed(door: Any, use: Any, say: Any, govern: Any, signed_at: Any) -> None:
    use(2)
    govern("SOURCE_QUORUM", 3)
    say(3_000.0, 3_900.0)
    held = signed_at(3_000.0).events["UpdateHeld"]
    assert (held["cause"], held["observed"], held["bound"]) == (QUORUM, 2, 3)
    say(3_000.0, 3_001.0)
    signed_at(3_000.0)
    assert door.prices(ETH)[0] == 3_000 * WAD


def test_the_band_is_governed_or_a_sources_own(door: Any, use: Any, say: Any, govern: Any, signed_at: Any) -> None:
    use(2)
    govern("SOURCE_BAND", 10**16)
    say(3_000.0, 3_031.0)
    assert signed_at(3_000.0).events["SourcesDisagreed"]["agreeing"] == 2
    use(2, band=2 * 10**16)
    say(3_000.0, 3_031.0)
    assert "SourcesDisagreed" not in signed_at(3_000.0).events


def test_the_band_itself_is_inside(use: Any, say: Any, signed_at: Any) -> None:
    use(2)
    say(3_000.0, 3_150.0)
    assert "SourcesDisagreed" not in signed_at(3_000.0).events
    say(3_000.0, 3_150.1)
    assert signed_at(3_000.0).events["SourcesDisagreed"]["agreeing"] == 2


def test_a_jump_of_the_median_is_held_too(door: Any, use: Any, say: Any, signed_at: Any) -> None:
    use(2)
    say(3_000.0, 3_000.0)
    signed_at(3_000.0)
    say(2_000.0, 2_000.0)
    held = signed_at(2_000.0).events["UpdateHeld"]
    assert (held["cause"], held["spot"]) == (0, 2_000 * WAD)
    assert door.prices(ETH)[0] == 3_000 * WAD


def test_without_sources_the_signed_price_counts_alone(door: Any, feeds: Any, use: Any, say: Any, door_world: Any, signed_at: Any) -> None:
    use(1)
    say(3_900.0)
    assert "UpdateHeld" in signed_at(3_000.0).events
    receipt = door.chooseSources(ETH, ZERO, {"from": door_world.governor})
    assert (receipt.events["SourcesChosen"]["underlying"], receipt.events["SourcesChosen"]["sources"]) == (ETH, ZERO)
    signed_at(3_000.0)
    assert door.prices(ETH)[0] == 3_000 * WAD
    assert door.sourcesOf(ETH) == ZERO


# --- which sources are silent ---


def test_a_source_that_is_too_old_is_silent(anvil: Any, door: Any, use: Any, say: Any, signed_at: Any) -> None:
    use(2, max_age=60)
    say(3_000.0, 3_001.0)
    signed_at(3_000.0)
    anvil.advance(61)
    assert list(signed_at(3_000.0).events["SourcesDisagreed"]["prices"]) == [3_000 * WAD, 0, 0]
    assert door.prices(ETH)[0] == 3_000 * WAD


def test_a_broken_source_is_silent(feeds: Any, relayer: Any, use: Any, say: Any, signed_at: Any) -> None:
    use(2)
    say(3_000.0, 3_001.0)
    feeds.aggregators[0].setBroken(True, {"from": relayer})
    assert list(signed_at(3_000.0).events["SourcesDisagreed"]["prices"]) == [3_000 * WAD, 0, 3_001 * WAD]


def test_a_source_without_a_price_is_silent(feeds: Any, relayer: Any, use: Any, say: Any, signed_at: Any) -> None:
    use(3)
    say(3_000.0)
    feeds.aggregators[1].answer(-1, {"from": relayer})
    feeds.aggregators[2].answer(2**96 // 10**10 + 1, {"from": relayer})  # beyond uint96 in the door's units
    assert list(signed_at(3_000.0).events["SourcesDisagreed"]["prices"]) == [3_000 * WAD, 3_000 * WAD, 0, 0]


def test_a_source_does_not_go_back_in_time(anvil: Any, feeds: Any, relayer: Any, use: Any, say: Any, signed_at: Any) -> None:
    use(1)
    say(3_000.0)
    signed_at(3_000.0)
    feeds.aggregators[0].answerAt(3_001 * 10**8, anvil.time() - 100, {"from": relayer})
    assert list(signed_at(3_000.0).events["SourcesDisagreed"]["prices"]) == [3_000 * WAD, 0]


def test_a_source_of_the_future_is_silent(anvil: Any, feeds: Any, relayer: Any, use: Any, signed_at: Any) -> None:
    use(1)
    feeds.aggregators[0].answerAt(3_001 * 10**8, anvil.time() + 1_000, {"from": relayer})
    assert list(signed_at(3_000.0).events["SourcesDisagreed"]["prices"]) == [3_000 * WAD, 0]


def test_a_source_that_jumped_sits_out_once(door: Any, use: Any, say: Any, signed_at: Any) -> None:
    use(2, jump=2 * 10**16)
    say(3_000.0, 3_000.0)
    signed_at(3_000.0)
    say(3_000.0, 3_061.0)
    assert list(signed_at(3_010.0).events["SourcesDisagreed"]["prices"]) == [3_010 * WAD, 3_000 * WAD, 0]
    receipt = signed_at(3_010.0)
    assert "SourcesDisagreed" not in receipt.events
    assert door.prices(ETH)[0] == 3_010 * WAD


# --- sources that are no sources ---


@pytest.fixture
def evil(project: Any, door: Any, door_world: Any) -> Any:
    """Chosen by governance, and bad."""
    sources = project.ReenteringSourcesMock.deploy({"from": door_world.governor})
    door.chooseSources(ETH, sources, {"from": door_world.governor})
    return sources


def test_an_older_update_is_not_stored_after_a_newer_one(
    anvil: Any, door: Any, evil: Any, update: Any, signed: Any, relayer: Any, signed_at: Any
) -> None:
    """[A] While they are asked about an update, the sources submit the next one: time would run backwards in the door."""
    evil.prepare(b"", 3_000 * WAD, {"from": relayer})
    signed_at(3_000.0)
    anvil.mine()
    now = anvil.time()
    older, newer = (update(now - age, spot=3_000.0 - age, mark=3_000.0 - age, expiries=[]) for age in (1, 0))
    evil.prepare(door.submit.encode_input(newer.as_tuple(), signed(newer)), 2_999 * WAD, {"from": relayer})
    with reverts("TimestampNotNewer", now - 1, now):
        door.submit(older.as_tuple(), signed(older), {"from": relayer})
    assert door.prices(ETH)[0] == 3_000 * WAD
    # The control: alone, either is stored, and so is the newer after the older.
    evil.prepare(b"", 2_999 * WAD, {"from": relayer})
    for each in (older, newer):
        door.submit(each.as_tuple(), signed(each), {"from": relayer})
    assert door.prices(ETH)[2] == now


@pytest.mark.parametrize("answer", [0, 2**96, 2**96 + 3_000 * WAD])
def test_a_median_that_is_no_price_is_held(door: Any, evil: Any, relayer: Any, signed_at: Any, answer: int) -> None:
    evil.prepare(b"", 3_000 * WAD, {"from": relayer})
    signed_at(3_000.0)
    before = door.read([ETH << 32])
    evil.prepare(b"", answer, {"from": relayer})
    assert signed_at(3_000.0).events["UpdateHeld"]["cause"] == QUORUM
    assert door.read([ETH << 32]) == before


# --- adapters ---


@pytest.mark.parametrize(("decimals", "answer", "price"), [(8, 3_000 * 10**8, 3_000 * WAD), (18, 7, 7), (20, 199, 1), (0, 5, 5 * WAD)])
def test_chainlink_scales_to_the_doors_units(project: Any, relayer: Any, decimals: int, answer: int, price: int) -> None:
    aggregator = project.AggregatorMock.deploy(decimals, {"from": relayer})
    source = project.ChainlinkSource.deploy(aggregator, {"from": relayer})
    receipt = aggregator.answer(answer, {"from": relayer})
    assert tuple(source.spot()) == (price, receipt.timestamp)
    assert source.AGGREGATOR() == aggregator.address


@pytest.mark.parametrize("answer", [0, -(10**8)])
def test_chainlink_without_a_price(project: Any, relayer: Any, answer: int) -> None:
    aggregator = project.AggregatorMock.deploy(8, {"from": relayer})
    source = project.ChainlinkSource.deploy(aggregator, {"from": relayer})
    aggregator.answer(answer, {"from": relayer})
    assert source.spot()[0] == 0


@pytest.fixture
def pyth(project: Any, relayer: Any) -> SimpleNamespace:
    contract = project.PythMock.deploy({"from": relayer})
    source = project.PythSource.deploy(contract, FEED, 10**16, {"from": relayer})
    return SimpleNamespace(contract=contract, source=source)


def pyth_data(price: int, conf: int, expo: int, time: int) -> bytes:
    return encode(["bytes32", "(int64,uint64,int32,uint256)"], [FEED, (price, conf, expo, time)])


@pytest.mark.parametrize(
    ("price", "conf", "expo", "expected"),
    [
        (3_000 * 10**8, 30 * 10**8, -8, 3_000 * WAD),  # the widest interval allowed, 1 %
        (3_000 * 10**8, 30 * 10**8 + 1, -8, 0),
        (5, 0, 2, 500 * WAD),
        (12_345, 0, -20, 123),
        (-1, 0, -8, 0),
        (0, 0, -8, 0),
        (1, 0, 13, 0),
        (2**63 - 1, 0, -37, 0),
    ],
)
def test_pyth_scales_to_the_doors_units(pyth: Any, relayer: Any, price: int, conf: int, expo: int, expected: int) -> None:
    pyth.source.refresh([pyth_data(price, conf, expo, START)], {"from": relayer, "value": 7})
    assert tuple(pyth.source.spot()) == (expected, START)


def test_pyth_returns_what_the_fee_leaves(pyth: Any, relayer: Any) -> None:
    before = relayer.balance()
    receipt = pyth.source.refresh([pyth_data(10**8, 0, -8, START)], {"from": relayer, "value": 1_000, "gas_price": 0, "priority_fee": 0})
    assert before - relayer.balance() == 7 + receipt.gas_used * receipt.gas_price
    assert pyth.contract.balance() == 7


def test_pyth_sources_say_what_they_read(pyth: Any) -> None:
    assert (pyth.source.PYTH(), str(pyth.source.FEED()), pyth.source.MAX_INTERVAL()) == (pyth.contract, "0x" + FEED.hex(), 10**16)


def test_pyth_keeps_no_change_that_nobody_takes(anvil: Any, pyth: Any, door: Any) -> None:
    """A contract that takes no ether sends the fee exactly, or nothing at all."""
    from brownie import accounts  # noqa: PLC0415 - only once the project is loaded

    anvil.rpc("anvil_impersonateAccount", door.address)
    anvil.rpc("anvil_setBalance", door.address, hex(10**20))
    contract, updates = accounts.at(door.address, force=True), [pyth_data(10**8, 0, -8, START)]
    with reverts("FailedCall"):
        pyth.source.refresh(updates, {"from": contract, "value": 8})
    pyth.source.refresh(updates, {"from": contract, "value": 7})
    assert pyth.contract.balance() == 7


def test_pyth_needs_its_fee(pyth: Any, relayer: Any) -> None:
    with reverts("revert without data"):
        pyth.source.refresh([pyth_data(10**8, 0, -8, START)], {"from": relayer, "value": 6})


def test_pyth_without_a_price_is_silent(pyth: Any, feeds: Any, door: Any, door_world: Any, signed_at: Any, relayer: Any) -> None:
    with reverts("PriceFeedNotFound"):
        pyth.source.spot()
    feeds.book.setSources(ETH, [(pyth.source, MAX_AGE, 0, 0)], {"from": door_world.governor})
    door.chooseSources(ETH, feeds.book, {"from": door_world.governor})
    assert list(signed_at(3_000.0).events["SourcesDisagreed"]["prices"]) == [3_000 * WAD, 0]
    receipt = pyth.source.refresh([pyth_data(3_002 * 10**8, 10**8, -8, signed_at(3_000.0).timestamp)], {"from": relayer, "value": 7})
    assert receipt.status == 1
    signed_at(3_000.0)
    assert door.prices(ETH)[0] == 3_001 * WAD


def test_interfaces_are_those_of_the_vendors(project: Any) -> None:
    """First four bytes of keccak of the published signatures."""
    assert set(project.AggregatorMock.selectors) >= {"0x313ce567", "0x7284e416", "0x54fd4d50", "0x9a6fc8f5", "0xfeaf968c"}
    assert set(project.PythMock.selectors) >= {"0x96834ad3", "0xef9e5e28", "0xd47eed45"}


# --- who may ---


def test_sources_read_back(feeds: Any, use: Any) -> None:
    receipt = use(2, band=10**16, jump=2 * 10**16)
    expected = [(adapter.address, MAX_AGE, 10**16, 2 * 10**16) for adapter in feeds.adapters[:2]]
    assert [tuple(config) for config in feeds.book.sources(ETH)] == expected
    event = receipt.events["SourcesSet"]
    assert event["underlying"] == ETH
    assert [tuple(config) for config in event["sources"]] == expected
    assert list(feeds.book.sources(BTC)) == []
    use(1)
    assert len(feeds.book.sources(ETH)) == 1


def test_refuses_sources_that_are_none(feeds: Any, door_world: Any, stranger_address: str) -> None:
    good = (feeds.adapters[0], MAX_AGE, 0, 0)
    for index, configs in enumerate(
        (
            [(stranger_address, MAX_AGE, 0, 0)],
            [good, (feeds.adapters[1], 0, 0, 0)],
            [good, (feeds.adapters[1], MAX_AGE, WAD + 1, 0)],
            [good, good],
        )
    ):
        with reverts("BadSource", ETH, 0 if index == 0 else 1, ...):
            feeds.book.setSources(ETH, configs, {"from": door_world.governor})
    with reverts("TooManySources", 8, 7):
        feeds.book.setSources(ETH, [good] * 8, {"from": door_world.governor})
    assert feeds.book.MAX_SOURCES() == 7


@pytest.fixture
def stranger_address(door_world: Any) -> str:
    return str(door_world.stranger.address)


def test_only_the_door_asks(feeds: Any, door: Any, door_world: Any) -> None:
    assert feeds.book.DOOR() == door.address
    with reverts("NotDoor", door_world.stranger.address):
        feeds.book.fuse(ETH, START, 3_000 * WAD, 10**16, {"from": door_world.stranger})


def test_only_the_source_admin(feeds: Any, door: Any, door_world: Any) -> None:
    stranger = door_world.stranger
    with reverts("AccessControlUnauthorizedAccount", stranger.address, str(feeds.book.SOURCE_ADMIN())):
        feeds.book.setSources(ETH, [], {"from": stranger})
    with reverts("AccessControlUnauthorizedAccount", stranger.address, str(door.SOURCE_ADMIN())):
        door.chooseSources(ETH, feeds.book, {"from": stranger})
