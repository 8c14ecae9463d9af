"""The contract's answer decides: plans shrink where it says so, and are dropped where it says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from eth_abi.abi import decode, encode
from web3 import Web3

from keeper.chain import MemoryChain
from keeper.errors import RevertError
from keeper.execution import Confirmation, Confirmed, Refusal, Refused
from keeper.liquidation import Cover, Flag, Liquidation, PlannedLeg
from keeper.margin import Witness
from keeper.model import Instrument, Wad
from keeper.monitoring import Tier
from tests.keeper.system import deployment

SYSTEM = deployment()
SENDER = "0x" + "33" * 20
PLAN = Liquidation(7, Tier.FULL, (PlannedLeg(Instrument.perp(0), Wad.whole(-8)),), Witness((3,), (1,)), 10.0, 1.09, 8000.0, 1.0)


def revert(signature: str, *values: int) -> Exception:
    name, _, types = signature.partition("(")
    kinds = types.rstrip(")").split(",")
    return SYSTEM.contract("Liquidator").errors.explain(Web3.keccak(text=f"{name}({types}")[:4] + encode(kinds, values))


class Chain(MemoryChain):
    """Answers `liquidate` by a rule on the size of the only leg."""

    def __init__(self, rule: Callable[[int], Exception | None]) -> None:
        super().__init__(on_call=self._answer)
        self.rule = rule
        self.sizes: list[int] = []
        self.minimum_payments: list[int] = []

    def _answer(self, _to: str, data: bytes, _sender: str | None) -> bytes:
        kinds = ["(uint64,uint64,(uint112,int128)[],(bytes,bytes),uint256,bytes)"]
        ((account, to, legs, witness, minimum, callback),) = decode(kinds, data[4:])
        assert (account, to, witness, callback) == (7, 2, (b"\x03", b"\x01"), b"")
        self.sizes.append(legs[0][1])
        self.minimum_payments.append(minimum)
        error = self.rule(legs[0][1])
        if error is not None:
            raise error
        return encode(["(uint8,uint256,uint256,uint256,uint256,uint256,uint256,uint256,int256)"], [(2, 9, 5, 4, 2, 1000, 1, 0, 11)])


def confirm(chain: MemoryChain) -> Confirmed | Refused:
    return Confirmation(chain, SYSTEM, SENDER, 2, 15_000_000).confirm(PLAN)


def test_an_accepted_plan_asks_for_half_the_simulated_payment() -> None:
    chain = Chain(lambda _size: None)
    answer = confirm(chain)
    assert isinstance(answer, Confirmed)
    assert answer.plan == PLAN
    assert answer.outcome is not None
    assert (answer.outcome.payment, answer.outcome.tier) == (1000, 2)
    chain.call(answer.call.to, answer.call.data)
    assert chain.minimum_payments[0] == 0
    assert chain.minimum_payments[-1] == 500


def test_too_much_is_made_smaller_until_it_is_not() -> None:
    chain = Chain(lambda size: revert("TooMuch(uint64,int256,uint256,uint256)", 7, 1, 2, 3) if size < -6 * 10**18 else None)
    answer = confirm(chain)
    assert isinstance(answer, Confirmed)
    assert isinstance(answer.plan, Liquidation)
    assert -6 * 10**18 <= answer.plan.legs[0].size.raw < -5 * 10**18


def test_missing_own_margin_halves_and_in_the_end_gives_up() -> None:
    chain = Chain(lambda _size: revert("LiquidatorUnderMargined(uint64,int256,uint256)", 2, 1, 2))
    answer = confirm(chain)
    assert isinstance(answer, Refused)
    assert answer.refusal is Refusal.CAPACITY
    assert chain.sizes[:3] == [-8 * 10**18, -4 * 10**18, -2 * 10**18]
    assert len(chain.sizes) < 10


@pytest.mark.parametrize(
    ("error", "refusal"),
    [
        (revert("StalePrice(uint256,uint256,uint256)", 1, 9, 5), Refusal.STALE),
        (revert("NotLiquidatable(uint64,int256,uint256)", 7, 9, 5), Refusal.HEALTHY),
        (revert("NothingReleased(uint256,uint256)", 1, 9), Refusal.OTHER),
        (revert("DeficitExceedsFund(uint64,uint8,uint256,uint256)", 7, 0, 9, 0), Refusal.OTHER),
    ],
)
def test_other_refusals_are_not_argued_with(error: Exception, refusal: Refusal) -> None:
    chain = Chain(lambda _size: error)
    answer = confirm(chain)
    assert isinstance(answer, Refused)
    assert answer.refusal is refusal
    assert len(chain.sizes) == 1


def test_what_the_fund_cannot_pay_whole_it_may_pay_in_part() -> None:
    error = revert("DeficitExceedsFund(uint64,uint8,uint256,uint256)", 7, 0, 9, 5)
    answer = confirm(Chain(lambda size: error if size < -3 * 10**18 else None))
    assert isinstance(answer, Confirmed)


@pytest.mark.parametrize(("plan", "function"), [(Flag(7, Witness((1,), ())), "flag"), (Cover(7), "coverDeficit")])
def test_flags_and_covers_are_simulated_too(plan: Flag | Cover, function: str) -> None:
    asked: list[bytes] = []
    chain = MemoryChain(on_call=lambda _to, data, _sender: (asked.append(data), b"")[1])
    answer = Confirmation(chain, SYSTEM, SENDER, 2, 15_000_000).confirm(plan)
    assert isinstance(answer, Confirmed)
    assert answer.outcome is None
    expected = SYSTEM.contract("Liquidator").encode(function, *((7, (b"\1", b"")) if function == "flag" else (7,)))
    assert set(asked) == {expected}


def test_gas_is_estimated_once_per_shape_and_again_where_it_was_too_little(monkeypatch: pytest.MonkeyPatch) -> None:
    chain = Chain(lambda _size: None)
    estimates: list[str] = []
    monkeypatch.setattr(chain, "estimate_gas", lambda to, _data, _sender: (estimates.append(to), 100_000)[1])
    confirmation = Confirmation(chain, SYSTEM, SENDER, 2, 15_000_000)
    first, second = confirmation.confirm(PLAN), confirmation.confirm(PLAN)
    assert isinstance(first, Confirmed)
    assert isinstance(second, Confirmed)
    assert len(estimates) == 1
    assert first.gas == second.gas == 200_000
    answer = chain.call
    needed = 500_000

    def hungry(to: str, data: bytes, *, sender: str | None = None, gas: int | None = None) -> bytes:
        if gas is not None and gas < needed:
            raise RevertError("", {}, b"")
        return answer(to, data, sender=sender, gas=gas)

    monkeypatch.setattr(chain, "call", hungry)
    monkeypatch.setattr(chain, "estimate_gas", lambda to, _data, _sender: (estimates.append(to), 500_000)[1])
    third = confirmation.confirm(PLAN)
    assert isinstance(third, Confirmed)
    assert third.gas >= needed
    assert len(estimates) == 2


REQUEST = "(uint64,uint64,(uint112,int128)[],(bytes,bytes),uint256,bytes)"
OUTCOME = "(uint8,uint256,uint256,uint256,uint256,uint256,uint256,uint256,int256)"
UPDATE = "(uint8,uint32,uint96,uint96,uint16,(uint32,uint96,int64,int64,uint64,int64,int64,uint64,uint96,uint64)[])"
BATCHED = deployment(1, "LiquidationBatch")


class Batch(MemoryChain):
    """Answers a batch by what each account does: a payment, or revert data; each takes `gas`."""

    def __init__(self, answers: dict[int, int | bytes], gas: int = 1_000_000) -> None:
        super().__init__(on_call=self._answer)
        self.answers, self.gas = answers, gas
        self.asked: list[list[tuple[int, int]]] = []

    def _answer(self, _to: str, data: bytes, _sender: str | None) -> bytes:
        _, _, members = decode([f"{UPDATE}[]", "bytes[][]", f"{REQUEST}[]"], data[4:])
        self.asked.append([(member[0], member[4]) for member in members])
        results = []
        for account, *_ in members:
            told = self.answers[account]
            done = isinstance(told, int)
            outcome = (2, 9, 5, 4, 2, told, 1, 0, 11) if done else (0,) * 9
            results.append((done, self.gas, outcome, b"" if done else told))
        return encode([f"(bool,uint256,{OUTCOME},bytes)[]"], [results])


def numbered(*accounts: int) -> list[Liquidation]:
    return [replace(PLAN, account=account) for account in accounts]


def test_a_batch_sends_what_was_accepted_and_tells_the_rest() -> None:
    refusal = Web3.keccak(text="NotLiquidatable(uint64,int256,uint256)")[:4] + encode(["uint64", "int256", "uint256"], [8, 9, 5])
    chain = Batch({7: 1000, 8: bytes(refusal), 9: 30, 10: b""})
    found = Confirmation(chain, BATCHED, SENDER, 2, 15_000_000).confirm_batch(numbered(7, 8, 9, 10), ())
    assert [plan.account for plan, _ in found.members] == [7, 9]
    assert [(answer.plan.account, answer.refusal) for answer in found.refused] == [(8, Refusal.HEALTHY)]
    assert [plan.account for plan in found.unasked] == [10], "no reason given: the gas did not last"
    assert found.call is not None
    assert found.call.accounts == (7, 9)
    chain.call(found.call.to, found.call.data)
    assert chain.asked == [[(7, 0), (8, 0), (9, 0), (10, 0)], [(7, 500), (9, 15)]]
    assert 2_000_000 < found.gas <= 15_000_000


def test_a_batch_stays_below_the_gas_limit() -> None:
    chain = Batch(dict.fromkeys(range(20), 1), gas=1_500_000)
    found = Confirmation(chain, BATCHED, SENDER, 2, 15_000_000).confirm_batch(numbered(*range(20)), ())
    assert found.gas <= 15_000_000
    assert 5 <= len(found.members) < 10
    assert len(found.members) + len(found.unasked) == 20


def test_dear_members_make_the_next_batch_smaller() -> None:
    confirmation = Confirmation(Batch(dict.fromkeys(range(40), 1), gas=3_000_000), BATCHED, SENDER, 2, 15_000_000)
    before = confirmation.members
    for _ in range(5):
        confirmation.confirm_batch(numbered(*range(10)), ())
    assert before == 12
    assert confirmation.members == 4


def test_who_comes_first_and_gives_no_reason_did_not_lack_gas() -> None:
    found = Confirmation(Batch({7: b"", 8: 1000}), BATCHED, SENDER, 2, 15_000_000).confirm_batch(numbered(7, 8), ())
    assert [answer.plan.account for answer in found.refused] == [7]
    assert [plan.account for plan, _ in found.members] == [8]
