"""Child processes that cannot outlive their parent, and what they say in their logs.

Publisher, maker and keeper log JSON lines on stderr; each says {"event": "started", ...} once it serves.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from scripts.anvil import ROOT, die_with_parent, end

__all__ = ["Child", "ChildError", "exit_on_sigterm"]

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 5.0
POLL_S = 0.02


class ChildError(RuntimeError):
    """A process did not start, or ended when it should not; the message quotes the end of its log."""


class Child:
    """One process: `python -m <module> <arguments>` with its output in `log`.

    It runs in a session of its own, so that Ctrl-C reaches only the parent, which then ends its children in order; if the parent is
    killed, the kernel kills them (Linux).
    """

    def __init__(self, name: str, module: str, arguments: Sequence[str], log: Path, environment: Mapping[str, str] | None = None) -> None:
        self.name = name
        self.log = log
        self._command = [sys.executable, "-m", module, *arguments]
        self._environment = {**os.environ, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None
        self._log_offset = 0

    def start(self) -> Self:
        """Starts (or restarts, appending to the log)."""
        if self.running:
            raise ChildError(f"{self.name} is running already")
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._log_offset = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command,
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 - one prctl call, takes no lock
            )
        return self

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Raises ChildError when it was not started."""
        if self._process is None:
            raise ChildError(f"{self.name} was not started")
        return self._process.pid

    def require_running(self) -> None:
        """Raises ChildError when the process has ended."""
        if not self.running:
            code = None if self._process is None else self._process.returncode
            raise ChildError(f"{self.name} ended with code {code}: {self._tail()}")

    def wait_for(self, event: str, timeout: float = START_TIMEOUT_S) -> dict[str, Any]:
        """The first log line of this start with that event. Raises ChildError when the process ends or time is up."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            for line in self._lines():
                if line.get("event") == event:
                    return line
            self.require_running()
            time.sleep(POLL_S)
        raise ChildError(f"{self.name} did not log {event!r} within {timeout:.0f} s: {self._tail()}")

    def stop(self) -> None:
        """SIGTERM, SIGKILL when that does not help; harmless when it is not running."""
        process, self._process = self._process, None
        if process is None:
            return
        end(process, STOP_TIMEOUT_S)

    def kill(self) -> None:
        """SIGKILL: no chance to tidy up."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def _lines(self) -> list[dict[str, Any]]:
        with self.log.open("rb") as file:
            file.seek(self._log_offset)
            raw = file.read().decode(errors="replace").splitlines()
        lines = []
        for text in raw:
            try:
                line = json.loads(text)
            except json.JSONDecodeError:
                continue  # a line being written, or a traceback
            if isinstance(line, dict):
                lines.append(line)
        return lines

    def _tail(self) -> str:
        return self.log.read_text(errors="replace").strip()[-800:] or "no output"


def exit_on_sigterm() -> None:
    """Turns SIGTERM into SystemExit, so that `with` blocks end their children."""

    def handler(number: int, _: object) -> None:
        sys.exit(128 + number)

    signal.signal(signal.SIGTERM, handler)
