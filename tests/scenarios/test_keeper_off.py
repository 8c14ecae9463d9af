"""The control: without a keeper the same fall leaves accounts under-margined, and the demo says so with its exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.anvil import ROOT

pytestmark = pytest.mark.usefixtures("compiled")


@pytest.fixture(scope="module")
def run(compiled: None, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "scripts.demo", "--folder", str(folder)]
    environment = {**os.environ, "CRASH": "fall", "KEEPER": "off"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)


def test_exit_code_is_not_zero(run: subprocess.CompletedProcess[str]) -> None:
    assert run.returncode == 1, run.stdout + run.stderr


def test_accounts_left_are_shown(run: subprocess.CompletedProcess[str]) -> None:
    line = json.loads(run.stdout.splitlines()[-1])
    assert line["undermargined_left"] > 0
    assert line["liquidated"] == 0
    assert line["unallocated_deficit"] > 0
    shown = [text for text in run.stdout.splitlines() if "LEFT UNDER-MARGINED" in text]
    assert len(shown) == line["undermargined_left"]


def test_ledger_adds_up_all_the_same(run: subprocess.CompletedProcess[str]) -> None:
    assert "INV-LEDGER: the drift" not in run.stdout
