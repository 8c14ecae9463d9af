"""A local Anvil of our own: demo and tests start one each, on a free port, and it dies with them.

The block clock is deterministic: a block is `block_interval` seconds after its parent, whatever the wall clock says, until `set_time` or
`advance` moves it. `block_interval=None` leaves Anvil's own clock (start timestamp plus elapsed wall time).
"""

from __future__ import annotations

import ctypes
import json
import os
import platform
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from eth_account import Account

__all__ = ["CHAIN_ID", "MNEMONIC", "ROOT", "Anvil", "AnvilError", "die_with_parent", "end", "private_key"]

ROOT = Path(__file__).resolve().parents[1]

# Anvil's own defaults, stated so that keys can be derived without asking the node. Publicly known: never use them on a live network.
MNEMONIC = "test test test test test test test test test test test junk"
CHAIN_ID = 31337

_LISTENING = re.compile(r"^Listening on [\d.]+:(\d+)$", re.MULTILINE)
_START_TIMEOUT_S = 30.0
_RPC_TIMEOUT_S = 120.0
_STOP_TIMEOUT_S = 60.0  # writing a large state takes a while


class AnvilError(RuntimeError):
    """Anvil did not start, or answered a request with an error (the message carries the node's own)."""


@lru_cache(maxsize=256)
def private_key(index: int) -> str:
    """Private key (0x, 32 bytes) of Anvil's account `index`."""
    Account.enable_unaudited_hdwallet_features()
    return "0x" + bytes(Account.from_mnemonic(MNEMONIC, account_path=f"m/44'/60'/0'/0/{index}").key).hex()


class Anvil:
    """Context manager around one Anvil process.

    port: 0 takes a free port (the operating system chooses, so two runs never collide); another number is used as it is.
    timestamp: unix seconds of the genesis block; None is the present.
    extra: further options of anvil.
    host: the address it listens on; it is asked on loopback all the same.
    log: file for the node's output; None is a temporary file, removed after a clean end.

    Start it from the main thread: on Linux the node dies with the thread that started it.
    Errors: AnvilError when the binary is missing, the port is taken, or the node does not come up within 30 s.
    """

    def __init__(
        self,
        port: int = 0,
        timestamp: int | None = None,
        *,
        gas_limit: int = 30_000_000,
        accounts: int = 40,
        balance_eth: int = 1_000_000,
        block_interval: int | None = 1,
        host: str = "127.0.0.1",
        log: Path | None = None,
        extra: Sequence[str] = (),
    ) -> None:
        self.requested_port = port
        self.timestamp = timestamp
        self.gas_limit = gas_limit
        self.accounts = accounts
        self.balance_eth = balance_eth
        self.block_interval = block_interval
        self.host = host
        self.port = 0
        self.extra = tuple(extra)
        self._keep_log = log is not None
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._request_id = 0

    @property
    def url(self) -> str:
        """HTTP address of the node."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        """WebSocket address of the node."""
        return f"ws://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        """File with the node's output; exists once started."""
        if self._log is None:
            raise AnvilError("Anvil was not started: it has no log yet")
        return self._log

    def start(self) -> Self:
        """Starts the process and waits until it answers."""
        if self._process is not None:
            raise AnvilError(f"Anvil already runs on port {self.port}")
        if self._log is None:
            handle, name = tempfile.mkstemp(prefix="anvil-", suffix=".log")
            os.close(handle)
            self._log = Path(name)
        self._log.parent.mkdir(parents=True, exist_ok=True)

        command = [str(_binary()), "--host", self.host, "--port", str(self.requested_port), "--chain-id", str(CHAIN_ID)]
        command += ["--mnemonic", MNEMONIC, "--accounts", str(self.accounts), "--balance", str(self.balance_eth)]
        # A base fee of 0 lets accounts send with any fee; Brownie's transactions would not pass otherwise.
        command += ["--gas-limit", str(self.gas_limit), "--block-base-fee-per-gas", "0", "--hardfork", "cancun"]
        command += self.extra
        if self.timestamp is not None:
            command += ["--timestamp", str(self.timestamp)]
        with self._log.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 - one prctl call, takes no lock
            )
        try:
            self.port = self._wait_for_port(self._process)
            if self.block_interval is not None:
                self.rpc("anvil_setBlockTimestampInterval", self.block_interval)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Ends the process; harmless when it is not running."""
        process, self._process = self._process, None
        if process is None:
            return
        end(process, _STOP_TIMEOUT_S)
        if not self._keep_log and self._log is not None:
            self._log.unlink(missing_ok=True)
            self._log = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def rpc(self, method: str, *params: Any) -> Any:
        """JSON-RPC `result`. Raises AnvilError with the node's message on an error answer."""
        self._request_id += 1
        body = json.dumps({"jsonrpc": "2.0", "id": self._request_id, "method": method, "params": params}).encode()
        request = urllib.request.Request(self.url, data=body, headers={"Content-Type": "application/json"})  # noqa: S310 - url is ours
        with urllib.request.urlopen(request, timeout=_RPC_TIMEOUT_S) as response:  # noqa: S310
            answer = json.load(response)
        if "error" in answer:
            raise AnvilError(f"{method}: {answer['error'].get('message', answer['error'])}")
        return answer["result"]

    def time(self) -> int:
        """Timestamp of the latest block, unix seconds."""
        return int(self.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)

    def set_time(self, timestamp: int) -> None:
        """Mines one block at `timestamp` (unix seconds, later than the latest block)."""
        self.rpc("evm_setNextBlockTimestamp", timestamp)
        self.rpc("evm_mine")

    def advance(self, seconds: int) -> None:
        """Mines one block `seconds` after the latest."""
        self.set_time(self.time() + seconds)

    def mine(self, blocks: int = 1) -> None:
        """Mines `blocks` blocks at the regular interval."""
        self.rpc("anvil_mine", hex(blocks))

    def snapshot(self) -> str:
        """Id of the present state, for `revert`."""
        return str(self.rpc("evm_snapshot"))

    def revert(self, snapshot: str) -> None:
        """Returns to `snapshot`, clock included. A snapshot serves once."""
        if self.rpc("evm_revert", snapshot) is not True:
            raise AnvilError(f"snapshot {snapshot} is unknown or was used before")

    def _wait_for_port(self, process: subprocess.Popen[bytes]) -> int:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < deadline:
            output = self.log.read_text(errors="replace")
            if found := _LISTENING.search(output):
                return int(found.group(1))
            if process.poll() is not None:
                raise AnvilError(f"Anvil ended with code {process.returncode} at its start: {output.strip()[-500:] or 'no output'}")
            time.sleep(0.02)
        raise AnvilError(f"Anvil was not listening after {_START_TIMEOUT_S:.0f} s; its output is in {self.log}")


def _binary() -> Path:
    """The native executable. npm's `anvil` in .bin is a Node process around it, one more process to end."""
    machine = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}.get(
        platform.machine().lower(), platform.machine()
    )
    name = f"anvil-{sys.platform}-{machine}"
    path = ROOT / "node_modules" / "@foundry-rs" / name / "bin" / ("anvil.exe" if sys.platform == "win32" else "anvil")
    if not path.is_file():
        raise AnvilError(f"{path.relative_to(ROOT)} does not exist: run `make setup` (is there a Foundry package for {name}?)")
    return path


# Loaded before any fork: the child may not take the loader's lock.
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
_PR_SET_PDEATHSIG = 1


def end(process: subprocess.Popen[bytes], timeout: float) -> None:
    """SIGTERM, and SIGKILL when that did not help within `timeout` seconds."""
    process.terminate()
    try:
        process.wait(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def die_with_parent() -> None:
    """In the child: be killed when the parent ends, even by SIGKILL."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
