"""A venue on this machine to try things on: the demo's world in its opening market, standing still until Ctrl-C.

    python -m scripts.local_chain        (make local)

Deployed, configured, seeded with the traders of the fall; publisher, maker and keeper run. `out/local.json` says where everything
listens, and holds the keys of the keepers' accounts and of a trader with gas and nothing else: {"rpc", "deployment", "maker", "updates",
"market", "expiries", "keepers": [{"account", "key"}], "trader_key"}. Write another market into the market file and the publisher
signs it. The chain's clock moves a second per block. With --rpc the venue is made on a node that runs already (ops/compose.yaml).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from rich.console import Console

from keeper.model import MarginMode
from scripts.anvil import ROOT, Anvil, private_key
from scripts.demo.fall import fall
from scripts.demo.world import World
from scripts.processes import exit_on_sigterm
from scripts.roles import FIRST_TRADER, address_of
from scripts.seed_local import Party, fund_account, open_account

__all__ = ["add_keepers", "describe", "local_world"]

LOOK_EVERY_S = 1.0
PURSE_WEI = 10**20
KEEPER_USDC = 3_000_000.0


class _Attached(Anvil):
    """A node of somebody else's, set up like ours (scripts.node)."""

    def __init__(self, url: str) -> None:
        super().__init__()
        parts = urlsplit(url)
        self._address = f"{parts.hostname}:{parts.port}"

    @property
    def url(self) -> str:
        return f"http://{self._address}"

    @property
    def ws_url(self) -> str:
        return f"ws://{self._address}"

    def start(self) -> Self:
        self.rpc("anvil_setBlockTimestampInterval", self.block_interval)
        return self

    def stop(self) -> None:
        """It goes on."""


def local_world(folder: Path, console: Console, *, node: Anvil | None = None, with_keeper: bool = True) -> World:
    """The world, not yet entered; on a node of its own unless `node` is given."""
    story = replace(fall(), name="local", title="a venue standing still", markets=())

    def progress(what: str, detail: str) -> None:
        console.print(f"  {what:8} {detail}", highlight=False)

    return World(story, folder, with_keeper=with_keeper, node=node, progress=progress)


def add_keepers(world: World, count: int) -> list[Party]:
    """The seeded keeper's account, and as many more as make `count`, each with its own key, gas and margin."""
    first = FIRST_TRADER + len(world.story.traders) + 1
    keepers = [world.keeper_account]
    for index in range(first, first + count - 1):
        world.anvil.rpc("anvil_setBalance", address_of(index), hex(PURSE_WEI))
        world.anvil.rpc("anvil_impersonateAccount", address_of(index))  # the node signs for the seeding; afterwards its own key does
        party = open_account(world.chain, world.deployment, index, MarginMode.PORTFOLIO)
        fund_account(world.chain, world.deployment, party, usdc=KEEPER_USDC)
        keepers.append(party)
    return keepers


def describe(world: World, keepers: Sequence[Party] = ()) -> Path:
    """Writes local.json into the world's folder, and gives the new trader its gas."""
    newcomer = FIRST_TRADER + len(world.story.traders)
    world.anvil.rpc("anvil_setBalance", address_of(newcomer), hex(PURSE_WEI))
    path = world.folder / "local.json"
    partial = path.with_suffix(".partial")
    partial.write_text(
        json.dumps(
            {
                "rpc": world.anvil.url,
                "deployment": str(world.folder / "deployment.json"),
                "maker": world.maker_url,
                "updates": world.updates_url,
                "market": str(world.market_file),
                "expiries": list(world.story.expiries),
                "keepers": [{"account": each.account, "key": private_key(each.index)} for each in (keepers or (world.keeper_account,))],
                "trader_key": private_key(newcomer),
            },
            indent=1,
        )
    )
    # Others wait for the file: it appears whole.
    partial.replace(path)
    return path


def main() -> int:
    exit_on_sigterm()
    parser = argparse.ArgumentParser(prog="python -m scripts.local_chain", description="A local venue that stands still until Ctrl-C.")
    parser.add_argument("--folder", type=Path, default=ROOT / "out", help="where files and logs go")
    parser.add_argument("--rpc", help="make the venue on this node (scripts.node) instead of one of its own")
    parser.add_argument("--keepers", type=int, default=1, help="accounts for keepers")
    parser.add_argument("--run-keeper", action=argparse.BooleanOptionalAction, default=True, help="start the first keeper too")
    options = parser.parse_args()
    console = Console(highlight=False)
    node = None if options.rpc is None else _Attached(options.rpc)
    (options.folder / "local.json").unlink(missing_ok=True)
    with local_world(options.folder, console, node=node, with_keeper=options.run_keeper) as world:
        console.print(f"  ready    {describe(world, add_keepers(world, options.keepers))}; Ctrl-C ends it")
        while True:
            world.require_running()
            time.sleep(LOOK_EVERY_S)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(0)
