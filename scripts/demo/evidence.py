"""What happened, by the chain's own account: events, the contracts' views, and when an independent observer saw each block.

Raw material of a run, all in one folder (`write_evidence`), from which `scripts.verify_evidence` computes everything anew:

    run.json         story, seed, commit, accounts, steps, addresses, the JSON line
    logs.jsonl.gz    every log of the contracts and tokens as the node gave it, transaction hashes included
    views.jsonl.gz   every answer of Lens and InsuranceFund that was used: {"block", "time", "to", "data", "result"}
    blocks.csv       when the observer saw each block, unix nanoseconds
    SHA256SUMS       of the four

Nothing here imports the keeper.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import subprocess
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from scripts.anvil import ROOT
from scripts.demo.events import EventDecoder, Record
from scripts.demo.readings import RawView, Risk, risks_of
from scripts.deploy import Deployment

__all__ = ["Evidence", "Step", "commit", "read_evidence", "seen_blocks", "write_evidence"]

FOLDER = "evidence"
RUN, LOGS, VIEWS, BLOCKS, SUMS = "run.json", "logs.jsonl.gz", "views.jsonl.gz", "blocks.csv", "SHA256SUMS"


@dataclass(frozen=True, slots=True)
class Step:
    """A market of the story. before: last block with old prices; block: the first with the new ones; seconds: until the chain was quiet."""

    index: int
    time: int
    spots: dict[str, float]
    before: int
    block: int
    settled: bool
    seconds: float


@dataclass(frozen=True)
class Evidence:
    """accounts: name -> account; contracts: name -> address; seen: block -> unix nanoseconds; totals: Lens.totals at the last block;
    fund: the insurance fund's tokens at "first" and "last", WAD.

    risks: block -> accounts read there. All are read before the first step, with each step's new prices, and at the end; in between an
    account is read again after each event of its own, which is all that can change its health while prices stand.
    """

    story: str
    seed: int | None
    commit: str
    keeper: bool
    last_block: int
    accounts: dict[str, int]
    contracts: dict[str, str]
    steps: list[Step]
    logs: list[dict[str, Any]]
    events: list[Record]
    views: list[RawView]
    seen: dict[int, int]
    risks: dict[int, list[Risk]]
    totals: dict[str, Any]
    fund: dict[str, int]

    def of(self, event: str, contract: str | None = None) -> list[Record]:
        """Events of that name in the order of the chain."""
        return [r for r in self._by_event.get(event, ()) if contract in (None, r["contract"])]

    def risk(self, account: int, block: int) -> Risk | None:
        """The last reading of the account at or before `block`."""
        blocks, risks = self._readings.get(account, ((), ()))
        position = bisect_right(blocks, block)
        return risks[position - 1] if position else None

    def reading(self, account: int, block: int) -> Risk | None:
        """The reading of the account at exactly `block`."""
        blocks, risks = self._readings.get(account, ((), ()))
        position = bisect_right(blocks, block)
        return risks[position - 1] if position and blocks[position - 1] == block else None

    def history(self, account: int) -> list[tuple[int, Risk]]:
        """(block, risk), ascending."""
        blocks, risks = self._readings.get(account, ((), ()))
        return list(zip(blocks, risks, strict=True))

    def step_of(self, block: int) -> Step:
        """The step whose prices hold in `block`; the first one before all."""
        position = bisect_right([step.block for step in self.steps], block)
        return self.steps[max(0, position - 1)]

    @cached_property
    def _by_event(self) -> dict[str, list[Record]]:
        found: dict[str, list[Record]] = {}
        for record in self.events:
            found.setdefault(record["event"], []).append(record)
        return found

    @cached_property
    def _readings(self) -> dict[int, tuple[list[int], list[Risk]]]:
        found: dict[int, tuple[list[int], list[Risk]]] = {}
        for block in sorted(self.risks):
            for risk in self.risks[block]:
                blocks, risks = found.setdefault(risk.account, ([], []))
                if blocks and blocks[-1] == block:
                    continue
                blocks.append(block)
                risks.append(risk)
        return found


def write_evidence(evidence: Evidence, summary: Mapping[str, Any], deployment: Deployment, folder: Path) -> Path:
    """The raw material below `folder`; where it is."""
    target = folder / FOLDER
    target.mkdir(parents=True, exist_ok=True)
    run = {
        "story": evidence.story,
        "seed": evidence.seed,
        "commit": evidence.commit,
        "keeper": evidence.keeper,
        "last_block": evidence.last_block,
        "accounts": evidence.accounts,
        "steps": [asdict(step) for step in evidence.steps],
        "contracts": evidence.contracts,
        "tokens": {symbol: dict(token) for symbol, token in deployment.tokens.items()},
        "underlyings": dict(deployment.underlyings),
        "totals": evidence.totals,
        "fund": evidence.fund,
        "summary": summary,
    }
    (target / RUN).write_text(json.dumps(run, indent=1))
    _write_lines(target / LOGS, evidence.logs)
    _write_lines(target / VIEWS, (asdict(view) for view in evidence.views))
    (target / BLOCKS).write_text("".join(f"{block},{seen}\n" for block, seen in sorted(evidence.seen.items())))
    sums = (f"{hashlib.sha256((target / name).read_bytes()).hexdigest()}  {name}\n" for name in (RUN, LOGS, VIEWS, BLOCKS))
    (target / SUMS).write_text("".join(sums))
    return target


def read_evidence(folder: Path) -> Evidence:
    """What `write_evidence` left below `folder`, decoded again with the ABIs of `folder`/deployment.json."""
    target = folder / FOLDER
    run = json.loads((target / RUN).read_text())
    logs, views = list(_lines(target / LOGS)), [RawView(**line) for line in _lines(target / VIEWS)]
    lens = run["contracts"]["Lens"]
    risks: dict[int, list[Risk]] = {}
    for view in views:
        # Of the lens only totals and risks are asked; totals takes two numbers, risks a list.
        if view.to == lens and len(view.data) > 2 + 2 * (4 + 2 * 32):
            risks.setdefault(view.block, []).extend(risks_of(bytes.fromhex(view.result[2:])))
    return Evidence(
        story=run["story"],
        seed=run["seed"],
        commit=run["commit"],
        keeper=run["keeper"],
        last_block=run["last_block"],
        accounts=run["accounts"],
        contracts=run["contracts"],
        steps=[Step(**step) for step in run["steps"]],
        logs=logs,
        events=EventDecoder(Deployment.read(folder / "deployment.json")).records(logs),
        views=views,
        seen=seen_blocks(target / BLOCKS),
        risks=risks,
        totals=run["totals"],
        fund=run["fund"],
    )


def seen_blocks(path: Path) -> dict[int, int]:
    """Block -> unix nanoseconds, as the observer wrote them."""
    return {int(number): int(seen) for number, seen in (line.split(",") for line in path.read_text().splitlines())}


def commit() -> str:
    """What git calls the checked-out state."""
    try:
        run = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S607
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return run.stdout.strip()


def _write_lines(path: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    # Without a time stamp the same content is the same file.
    with path.open("wb") as file, gzip.GzipFile(fileobj=file, mode="wb", mtime=0, compresslevel=6) as packed:
        for line in lines:
            packed.write(json.dumps(line, separators=(",", ":")).encode() + b"\n")


def _lines(path: Path) -> Sequence[dict[str, Any]]:
    with gzip.open(path, "rt") as file:
        return [json.loads(line) for line in file]
