"""A venue on this machine to try things on: the demo's world in its opening market, standing still until Ctrl-C.

    python -m scripts.local_chain        (make local)

Deployed, configured, seeded with the traders of the fall; publisher, maker and keeper run. `out/local.json` says where everything
listens and holds the key of a trader with gas and nothing else: {"rpc", "deployment", "maker", "updates", "market", "expiries",
"trader_key"}. Write another market into the market file and the publisher signs it. The chain's clock moves a second per block.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from scripts.anvil import ROOT, private_key
from scripts.demo.fall import fall
from scripts.demo.world import World
from scripts.processes import exit_on_sigterm
from scripts.roles import FIRST_TRADER, address_of

__all__ = ["describe", "local_world"]

LOOK_EVERY_S = 1.0
PURSE_WEI = 10**20


def local_world(folder: Path, console: Console) -> World:
    """The world, not yet entered."""
    story = replace(fall(), name="local", title="a venue standing still", markets=())
    return World(story, folder, with_keeper=True, progress=lambda what, detail: console.print(f"  {what:8} {detail}", highlight=False))


def describe(world: World) -> Path:
    """Writes local.json into the world's folder, and gives the new trader its gas."""
    newcomer = FIRST_TRADER + len(world.story.traders)
    world.anvil.rpc("anvil_setBalance", address_of(newcomer), hex(PURSE_WEI))
    path = world.folder / "local.json"
    path.write_text(
        json.dumps(
            {
                "rpc": world.anvil.url,
                "deployment": str(world.folder / "deployment.json"),
                "maker": world.maker_url,
                "updates": world.updates_url,
                "market": str(world.market_file),
                "expiries": list(world.story.expiries),
                "trader_key": private_key(newcomer),
            },
            indent=1,
        )
    )
    return path


def main() -> int:
    exit_on_sigterm()
    parser = argparse.ArgumentParser(prog="python -m scripts.local_chain", description="A local venue that stands still until Ctrl-C.")
    parser.add_argument("--folder", type=Path, default=ROOT / "out", help="where files and logs go")
    console = Console(highlight=False)
    with local_world(parser.parse_args().folder, console) as world:
        console.print(f"  ready    {describe(world)}; Ctrl-C ends it")
        while True:
            world.require_running()
            time.sleep(LOOK_EVERY_S)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(0)
