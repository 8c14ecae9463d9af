"""The whole loop on an in-memory chain: from a price to a mined liquidation, with what goes wrong on the way.

The twin of the contracts below moves legs and keeps positions; whether an account may be liquidated it is told by the test.
"""

from __future__ import annotations

import math
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import decode, encode
from eth_account import Account as Key
from structlog.testing import capture_logs
from web3 import Web3

from keeper.bus import Band, Bus, HealthChange, TransactionChange
from keeper.chain import Deployment, MemoryChain, Store
from keeper.chain.memory import PendingTransaction
from keeper.config import Config, load_config
from keeper.engine import Engine
from keeper.errors import ChainError
from keeper.execution import Journal, Signer, Status
from keeper.model import WAD, Instrument
from keeper.monitoring import CallChange, MarginCallStore
from keeper.observation import JobSettings
from keeper.overview import suggestions
from keeper.portfolio import Parameter, ParameterTable, Reconciler
from keeper.portfolio.memory import load_state, shape_of_state
from keeper.upkeep import Reconciliation, write_snapshot
from tests.keeper.scalars import SCALARS
from tests.keeper.system import address_of, deployment, log

SYSTEM: Deployment = deployment()
SIGNER = Signer(Key.from_key("0x" + "11" * 32))
OWN = 1
PERP = Instrument.perp(0).pack()
LIQUIDATION = "(uint64,uint64,(uint112,int128)[],(bytes,bytes),uint256,bytes)"
OUTCOME = "(uint8,uint256,uint256,uint256,uint256,uint256,uint256,uint256,int256)"
SCENARIO = (-(WAD // 5)) % 2**64 << 128 | WAD << 64 | 1 << 8 | 1


class Twin(MemoryChain):
    """Contracts in memory. refusals: account -> error name of the liquidator; sizes: account -> perps held."""

    def __init__(self) -> None:
        super().__init__(on_call=self._call, on_send=self._send)
        self.sizes: dict[int, int] = {}
        self.cash: dict[int, int] = {}
        self.refusals: dict[int, str] = {}
        self.lie = 0
        self._table = ParameterTable.empty().with_scenarios([SCENARIO])
        for name, value in SCALARS.items():
            self._table = self._table.with_parameter(int(Parameter[name]), value)

    def set_up(self, accounts: dict[int, tuple[int, int]]) -> None:
        """account -> (cash in USD, perps at 1000 USD)."""
        logs = [log(SYSTEM.contract("CollateralVault"), "TokenListed", index=255, token=address_of("USDC"), decimals=6)]
        logs += [
            log(SYSTEM.contract("RiskParameters"), "ParameterSet", parameter=int(Parameter[name]), previous=0, value=value)
            for name, value in SCALARS.items()
        ]
        logs.append(log(SYSTEM.contract("RiskParameters"), "ScenariosSet", words=[SCENARIO]))
        for account, (cash, size) in accounts.items():
            self.sizes[account], self.cash[account] = size * WAD, cash * WAD
            ledger = SYSTEM.contract("Ledger")
            logs += [
                log(ledger, "AccountOpened", account=account, owner=address_of(f"owner {account}"), mode=1),
                log(ledger, "CashChanged", account=account, reason=0, change=cash * WAD, cash=cash * WAD),
            ]
            if size:
                logs.append(self._position(account))
        self.mine(logs)
        self.price(1000)

    def price(self, spot: int) -> None:
        values = {"underlying": 0, "timestamp": self.head().time + 1, "spot": spot * WAD, "mark": spot * WAD, "confidence": 10_000}
        self.mine([log(SYSTEM.contract("PriceDoor"), "MarketUpdated", **values)])

    def _position(self, account: int) -> Any:
        size = self.sizes[account]
        values = {"account": account, "instrument": PERP, "size": size, "cost": 1000 * size, "fundingIndex": 0, "price": 0}
        return log(SYSTEM.contract("Ledger"), "PositionChanged", **values)

    def _call(self, to: str, data: bytes, _sender: str | None) -> bytes:
        if to == SYSTEM.contract("Deleverager").address:
            raise SYSTEM.contract("Ledger").errors.explain(Web3.keccak(text="FundCanPay(uint64,uint256,uint256)")[:4] + bytes(96))
        liquidator, lens, table = SYSTEM.contract("Liquidator"), SYSTEM.contract("Lens"), SYSTEM.contract("RiskParameters")
        if data[:4] == liquidator.encode("discountNow", 1)[:4]:
            return encode(["uint256"], [WAD // 50])
        if data[:4] == table.encode("table")[:4]:
            return encode(["uint256[]"], [list(self._table.words)])
        if data[:4] == lens.encode("accounts", 0, 0)[:4]:
            first, last = decode(["uint64", "uint64"], data[4:])
            views = [self._view(account) for account in range(first, last + 1) if account == 0 or account in self.cash]
            return encode(["(uint64,address,uint8,int256,uint256[],(uint112,int256,int256)[])[]"], [views])
        ((account, *_),) = decode([LIQUIDATION], data[4:])
        if account in self.refusals:
            name = self.refusals[account]
            raise SYSTEM.contract("Ledger").errors.explain(Web3.keccak(text=f"{name}(uint256,uint256,uint256)")[:4] + bytes(96))
        through = data[:4] == liquidator.encode("liquidateThrough", (0, 0, [], (b"", b""), 0, b""), 0, [])[:4]
        return encode([OUTCOME] * (2 if through else 1), [(2, 9, 5, 4, 2, 0, 1, 0, 11)] * (2 if through else 1))

    def _view(self, account: int) -> Any:
        if account == 0:
            return 0, "0x" + "00" * 20, 0, 0, [], []
        positions = [(PERP, self.sizes[account], 1000 * self.sizes[account])] if self.sizes[account] else []
        return account, address_of(f"owner {account}"), 1, self.cash[account] + self.lie, [], positions

    def _send(self, transaction: PendingTransaction) -> tuple[bool, Sequence[Any]]:
        ((account, to, legs, _, _, _),) = decode([LIQUIDATION], transaction.data[4:])
        for _, size in legs:
            self.sizes[account] -= size
            self.sizes[to] += size
        return True, [self._position(account), self._position(to)]

    def targets(self) -> list[int]:
        return [decode([LIQUIDATION], transaction.data[4:])[0][0] for transaction in self.sent]


def config(path: Path, **settings: Any) -> Config:
    return load_config(account=OWN, database=path, retry_after=0.001, **settings)


@contextmanager
def running(chain: Twin, path: Path, **settings: Any) -> Iterator[Engine]:
    with Engine(config(path, **settings), chain, SYSTEM, SIGNER) as engine:
        engine.start()
        yield engine


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "keeper.sqlite"


@pytest.fixture
def chain() -> Twin:
    """Account 1 is the keeper's; 2 to 4 are 100 contracts long on 6,000, 10,000 and 50,000 USD."""
    chain = Twin()
    chain.set_up({OWN: (10**7, 0), 2: (6_000, 100), 3: (10_000, 100), 4: (50_000, 100)})
    return chain


def test_a_fall_is_answered_and_the_answer_comes_back_as_events(chain: Twin, path: Path) -> None:
    with running(chain, path) as engine:
        engine.step()
        assert chain.sent == []
        chain.price(960)
        engine.step()
        assert chain.targets() == [2]
        engine.step()
        assert chain.targets() == [2], "one answer per finding while it is under way"
        chain.mine()
        engine.step()
        engine.step()
        chain.mine()
        engine.step()
        assert chain.sizes[2] < 100 * WAD
        assert chain.sizes[OWN] == 100 * WAD - chain.sizes[2]
        assert engine._follower.state.accounts[OWN].positions[Instrument.perp(0)].size.raw == chain.sizes[OWN]


def test_several_accounts_fall_in_one_block_and_all_are_sent_in_nonce_order(chain: Twin, path: Path) -> None:
    with running(chain, path) as engine:
        chain.price(910)
        engine.step()
        assert sorted(chain.targets()) == [2, 3]
        assert [transaction.nonce for transaction in chain.sent] == [0, 1]


def test_an_account_that_fails_does_not_hold_up_the_others(chain: Twin, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chain.refusals[2] = "StalePrice"
    with running(chain, path) as engine, capture_logs() as logs:
        chain.price(910)
        engine.step()
        assert chain.targets() == [3]
        assert any(entry["event"] == "refused" and entry["account"] == 2 for entry in logs)
    with running(chain, path) as engine, capture_logs() as logs:
        submit = engine._actions.handle

        def defect(assessment: Any, planner: Any, finding: Any, *rest: Any) -> bool:
            if finding.account == 2:
                raise ZeroDivisionError("a defect in one account")
            return submit(assessment, planner, finding, *rest)

        monkeypatch.setattr(engine._actions, "handle", defect)
        chain.mine()
        chain.price(500)
        engine.step()
        assert 4 in chain.targets()
        assert [entry["account"] for entry in logs if entry["event"] == "account_failed"] == [2]


def test_nothing_is_sent_on_prices_that_will_be_too_old(chain: Twin, path: Path) -> None:
    """Blocks are a second apart: a price five seconds old now is refused in the next block."""
    with running(chain, path) as engine:
        chain.price(960)
        for _ in range(5):
            chain.mine()
        engine.step()
        assert chain.sent == []
        chain.price(960)
        engine.step()
        assert chain.targets() == [2]


def test_the_most_urgent_come_first_where_a_round_is_full(chain: Twin, path: Path) -> None:
    with running(chain, path, actions_per_round=1) as engine:
        chain.price(850)
        engine.step()
        assert chain.targets() == [2], "2 is the deepest under water"


def test_margin_calls_are_stored(chain: Twin, path: Path) -> None:
    with running(chain, path) as engine, capture_logs() as logs:
        chain.price(970)
        engine.step()
        assert [(entry["event"], entry["account"]) for entry in logs if "margin_call" in entry["event"]] == [("margin_call", 2)]
        chain.price(1000)
        engine.step()
        chain.price(970)
        engine.step()
    store = Store(path, SYSTEM.fingerprint)
    assert set(MarginCallStore(store.connection).open_calls().since) == {2}
    store.close()


def test_a_restart_neither_forgets_nor_repeats(chain: Twin, path: Path) -> None:
    with running(chain, path) as engine:
        chain.price(960)
        engine.step()
        state = engine._follower.state
    with running(chain, path) as engine:
        assert engine._follower.state == state
        engine.step()
        engine.step()
        assert chain.targets() == [2], "it is still pending"
    chain.mine()
    with running(chain, path) as engine:
        engine.step()
        journal = Journal(engine._store.connection)
        assert [entry.status for entry in journal.latest(9) if entry.account == 2][-1] is Status.INCLUDED


def test_a_reorganised_fall_is_undone_and_judged_anew(chain: Twin, path: Path) -> None:
    with running(chain, path) as engine, capture_logs() as logs:
        engine.step()
        chain.price(960)
        engine.step()
        assert chain.targets() == [2]
        chain.pending.clear()
        chain.fork(1)
        chain.price(1010)
        engine.step()
        assert engine._follower.state.spots[0].spot == 1010 * WAD
        assert [entry["common_ancestor"] for entry in logs if entry["event"] == "reorganisation"] == [chain.head().number - 1]
        chain.price(1020)
        engine.step()
        assert chain.targets() == [2]


class Run:
    """One run of a job, by hand."""

    def __init__(self) -> None:
        self.steps: list[tuple[int, int]] = []
        self.pause = math.nan

    def progress(self, done: int, total: int) -> None:
        self.steps.append((done, total))

    def again_in(self, seconds: float) -> None:
        self.pause = seconds


def run_job(engine: Engine, job: Callable[[Run], None]) -> Run:
    """In a thread, as its scheduler does; the engine steps until it has ended."""
    run = Run()
    thread = threading.Thread(target=job, args=(run,))
    thread.start()
    while thread.is_alive():
        engine.step()
        thread.join(0.001)
    return run


def reconciliation(engine: Engine, chain: Twin, batch: int = 25, **settings: float) -> Reconciliation:
    return Reconciliation(engine.upkeep, Reconciler(chain, SYSTEM, batch), JobSettings(**settings), retry_after=7.0)  # type: ignore[arg-type]


def test_a_fold_that_differs_from_the_chain_is_noticed_and_heals(chain: Twin, path: Path) -> None:
    with running(chain, path) as engine, capture_logs() as logs:
        engine.step()
        job = reconciliation(engine, chain)
        run_job(engine, job)
        state = engine._follower.state
        chain.lie = 1
        assert run_job(engine, job).pause == 7.0, "confirmed or not soon"
        assert not [entry for entry in logs if entry["event"] == "state_differs_from_chain"], "once may be the node's doing"
        run_job(engine, job)
        [alarm] = [entry for entry in logs if entry["event"] == "state_differs_from_chain"]
        assert alarm["count"] == 4
        assert engine.snapshot.problems == ("state_differs_from_chain",)
        chain.lie = 0
        engine.step()
        engine.step()
        assert engine._follower.state == state
        logs.clear()
        run_job(engine, job)
        engine.step()
        assert logs == []
        assert engine.snapshot.problems == ()


def test_every_account_has_its_turn_in_time(chain: Twin, path: Path) -> None:
    """Five of them with the house, two at a time within 10 s: every 4 s, of which the last tenth is for waiting for a block."""
    with running(chain, path) as engine:
        engine.step()
        job = reconciliation(engine, chain, batch=2, reconcile_within=10.0)
        runs = [run_job(engine, job) for _ in range(4)]
        assert [run.steps for run in runs] == [[(2, 5)], [(4, 5)], [(5, 5)], [(2, 5)]]
        assert [run.pause for run in runs] == [pytest.approx(0.9 * 4.0)] * 4


def test_a_comparison_waits_for_a_block_and_no_longer_than_its_patience(chain: Twin, path: Path) -> None:
    with running(chain, path) as engine:
        engine.step()
        patient, hasty = engine.upkeep.standing(60.0), engine.upkeep.standing(0.0)
        engine.step()
        assert (patient.done(), hasty.done()) == (False, True)
        chain.price(1000)
        engine.step()
        found = patient.result(0)
        assert found is not None
        assert found.block == chain.head()


def test_nothing_is_answered_while_there_is_something_to_send(chain: Twin, path: Path) -> None:
    """And no snapshot is made while anybody is under-margined, though nothing is sent."""
    with running(chain, path) as engine:
        engine.step()
        state, writer = engine.upkeep.standing(0.0), engine.upkeep.writer()
        chain.price(960)
        engine.step()
        assert chain.targets() == [2]
        assert not state.done()
        engine.step()
        assert (state.done(), writer.done()) == (True, False)
        chain.price(1010)
        chain.mine()
        engine.step()
        engine.step()
        assert writer.done()


def test_a_snapshot_is_written_where_there_is_something_new(chain: Twin, path: Path) -> None:
    with running(chain, path) as engine:
        engine.step()
        write = partial(write_snapshot, engine.upkeep)
        assert run_job(engine, write).steps == [(0, 3), (1, 3), (2, 3), (3, 3)]
        [(block, content)] = engine._store.snapshots(shape_of_state())
        assert (block, load_state(content)) == (chain.head().number, engine._follower.state)
        assert run_job(engine, write).steps == [(0, 3), (3, 3)]
        chain.mine()
        run_job(engine, write)
        assert engine.snapshot.counters["snapshots"] == 2


def test_what_goes_wrong_in_an_answer_is_the_jobs_and_the_engines_trouble(chain: Twin, path: Path) -> None:
    with running(chain, path) as engine:
        engine.step()
        engine._store.connection.execute("DROP TABLE snapshots")
        kept, standing = engine.upkeep.keep(engine._follower.writer()()), engine.upkeep.standing(0.0)
        with pytest.raises(sqlite3.OperationalError):
            engine.step()
        assert isinstance(kept.exception(0), sqlite3.OperationalError)
        assert not standing.done()
        engine.step()
        assert standing.done(), "who asked in the same pass gets an answer in the next"


def test_who_asks_an_engine_that_ends_is_not_left_waiting(chain: Twin, path: Path) -> None:
    with running(chain, path) as engine:
        engine.step()
        waiting = engine.upkeep.standing(60.0)
    assert waiting.cancelled()
    assert engine.upkeep.standing(0.0).cancelled()


def test_a_snapshot_of_a_state_that_was_wrong_is_not_kept(chain: Twin, path: Path) -> None:
    with running(chain, path) as engine:
        engine.step()
        before = engine._follower.writer()
        assert engine._follower.keep(before())
        engine._follower.start_over()
        assert not engine._follower.keep(before())
        engine.step()
        assert engine._follower.keep(engine._follower.writer()())


def test_an_unreachable_node_is_reported_once_and_survived(chain: Twin, path: Path) -> None:
    class Stop:
        """Runs `rounds` passes and makes the node vanish for some of them."""

        def __init__(self, rounds: int) -> None:
            self.rounds = rounds

        def is_set(self) -> bool:
            self.rounds -= 1
            chain.reachable = not 3 <= self.rounds <= 6
            return self.rounds < 0

        def wait(self, _seconds: float) -> None:
            chain.reachable = True

    with running(chain, path) as engine, capture_logs() as logs:
        chain.price(960)
        engine.run(Stop(10))  # type: ignore[arg-type]
        assert [entry["event"] for entry in logs if entry["event"].startswith("node")] == ["node_trouble", "node_recovered"]
        assert chain.targets() == [2]


def test_what_happens_is_published(chain: Twin, path: Path) -> None:
    with running(chain, path) as engine, engine.bus.subscribe() as news:
        engine.step()
        assert engine.snapshot.ready
        assert engine.snapshot.findings == ()
        chain.price(960)
        engine.step()
        shown = engine.snapshot
        assert [finding.account for finding in shown.findings] == [2]
        assert (shown.cursor, shown.lag) == (chain.head(), 0)
        assert shown.oracle_ages == {"0": 0.0}
        assert shown.counters["sent_liquidate"] == 1
        assert [entry.status for entry in shown.transactions] == [Status.SENT]
        [suggested] = suggestions(shown, SYSTEM, taker=4)
        assert (suggested.account, suggested.kind, suggested.witness) == (2, "liquidate", (b"", b""))
        ((account, to, legs, _, _, _),) = decode([LIQUIDATION], suggested.data[4:])
        assert (account, to, tuple(legs)) == (2, 4, suggested.legs)
        told = list(news.drain())
        [moved] = [item for item in told if isinstance(item, HealthChange)]
        assert (moved.account, moved.before, moved.now) == (2, Band.SAFE, Band.FULL)
        assert [item.account for item in told if isinstance(item, CallChange)] == [2]
        assert [item.entry.account for item in told if isinstance(item, TransactionChange)] == [2]
        chain.reachable = False
        with pytest.raises(ChainError):
            engine.step()


def test_a_subscriber_that_sleeps_loses_the_oldest_news_and_nobody_waits() -> None:
    bus = Bus()
    with bus.subscribe(capacity=2) as slow, bus.subscribe() as quick:
        for number in range(5):
            bus.publish(CallChange(number, True, 1.0, 1, 1))
        assert [item.account for item in slow.drain() if isinstance(item, CallChange)] == [3, 4]
        assert slow.lost == 3
        assert len(list(quick.drain())) == 5
    bus.publish(CallChange(9, True, 1.0, 1, 1))
    assert quick.take() is None
