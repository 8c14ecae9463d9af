"""scripts/slither: a finding without an answer fails, and so does an answer without a finding."""

from __future__ import annotations

from typing import Any

from scripts.slither import Finding, findings, review


def element(name: str, file: str, contract: str) -> dict[str, Any]:
    parent = {"type": "contract", "name": contract, "type_specific_fields": {}}
    return {"type": "function", "name": name, "source_mapping": {"filename_relative": file}, "type_specific_fields": {"parent": parent}}


def report(*detectors: tuple[str, str, str]) -> dict[str, Any]:
    return {
        "results": {
            "detectors": [
                {"check": check, "impact": impact, "description": "what it says\nmore", "elements": [element(name, "contracts/A.sol", "A")]}
                for check, impact, name in detectors
            ]
        }
    }


def test_style_is_left_out_and_a_place_counts_once() -> None:
    found = findings(report(("weak-prng", "High", "f"), ("weak-prng", "High", "f"), ("naming-convention", "Informational", "g")))
    assert found == [Finding("weak-prng", "contracts/A.sol A.f", "High", "what it says")]


def test_what_nobody_answered_is_open() -> None:
    found = findings(report(("weak-prng", "High", "f"), ("unused-return", "Medium", "g")))
    answers = {
        "detectors": {"unused-return": "why"},
        "answers": [{"detector": "weak-prng", "place": "contracts/A.sol A.other", "answer": "why"}],
    }
    open_, idle = review(found, answers)
    assert [finding.detector for finding in open_] == ["weak-prng"]
    assert idle == ["weak-prng contracts/A.sol A.other"]


def test_an_answer_by_place_or_by_detector_closes_it() -> None:
    found = findings(report(("weak-prng", "High", "f"), ("unused-return", "Medium", "g")))
    answers = {
        "detectors": {"unused-return": "why"},
        "answers": [{"detector": "weak-prng", "place": "contracts/A.sol A.f", "answer": "why"}],
    }
    assert review(found, answers) == ([], [])


def test_an_answered_detector_that_finds_nothing_is_idle() -> None:
    assert review([], {"detectors": {"weak-prng": "why"}}) == ([], ["weak-prng"])
