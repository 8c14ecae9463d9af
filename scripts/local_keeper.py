"""One of the keepers of a local venue: `python -m scripts.local_keeper 2` becomes `keeper run` with that keeper's account and key.

Where the venue is and what its keepers own stands in the local.json that scripts.local_chain wrote. What the environment
sets already stays as it is.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.anvil import ROOT

__all__ = ["environment_of", "main"]


def environment_of(local: Mapping[str, Any], number: int, folder: Path) -> dict[str, str]:
    """KEEPER_* settings of keeper `number` (from 1). Raises LookupError where the venue has fewer."""
    keepers = local["keepers"]
    if not 1 <= number <= len(keepers):
        raise LookupError(f"expected a keeper of 1 to {len(keepers)}, got {number}: start scripts.local_chain with --keepers")
    mine = keepers[number - 1]
    return {
        "KEEPER_RPC_URL": local["rpc"],
        "KEEPER_DEPLOYMENT": local["deployment"],
        "KEEPER_DATABASE": str(folder / f"keeper-{number}.sqlite"),
        "KEEPER_ACCOUNT": str(mine["account"]),
        "KEEPER_PRIVATE_KEY": mine["key"],
        "KEEPER_MAKER_URL": local["maker"],
        "KEEPER_UPDATES_URL": local["updates"],
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m scripts.local_keeper", description="Becomes one keeper of a local venue.")
    parser.add_argument("number", type=int, help="which, from 1")
    parser.add_argument("--folder", type=Path, default=ROOT / "out", help="the venue's folder")
    options = parser.parse_args()
    local = json.loads((options.folder / "local.json").read_text())
    settings = environment_of(local, options.number, options.folder)
    os.execve(sys.executable, [sys.executable, "-m", "keeper.cli", "run"], {**settings, **os.environ})  # noqa: S606 - becomes it
    return 0


if __name__ == "__main__":
    sys.exit(main())
