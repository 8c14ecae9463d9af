"""The control: a keeper without memory. It forgets what it sent as soon as it sent it, and must be caught sending twice."""

from __future__ import annotations

import sys

from keeper.execution import Journal
from keeper.execution.transactions import TransactionManager

__all__ = ["main"]


def main() -> None:
    Journal.open_entries = lambda *_: []  # type: ignore[method-assign]
    Journal.busy_accounts = lambda *_: frozenset()  # type: ignore[method-assign]
    Journal.in_flight = lambda *_: 0  # type: ignore[method-assign]
    TransactionManager.recover = lambda *_: []  # type: ignore[method-assign]
    TransactionManager.may_send = lambda *_: True  # type: ignore[method-assign]
    from keeper.cli import app  # noqa: PLC0415 - after it was made careless

    app(sys.argv[1:])


if __name__ == "__main__":
    main()
