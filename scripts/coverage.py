"""Which externally callable functions tests reached, and which of the errors that each can raise: `make coverage`.

    python -m scripts.coverage [--folder out/coverage] [--write docs/coverage.md]

Reads what tests/coverage/recorder.py wrote, and forge's lcov.info where it is there. Prints every function without a success and every
error without a test that raises it, unless tests/coverage/unreachable.toml says why there can be none. Fails on anything missing, and on
an answer there that is not needed.
"""

from __future__ import annotations

import argparse
import json
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.coverage.reachable import Function, functions
from tests.coverage.recorder import OK

__all__ = ["Coverage", "main", "measure"]

ROOT = Path(__file__).resolve().parents[1]
ANSWERS = ROOT / "tests" / "coverage" / "unreachable.toml"

Pair = tuple[str, str, str]
"""(contract, function, error); error `ok`: that it succeeds"""


@dataclass(frozen=True)
class Coverage:
    """pairs: all there are, of which `seen` were; answers: pair -> why no test can reach it."""

    pairs: frozenset[Pair]
    seen: Mapping[Pair, str]
    answers: Mapping[Pair, str]

    @property
    def missing(self) -> list[Pair]:
        return sorted(self.pairs - self.seen.keys() - self.answers.keys())

    @property
    def idle(self) -> list[Pair]:
        """Answers to what was seen, or does not exist."""
        return sorted(pair for pair in self.answers if pair in self.seen or pair not in self.pairs)


def measure(folder: Path) -> Coverage:
    """Of the recorded calls in `folder`. Raises FileNotFoundError where there are none."""
    known = functions()
    recorded = [row for path in sorted(folder.glob("calls-*.json")) for row in json.loads(path.read_text())]
    if not recorded:
        raise FileNotFoundError(f"no recorded calls in {folder}: run `make coverage`")
    named = {(f.contract, f.selector): f for f in known}
    seen: dict[Pair, str] = {}
    for contract, selector, outcome, test in recorded:
        if function := named.get((contract, selector)):
            seen.setdefault((contract, function.name, function.errors.get(outcome, outcome)), test)
    pairs = {(f.contract, f.name, what) for f in known for what in (OK, *f.errors.values())}
    return Coverage(frozenset(pairs), {pair: test for pair, test in seen.items() if pair in pairs}, _answers(known))


def _answers(known: Iterable[Function]) -> dict[Pair, str]:
    """Each answer is for an error, in one contract or all, in the functions named or all that can raise it."""
    answers = {}
    for entry in tomllib.loads(ANSWERS.read_text())["unreachable"]:
        for f in known:
            inside = entry.get("contract", f.contract) == f.contract and f.name in entry.get("functions", [f.name])
            if inside and (entry["error"] in f.errors.values() or entry["error"] == OK):
                answers[f.contract, f.name, entry["error"]] = entry["why"]
    return answers


@dataclass(frozen=True)
class Branches:
    """Of one file."""

    path: str
    found: int
    hit: int


def branches(report: Path) -> list[Branches]:
    """Of the project's contracts without mocks, by an lcov report, in its order."""
    found, path, count = [], "", 0
    for line in report.read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "SF":
            path = value
        elif name == "BRF":
            count = int(value)
        elif name == "BRH" and path.startswith("contracts/") and not path.startswith("contracts/mocks/"):
            found.append(Branches(path, count, int(value)))
    return found


def _branch_table(found: list[Branches]) -> str:
    lines = ["| file | branches | taken |", "|---|---|---|"]
    lines += [f"| `{b.path.removeprefix('contracts/')}` | {b.found} | {b.hit} |" for b in found if b.hit < b.found]
    total, hit = sum(b.found for b in found), sum(b.hit for b in found)
    return "\n".join([*lines, f"| all {len(found)} files | {total} | {hit} ({hit / total:.1%}) |"])


def _table(coverage: Coverage) -> str:
    rows = defaultdict(lambda: [0, 0, 0, 0, 0])
    for pair in coverage.pairs:
        contract, _, what = pair
        row, kind = rows[contract], 0 if what == OK else 2
        row[kind] += 1
        row[kind + 1] += pair in coverage.seen
        row[4] += what != OK and pair in coverage.answers
    lines = ["| contract | functions | that succeeded | errors, per function | raised | cannot be |", "|---|---|---|---|---|---|"]
    lines += [f"| `{name}` | {' | '.join(map(str, row))} |" for name, row in sorted(rows.items())]
    total = [sum(column) for column in zip(*rows.values(), strict=True)]
    return "\n".join([*lines, f"| all | {' | '.join(map(str, total))} |"])


def _write(document: Path, mark: str, table: str) -> None:
    """Replaces what stands between the two comments."""
    before, _, rest = document.read_text().partition(f"<!-- {mark} -->\n")
    _, _, after = rest.partition("<!-- end -->")
    document.write_text(f"{before}<!-- {mark} -->\n{table}\n<!-- end -->{after}")


def main() -> int:
    parser = argparse.ArgumentParser(description="Functions, errors and branches of the contracts that no test reached.")
    parser.add_argument("--folder", type=Path, default=ROOT / "out" / "coverage")
    parser.add_argument("--write", type=Path, help="writes the tables into this document")
    options = parser.parse_args()
    coverage, report = measure(options.folder), options.folder / "lcov.info"
    by_file = branches(report) if report.is_file() else []
    if options.write:
        _write(options.write, "functions", _table(coverage))
        if by_file:
            _write(options.write, "branches", _branch_table(by_file))
    for contract, function, what in coverage.missing:
        print(f"    missing: {contract}.{function} {'succeeds' if what == OK else what}")
    for contract, function, what in coverage.idle:
        print(f"    answered without need: {contract}.{function} {what}")
    print(
        json.dumps(
            {
                "functions": sum(what == OK for *_, what in coverage.pairs),
                "errors": sum(what != OK for *_, what in coverage.pairs),
                "seen": len(coverage.seen),
                "unreachable": len(coverage.answers),
                "missing": len(coverage.missing),
                "branches": sum(b.found for b in by_file),
                "branches_taken": sum(b.hit for b in by_file),
            }
        )
    )
    return 1 if coverage.missing or coverage.idle else 0


if __name__ == "__main__":
    sys.exit(main())
