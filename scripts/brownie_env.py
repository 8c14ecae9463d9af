"""Brownie on this project's own terms.

Brownie keeps networks, packages and known errors below HOME. Importing it through this module gives it a HOME of the project's own
(.toolchain/home), so that an empty HOME works and a user's ~/.brownie is neither read nor written. It also points py-solc-x at the pinned
compiler. Import this module before anything from `brownie`.
"""

from __future__ import annotations

import json
import os
import shutil
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from web3.exceptions import TransactionNotFound

from scripts.anvil import CHAIN_ID, Anvil

ROOT = Path(__file__).resolve().parents[1]
_HOME = ROOT / ".toolchain" / "home"

os.environ["SOLCX_BINARY_PATH"] = str(ROOT / "toolchain")
_HOME.mkdir(parents=True, exist_ok=True)
_user_home = os.environ.get("HOME")
os.environ["HOME"] = str(_HOME)
try:
    from brownie import network, project
    from brownie._config import CONFIG
    from brownie.network.transaction import TransactionReceipt
finally:
    if _user_home is None:
        del os.environ["HOME"]
    else:
        os.environ["HOME"] = _user_home

# Brownie warns of calls that its own compiled code makes.
warnings.filterwarnings("ignore", message=r"rpc\.\w+ should not be called directly", category=FutureWarning)

if TYPE_CHECKING:
    from brownie.project.main import Project

__all__ = ["NETWORK", "connected", "estimating_gas", "load_project"]

NETWORK = "dpre"
_RECEIPT_S = 60.0
_POLL_S = 0.01
_await_confirmation = TransactionReceipt._await_confirmation  # noqa: SLF001 - there is no public place to wait in


def _await_receipt(self: TransactionReceipt, block_number: int | None = None, required_confs: int = 1) -> None:
    """Brownie takes a transaction for dropped whose nonce counts before its receipt is served: on a busy machine Anvil answers so.
    It is asked only once the receipt is there (on a chain of one's own every transaction that was accepted is mined)."""
    deadline = time.monotonic() + _RECEIPT_S
    while time.monotonic() < deadline:
        with suppress(TransactionNotFound):
            if network.web3.eth.get_transaction_receipt(self.txid)["blockHash"] is not None:
                break
        time.sleep(_POLL_S)
    _await_confirmation(self, block_number, required_confs)


TransactionReceipt._await_confirmation = _await_receipt  # noqa: SLF001


@cache
def load_project() -> Project:
    """The project's contracts, compiled if a source or a compiler setting changed since the last time. Loaded once per process."""
    _forget_deleted_sources()
    return project.load(ROOT, name="DpreProject")


def _forget_deleted_sources() -> None:
    """Brownie opens the sources of all artefacts, and of what they import, before it asks which are out of date, and fails on one that
    was deleted since: then everything is compiled anew."""
    build = ROOT / "build"
    sources = {json.loads(artefact.read_text())["sourcePath"] for artefact in (build / "contracts").glob("*.json")}
    if any(source.startswith("contracts/") and not (ROOT / source).exists() for source in sources):
        shutil.rmtree(build)


@contextmanager
def connected(anvil: Anvil) -> Iterator[None]:
    """Connects Brownie to a running Anvil for the length of the block."""
    CONFIG.networks[NETWORK] = {
        "name": "Anvil started by the project",
        "id": NETWORK,
        "cmd": "anvil",
        "host": anvil.url,
        "chainid": str(CHAIN_ID),
        "cmd_settings": {"port": anvil.port, "base_fee": 0},
        "timeout": 120,
    }
    network.connect(NETWORK)
    try:
        yield
    finally:
        network.disconnect(kill_rpc=False)


@contextmanager
def estimating_gas() -> Iterator[None]:
    """Inside the block Brownie asks the node for a gas estimate before it sends. A transaction that would revert is then refused with the
    node's revert data, instead of being mined and explained from its trace."""
    if not network.is_connected():
        yield
        return
    settings = CONFIG.active_network["settings"]
    before = dict(settings)
    settings.update({"gas_limit": "auto", "reverting_tx_gas_limit": False})
    try:
        yield
    finally:
        settings.update(before)
