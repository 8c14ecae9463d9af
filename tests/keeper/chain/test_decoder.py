"""Deployment file, event decoder and contract errors."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from eth_abi.abi import encode
from web3 import Web3

from keeper.chain import EVENTS, Decoder, Deployment, Log
from keeper.chain.events import CollateralSet, PositionChanged
from keeper.errors import DeploymentError, EventError
from tests.keeper.system import address_of, deployment, description, log


def as_log(entry: tuple[str, list[bytes], bytes]) -> Log:
    address, topics, data = entry
    return Log(7, "0xb10c", "0x7a", 3, address, tuple(topics), data)


def test_every_event_of_the_set_is_declared_by_the_system() -> None:
    assert set(Decoder(deployment()).addresses) == {deployment().contract(kind.contract).address for kind in EVENTS.values()}


def test_an_event_becomes_typed_data() -> None:
    system = deployment()
    entry = log(system.contract("Ledger"), "PositionChanged", account=5, instrument=2**104, size=-3, cost=-4, fundingIndex=0, price=9)
    event = Decoder(system).decode(as_log(entry))
    assert event == PositionChanged(
        block=7, index=3, transaction="0x7a", account=5, instrument=2**104, size=-3, cost=-4, funding_index=0, price=9
    )


def test_structs_and_the_parameter_called_index() -> None:
    system = deployment()
    event = Decoder(system).decode(as_log(log(system.contract("RiskParameters"), "CollateralSet", index=2, config=(1, True, 5, 4))))
    assert isinstance(event, CollateralSet)
    assert (event.token_index, event.config, event.index) == (2, (1, True, 5, 4), 3)


@pytest.mark.parametrize(
    ("contract", "name", "values", "fields"),
    [
        ("Ledger", "ModeSet", {"account": 5, "mode": 2}, {"account": 5, "mode": 2}),
        (
            "Clearing",
            "Transferred",
            {"from": 1, "to": 2, "token": 255, "quantity": 10},
            {"sender": 1, "to": 2, "token": 255, "quantity": 10},
        ),
        (
            "Clearing",
            "PositionMoved",
            {"from": 1, "to": 2, "instrument": 2**104, "size": -3, "price": 4},
            {"sender": 1, "to": 2, "instrument": 2**104, "size": -3, "price": 4},
        ),
        ("Clearing", "OrdersCancelled", {"account": 5, "leastNonce": 7}, {"account": 5, "least_nonce": 7}),
        (
            "Clearing",
            "FillSkipped",
            {"number": 3, "buyer": 1, "seller": 2, "reason": b"\1\2"},
            {"number": 3, "buyer": 1, "seller": 2, "reason": b"\1\2"},
        ),
        (
            "WithdrawalQueue",
            "WithdrawalQueued",
            {"id": 1, "account": 5, "token": 255, "to": address_of("alice"), "quantity": 9},
            {"id": 1, "account": 5, "token": 255, "to": address_of("alice"), "quantity": 9},
        ),
        (
            "WithdrawalQueue",
            "WithdrawalPaid",
            {"id": 1, "to": address_of("alice"), "quantity": 4, "paid": 9},
            {"id": 1, "to": address_of("alice"), "quantity": 4, "paid": 9},
        ),
        ("TradingLimits", "UnderlyingLimitsSet", {"underlying": 1, "limits": (1, 2, 3, 4)}, {"underlying": 1, "limits": (1, 2, 3, 4)}),
        ("TradingLimits", "InstrumentLimitSet", {"instrument": 2**104, "openInterest": 5}, {"instrument": 2**104, "open_interest": 5}),
        (
            "PriceDoor",
            "UpdateHeld",
            {"underlying": 1, "timestamp": 2, "cause": 2, "spot": 3, "observed": 4, "bound": 5},
            {"underlying": 1, "timestamp": 2, "cause": 2, "spot": 3, "observed": 4, "bound": 5},
        ),
        (
            "PriceDoor",
            "JumpConfirmed",
            {"underlying": 1, "timestamp": 2, "previous": 3, "spot": 4, "since": 5},
            {"underlying": 1, "timestamp": 2, "previous": 3, "spot": 4, "since": 5},
        ),
        (
            "PriceDoor",
            "SettlementFixed",
            {"underlying": 1, "expiry": 2, "price": 3, "begin": 4},
            {"underlying": 1, "expiry": 2, "price": 3, "begin": 4},
        ),
        (
            "PriceDoor",
            "SourcesChosen",
            {"underlying": 1, "sources": address_of("book")},
            {"underlying": 1, "sources": address_of("book")},
        ),
        (
            "SpotSources",
            "SourcesSet",
            {"underlying": 1, "sources": [("0x" + "0a" * 20, 60, 7, 8)]},
            {"underlying": 1, "sources": (("0x" + "0a" * 20, 60, 7, 8),)},
        ),
        (
            "SpotSources",
            "SourcesDisagreed",
            {"underlying": 1, "timestamp": 2, "prices": [3, 0, 4], "median": 3, "agreeing": 2},
            {"underlying": 1, "timestamp": 2, "prices": (3, 0, 4), "median": 3, "agreeing": 2},
        ),
        (
            "CircuitBreaker",
            "Tripped",
            {"scope": 255, "cause": 3, "observed": 200, "bound": 120, "until": 9},
            {"scope": 255, "cause": 3, "observed": 200, "bound": 120, "until": 9},
        ),
        ("CircuitBreaker", "Tightened", {"scope": 1, "previous": 0, "state": 2}, {"scope": 1, "previous": 0, "state": 2}),
        ("CircuitBreaker", "Loosened", {"scope": 1, "previous": 2, "state": 0}, {"scope": 1, "previous": 2, "state": 0}),
        ("CircuitBreaker", "ShutDown", {"at": 9}, {"at": 9}),
        (
            "ShutdownSettlement",
            "Begun",
            {"pool": 8, "accounts": 7, "at": 9, "window": 1_800},
            {"pool": 8, "accounts": 7, "at": 9, "window": 1_800},
        ),
        ("ShutdownSettlement", "SpotFixed", {"underlying": 1, "spot": 2}, {"underlying": 1, "spot": 2}),
        ("ShutdownSettlement", "ValueFixed", {"instrument": 2**104, "value": 0}, {"instrument": 2**104, "value": 0}),
        (
            "ShutdownSettlement",
            "AccountSettled",
            {"account": 5, "claim": 0, "debt": 3, "pooled": 2},
            {"account": 5, "claim": 0, "debt": 3, "pooled": 2},
        ),
        (
            "ShutdownSettlement",
            "Finalised",
            {"claims": 5, "tokens": 3, "pooled": 1, "ratio": 8},
            {"claims": 5, "tokens": 3, "pooled": 1, "ratio": 8},
        ),
        (
            "ShutdownSettlement",
            "Claimed",
            {"account": 5, "token": 255, "to": address_of("alice"), "quantity": 6},
            {"account": 5, "token": 255, "to": address_of("alice"), "quantity": 6},
        ),
        (
            "CollateralVault",
            "TokensSent",
            {"index": 255, "to": address_of("alice"), "quantity": 4, "recorded": 9},
            {"token_index": 255, "to": address_of("alice"), "quantity": 4, "recorded": 9},
        ),
        (
            "PriceDoor",
            "SignersSet",
            {"signers": [address_of("alice"), address_of("bob")], "quorum": 2},
            {"signers": (address_of("alice"), address_of("bob")), "quorum": 2},
        ),
        (
            "Funding",
            "FundingUpdated",
            {"underlying": 1, "premium": -2, "spot": 3, "ratePerSecond": -4, "elapsed": 5, "duration": 6},
            {"underlying": 1, "premium": -2, "spot": 3, "rate_per_second": -4, "elapsed": 5, "duration": 6},
        ),
        (
            "Settlement",
            "PositionsSettled",
            {"account": 5, "underlying": 1, "expiry": 9, "positions": 2},
            {"account": 5, "underlying": 1, "expiry": 9, "positions": 2},
        ),
        (
            "Settlement",
            "SettlementAdvanced",
            {"underlying": 1, "expiry": 9, "account": 5},
            {"underlying": 1, "expiry": 9, "account": 5},
        ),
        (
            "Liquidator",
            "DebtFlagged",
            {"account": 5, "by": address_of("alice"), "startedAt": 9, "cash": -3},
            {"account": 5, "by": address_of("alice"), "started_at": 9, "cash": -3},
        ),
        ("Liquidator", "DeficitCovered", {"account": 5, "paid": 3, "cash": 0}, {"account": 5, "paid": 3, "cash": 0}),
        (
            "InsuranceFund",
            "MemberSet",
            {"member": address_of("engine"), "drawLimit": 7, "window": 60},
            {"member": address_of("engine"), "draw_limit": 7, "window": 60},
        ),
        (
            "InsuranceFund",
            "AgentSet",
            {"agent": address_of("adl"), "member": address_of("engine")},
            {"agent": address_of("adl"), "member": address_of("engine")},
        ),
        ("TradingLimits", "TokenLimitsSet", {"index": 0, "limits": (8, 9)}, {"token_index": 0, "limits": (8, 9)}),
    ],
    ids=lambda item: item if isinstance(item, str) else "",
)
def test_events_of_accounts_orders_and_limits(contract: str, name: str, values: dict[str, object], fields: dict[str, object]) -> None:
    system = deployment()
    event = Decoder(system).decode(as_log(log(system.contract(contract), name, **values)))
    assert event == EVENTS[name](block=7, index=3, transaction="0x7a", **fields)  # type: ignore[arg-type]


def test_unknown_events_are_passed_over_and_damaged_ones_are_not() -> None:
    system = deployment()
    address, topics, data = log(system.contract("Ledger"), "AccountOpened", account=1, owner=address_of("alice"), mode=2)
    decoder = Decoder(system)
    assert decoder.decode(as_log((address, [b"\1" * 32], data))) is None
    assert decoder.decode(as_log((address_of("stranger"), topics, data))) is None
    with pytest.raises(EventError, match="AccountOpened"):
        decoder.decode(as_log((address, topics, data[:10])))
    with pytest.raises(EventError, match="AccountOpened"):
        decoder.decode(as_log((address, topics[:2], data)))


def test_a_system_with_another_event_is_refused() -> None:
    content = copy.deepcopy(description())
    [event] = [item for item in content["contracts"]["Ledger"]["abi"] if item["name"] == "CashChanged"]
    event["inputs"][3]["name"] = "balance"
    with pytest.raises(DeploymentError, match="CashChanged"):
        Decoder(Deployment.parse(content))
    content["contracts"]["Ledger"]["abi"].remove(event)
    with pytest.raises(DeploymentError, match="declare the event CashChanged"):
        Decoder(Deployment.parse(content))


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda c: c["contracts"].pop("Lens"), "Lens"),
        (lambda c: c.pop("chain_id"), "chain_id"),
        (lambda c: c["tokens"].pop("USDC"), "settlement token"),
        (lambda c: c["contracts"]["Ledger"].update(address="0x12"), "20 bytes"),
    ],
)
def test_an_incomplete_deployment_says_what_is_missing(break_it: object, message: str) -> None:
    content = description()
    break_it(content)  # type: ignore[operator]
    with pytest.raises(DeploymentError, match=message):
        Deployment.parse(content)


def test_a_missing_or_damaged_file(tmp_path: Path) -> None:
    with pytest.raises(DeploymentError, match="deploy first"):
        Deployment.load(tmp_path / "none.json")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(DeploymentError, match="JSON"):
        Deployment.load(tmp_path / "bad.json")
    (tmp_path / "good.json").write_text(json.dumps(description()))
    assert Deployment.load(tmp_path / "good.json").fingerprint == deployment().fingerprint
    assert deployment(first_block=9).fingerprint != deployment().fingerprint


def test_reverts_are_explained_across_contracts() -> None:
    system = deployment()
    data = Web3.keccak(text="StalePrice(uint256,uint256,uint256)")[:4] + encode(["uint256"] * 3, [10, 20, 5])
    error = system.contract("Ledger").errors.explain(data)
    assert (error.name, error.arguments) == ("StalePrice", {"signedAt": 10, "time": 20, "limit": 5})
    panic = system.contract("Ledger").errors.explain(Web3.keccak(text="Panic(uint256)")[:4] + encode(["uint256"], [0x11]))
    assert panic.arguments == {"reason": "arithmetic overflow"}
    assert system.contract("Ledger").errors.explain(b"\xde\xad").name == ""
    assert system.contract("Ledger").errors.explain(data[:20]).name == ""
