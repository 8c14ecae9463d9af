"""Whatever ends the demo, nothing of it is left running."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.anvil import ROOT

pytestmark = [
    pytest.mark.usefixtures("compiled"),
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc; elsewhere children end by the parent's own clean-up only"),
]

SET_UP_TIMEOUT_S = 90.0
END_TIMEOUT_S = 15.0


def descendants(pid: int) -> list[int]:
    found: list[int] = []
    for child in map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()):
        found += [child, *descendants(child)]
    return found


def alive(pid: int) -> bool:
    """A zombie that nobody has waited for is not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until_gone(pids: list[int]) -> list[int]:
    deadline = time.monotonic() + END_TIMEOUT_S
    while time.monotonic() < deadline and any(map(alive, pids)):
        time.sleep(0.05)
    return [pid for pid in pids if alive(pid)]


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A demo whose node, publisher, observer and maker run."""
    command = [sys.executable, "-m", "scripts.demo", "--folder", str(tmp_path)]
    environment = {**os.environ, "CRASH": "fall", "KEEPER": "off"}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    log = tmp_path / "maker.log"
    deadline = time.monotonic() + SET_UP_TIMEOUT_S
    while not (log.exists() and "started" in log.read_text()):
        assert process.poll() is None, "the demo ended during its set-up"
        assert time.monotonic() < deadline, "the demo's set-up takes too long"
        time.sleep(0.05)
    yield process
    process.kill()
    process.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_children_end_with_the_demo(demo: subprocess.Popen[bytes], number: signal.Signals) -> None:
    children = descendants(demo.pid)
    assert len(children) >= 4
    demo.send_signal(number)
    assert demo.wait(timeout=END_TIMEOUT_S) != 0
    assert wait_until_gone(children) == []
