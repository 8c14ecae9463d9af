"""What a keeper does about an open deficit while the contract says not yet, says nothing, or says that nobody can bear it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import decode, encode
from web3 import Web3

from keeper.chain.memory import PendingTransaction
from keeper.errors import RevertError
from keeper.model import WAD
from tests.keeper.engine.test_engine import OWN, SYSTEM, Twin, running
from tests.keeper.system import address_of, log

DELEVERAGER, NOMINATIONS = SYSTEM.contract("Deleverager"), SYSTEM.contract("Nominations")
EXECUTION = "(int256,uint256,uint256,uint256,uint256,bool)"
OWED = -1_000 * WAD
Answer = Callable[[int], bytes]


class Indebted(Twin):
    """Account 2 is 100 contracts long, bankrupt, its deficit open; nobody is opposite. answer: of `execute`, by its slice; asked: the
    slices; drained, rounds: whether other deficits emptied the queue, windows that were opened again."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[int] = []
        self.answer: Answer = done
        self.drained, self.rounds = False, 0
        self.set_up({OWN: (10**7, 0), 2: (6_000, 100)})
        self.price(930)
        self.mine(
            [
                log(SYSTEM.contract("Ledger"), "DeficitSet", account=2, open=True),
                log(DELEVERAGER, "DeficitOpened", account=2, by=address_of("anybody"), equity=OWED, fundMayPay=0),
            ]
        )

    def _call(self, to: str, data: bytes, sender: str | None) -> bytes:
        if to == NOMINATIONS.address:
            return encode(["bool"], [self.drained])
        if to != DELEVERAGER.address:
            return super()._call(to, data, sender)
        if data[:4] == DELEVERAGER.encode("deficit", 0)[:4]:
            return encode(["(uint40,uint64,uint8,uint128)"], [(1, 1, self.rounds, 0)])
        _, closes = decode(["uint64", "uint256"], data[4:])
        self.asked.append(int(closes))
        return self.answer(int(closes))

    def executions(self) -> int:
        """Sent; beside them, once the deficit is closed, the account is liquidated like any other."""
        return sum(transaction.to == DELEVERAGER.address for transaction in self.sent)

    def _send(self, transaction: PendingTransaction) -> tuple[bool, Sequence[Any]]:
        if transaction.to != DELEVERAGER.address:
            return super()._send(transaction)
        paid = {"account": 2, "equity": OWED, "fundPaid": 0, "haircut": 0, "shared": -OWED, "closes": 0}
        ended = [
            log(DELEVERAGER, "Executed", **paid),
            log(SYSTEM.contract("Ledger"), "DeficitSet", account=2, open=False),
            log(DELEVERAGER, "DeficitClosed", account=2, equity=0, claim=-OWED),
        ]
        return True, ended


def done(_: int) -> bytes:
    """The loss index takes all of it."""
    return encode([EXECUTION], [(OWED, 0, 0, -OWED, 0, False)])


def idle(_: int) -> bytes:
    return encode([EXECUTION], [(OWED, 0, 0, 0, 0, True)])


def refused(name: str, *values: int) -> Answer:
    def answer(_: int) -> bytes:
        words = b"".join(value.to_bytes(32, "big") for value in values)
        raise DELEVERAGER.errors.explain(Web3.keccak(text=f"{name}({','.join(['uint256'] * len(values))})")[:4] + words)

    return answer


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "keeper.sqlite"


@pytest.fixture
def chain() -> Indebted:
    return Indebted()


def test_it_is_executed_once_and_forgotten_when_it_is_closed(chain: Indebted, path: Path) -> None:
    with running(chain, path) as engine:
        engine.step()
        engine.step()
        assert chain.executions() == 1, "one transaction while its end is not known"
        chain.mine()
        for _ in range(3):
            engine.step()
        assert chain.executions() == 1
        assessment = engine.snapshot.assessment
        assert assessment is not None
        assert not assessment.state.deficits.open
        assert dict(assessment.state.deficits.claims) == {2: -OWED}


def test_nobody_asks_again_before_the_window_ends(chain: Indebted, path: Path) -> None:
    ends = chain.head().number + 4
    chain.answer = refused("WindowOpen", 0, ends)
    with running(chain, path) as engine:
        engine.step()
        assert len(chain.asked) == 1
        while chain.head().number < ends - 1:
            chain.price(930)
            engine.step()
        assert len(chain.asked) == 1
        chain.answer = done
        chain.price(930)
        engine.step()
        assert chain.executions() == 1


def test_a_slice_that_takes_too_much_gas_is_halved(chain: Indebted, path: Path) -> None:
    def answer(closes: int) -> bytes:
        if closes > 3:
            raise RevertError("", {}, b"")
        return done(closes)

    chain.answer = answer
    with running(chain, path, closes_per_transaction=12) as engine:
        for _ in range(4):
            chain.price(930)
            engine.step()
        assert sorted(set(chain.asked), reverse=True) == [12, 6, 3]
        assert chain.executions() == 1


def test_what_nobody_can_bear_is_told_and_not_sent(chain: Indebted, path: Path) -> None:
    chain.answer = idle
    with running(chain, path) as engine:
        for _ in range(3):
            chain.price(930)
            engine.step()
        assert chain.sent == []
        assert engine.snapshot.problems == ("deficit_stuck",)
        assert engine.snapshot.counters["alarms_deficit_stuck"] == 1
        chain.answer = done
        chain.price(930)
        engine.step()
        chain.mine()
        for _ in range(3):
            engine.step()
        assert engine.snapshot.problems == ()


@pytest.mark.parametrize(("drained", "rounds", "sent"), [(True, 3, 1), (True, 4, 0), (False, 0, 0)])
def test_a_queue_that_others_emptied_opens_another_window(chain: Indebted, path: Path, drained: bool, rounds: int, sent: int) -> None:
    chain.answer, chain.drained, chain.rounds = idle, drained, rounds
    with running(chain, path) as engine:
        engine.step()
        assert chain.executions() == sent


def test_it_counts_as_deficit_and_not_as_waiting(chain: Indebted, path: Path) -> None:
    chain.answer = idle
    with running(chain, path) as engine:
        engine.step()
        assert [(finding.account, finding.tier.name) for finding in engine.snapshot.findings] == [(2, "DEFICIT")]
        assert engine.snapshot.queue == 0
