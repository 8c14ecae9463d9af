"""A keeper whose wall clock is wrong, and jumps: python -m scripts.chaos.skewed run ... with CHAOS_SKEW in seconds.

SIGUSR1 turns the sign of the skew around. The monotonic clock is left alone, as nobody can set it.
"""

from __future__ import annotations

import os
import signal
import sys
import time

__all__ = ["main"]

_time = time.time


def main() -> None:
    skew = [float(os.environ.pop("CHAOS_SKEW"))]

    def turn(*_: object) -> None:
        skew[0] = -skew[0]

    signal.signal(signal.SIGUSR1, turn)
    time.time = lambda: _time() + skew[0]
    from keeper.cli import app  # noqa: PLC0415 - after the clock was changed

    app(sys.argv[1:])


if __name__ == "__main__":
    main()
