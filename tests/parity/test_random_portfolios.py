"""Keeper and contract compute the same margin: random portfolios, all modes, full scan and witness (margin.md section 8).

DPRE_PARITY_PORTFOLIOS: how many (default 2,000; `make parity-deep` takes 200,000). A seed per market makes a failure repeatable.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
import requests

from keeper.margin import Book, MarginResult, margin, witness
from keeper.model import MarginMode
from scripts.chain import Chain
from scripts.deploy import Deployment
from tests.contracts.margin.words import UNDERLYING_IDS, case_of
from tests.keeper.cases import INDEX, Case
from tests.parity.portfolios import random_book, random_market

PORTFOLIOS = int(os.environ.get("DPRE_PARITY_PORTFOLIOS", "2000"))
PER_MARKET = 40
BATCH = 20  # books per call: their gas stays below a block's
ENGINE_WORDS = 153
TOLERANCE = 1e-9  # of gross notional, joined collateral included
GAS = hex(29_000_000)
FIELDS = ("initial", "maintenance", "equity", "margin_equity_initial", "margin_equity_maintenance", "long_options", "gross_notional")


@dataclass(frozen=True)
class Portfolio:
    """One random account, and what the keeper says of it."""

    seed: int
    case: Case
    mode: MarginMode
    result: MarginResult
    row: int

    @property
    def scale(self) -> float:
        joined = sum(c["quantity"] * c["price"] for c in self.case.inputs["book"]["collateral"])
        return max(float(self.result.gross_notional[self.row]) + joined, 1.0)

    def worst_witness(self) -> tuple[bytes, bytes]:
        """The keeper's witness in the contract's order of underlyings (the two sides' vectors number them differently)."""
        found = witness(self.result, self.row)
        book = self.case.inputs["book"]
        held = {p["underlying"] for p in book["positions"]} | {c["underlying"] for c in book["collateral"]}
        scenarios = dict(zip(sorted(held, key=INDEX.__getitem__), found.underlyings, strict=True))
        return bytes(scenarios[name] for name in sorted(held, key=UNDERLYING_IDS.__getitem__)), bytes(found.groups)

    def error(self, field: str, found: int) -> float:
        """|contract - keeper| in units of gross notional."""
        return abs(found / 1e18 - float(getattr(self.result, field)[self.row])) / self.scale


def portfolios(seed: int) -> Iterator[Portfolio]:
    """One market, PER_MARKET books: three in five PORTFOLIO, one CROSS, one ISOLATED. All have the collateral of the first, or none."""
    rng = random.Random(seed)
    market = random_market(rng)
    cases = []
    for i in range(PER_MARKET):
        mode = (MarginMode.PORTFOLIO, MarginMode.PORTFOLIO, MarginMode.PORTFOLIO, MarginMode.CROSS, MarginMode.ISOLATED)[i % 5]
        book = random_book(rng, market, 1 if mode is MarginMode.ISOLATED else rng.randint(1, 24))
        cases.append((Case(f"{seed}-{i}", {"market": market, "book": book}, {}), mode))
    for pledged in (True, False):
        chosen = [(case, mode) for case, mode in cases if bool(case.inputs["book"]["collateral"]) is pledged]
        if not chosen:
            continue
        parameters = chosen[0][0].parameters
        accounts = [replace(case.account, id=i + 1, mode=mode) for i, (case, mode) in enumerate(chosen)]
        result = margin(Book.from_accounts(accounts, parameters), chosen[0][0].market, parameters)
        yield from (Portfolio(seed, case, mode, result, row) for row, (case, mode) in enumerate(chosen))


class Engine:
    """Pure calls to the deployed margin model, many books per call, many calls per request."""

    def __init__(self, url: str, chain: Chain, deployment: Deployment) -> None:
        self._url = url
        self._contract = deployment.contract(chain, "MarginModel")
        self._table = list(deployment.contract(chain, "RiskParameters").functions.table().call())
        self._session = requests.Session()

    def run(self, portfolios: Sequence[Portfolio], proofs: Sequence[tuple[bytes, bytes]] | None = None) -> list[tuple[int, ...]]:
        """Requirement words of each portfolio; with proofs, of its witness. Books of one market and one table share a call."""
        cases = [case_of(portfolio.case.inputs, self._table, int(portfolio.mode)) for portfolio in portfolios]
        shared: dict[Any, list[int]] = {}
        for i, (table, market, _) in enumerate(cases):
            shared.setdefault((tuple(table), repr(market)), []).append(i)
        calls = [members[at : at + BATCH] for members in shared.values() for at in range(0, len(members), BATCH)]
        batch = [
            {"jsonrpc": "2.0", "id": n, "method": "eth_call", "params": [self._transaction(cases, members, proofs), "latest"]}
            for n, members in enumerate(calls)
        ]
        found: dict[int, tuple[int, ...]] = {}
        for answer in self._session.post(self._url, json=batch, timeout=120).json():
            assert "result" in answer, answer
            members = calls[answer["id"]]
            found.update(zip(members, _words(answer["result"], len(members)), strict=True))
        return [found[i] for i in range(len(portfolios))]

    def _transaction(self, cases: Sequence[Any], members: Sequence[int], proofs: Sequence[tuple[bytes, bytes]] | None) -> dict[str, str]:
        table, market, _ = cases[members[0]]
        arguments: list[Any] = [table[:ENGINE_WORDS], market, [cases[i][2] for i in members]]
        name = "computeBatch"
        if proofs is not None:
            name, arguments = "computeWitnessedBatch", [*arguments, [proofs[i] for i in members]]
        return {"to": self._contract.address, "gas": GAS, "data": str(self._contract.encode_abi(name, arguments))}


def _words(answer: str, count: int) -> list[tuple[int, ...]]:
    """An array of `Requirement`: its offset, its length, eight words each."""
    raw = bytes.fromhex(answer[2:])[64:]
    signed = {2, 3, 4}  # equity and margin equities
    return [
        tuple(int.from_bytes(raw[256 * n + 32 * i : 256 * n + 32 * i + 32], signed=i in signed) for i in range(len(FIELDS)))
        for n in range(count)
    ]


@pytest.fixture(scope="module")
def engine(anvil: Any, chain: Chain, deployment: Deployment) -> Engine:
    return Engine(anvil.url, chain, deployment)


def test_full_scan_and_worst_witness(engine: Engine) -> None:
    """Every figure of the requirement within 1e-9 of gross notional; the worst witness proves all of it."""
    seen = dict.fromkeys(MarginMode, 0)
    for seed in range(-(-PORTFOLIOS // PER_MARKET)):
        batch = list(portfolios(seed))
        for portfolio, words in zip(batch, engine.run(batch), strict=True):
            for field, found in zip(FIELDS, words, strict=True):
                assert portfolio.error(field, found) <= TOLERANCE, (portfolio.case.id, portfolio.mode.name, field, found)
            seen[portfolio.mode] += 1
        proven = [p for p in batch if p.mode is MarginMode.PORTFOLIO]
        for portfolio, words in zip(proven, engine.run(proven, [p.worst_witness() for p in proven]), strict=True):
            assert portfolio.error("initial", words[0]) <= TOLERANCE, (portfolio.case.id, "witness", words[0])
    assert sum(seen.values()) >= PORTFOLIOS
    assert min(seen.values()) >= PORTFOLIOS // 5


def test_a_changed_price_is_noticed(engine: Engine) -> None:
    """The control: a spot higher by a millionth on one side only breaks the tolerance wherever it counts."""
    noticed = 0
    for portfolio in portfolios(1):
        inputs = portfolio.case.inputs
        changed = {name: u | {"spot": u["spot"] * (1 + 1e-6)} for name, u in inputs["market"]["underlyings"].items()}
        other = replace(portfolio, case=replace(portfolio.case, inputs=inputs | {"market": inputs["market"] | {"underlyings": changed}}))
        (words,) = engine.run([other])
        noticed += portfolio.error("initial", words[0]) > TOLERANCE
    assert noticed > PER_MARKET // 4
