"""Where faults happen: a node with a venue of accounts that fall one after the other, a publisher, and keepers as processes."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.venue import GENESIS, Plan, Venue, prices_call, venue
from scripts.anvil import Anvil, AnvilError, private_key
from scripts.chain import Chain, TransactionFailedError
from scripts.deploy import Deployment
from scripts.processes import Child
from scripts.roles import KEEPER, PUBLISHER, address_of
from scripts.staging import Staged

__all__ = ["Ground", "GroundError", "lines"]

OPENING = 3_400.0
BLOCK_GAS = 30_000_000
HEARTBEAT_S = 2  # chain time
BELOW = 1.0 - 0.00003
SETTLE_TIMEOUT_S = 90.0
MINED_TIMEOUT_S = 5.0


class GroundError(RuntimeError):
    """What was waited for did not happen; the message says what."""


class Ground(Staged):
    """Context manager. `fall` makes the next account fall; `keeper` starts a keeper in a folder of its own."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        super().__init__()
        self.folder, self.plan = folder, plan
        self.price = OPENING
        self.fallen: list[int] = []
        self.by_itself = True
        self._beating = threading.Event()
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._signed_at = 0
        self._number = 0
        self._keepers: dict[str, Child] = {}

    def _set_up(self) -> None:
        self.venue: Venue = venue(self.plan, lambda *_: None)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        extra = ("--load-state", str(self.venue.state), *self.venue.plan.options)
        anvil = Anvil(timestamp=GENESIS, gas_limit=BLOCK_GAS, accounts=20, log=self.folder / "anvil.log", extra=extra)
        self.anvil = self._stack.enter_context(anvil)
        self.chain = Chain(self.anvil.url)
        self.chain.rpc("evm_setBlockGasLimit", hex(BLOCK_GAS))
        self.anvil.set_time(self.anvil.time() + 1)
        self.deployment = Deployment.read(self.venue.deployment)
        self._publisher = Chain(self.anvil.url)
        self.publish(self.venue.singles[0][1] * 1.00004)
        thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        thread.start()
        self._stack.callback(thread.join, 5.0)
        self._stack.callback(self._ended.set)
        self._beating.set()

    # --- the market ---

    def fall(self, count: int = 1) -> list[int]:
        """The next `count` accounts fall with one price; who."""
        first = len(self.fallen)
        falling = self.venue.singles[first : first + count]
        if len(falling) < count:
            raise GroundError(f"the venue has {len(self.venue.singles)} accounts that fall, all are used")
        self.fallen += [number for number, _ in falling]
        self.publish(falling[-1][1] * BELOW)
        return [number for number, _ in falling]

    def publish(self, price: float) -> None:
        with self._lock:
            self.price = price
            self._publish()

    def pause(self) -> None:
        """No heartbeat: nothing moves but what others send."""
        self._beating.clear()
        with self._lock:
            pass

    def go_on(self) -> None:
        self._beating.set()

    def _publish(self) -> None:
        """Sent, not waited for: blocks may be made by hand."""
        for _ in range(3):
            now = self._publisher_time()
            try:
                call = prices_call(self.deployment, self._publisher, now, self.price)
                data = call._encode_transaction_data()  # noqa: SLF001 - the public way asks the node four times
                fee = 3 * int(self._publisher.rpc("eth_getBlockByNumber", "latest", False).get("baseFeePerGas", "0x0"), 16) + 10**12
                body = {"from": address_of(PUBLISHER), "to": call.address, "data": data, "gas": hex(3_000_000), "gasPrice": hex(fee)}
                sent = self._publisher.rpc("eth_sendTransaction", body)
                self._signed_at = now
                self._wait_for(sent)
            except TransactionFailedError:
                time.sleep(0.02)
            else:
                return

    def _wait_for(self, transaction: str) -> None:
        """Until it is mined, unless blocks are made by hand: the node answers before it has mined."""
        deadline = time.monotonic() + MINED_TIMEOUT_S
        while self.by_itself and time.monotonic() < deadline:
            if self._publisher.rpc("eth_getTransactionReceipt", transaction) is not None:
                return
            time.sleep(0.005)

    def blocks_by_hand(self, *, on: bool) -> None:
        """on: a block only when somebody mines one; no heartbeat meanwhile."""
        if on:
            self.pause()
        self.by_itself = not on
        self.chain.rpc("evm_setAutomine", not on)
        if not on:
            self.anvil.mine()
            self.go_on()

    def _publisher_time(self) -> int:
        return int(self._publisher.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)

    def _beat(self) -> None:
        while not self._ended.wait(0.05):
            if not self._beating.is_set():
                continue
            with self._lock:
                try:
                    now = self._publisher_time()
                    if self._beating.is_set() and (now - self._signed_at >= HEARTBEAT_S or now < self._signed_at):
                        self._publish()
                except (TransactionFailedError, AnvilError, OSError):
                    continue

    # --- keepers ---

    def environment(self, folder: Path, settings: Mapping[str, object]) -> dict[str, str]:
        environment = {
            "KEEPER_RPC_URL": self.anvil.url,
            "KEEPER_DEPLOYMENT": str(self.venue.deployment),
            "KEEPER_DATABASE": str(folder / "keeper.sqlite"),
            "KEEPER_ACCOUNT": str(self.venue.keeper),
            "KEEPER_PRIVATE_KEY": private_key(KEEPER),
            "KEEPER_RETRY_AFTER": "0.2",
            "KEEPER_BUMP_AFTER": "2",
            "KEEPER_JOBS__RECONCILE_EVERY": "1",
            "KEEPER_RPC_TIMEOUT": "3",
            "NUMBA_NUM_THREADS": "1",
        }
        return environment | {f"KEEPER_{name.upper()}": str(value) for name, value in settings.items()}

    def keeper(self, name: str = "", module: str = "keeper.cli", environment: Mapping[str, str] | None = None, **settings: object) -> Child:
        """Not yet started, unless one of that name runs: then that one. It begins with what a keeper knows that followed the building
        of the venue."""
        if name in self._keepers:
            return self._keepers[name]
        self._number += 1
        folder = self.folder / (name or f"keeper{self._number}")
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "keeper.sqlite").exists():
            shutil.copy(self.venue.database, folder / "keeper.sqlite")
        arguments = ["run", "--log-level", "debug"]
        child = Child(
            name or f"keeper{self._number}",
            module,
            arguments,
            folder / "keeper.log",
            {**self.environment(folder, settings), **(environment or {})},
        )
        self._stack.callback(child.stop)
        self._keepers[child.name] = child
        return child

    def stop_others(self, kept: Sequence[Child]) -> None:
        """Keepers of earlier faults end: two with one key would race."""
        for child in self._keepers.values():
            if child not in kept:
                child.stop()

    # --- what is so ---

    def head(self) -> int:
        return int(self.chain.rpc("eth_blockNumber"), 16)

    def nonce(self, index: int = KEEPER, block: str = "latest") -> int:
        return int(self.chain.rpc("eth_getTransactionCount", address_of(index), block), 16)

    def under_margined(self) -> list[int]:
        """Accounts of the venue, but the keeper's, whose health the contracts put below the partial threshold."""
        lens = self.deployment.contract(self.chain, "Lens")
        last, found = self.venue.keeper + self.plan.accounts, []
        for first in range(1, last + 1, 50):
            for number, ok, _, health in lens.functions.risks(first, min(last, first + 49)).call():
                if ok and number != self.venue.keeper and health < 1_050_000_000_000_000_000:
                    found.append(int(number))
        return found

    def wait_until_safe(self, timeout: float = SETTLE_TIMEOUT_S) -> None:
        """Nobody under-margined and nothing of the keeper's in flight. Raises GroundError."""
        deadline = time.monotonic() + timeout
        left: list[int] = []
        while time.monotonic() < deadline:
            if self.nonce() == self.nonce(block="pending"):
                left = self.under_margined()
                if not left:
                    return
            time.sleep(0.1)
        raise GroundError(f"accounts {left} are still under-margined after {timeout:.0f} s")


def lines(log: Path, event: str) -> list[dict[str, Any]]:
    """Log lines of one event."""
    if not log.exists():
        return []
    marker = f'"event": "{event}"'
    with log.open(errors="replace") as file:
        return [json.loads(line) for line in file if marker in line and line.startswith("{") and line.rstrip().endswith("}")]
