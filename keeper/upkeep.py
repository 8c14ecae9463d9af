"""What is done to the engine's state now and then: the fold compared with the contracts, a snapshot written.

Two ends of one desk. Jobs (keeper/schedule.py) do what takes long in their own threads; what needs the state, the database or the
alarms they ask of `Upkeep`, and the engine answers in a pass that had nothing to send.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from keeper.bus import Severity
from keeper.logs import get_logger
from keeper.observation import JobSettings
from keeper.portfolio import Follower, Progress, Reconciler, StateSnapshot
from keeper.publication import Publication
from keeper.roster import JobView

__all__ = ["Reconciliation", "Run", "Upkeep", "write_snapshot"]

log = get_logger("upkeep")

_SLACK = 0.1
"""Share of the pause between comparisons within which one waits for a block to begin after."""

_T = TypeVar("_T")


class Run(Protocol):
    """One run of a job, as far as the job knows it."""

    def progress(self, done: int, total: int) -> None:
        """How far it is."""

    def again_in(self, seconds: float) -> None:
        """The next run begins that long after this one began, or as soon as this one has ended."""


@dataclass(frozen=True, slots=True, eq=False)
class _Question:
    """until: monotonic seconds from which on it is answered without a new block; calm: only where nobody is under-margined."""

    answer: Callable[[], Any]
    until: float
    calm: bool
    future: Future[Any]


class Upkeep:
    """`work` and `tell` are the engine's; everything else may be used from any thread. What is asked and not yet answered is cancelled by
    `close`, when jobs or engine end, and so is whatever is asked later."""

    def __init__(self, follower: Follower, publication: Publication) -> None:
        self._follower = follower
        self._publication = publication
        self._lock = threading.Lock()
        self._questions: list[_Question] = []
        self._jobs: dict[str, JobView] = {}
        self._closed = False
        self._wrong = False

    # --- from any thread ---

    def standing(self, patience: float) -> Future[Progress | None]:
        """The newest state and its block, just after that block, or as it is after `patience` seconds: the node answers one question at a
        time, and the next block is furthest then. None before the first block."""
        return self._ask(self._follower.current, patience=patience)

    def judge(self, found: list[str] | None, *, suspicious: bool) -> Future[None]:
        """The end of a comparison. found: differences that were confirmed: an alarm, and everything is read anew; None where the block that
        was compared is not the chain's any more; suspicious: others, which the next comparison must confirm."""
        return self._ask(lambda: self._judge(found, suspicious=suspicious))

    def writer(self) -> Future[Callable[[], StateSnapshot] | None]:
        """What makes a snapshot of the present state, in any thread; None where there is nothing new since the last one."""
        return self._ask(lambda: self._follower.writer() if self._follower.unsaved > 0 else None, calm=True)

    def keep(self, snapshot: StateSnapshot) -> Future[None]:
        """Stores a snapshot, unless the state turned out wrong meanwhile."""
        return self._ask(lambda: self._keep(snapshot))

    def report(self, job: JobView) -> None:
        """What became of a job."""
        with self._lock:
            self._jobs[job.name] = job

    def close(self) -> None:
        """Once and for all."""
        with self._lock:
            self._closed, left, self._questions = True, self._questions, []
        for question in left:
            question.future.cancel()

    def _ask(self, answer: Callable[[], _T], *, patience: float = 0.0, calm: bool = False) -> Future[_T]:
        future: Future[_T] = Future()
        with self._lock:
            if self._closed:
                future.cancel()
            else:
                self._questions.append(_Question(answer, time.monotonic() + patience, calm, future))
        return future

    # --- the engine's ---

    def work(self, *, after_block: bool, calm: bool) -> bool:
        """Answers what is due; True where the state was wrong and everything is to be read anew. What goes wrong while answering is the
        job's trouble and the engine's: raises it."""
        now = time.monotonic()
        with self._lock:
            due = [each for each in self._questions if (after_block or now >= each.until) and calm >= each.calm]
        self._wrong = False
        for question in due:
            # One by one: where an answer raises, the others wait for the next pass; `close` may have cancelled them meanwhile.
            with self._lock:
                if question not in self._questions:
                    continue
                self._questions.remove(question)
            try:
                question.future.set_result(question.answer())
            except Exception as error:
                question.future.set_exception(error)
                raise
        return self._wrong

    def tell(self) -> tuple[JobView, ...]:
        """Every job as it was last reported; raises and clears their alarms."""
        with self._lock:
            jobs = tuple(self._jobs.values())
        for job in jobs:
            if job.error:
                self._publication.alarm("job_failed", Severity.WARNING, f"{job.name}: {job.error}", job.name)
            else:
                self._publication.clear("job_failed", job.name)
        return jobs

    def _judge(self, found: list[str] | None, *, suspicious: bool) -> None:
        if found is not None:
            self._publication.count("reconciliations")
        if found:
            self._publication.alarm("state_differs_from_chain", Severity.CRITICAL, "; ".join(found[:5]))
            log.error("state_differs_from_chain", differences=found[:20], count=len(found))
            self._follower.start_over()
            self._wrong = True
        elif found is not None and not suspicious:
            self._publication.clear("state_differs_from_chain")

    def _keep(self, snapshot: StateSnapshot) -> None:
        if self._follower.keep(snapshot):
            self._publication.count("snapshots")


class Reconciliation:
    """The job that compares: a batch of accounts per run, and the next run so soon that every account has its turn within
    `reconcile_within`. retry_after: seconds until it looks again where it could not compare, or must confirm what it found."""

    def __init__(self, upkeep: Upkeep, reconciler: Reconciler, settings: JobSettings, retry_after: float) -> None:
        self._upkeep, self._reconciler, self._settings, self._retry_after = upkeep, reconciler, settings, retry_after
        self._pause = 0.0

    def __call__(self, run: Run) -> None:
        """Raises ChainError and CancelledError."""
        run.again_in(self._retry_after)
        progress = self._upkeep.standing(_SLACK * self._pause).result()
        if progress is None:
            return
        found = self._reconciler.compare(progress.state, progress.block)
        suspicious = self._reconciler.suspicious
        self._upkeep.judge(found, suspicious=suspicious).result()
        accounts = len(progress.state.accounts)
        self._pause = self._reconciler.pause(accounts, self._settings.reconcile_every, self._settings.reconcile_within)
        run.progress(*self._reconciler.position(progress.state))
        run.again_in(self._retry_after if suspicious or found is None else (1.0 - _SLACK) * self._pause)


def write_snapshot(upkeep: Upkeep, run: Run) -> None:
    """The job that keeps what a restart need not fold again: a second for 10,000 accounts. Raises CancelledError."""
    steps = 3
    run.progress(0, steps)
    writer = upkeep.writer().result()
    if writer is not None:
        run.progress(1, steps)
        snapshot = writer()
        run.progress(2, steps)
        upkeep.keep(snapshot).result()
    run.progress(steps, steps)
