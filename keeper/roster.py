"""What is known of every periodic job: when it ran, when it runs next, how far it is.

Kept in a file beside the keeper's database: a restart neither forgets nor repeats, and other processes can read it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

__all__ = ["JobView", "moment", "recall", "remember", "roster_of"]


@dataclass(frozen=True, slots=True)
class JobView:
    """One periodic job. every: seconds between runs, at most; started: unix seconds of the newest run, None before the first; seconds:
    that the last run took; next: unix seconds; runs, failures: ended since the file began; error: of the last run, "" where it went
    well; running: now; done, total: how far the work is, 0 of 0 where it has no steps."""

    name: str
    every: float
    started: float | None = None
    seconds: float | None = None
    next: float | None = None
    runs: int = 0
    failures: int = 0
    error: str = ""
    running: bool = False
    done: int = 0
    total: int = 0


def roster_of(database: Path) -> Path:
    """The file of the keeper whose database that is."""
    return database.with_suffix(".jobs.json")


def remember(path: Path, jobs: Iterable[JobView]) -> None:
    """Replaces the file whole. Raises OSError."""
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps([asdict(job) for job in jobs]))
    fresh.replace(path)


def recall(path: Path) -> dict[str, JobView]:
    """By name, as they were when the file was written; empty where there is none or it is no roster."""
    try:
        return {job.name: job for job in (JobView(**each) for each in json.loads(path.read_text()))}
    except (OSError, ValueError, TypeError):
        return {}


def moment(seconds: float | None) -> str:
    """Unix seconds for people, UTC; "-" for None."""
    return "-" if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}"
