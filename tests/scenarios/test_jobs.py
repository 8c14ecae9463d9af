"""The periodic jobs of a keeper on a node: the engine steps here, APScheduler runs them in its own threads.

One world; every test begins at the same block with a keeper and a database of its own.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from apscheduler.schedulers.background import BackgroundScheduler
from structlog.testing import capture_logs
from typer.testing import CliRunner

from keeper.api.metrics import SnapshotCollector, exposition
from keeper.api.views import status
from keeper.chain import Store
from keeper.chain.events import CashChanged
from keeper.cli import app
from keeper.config import Config, load_config
from keeper.doctor import connect
from keeper.engine import Engine
from keeper.examination import Verdict, check_jobs
from keeper.execution import Signer
from keeper.overview import status_of
from keeper.portfolio.memory import load_state, shape_of_state
from keeper.roster import JobView, recall, roster_of
from keeper.schedule import scheduled
from scripts.anvil import private_key
from scripts.demo.fall import fall
from scripts.demo.world import World
from scripts.seed_local import wait_for_fresh_prices

PATIENCE_S = 30.0
OFTEN = {
    "reconcile_every": 0.1,
    "snapshot_every": 0.3,
    "funding_every": 0.4,
    "tuning_every": 0.3,
    "poke_every": 0.5,
    "settlement_every": 0.5,
    "claims_every": 0.5,
}
NAMES = {"reconcile", "snapshot", "funding", "settlement", "poke", "claims", "tuning"}


@dataclass
class Keeper:
    config: Config
    engine: Engine
    scheduler: BackgroundScheduler

    def job(self, name: str) -> JobView:
        return {job.name: job for job in self.engine.snapshot.jobs}[name]

    def count(self, name: str) -> int:
        return self.engine.snapshot.counters.get(name, 0)

    def step_until(self, is_so: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not is_so():
            assert time.monotonic() < deadline, f"not so within {PATIENCE_S:.0f} s: {self.engine.snapshot.jobs}"
            self.engine.step()
            time.sleep(0.005)


@pytest.fixture(scope="module")
def world(compiled: None, folder: Path) -> Iterator[World]:
    with World(replace(fall(), name="jobs", markets=()), folder, with_keeper=False) as built:
        yield built


@pytest.fixture
def ground(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.chdir(tmp_path)
    before = world.anvil.snapshot()
    wait_for_fresh_prices(world.chain, world.deployment)
    yield world
    world.anvil.revert(before)


@contextmanager
def keeper(world: World, **jobs: Any) -> Iterator[Keeper]:
    """jobs: settings; the database is in the working directory, so that a second keeper is the first one restarted."""
    party = world.keeper_account
    config = load_config(
        rpc_url=world.anvil.url,
        deployment=world.folder / "deployment.json",
        database=Path("keeper.sqlite").resolve(),
        account=party.account,
        private_key=private_key(party.index),
        retry_after=0.05,
        jobs={**OFTEN, "proposals": Path("proposals.json").resolve(), **jobs},
    )
    deployment, port = connect(config)
    with ExitStack() as stack:
        engine = stack.enter_context(Engine(config, port, deployment, Signer.from_config(config)))
        engine.start()
        engine.step()
        scheduler = stack.enter_context(scheduled(config, engine, port, deployment))
        engine.step()
        yield Keeper(config, engine, scheduler)


def job_threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith(("ThreadPoolExecutor", "APScheduler"))}


def test_every_periodic_job_is_the_schedulers_and_says_how_it_fares(ground: World) -> None:
    with keeper(ground) as running:
        assert {job.id for job in running.scheduler.get_jobs()} == NAMES
        assert {job.name for job in running.engine.snapshot.jobs} == NAMES, "before any ran"
        running.step_until(lambda: all(running.job(name).runs >= 2 for name in NAMES))
        engine = running.engine
        assert all(job.error == "" and job.failures == 0 for job in engine.snapshot.jobs)
        last = running.job("reconcile")
        assert (last.done, last.total) == (last.total, len(engine._follower.state.accounts)), "fewer than a batch: a round per run"
        # The same by every way in which one asks.
        engine.step()
        shown = {job.name: job for job in status(engine.snapshot).jobs}
        assert set(shown) == NAMES
        page = exposition(SnapshotCollector(lambda: engine.snapshot)).decode()
        for name in NAMES:
            view = running.job(name)
            assert shown[name].runs == view.runs
            assert f'keeper_job_runs_total{{name="{name}"}} {float(view.runs)}' in page
            assert f'keeper_job_failures_total{{name="{name}"}} 0.0' in page
            assert view.next is not None
            assert abs(view.next - time.time()) < PATIENCE_S
    written = {job["name"]: job for job in status_of(running.config)["jobs"]}
    assert set(written) == NAMES
    assert written["reconcile"]["runs"] >= last.runs
    config = running.config
    options = ["--deployment", str(config.deployment), "--rpc", config.rpc_url, "--database", str(config.database)]
    printed = CliRunner().invoke(app, ["status", *options])
    assert printed.exit_code == 0, printed.output
    [row] = [line.split() for line in printed.stdout.splitlines() if line.startswith("reconcile")]
    assert row[-5:] == [f"{last.total}", "of", f"{last.total}", str(written["reconcile"]["runs"]), "0"], "no error behind"
    checked = check_jobs(config)
    assert checked.verdict is Verdict.OK
    assert all(name in checked.detail for name in NAMES)


def test_the_job_finds_what_the_fold_lost_and_everything_is_read_anew(ground: World) -> None:
    """The newest change of an account's cash is gone from the keeper's database, as by a node that left it out: a wrong state that nothing
    else notices. Control: with all events a whole round finds nothing."""
    with keeper(ground) as sound:
        sound.step_until(lambda: sound.count("reconciliations") >= 2)
        truth = sound.engine._follower.state.accounts
        assert sound.engine.snapshot.problems == ()
        decoder, store = sound.engine._follower._decoder, sound.engine._store
        cash = [(log, event) for log in store.logs() for event in decoder.decode_all([log]) if isinstance(event, CashChanged)]
        lost, change = next((log, event) for log, event in reversed(cash) if event.account == ground.traders["Ada"].account)
        fingerprint = sound.engine._deployment.fingerprint
    store = Store(sound.config.database, fingerprint)
    with store.connection:
        store.connection.execute("DELETE FROM snapshots")
        gone = store.connection.execute("DELETE FROM logs WHERE block = ? AND idx = ?", (lost.block, lost.index)).rowcount
    store.close()
    assert gone == 1
    with keeper(ground) as wrong, capture_logs() as logs:
        assert wrong.engine._follower.state.accounts[change.account].cash.raw == change.cash - change.change
        wrong.step_until(lambda: wrong.count("alarms_state_differs_from_chain") == 1)
        [said] = [line for line in logs if line["event"] == "state_differs_from_chain"]
        assert any(f"account {change.account}: cash" in difference for difference in said["differences"])
        wrong.step_until(lambda: wrong.engine.snapshot.ready and wrong.engine.snapshot.problems == ())
        assert wrong.engine._follower.state.accounts == truth
        assert wrong.job("reconcile").failures == 0, "what it finds is no failure of the job"


def test_the_job_writes_a_snapshot_from_which_a_restart_goes_on(ground: World) -> None:
    with keeper(ground) as running:
        assert list(running.engine._store.snapshots(shape_of_state())) == [], "control: none before the job ran"
        running.step_until(lambda: running.count("snapshots") >= 1)
        block, content = next(iter(running.engine._store.snapshots(shape_of_state())))
        assert block <= ground.head()
        assert load_state(content) == running.engine._follower._past[block]
        runs = running.job("snapshot").runs
        running.step_until(lambda: running.job("snapshot").runs >= runs + 2)
        fingerprint = running.engine._deployment.fingerprint
        kept = running.engine._follower.state
        assert len(kept.accounts) > 10
    # Without the logs that it covers, only a snapshot can say what was.
    store = Store(running.config.database, fingerprint)
    newest, _ = next(iter(store.snapshots(shape_of_state())))
    with store.connection:
        store.connection.execute("DELETE FROM logs WHERE block <= ?", (newest,))
    store.close()
    with keeper(ground) as restarted:
        now = restarted.engine._follower.state  # prices go on
        assert (now.accounts, now.table.words) == (kept.accounts, kept.table.words)


def test_a_job_that_fails_is_an_alarm_and_the_others_go_on(ground: World) -> None:
    """Tuning finds a file where its folder should be. Then the file goes, and the alarm with it."""
    blocked = Path("blocked").resolve()
    blocked.touch()
    with keeper(ground, proposals=blocked / "proposals.json") as running, capture_logs() as logs:
        running.step_until(lambda: running.job("tuning").failures >= 2)
        assert running.engine.snapshot.problems == ("job_failed",)
        assert running.count("alarms_job_failed") == 1, "once, until it is over"
        assert [line["job"] for line in logs if line["event"] == "job_failed"] == ["tuning"]
        runs = running.job("reconcile").runs, running.job("funding").runs
        running.step_until(lambda: running.job("reconcile").runs >= runs[0] + 3 and running.job("funding").runs >= runs[1] + 2)
        assert all(running.job(name).failures == 0 for name in NAMES - {"tuning"})
        checked = check_jobs(running.config)
        assert checked.verdict is Verdict.WARNING
        assert "tuning" in checked.detail
        assert "blocked" in running.job("tuning").error
        blocked.unlink()
        running.step_until(lambda: running.job("tuning").error == "" and running.engine.snapshot.problems == ())
        assert json.loads((blocked / "proposals.json").read_text())["proposals"] == []


def test_a_restart_neither_forgets_nor_repeats_a_job(ground: World) -> None:
    with keeper(ground, tuning_every=0.3) as first:
        first.step_until(lambda: first.job("tuning").runs >= 1 and not first.job("tuning").running)
    ended = recall(roster_of(first.config.database))["tuning"]
    assert ended.started is not None
    with keeper(ground, tuning_every=3_600.0) as second:
        known = second.job("tuning")
        assert (known.runs, known.next) == (ended.runs, ended.started + 3_600.0), "not an hour from now"
        second.step_until(lambda: second.job("reconcile").runs >= ended.runs + 2)
        assert second.job("tuning").runs == ended.runs
    roster_of(first.config.database).write_text("{")
    with keeper(ground, tuning_every=3_600.0) as third:
        assert third.job("tuning").runs == 0


def test_nobody_is_left_waiting_when_the_keeper_ends(ground: World, caplog: pytest.LogCaptureFixture) -> None:
    """The engine stands still, so that a comparison and a snapshot wait for it: control, else there is nothing to end. A run that takes
    longer than its pause is not a missed one."""
    before = job_threads()
    with keeper(ground) as running:
        deadline = time.monotonic() + PATIENCE_S
        while len(running.engine.upkeep._questions) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        time.sleep(1.0)
        assert len(running.engine.upkeep._questions) == 2
        assert job_threads() - before
    assert not job_threads() - before
    assert not [record for record in caplog.records if record.name.startswith("apscheduler")]
