"""Which externally callable functions tests reached, which of the errors that each can raise, and which branches: `make coverage`.

    python -m scripts.coverage [--folder out/coverage] [--write docs/coverage.md]

Reads what tests/coverage/recorder.py and branches.py wrote, and forge's lcov.info. Prints every function without a success, every error
without a test that raises it unless tests/coverage/unreachable.toml says why there can be none, and every branch that was not taken.
Fails on anything missing of the first two, on an answer that is not needed, and below 95 % of the branches.
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
BRANCHES_AIM = 0.95

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
    """Of one file. left: the lines with branches that were never taken, once per branch."""

    path: str
    found: int
    left: tuple[int, ...]

    @property
    def taken(self) -> int:
        return self.found - len(self.left)


def branches(folder: Path) -> list[Branches]:
    """Of the project's contracts without mocks, by how often the markers of tests/coverage/branches.py ran."""
    ran: dict[tuple[str, int], int] = {}
    path = ""
    for line in (folder / "lcov.info").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "SF":
            path = value
        elif name == "DA":
            number, count = value.split(",")
            ran[path, int(number)] = int(count)
    found: dict[str, list[int]] = defaultdict(list)
    left: dict[str, list[int]] = defaultdict(list)
    for path, line, marker, without in json.loads((folder / "branches.json").read_text()):
        found[path].append(line)
        if ran[tuple(marker)] <= (ran[tuple(without)] if without else 0):
            left[path].append(line)
    return [Branches(path, len(lines), tuple(sorted(left[path]))) for path, lines in sorted(found.items())]


def _branch_table(found: list[Branches]) -> str:
    lines = ["| file | branches | taken |", "|---|---|---|"]
    lines += [f"| `{b.path.removeprefix('contracts/')}` | {b.found} | {b.taken} |" for b in found if b.left]
    total, taken = sum(b.found for b in found), sum(b.taken for b in found)
    return "\n".join([*lines, f"| all {len(found)} files | {total} | {taken} ({taken / total:.1%}) |"])


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
    coverage, by_file = measure(options.folder), branches(options.folder)
    if options.write:
        _write(options.write, "functions", _table(coverage))
        _write(options.write, "branches", _branch_table(by_file))
    for contract, function, what in coverage.missing:
        print(f"    missing: {contract}.{function} {'succeeds' if what == OK else what}")
    for contract, function, what in coverage.idle:
        print(f"    answered without need: {contract}.{function} {what}")
    for file in by_file:
        for line in file.left:
            print(f"    branch not taken: {file.path}:{line}")
    total, taken = sum(b.found for b in by_file), sum(b.taken for b in by_file)
    print(
        json.dumps(
            {
                "functions": sum(what == OK for *_, what in coverage.pairs),
                "errors": sum(what != OK for *_, what in coverage.pairs),
                "seen": len(coverage.seen),
                "unreachable": len(coverage.answers),
                "missing": len(coverage.missing),
                "branches": total,
                "branches_taken": taken,
            }
        )
    )
    return 1 if coverage.missing or coverage.idle or taken < BRANCHES_AIM * total else 0


if __name__ == "__main__":
    sys.exit(main())
