"""The whole state of the system from its logs alone, and its comparison with what the contracts say."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from eth_abi import decode, encode
from eth_utils.abi import collapse_if_tuple
from eth_utils.crypto import keccak

from scripts.anvil import Anvil
from tests.contracts.events import clearing, ledger, market, waterfall
from tests.contracts.events.logs import Log
from tests.contracts.events.part import Part

__all__ = ["Reading", "State", "differences", "read_views"]

Abis = Mapping[str, tuple[str, list[dict[str, Any]]]]
Reading = tuple[str, str, tuple[Any, ...]]
"""(contract, view, arguments), or (STORAGE, address, (slot,))"""

STORAGE = "storage"


class State:
    """Folds logs in their order. Contracts without a part here hold no state."""

    def __init__(self, addresses: Mapping[str, str]) -> None:
        self.addresses = addresses  # contract -> address; tokens left out
        self.now = 0
        self.parameters = market.Parameters(self)
        self.registry = market.Registry(self)
        self.breaker = market.Breaker(self)
        self.door = market.Door(self)
        self.sources = market.Sources(self)
        self.ledger = ledger.Ledger(self)
        self.vault = ledger.Vault(self)
        self.queue = clearing.Queue(self)
        self.nominations = waterfall.Nominations(self)
        self.deleverager = waterfall.Deleverager(self)
        self.token = waterfall.Token(self)
        self.parts: dict[str, Part] = {
            "Timelock": market.TimelockState(self),
            "RiskParameters": self.parameters,
            "CircuitBreaker": self.breaker,
            "InstrumentRegistry": self.registry,
            "PriceDoor": self.door,
            "SpotSources": self.sources,
            "CollateralVault": self.vault,
            "Ledger": self.ledger,
            "Clearing": clearing.Clearing(self),
            "TradingLimits": clearing.Limits(self),
            "WithdrawalQueue": self.queue,
            "Funding": clearing.Funding(self),
            "Settlement": clearing.Settlement(self),
            "Liquidator": waterfall.Liquidator(self),
            "InsuranceFund": waterfall.Fund(self),
            "Nominations": self.nominations,
            "Deleverager": self.deleverager,
            "ShutdownSettlement": waterfall.Shutdown(self),
            "Token": self.token,
        }

    def folds(self, kind: str) -> bool:
        """Whether an event of that kind changes the rebuilt state."""
        contract, event = kind.split(".")
        return hasattr(self.parts.get(contract), _method(event))

    def fold(self, logs: Iterable[Log]) -> State:
        for log in logs:
            if (part := self.parts.get(log.contract)) and (method := getattr(part, _method(log.name), None)):
                method(log)
        return self

    def views(self, now: int) -> dict[Reading, tuple[Any, ...]]:
        """What every view must return in a block of that time, and storage must hold where there is no view."""
        self.now = now
        views = {(name, view, args): expected for name, part in self.parts.items() for view, args, expected in part.views()}
        return views | {(STORAGE, address, (slot,)): (word,) for address, slot, word in self.sources.slots()}


def _method(event: str) -> str:
    return re.sub(r"(?<!^)([A-Z])", r"_\1", event).lower()


@dataclass(frozen=True)
class _Signature:
    selector: bytes
    inputs: list[str]
    outputs: list[str]


def _signatures(contracts: Abis) -> dict[tuple[str, str, int], _Signature]:
    found = {}
    for name, abi in contracts.values():
        for item in abi:
            if item["type"] == "function":
                inputs = [collapse_if_tuple(i) for i in item["inputs"]]
                selector = keccak(text=f"{item['name']}({','.join(inputs)})")[:4]
                found[name, item["name"], len(inputs)] = _Signature(selector, inputs, [collapse_if_tuple(o) for o in item["outputs"]])
    return found


def read_views(anvil: Anvil, contracts: Abis, wanted: Iterable[Reading]) -> dict[Reading, tuple[Any, ...]]:
    """The contracts' own answers at the latest block. A view that reverts raises AnvilError."""
    addresses, signatures = {name: address for address, (name, _) in contracts.items()}, _signatures(contracts)
    answers = {}
    for name, view, args in wanted:
        if name == STORAGE:
            answers[name, view, args] = (int(anvil.rpc("eth_getStorageAt", view, *args, "latest"), 16),)
            continue
        signature = signatures[name, view, len(args)]
        data = signature.selector + encode(signature.inputs, args)
        raw = anvil.rpc("eth_call", {"to": addresses[name], "data": "0x" + data.hex()}, "latest")
        answers[name, view, args] = decode(signature.outputs, bytes.fromhex(raw[2:]))
    return answers


def differences(expected: Mapping[Reading, Any], actual: Mapping[Reading, Any]) -> list[str]:
    """One line per view that returns something else, or that only one side knows."""
    return [
        f"{name}.{view}{args}: rebuilt {expected.get((name, view, args))}, on chain {actual.get((name, view, args))}"
        for name, view, args in sorted(expected.keys() | actual.keys(), key=str)
        if expected.get((name, view, args)) != actual.get((name, view, args))
    ]
