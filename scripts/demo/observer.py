"""Records when each block was seen, in wall time: an observer that knows nothing of keeper or driver.

    python -m scripts.demo.observer --rpc ws://127.0.0.1:8545 --output out/blocks.csv

Output: `number,seen_ns` per block, unix time in nanoseconds. Blocks come as the node pushes their headers; a header that was missed
(two blocks in one push) gets the time of the next.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from pathlib import Path

from websockets.sync.client import connect


def observe(url: str, output: Path) -> None:
    """Until SIGTERM."""
    with output.open("w", buffering=1) as file, connect(url, open_timeout=10) as socket:
        socket.send(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["newHeads"]}))
        socket.recv()
        socket.send(json.dumps({"jsonrpc": "2.0", "id": 2, "method": "eth_blockNumber", "params": []}))
        last: int | None = None
        print(json.dumps({"event": "started", "rpc": url}), file=sys.stderr, flush=True)
        for text in socket:
            seen = time.time_ns()
            message = json.loads(text)
            if message.get("id") == 2:
                number = int(message["result"], 16)
                last = number if last is None else last
                continue
            number = int(message["params"]["result"]["number"], 16)
            for missed in range((number if last is None else last + 1), number + 1):
                file.write(f"{missed},{seen}\n")
            last = max(number, last or 0)


def main() -> None:
    parser = argparse.ArgumentParser(description="Records the wall time of every block.")
    parser.add_argument("--rpc", required=True, metavar="WS_URL")
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    observe(options.rpc, options.output)


if __name__ == "__main__":
    main()
