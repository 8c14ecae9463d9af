"""Static analysis: every finding of slither is mended or answered.

    python -m scripts.slither [--json FILE]

toolchain/slither-answers.toml answers a detector as a whole ([detectors]) or one function of one file ([[answers]]). A finding without an
answer fails, and so does an answer without a finding: code that has gone must not leave excuses behind. --json takes a saved report of
`slither --json` instead of running it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
ANSWERS = ROOT / "toolchain" / "slither-answers.toml"
SLITHER = ROOT / ".toolchain" / "slither" / "bin" / "slither"
SEVERE = ("High", "Medium", "Low")
"""Informational and optimization findings are style, which solhint and the reviewers answer for."""

__all__ = ["Finding", "findings", "review"]


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """detector: slither's name, e.g. "reentrancy-eth"; place: "contracts/ledger/Ledger.sol Ledger.accrue" (function or variable)."""

    detector: str
    place: str
    impact: str = ""
    text: str = ""


def findings(report: Mapping[str, Any]) -> list[Finding]:
    """The severe ones of slither's JSON, each place of a detector once."""
    found: dict[tuple[str, str], Finding] = {}
    for item in report["results"].get("detectors", ()):
        if item["impact"] in SEVERE:
            place = _place(item["elements"])
            text = item["description"].strip().splitlines()[0]
            found.setdefault((item["check"], place), Finding(item["check"], place, item["impact"], text))
    return sorted(found.values())


def _place(elements: Iterable[Mapping[str, Any]]) -> str:
    """File and function (or state variable, or contract) of the first element."""
    element = next(iter(elements))
    path = element["source_mapping"]["filename_relative"]
    names = [element["name"]]
    while element["type"] in ("variable", "node", "function", "event") and "parent" in element.get("type_specific_fields", {}):
        parent = element["type_specific_fields"]["parent"]
        if element["type"] in ("variable", "node"):
            names = []
        if parent["type"] in ("contract", "function"):
            names.insert(0, parent["name"])
        element = parent
    return f"{path} {'.'.join(names)}"


def review(found: Iterable[Finding], answers: Mapping[str, Any]) -> tuple[list[Finding], list[str]]:
    """(findings without an answer, answers without a finding)."""
    detectors: Mapping[str, str] = answers.get("detectors", {})
    places = {(answer["detector"], answer["place"]) for answer in answers.get("answers", ())}
    found = list(found)
    open_ = [f for f in found if f.detector not in detectors and (f.detector, f.place) not in places]
    seen = {(f.detector, f.place) for f in found}
    idle = [f"{detector} {place}" for detector, place in sorted(places - seen)]
    idle += [detector for detector in detectors if detector not in {f.detector for f in found}]
    return open_, idle


def run_slither() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.json"
        finished = subprocess.run(
            [str(SLITHER), ".", "--foundry-out-directory", "out/forge", "--filter-paths", "node_modules|tests/|contracts/mocks",
             "--exclude-informational", "--exclude-optimization", "--json", str(path)],
            cwd=ROOT,
            env=os.environ | {"PATH": f"{ROOT / 'node_modules' / '.bin'}{os.pathsep}{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            check=False,  # it exits with the number of its findings
        )  # fmt: skip
        if not path.is_file():
            sys.exit(f"slither gave no report (exit code {finished.returncode}):\n{finished.stderr[-4000:]}")
        report: dict[str, Any] = json.loads(path.read_text())
    if not report["success"]:
        sys.exit(f"slither failed: {report['error']}")
    return report


def main() -> int:
    parser = argparse.ArgumentParser(description="Static analysis, every finding answered.")
    parser.add_argument("--json", type=Path, help="a saved report instead of a run")
    options = parser.parse_args()
    report = json.loads(options.json.read_text()) if options.json else run_slither()
    found = findings(report)
    open_, idle = review(found, tomllib.loads(ANSWERS.read_text()))
    for finding in open_:
        print(f"no answer: {finding.impact} {finding.detector} | {finding.place} | {finding.text[:160]}", file=sys.stderr)
    for answer in idle:
        print(f"an answer to nothing: {answer}", file=sys.stderr)
    print(json.dumps({"findings": len(found), "answered": len(found) - len(open_), "unanswered": len(open_), "idle_answers": len(idle)}))
    return 1 if open_ or idle else 0


if __name__ == "__main__":
    sys.exit(main())
