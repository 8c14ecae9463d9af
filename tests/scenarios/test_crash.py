"""The day the market broke, shortened: hours of 12 and 13 March 2020 in a real chain, with the crowd's most telling half.

One run serves the demo's promises, the page and the evidence; what the evidence says is then altered, and must be found out.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from scripts.demo.crash import crash, market_of, open_interest
from scripts.demo.evidence import Evidence, read_evidence, write_evidence
from scripts.demo.page import write_page
from scripts.demo.play import play
from scripts.demo.story import Story
from scripts.demo.summary import failures, summarise
from scripts.demo.world import World
from scripts.verify_evidence import EvidenceError, differences

STEPS = (8, 40, 42, 43, 44, 45, 47, 49, 60, 92, 100, 104, 105, 107, 109, 190)
"""Markets by index: the slide to 10:45 of 12 March, the fall to noon, the second leg of the night, the end."""
TRADERS = re.compile(r"(long-(btc|eth)|married-put-[12]|collar|basis-1|strangle-[12]|short-1)")
EVIDENCE = "evidence"


@pytest.fixture(scope="module")
def story(compiled: None) -> Story:
    whole = crash("covid-2020")
    traders = tuple(trader for trader in whole.traders if TRADERS.match(trader.name))
    fund = 0.02 * open_interest(traders, market_of(whole.opening))
    return replace(whole, markets=tuple(whole.markets[i] for i in STEPS), traders=traders, fund_usdc=float(int(fund)))


@pytest.fixture(scope="module")
def evidence(story: Story, folder: Path) -> Evidence:
    with World(story, folder, with_keeper=True) as world:
        played = play(world)
    write_evidence(played, summarise(played), world.deployment, folder)
    return played


@pytest.fixture(scope="module")
def written(evidence: Evidence, folder: Path) -> Path:
    return folder / EVIDENCE


@pytest.fixture
def altered(written: Path, tmp_path: Path) -> Path:
    """A copy to tamper with."""
    return Path(shutil.copytree(written, tmp_path / EVIDENCE))


def liquidated(evidence: Evidence) -> set[str]:
    names = {account: name for name, account in evidence.accounts.items()}
    return {names[r["args"]["account"]] for r in evidence.of("Liquidated")}


def test_every_promise_is_kept(evidence: Evidence) -> None:
    assert failures(evidence) == []


def test_the_crash_takes_at_least_eight_and_bankrupts_two(evidence: Evidence) -> None:
    line = summarise(evidence)
    assert line["liquidated"] >= 8
    assert line["bankrupt"] >= 2
    assert line["insurance_paid"] > 0


def test_fund_of_two_percent_of_open_interest_survives(evidence: Evidence, story: Story) -> None:
    assert evidence.fund["first"] <= 0.02 * open_interest(story.traders, market_of(story.opening)) * 1e18
    assert min(r["args"]["balance"] for r in evidence.of("Drawn", "InsuranceFund")) > 0
    assert evidence.fund["last"] > 0


def test_a_hedged_twin_survives_in_portfolio_and_falls_in_cross(evidence: Evidence) -> None:
    fallen = liquidated(evidence)
    twins = {name.removesuffix("-portfolio") for name in evidence.accounts if name.endswith("-portfolio")}
    assert len(twins) == 5
    assert [name for name in twins if f"{name}-cross" in fallen and f"{name}-portfolio" not in fallen]


def test_evidence_reads_back(evidence: Evidence, folder: Path) -> None:
    assert read_evidence(folder) == evidence


def test_evidence_is_recomputed_to_every_figure(evidence: Evidence, written: Path) -> None:
    recomputed, found = differences(written)
    assert found == []
    assert recomputed == summarise(evidence)


def test_page_stands_alone_and_draws_every_chart(evidence: Evidence, story: Story, tmp_path: Path) -> None:
    text = write_page(evidence, story, tmp_path / "report.html").read_text()
    assert not re.search(r"""(src|href)\s*=\s*["'](?!data:)|url\(|@import|https?://(?!www\.w3\.org/2000/svg)""", text)
    asked = set(re.findall(r'data-chart="([^"]+)"', text))
    (embedded,) = re.findall(r'<script type="application/json" id="figures">(.*?)</script>', text)
    assert asked == set(json.loads(embedded))
    assert len(asked) >= 8
    assert "$" not in re.findall(r"<title>(.*?)</title>", text)[0]


def lines(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt") as file:
        return [json.loads(line) for line in file]


def rewrite(folder: Path, name: str, content: Any) -> None:
    """Writes the file and its sum, as a forger would."""
    path = folder / name
    if name.endswith(".gz"):
        with gzip.open(path, "wt") as file:
            file.writelines(json.dumps(line) + "\n" for line in content)
    else:
        path.write_text(json.dumps(content))
    sums = folder / "SHA256SUMS"
    own = f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {name}"
    sums.write_text("\n".join(own if line.endswith(f"  {name}") else line for line in sums.read_text().splitlines()) + "\n")


def topic(evidence: Evidence, event: str) -> str:
    """The first topic of that event's logs."""
    record = evidence.of(event)[0]
    return str(next(log["topics"][0] for log in evidence.logs if place(log) == (record["block"], record["index"])))


def place(log: dict[str, Any]) -> tuple[int, int]:
    return int(log["blockNumber"], 16), int(log["logIndex"], 16)


def plus_one(word: str) -> str:
    """Data with its last digit raised."""
    return word[:-1] + f"{(int(word[-1], 16) + 1) % 16:x}"


def test_an_untouched_copy_with_sums_of_its_own_passes(altered: Path) -> None:
    """Else the alterations below would fail for the wrong reason."""
    for name in ("logs.jsonl.gz", "views.jsonl.gz"):
        rewrite(altered, name, lines(altered / name))
    assert differences(altered)[1] == []


@pytest.mark.parametrize(
    "event", ["Liquidated", "Drawn", "AccountOpened", "CashChanged", "PositionChanged", "TokensReceived", "ExpiryUpdated", "MarketUpdated"]
)
def test_a_missing_event_is_found(evidence: Evidence, altered: Path, event: str) -> None:
    """The last of its kind before the end is left out. Of the price updates all are: one more says the same again."""
    logs, wanted = lines(altered / "logs.jsonl.gz"), topic(evidence, event)
    if event in ("ExpiryUpdated", "MarketUpdated"):
        kept = [log for log in logs if log["topics"][0] != wanted or place(log)[0] < evidence.steps[5].block]
    else:
        accounts = {log["topics"][1] for log in logs if log["topics"][0] == wanted}
        last = [log for log in logs if log["topics"][0] == wanted and log["topics"][1] == max(accounts)]
        kept = [log for log in logs if log not in last]
    rewrite(altered, "logs.jsonl.gz", kept)
    assert is_refused(altered)


@pytest.mark.parametrize("event", ["CashChanged", "PositionChanged", "TokensReceived"])
def test_one_unit_more_in_an_event_is_found(evidence: Evidence, altered: Path, event: str) -> None:
    logs, wanted = lines(altered / "logs.jsonl.gz"), topic(evidence, event)
    changed = next(log for log in logs if log["topics"][0] == wanted)
    size = 2 + 64 if event == "PositionChanged" else len(changed["data"])  # of a position its size, else the state after
    changed["data"] = plus_one(changed["data"][:size]) + changed["data"][size:]
    rewrite(altered, "logs.jsonl.gz", logs)
    assert is_refused(altered)


@pytest.mark.parametrize("word", [5, 4, 3, 12], ids=["margin equity", "equity", "maintenance", "health"])
def test_a_changed_view_is_found(altered: Path, word: int) -> None:
    """Words of an answer: offset, length, then eleven of the first account (id, ok, initial, maintenance, equity, ...)."""
    index = {3: 2 + 3, 4: 2 + 4, 5: 2 + 6, 12: 2 + 10}[word]
    views = lines(altered / "views.jsonl.gz")
    chosen = next(view for view in views if len(view["result"]) > 2 + 64 * 13 and int(view["result"][2 + 64 * 5 : 2 + 64 * 6], 16))
    start = 2 + 64 * index
    doubled = 2 * int(chosen["result"][start : start + 64], 16) % 2**256
    chosen["result"] = chosen["result"][:start] + f"{doubled:064x}" + chosen["result"][start + 64 :]
    rewrite(altered, "views.jsonl.gz", views)
    assert is_refused(altered)


def test_a_view_left_out_is_found(altered: Path) -> None:
    views = lines(altered / "views.jsonl.gz")
    del views[len(views) // 2 : len(views) // 2 + 40]
    rewrite(altered, "views.jsonl.gz", views)
    assert is_refused(altered)


@pytest.mark.parametrize("figure", ["accounts", "liquidated", "margin_calls", "bankrupt", "insurance_paid", "ledger_drift_units"])
def test_a_changed_figure_of_the_line_is_found(altered: Path, figure: str) -> None:
    run = json.loads((altered / "run.json").read_text())
    run["summary"][figure] += 1
    rewrite(altered, "run.json", run)
    assert is_refused(altered)


def test_an_unsigned_change_is_found_by_its_sum(altered: Path) -> None:
    path = altered / "blocks.csv"
    path.write_text(path.read_text() + "999999,1\n")
    assert is_refused(altered)


def is_refused(folder: Path) -> bool:
    try:
        return bool(differences(folder)[1])
    except EvidenceError:
        return True
