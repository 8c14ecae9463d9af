"""Periodic jobs: what is due, that only the engine sends it, and that the clock of APScheduler drives them."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import decode, encode

from keeper.engine import Engine
from keeper.execution import Call
from keeper.model import WAD, Account, ExpiryMarket, Instrument, MarginMode, Position, Wad
from keeper.monitoring import Assessment
from keeper.portfolio import Parameter
from keeper.roster import JobView, remember, roster_of
from keeper.schedule import funding_calls, poke_calls, price_history, scale_proposals, scheduled, settlement_calls, write_proposals
from keeper.tuning import ScaleRules
from tests.keeper.engine.test_engine import OWN, SIGNER, SYSTEM, Twin, config
from tests.keeper.system import address_of


@pytest.fixture
def chain() -> Twin:
    chain = Twin()
    chain.set_up({OWN: (10**7, 0), 2: (6_000, 100), 4: (50_000, 100)})
    return chain


@pytest.fixture
def engine(chain: Twin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    settings = {
        "funding_every": 0.2,
        "settlement_every": 0.0,
        "poke_every": 0.0,
        "claims_every": 0.0,
        "tuning_every": 0.3,
        "proposals": tmp_path / "proposals.json",
    }
    with Engine(config(tmp_path / "keeper.sqlite", jobs=settings), chain, SYSTEM, SIGNER) as engine:
        engine.start()
        engine.step()
        yield engine


def assessment_of(engine: Engine) -> Assessment:
    found = engine.snapshot.assessment
    assert found is not None
    return found


def test_funding_of_every_quoted_underlying_is_updated(engine: Engine) -> None:
    [call] = funding_calls(assessment_of(engine), SYSTEM)
    assert (call.to, call.purpose) == (address_of("Funding"), "funding")
    assert call.data[4:] == encode(["uint8"], [0])


def test_governed_terms_are_brought_to_the_ledger(engine: Engine) -> None:
    """Not while it charges and vests by them already."""
    found = assessment_of(engine)
    rate, period = WAD // 20, 7_200
    table = found.state.table.with_parameter(int(Parameter.DEBIT_RATE), rate).with_parameter(int(Parameter.PROFIT_VESTING), period)
    charged = replace(found.state.carry, debit=replace(found.state.carry.debit, rate=rate))

    def purposes(**changed: object) -> list[str | None]:
        state = replace(found.state, **({"table": table, "carry": charged, "vesting": period} | changed))
        return [call.purpose for call in funding_calls(replace(found, state=state), SYSTEM)]

    assert purposes() == ["funding"]
    assert purposes(carry=found.state.carry) == ["debit_rate", "funding"]
    assert purposes(vesting=86_400) == ["profit_vesting", "funding"]


def test_nothing_is_settled_without_expiries(engine: Engine) -> None:
    assert settlement_calls(assessment_of(engine), SYSTEM) == []


def expired(engine: Engine, settlement: float | None) -> Assessment:
    """45 accounts with a future that ended an hour ago, and one without."""
    assessment = assessment_of(engine)
    end = assessment.block.time - 3_600
    position = {Instrument.future(0, end): Position(Wad(WAD), Wad(1_000 * WAD))}
    accounts = {number: Account(number, address_of("x"), MarginMode.CROSS, Wad(0), {}, position) for number in range(10, 55)}
    quoted = replace(assessment.market.underlying(0), expiries=(ExpiryMarket(end, 1_000.0, settlement=settlement),))
    state = replace(assessment.state, accounts={**assessment.state.accounts, **accounts})
    return replace(assessment, state=state, market=replace(assessment.market, underlyings={0: quoted}))


def test_an_expiry_is_fixed_first_then_settled_in_batches(engine: Engine) -> None:
    end = assessment_of(engine).block.time - 3_600
    [fix] = settlement_calls(expired(engine, None), SYSTEM)
    assert (fix.to, fix.purpose) == (address_of("Settlement"), "fix_settlement")
    assert fix.data[4:] == encode(["uint8", "uint32"], [0, end])
    batches = [decode(["uint64[]", "uint8", "uint32"], call.data[4:]) for call in settlement_calls(expired(engine, 990.0), SYSTEM)]
    assert [len(accounts) for accounts, *_ in batches] == [20, 20, 5]
    assert [account for accounts, *_ in batches for account in accounts] == list(range(10, 55))
    assert {(underlying, expiry) for _, underlying, expiry in batches} == {(0, end)}


def test_prices_are_poked_when_they_are_too_old(engine: Engine) -> None:
    assessment = assessment_of(engine)
    limited = replace(assessment.state, table=assessment.state.table.with_parameter(int(Parameter.STALE_LIMIT), 120))
    signed = assessment.state.spots[0].signed_at
    for age, expected in ((120, []), (121, [address_of("PriceDoor")])):
        aged = replace(assessment, state=limited, block=replace(assessment.block, time=signed + age))
        assert [call.to for call in poke_calls(aged, SYSTEM)] == expected


def until(condition: Callable[[], bool], seconds: float = 8.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.02)


def test_a_call_asked_for_is_sent_once_when_nothing_is_urgent(engine: Engine, chain: Twin) -> None:
    liquidator = SYSTEM.contract("Liquidator")
    data = liquidator.encode("liquidate", (4, OWN, [], (b"", b""), 0, b""))
    call = Call(liquidator.address, data, "chore", None)
    engine.request(call)
    engine.request(call)
    chain.price(960)  # account 2 falls: it goes first
    engine.step()
    assert chain.targets() == [2]
    for _ in range(4):
        chain.mine()
        engine.step()
    assert chain.targets().count(4) == 1
    assert engine.snapshot.counters["sent_chore"] == 1


def test_a_call_that_the_contract_refuses_is_not_sent(engine: Engine, chain: Twin) -> None:
    chain.refusals[4] = "NotLiquidatable"
    liquidator = SYSTEM.contract("Liquidator")
    engine.request(Call(liquidator.address, liquidator.encode("liquidate", (4, OWN, [], (b"", b""), 0, b"")), "chore", None))
    chain.mine()
    engine.step()
    assert chain.sent == []
    assert engine.snapshot.counters["refused_chore"] == 1


def test_the_scheduler_asks_again_and_again(engine: Engine, chain: Twin) -> None:
    asked: list[Call] = []

    class Recorder:
        snapshot = engine.snapshot
        upkeep = engine.upkeep

        def request(self, call: Call) -> None:
            asked.append(call)

    with scheduled(engine._config, Recorder(), chain, SYSTEM) as scheduler:
        assert {job.id for job in scheduler.get_jobs()} == {"reconcile", "snapshot", "funding", "tuning"}, "0 means never"
        until(lambda: len(asked) >= 3)
        until(engine._config.jobs.proposals.exists)
    count = len(asked)
    time.sleep(0.5)
    assert len(asked) == count, "it ends with the block"
    assert {call.purpose for call in asked} == {"funding"}


@pytest.mark.parametrize(("ago", "runs"), [(1.0, False), (3_600.0, True), (-86_400.0, True)])
def test_a_job_is_due_after_its_last_run_unless_that_was_tomorrow(engine: Engine, chain: Twin, ago: float, runs: bool) -> None:
    """Reconciliation every 30 seconds; the file is from a second ago, an hour ago, and from a day to come."""
    now = time.time()
    remember(roster_of(engine._config.database), [JobView("reconcile", 30.0, started=now - ago)])
    with scheduled(engine._config, engine, chain, SYSTEM):
        [job] = [each for each in engine.upkeep.tell() if each.name == "reconcile"]
        assert job.running or job.next is not None
        assert (job.running or job.next <= time.time()) is runs


def test_its_end_waits_for_what_runs_and_for_no_more(engine: Engine, chain: Twin, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tuning is in the middle when the keeper ends; when it has ended, so has everything."""
    begun, go_on = threading.Event(), threading.Event()

    def slow(*arguments: Any) -> Any:
        begun.set()
        assert go_on.wait(20.0)
        return price_history(*arguments)

    monkeypatch.setattr("keeper.schedule.price_history", slow)
    with ExitStack() as stack:
        stack.enter_context(scheduled(engine._config, engine, chain, SYSTEM))
        assert begun.wait(20.0)
        ending = threading.Thread(target=stack.pop_all().close, daemon=True)
        ending.start()
    ending.join(0.5)
    assert ending.is_alive(), "control: it waits"
    go_on.set()
    ending.join(10.0)
    assert not ending.is_alive()
    [tuned] = [job for job in engine.upkeep.tell() if job.name == "tuning"]
    assert (tuned.running, tuned.runs) == (False, 1)


def test_proposals_come_from_the_prices_that_were_signed(engine: Engine, chain: Twin, tmp_path: Path) -> None:
    for hour in range(60):
        chain.price(1_000 + (60 if hour % 2 else 0))
    engine.step()
    history = price_history(engine._config, SYSTEM)
    times, spots = history[0]
    assert len(spots) == 61
    assert set(spots) == {1_000.0, 1_060.0}
    # The blocks of this chain are seconds apart: as hours, to have a history.
    hours = [times[0] + 3_600 * number for number in range(len(times))]
    [proposal] = scale_proposals(assessment_of(engine), {0: (hours, spots)}, ScaleRules())
    assert proposal.vol > 0.2
    path = tmp_path / "deep" / "proposals.json"
    write_proposals(path, assessment_of(engine), SYSTEM, [proposal])
    [written] = json.loads(path.read_text())["proposals"]
    assert written["target"] == address_of("RiskParameters")
    assert written["data"].endswith(encode(["uint8", "uint8", "uint64"], [0, 0, proposal.word]).hex())
    assert proposal.word == 3 * WAD // 2, "half a step up at a time"
    assert scale_proposals(assessment_of(engine), {0: (hours[:20], spots[:20])}, ScaleRules()) == []
