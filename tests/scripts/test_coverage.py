"""scripts.coverage on small records, and the markers that tests/coverage/branches.py sets."""

from __future__ import annotations

import json
import re
from pathlib import Path

from scripts.coverage import Coverage, branches
from tests.coverage.branches import write_project

LEDGER = ("Ledger", "accrue")
CONTRACT = "contracts/ledger/Vesting.sol"


def test_what_was_neither_seen_nor_answered_is_missing() -> None:
    pairs = frozenset((*LEDGER, what) for what in ("ok", "UnknownAccount", "SizeOutOfRange"))
    seen = {(*LEDGER, "ok"): "a test", (*LEDGER, "UnknownAccount"): "another"}
    answered = {(*LEDGER, "SizeOutOfRange"): "it fits"}
    assert not Coverage(pairs, seen, answered).missing
    assert Coverage(pairs, seen, {}).missing == [(*LEDGER, "SizeOutOfRange")]


def test_answers_to_what_was_seen_or_is_not_there_are_idle() -> None:
    pairs = frozenset({(*LEDGER, "ok")})
    answers = {(*LEDGER, "ok"): "never", (*LEDGER, "NotThere"): "never"}
    assert Coverage(pairs, {(*LEDGER, "ok"): "a test"}, answers).idle == sorted(answers)


def test_branches_by_the_lines_of_their_markers(tmp_path: Path) -> None:
    """An `if` whose two markers ran 3 times and never; one in assembly that ran 5 times, all of them into its body."""
    (tmp_path / "lcov.info").write_text(
        f"SF:contracts/Taken.sol\nDA:4,3\nDA:5,0\nend_of_record\nSF:{CONTRACT}\nDA:9,5\nDA:10,5\nend_of_record\n"
    )
    taken, other, body, ran = ["contracts/Taken.sol", 4], ["contracts/Taken.sol", 5], [CONTRACT, 10], [CONTRACT, 9]
    rows = [[CONTRACT, 21, taken, None], [CONTRACT, 21, other, None], [CONTRACT, 40, body, None], [CONTRACT, 40, ran, body]]
    (tmp_path / "branches.json").write_text(json.dumps(rows))
    (found,) = branches(tmp_path)
    assert (found.path, found.found, found.taken, found.left) == (CONTRACT, 4, 2, (21, 40))


def test_every_if_has_a_marker_on_both_ways(tmp_path: Path) -> None:
    """Vesting.sol, some of whose `if`s have no braces: its own lines are all there, markers and braces aside."""
    write_project(tmp_path)
    source, marked = Path(CONTRACT).read_text(), (tmp_path / "project" / CONTRACT).read_text()
    rows = [row for row in json.loads((tmp_path / "branches.json").read_text()) if row[0] == CONTRACT]
    markers = re.findall(r"Taken\.(m\d+)\(\);", marked)
    assert len(rows) == len(set(markers)) == len(markers) == 2 * source.count("if (")
    library = (tmp_path / "project" / "contracts" / "Taken.sol").read_text().splitlines()
    assert all(any(f"function {marker}(" in library[line - 1] for marker in markers) for _, _, (_, line), _ in rows)

    def bare(text: str) -> str:
        text = re.sub(r" else { Taken\.m\d+\(\); }|Taken\.m\d+\(\);| import {Taken} .*", "", text)
        return re.sub(r"[\s{}]", "", text)

    assert bare(marked) == bare(source)
