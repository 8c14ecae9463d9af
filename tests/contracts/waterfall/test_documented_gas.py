"""docs/liquidation.md names the worst case of each entry point of the waterfall: the committed figures, each below the cap of 15 M."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.gas import SNAPSHOT
from scripts.chain import GAS

ROOT = Path(__file__).resolve().parents[3]


def test_the_worst_case_of_each_entry_point() -> None:
    committed = json.loads(SNAPSHOT.read_text())
    section = (ROOT / "docs" / "liquidation.md").read_text().partition("## Gas")[2]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| ")]
    documented = {row[2]: int(row[1].replace(",", "")) for row in rows if row[-1] in committed}
    assert documented == {name: committed[name] for name in documented}
    assert max(documented.values()) < GAS == 15_000_000
    entry_points = {row[0].split(",")[0] for row in rows}
    assert entry_points >= {
        "Liquidator.flag",
        "Liquidator.liquidate",
        "Liquidator.convertCollateral",
        "Liquidator.coverDeficit",
        "Deleverager.openDeficit",
        "Deleverager.execute",
        "Nominations.nominate",
    }
