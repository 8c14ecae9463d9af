"""What happened, by the chain's own account: events, the contracts' views, and when an independent observer saw each block.

`gather` reads it, `summarise` computes the demo's last line from it and from nothing else. Nothing here imports the keeper.
"""

from __future__ import annotations

import json
import math
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from scripts.anvil import ROOT
from scripts.chain import Chain
from scripts.demo.events import EventReader, Record
from scripts.deploy import Deployment

__all__ = [
    "BANKRUPT",
    "FULL_THRESHOLD",
    "MARGIN_CALL",
    "PARTIAL_THRESHOLD",
    "Evidence",
    "Risk",
    "RiskReader",
    "Step",
    "failures",
    "gather",
    "read_evidence",
    "summarise",
    "write_evidence",
]

WAD = 10**18
MARGIN_CALL = 125 * WAD // 100
PARTIAL_THRESHOLD = 105 * WAD // 100
FULL_THRESHOLD = WAD
BANKRUPT = 3  # ILiquidator.Tier
VIEW_BATCH = 16  # accounts per call: a full scan costs about a million gas, a call has a block's worth
INT256_MAX = 2**255 - 1


@dataclass(frozen=True, slots=True)
class Risk:
    """One account by the full scan at one block. WAD; health is INT256_MAX where nothing needs margin."""

    account: int
    ok: bool
    health: int
    equity: int
    margin_equity: int
    initial: int
    maintenance: int
    gross_notional: int


@dataclass(frozen=True, slots=True)
class Step:
    """A market of the story. before: block of the last full scan under old prices; block: the first with the new ones; settled: no account
    could be liquidated any more, after `seconds`."""

    index: int
    time: int
    spots: dict[str, float]
    before: int
    block: int
    settled: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """accounts: name -> account; seen: block -> unix nanoseconds; risks: block -> risks; totals: Lens.totals at the last block;
    fund: the insurance fund's tokens at "first" and "last", WAD."""

    story: str
    commit: str
    keeper: bool
    last_block: int
    accounts: dict[str, int]
    steps: list[Step]
    events: list[Record]
    seen: dict[int, int]
    risks: dict[int, list[Risk]]
    totals: dict[str, Any]
    fund: dict[str, int]

    def of(self, event: str, contract: str | None = None) -> list[Record]:
        """Events of that name in the order of the chain."""
        return [r for r in self.events if r["event"] == event and contract in (None, r["contract"])]

    def risk(self, account: int, block: int) -> Risk | None:
        return next((risk for risk in self.risks.get(block, ()) if risk.account == account), None)


class RiskReader:
    """Full scans by the lens, at any block."""

    def __init__(self, chain: Chain, deployment: Deployment) -> None:
        self._lens = deployment.contract(chain, "Lens")
        self._ledger = deployment.contract(chain, "Ledger")
        self._fund = deployment.contract(chain, "InsuranceFund")

    def count(self, block: int) -> int:
        return int(self._ledger.functions.accountCount().call(block_identifier=block))

    def read(self, accounts: Sequence[int], block: int) -> list[Risk]:
        found: list[Risk] = []
        for start in range(0, len(accounts), VIEW_BATCH):
            views = self._lens.functions.risksOf(list(accounts[start : start + VIEW_BATCH])).call(block_identifier=block)
            for account, ok, requirement, health in views:
                initial, maintenance, equity, _, margin_equity, _, gross_notional, _ = requirement
                found.append(Risk(account, ok, health, equity, margin_equity, initial, maintenance, gross_notional))
        return found

    def all(self, block: int) -> list[Risk]:
        """Every account of the ledger, the house left out: it has no positions."""
        return self.read(range(1, self.count(block) + 1), block)

    def fund(self, block: int) -> int:
        """The insurance fund's tokens, WAD."""
        return int(self._fund.functions.holdings().call(block_identifier=block))

    def totals(self, block: int) -> dict[str, Any]:
        cash, costs, recorded, drift, collateral, recorded_collateral = self._lens.functions.totals(0, self.count(block)).call(
            block_identifier=block
        )
        return {
            "cash": cash,
            "costs": costs,
            "recorded": recorded,
            "drift": drift,
            "collateral": list(collateral),
            "collateral_recorded": list(recorded_collateral),
        }


def gather(
    chain: Chain,
    deployment: Deployment,
    story: str,
    *,
    keeper: bool,
    accounts: dict[str, int],
    steps: list[Step],
    scans: dict[int, list[Risk]],
    blocks_file: Path,
) -> Evidence:
    """Reads the whole chain. Risks: `scans`, full scans of all accounts before and after each step; the same at the last block; of each
    account that was liquidated at the price updates that led to its first liquidation."""
    last = int(chain.rpc("eth_blockNumber"), 16)
    events = EventReader(chain, deployment).read(0, last)
    reader = RiskReader(chain, deployment)
    risks = {block: list(scanned) for block, scanned in scans.items()} | {last: reader.all(last)}
    evidence = Evidence(
        story=story,
        commit=_commit(),
        keeper=keeper,
        last_block=last,
        accounts=accounts,
        steps=steps,
        events=events,
        seen=_seen(blocks_file),
        risks=risks,
        totals=reader.totals(last),
        fund={"first": reader.fund(steps[0].before), "last": reader.fund(last)},
    )
    price_blocks = sorted({r["block"] for r in evidence.of("MarketUpdated")})
    for account, liquidated in _first_liquidations(evidence).items():
        for block in reversed([b for b in price_blocks if b < liquidated]):
            known = evidence.risk(account, block)
            if known is None:
                (known,) = reader.read([account], block)
                risks.setdefault(block, []).append(known)
            if known.health >= PARTIAL_THRESHOLD:
                break
    return evidence


def summarise(evidence: Evidence) -> dict[str, Any]:
    """The demo's last line. Money in USD, `ledger_drift_units` in 1e-18 USD, latencies in milliseconds of wall time.

    margin_calls: accounts whose health passed below 1.25 at a step; undermargined_left: accounts with health < 1.00 at the last block;
    unallocated_deficit: negative equity of all accounts then; detect_to_inclusion: from the block with the price update that brought an
    account below 1.05, where liquidation may begin, to the block of its first liquidation, both as the observer saw them.
    """
    final = evidence.risks[evidence.last_block]
    liquidations = evidence.of("Liquidated")
    latencies = sorted(_latencies(evidence).values())
    return {
        "accounts": len(evidence.of("AccountOpened")),
        "liquidated": len({r["args"]["account"] for r in liquidations}),
        "margin_calls": len(margin_calls(evidence)),
        "bankrupt": len({r["args"]["account"] for r in liquidations if r["args"]["tier"] == BANKRUPT}),
        "insurance_paid": round(sum(r["args"]["amount"] for r in evidence.of("Drawn", "InsuranceFund")) / WAD, 6),
        "unallocated_deficit": round(sum(max(0, -risk.equity) for risk in final) / WAD, 6),
        "ledger_drift_units": evidence.totals["drift"],
        "undermargined_left": sum(risk.health < FULL_THRESHOLD or not risk.ok for risk in final),
        "detect_to_inclusion_ms_p50": percentile(latencies, 0.50),
        "detect_to_inclusion_ms_p99": percentile(latencies, 0.99),
    }


def failures(evidence: Evidence) -> list[str]:
    """Why the demo must not exit with 0; empty when every promise was kept."""
    summary = summarise(evidence)
    found = []
    if summary["undermargined_left"]:
        found.append(f"{summary['undermargined_left']} accounts are left with health below 1.00")
    if deficit := sum(max(0, -risk.equity) for risk in evidence.risks[evidence.last_block]):
        found.append(f"a deficit of {deficit / WAD:,.2f} USD is not allocated")
    drift, operations = evidence.totals["drift"], ledger_operations(evidence)
    if not 0 <= drift <= operations:
        found.append(f"INV-LEDGER: the drift is {drift}, expected 0 to {operations} (operations)")
    if evidence.totals["collateral"] != evidence.totals["collateral_recorded"]:
        found.append(f"INV-COLLATERAL: balances {evidence.totals['collateral']}, recorded {evidence.totals['collateral_recorded']}")
    return found


def ledger_operations(evidence: Evidence) -> int:
    """Roundings that INV-LEDGER allows, one each: changes of cash and positions."""
    return len(evidence.of("CashChanged", "Ledger")) + len(evidence.of("PositionChanged", "Ledger"))


def margin_calls(evidence: Evidence) -> dict[int, Step]:
    """Account -> the first step at which its health passed below 1.25."""
    calls: dict[int, Step] = {}
    for step in evidence.steps:
        for after in evidence.risks[step.block]:
            before = evidence.risk(after.account, step.before)
            if before is not None and before.health >= MARGIN_CALL > after.health:
                calls.setdefault(after.account, step)
    return calls


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """Nearest rank of ascending values, to 0.1; None of nothing."""
    return round(ordered[max(0, math.ceil(share * len(ordered)) - 1)], 1) if ordered else None


def _latencies(evidence: Evidence) -> dict[int, float]:
    """Account -> milliseconds from the price that made it liquidatable to its first liquidation."""
    price_blocks = sorted({r["block"] for r in evidence.of("MarketUpdated")})
    found: dict[int, float] = {}
    for account, liquidated in _first_liquidations(evidence).items():
        trigger = None
        for block in reversed([b for b in price_blocks if b < liquidated]):
            risk = evidence.risk(account, block)
            if risk is None or risk.health >= PARTIAL_THRESHOLD:
                break
            trigger = block
        if trigger is not None:
            found[account] = (evidence.seen[liquidated] - evidence.seen[trigger]) / 1e6
    return found


def _first_liquidations(evidence: Evidence) -> dict[int, int]:
    """Account -> block of its first liquidation."""
    first: dict[int, int] = {}
    for record in evidence.of("Liquidated"):
        first.setdefault(record["args"]["account"], record["block"])
    return first


def _seen(path: Path) -> dict[int, int]:
    return dict(_pairs(path.read_text().splitlines()))


def _pairs(lines: Iterable[str]) -> Iterable[tuple[int, int]]:
    for line in lines:
        number, seen = line.split(",")
        yield int(number), int(seen)


def _commit() -> str:
    try:
        run = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S607
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return run.stdout.strip()


def write_evidence(evidence: Evidence, path: Path) -> None:
    """One JSON file, large integers as they are."""
    path.write_text(json.dumps({**asdict(evidence), "summary": summarise(evidence)}, indent=1))


def read_evidence(path: Path) -> tuple[Evidence, dict[str, Any]]:
    """Evidence and the summary written with it."""
    raw = json.loads(path.read_text())
    summary = raw.pop("summary")
    raw["steps"] = [Step(**step) for step in raw["steps"]]
    raw["seen"] = {int(block): seen for block, seen in raw["seen"].items()}
    raw["risks"] = {int(block): [Risk(**risk) for risk in risks] for block, risks in raw["risks"].items()}
    return Evidence(**raw), summary
