"""An Anvil for a local venue, as a process of its own: `python -m scripts.node --host 0.0.0.0 --port 8545` (ops/compose.yaml).

Set up like the nodes of demo and tests (scripts.anvil); `scripts.local_chain --rpc` then makes it a venue.
"""

from __future__ import annotations

import argparse
import signal
import sys

from scripts.anvil import Anvil
from scripts.demo.fall import fall
from scripts.processes import exit_on_sigterm

__all__ = ["main"]

_ACCOUNTS = 60  # publisher, maker, traders and some keepers


def main() -> int:
    exit_on_sigterm()
    parser = argparse.ArgumentParser(prog="python -m scripts.node", description="An Anvil that runs until it is ended.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=8545, help="0 takes a free one")
    options = parser.parse_args()
    with Anvil(options.port, fall().genesis, accounts=_ACCOUNTS, host=options.host) as node:
        print(node.url, flush=True)
        signal.pause()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(0)
