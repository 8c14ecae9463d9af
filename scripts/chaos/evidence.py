"""What every fault must leave behind: the chain's own state, nothing sent twice, nothing stale, nobody under-margined.

Each check reads the chain, not the keeper's word; the journal is read only to be compared with the chain.
"""

from __future__ import annotations

import hashlib
import sqlite3
import tempfile
import time
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from keeper.chain import SETTLEMENT_INDEX, Deployment, NodeClient, Store
from keeper.engine import follower_of
from keeper.model import Account
from keeper.portfolio import account_of_view
from scripts.chaos.ground import Ground
from scripts.roles import KEEPER, address_of

__all__ = ["Row", "examine", "hash_of"]

_WAIT_S = 30.0


@dataclass
class Row:
    """One fault. nonces and hashes before and after; lost: transactions mined that the journal does not know, or open for good;
    double_sent: accounts for which a second transaction was sent while the first was open, or after it had succeeded (one that a
    reorganisation made fail may be followed by another); stale_sent: mined transactions that the contracts refused for
    stale prices; left: accounts under-margined at the end."""

    fault: str
    detail: str
    nonce_before: int
    nonce_after: int = 0
    chain_hash_before: str = ""
    chain_hash: str = ""
    keeper_hash: str = ""
    fallen: list[int] = field(default_factory=list)
    liquidated: list[int] = field(default_factory=list)
    lost: int = 0
    double_sent: int = 0
    stale_sent: int = 0
    reverted: int = 0
    left: list[int] = field(default_factory=list)
    takeover_ms: float | None = None
    seconds: float = 0.0
    error: str = ""

    @property
    def recovered(self) -> bool:
        whole = self.chain_hash == self.keeper_hash and bool(self.chain_hash)
        return whole and not (self.lost or self.double_sent or self.stale_sent or self.left or self.error)


def hash_of(accounts: dict[int, Account]) -> str:
    """Of cash, collateral and positions of every account; exact integers."""
    text = [
        (a.id, a.mode.name, a.cash.raw, sorted((t, q.raw) for t, q in a.collateral.items()),
         sorted((i.pack(), p.size.raw, p.cost.raw) for i, p in a.positions.items()))
        for a in sorted(accounts.values(), key=lambda account: account.id) if a.id != 0
    ]  # fmt: skip
    return hashlib.sha256(repr(text).encode()).hexdigest()[:16]


def chain_accounts(ground: Ground, names: dict[int, str]) -> dict[int, Account]:
    """As the lens shows them at the head."""
    lens = ground.deployment.contract(ground.chain, "Lens")
    last, found = ground.venue.keeper + ground.plan.accounts, {}
    for first in range(1, last + 1, 100):
        for view in lens.functions.accounts(first, min(last, first + 99)).call():
            account = account_of_view(view, names)
            found[account.id] = account
    return found


def examine(ground: Ground, row: Row, first_block: int, databases: list[Path], journals: list[Path], sender: int = KEEPER) -> Row:
    """Fills in what is so now. first_block: since when transactions count; databases: each must have the chain's state; journals:
    together they must know every transaction mined."""
    ground.pause()
    names: dict[int, str] = {}
    deadline = time.monotonic() + _WAIT_S
    while True:
        head = _head(ground)
        hashes = []
        for database in databases:
            cursor, accounts, names = _folded(ground, database)
            hashes.append(hash_of(accounts) if cursor == head else "behind")
        row.chain_hash = hash_of(chain_accounts(ground, names))
        still = head == _head(ground) and "behind" not in hashes
        if still or time.monotonic() > deadline:
            break
        time.sleep(0.2)
    row.keeper_hash = hashes[0] if len(set(hashes)) == 1 else "/".join(hashes)
    row.nonce_after = ground.nonce(sender)
    mined = _mined(ground, first_block, sender)
    known = _journalled(journals)
    row.lost = sum(transaction["hash"] not in known for transaction in mined) + sum(
        status in ("prepared", "sent") for status in known.values()
    )
    acted: dict[int, list[bool]] = {}
    liquidator = Deployment.load(ground.venue.deployment).contract("Liquidator")
    selector = "0x" + liquidator.encode("liquidate", (0, 0, [], (b"", b""), 0, b""))[:4].hex()
    for transaction in mined:
        if transaction["input"].startswith(selector):
            acted.setdefault(_target(transaction["input"]), []).append(transaction["succeeded"])
        if not transaction["succeeded"]:
            row.reverted += 1
            row.stale_sent += "StalePrice" in _reason(ground, transaction)
    # The accounts of `fallen` are closed whole: after one success there is nothing left to send.
    again = {account for account, outcomes in acted.items() if True in outcomes[:-1]} | _overlapping(journals, set(row.fallen))
    row.double_sent = len(again & set(row.fallen))
    row.liquidated = sorted(account for account in acted if account in row.fallen)
    row.left = ground.under_margined()
    ground.go_on()
    return row


def _head(ground: Ground) -> str:
    return str(ground.chain.rpc("eth_getBlockByNumber", "latest", False)["hash"])


def _folded(ground: Ground, database: Path) -> tuple[str, dict[int, Account], dict[int, str]]:
    """(hash of the cursor, accounts, token names) that a keeper starting from a copy of the database would have."""
    deployment = Deployment.load(ground.venue.deployment)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy.sqlite"
        source, target = sqlite3.connect(database), sqlite3.connect(copy)
        source.backup(target)
        source.close()
        target.close()
        store = Store(copy, deployment.fingerprint)
        try:
            port = NodeClient(ground.anvil.url, deployment.contract("Ledger").errors)
            state = follower_of(port, deployment, store).state
            cursor = store.cursor()
        finally:
            store.close()
    names = {index: name for index, name in state.tokens.items() if index != SETTLEMENT_INDEX}
    return "" if cursor is None else cursor.hash, dict(state.accounts), names


def _mined(ground: Ground, first_block: int, sender: int) -> list[dict[str, Any]]:
    """Transactions of `sender` in blocks from `first_block` on."""
    address, found = address_of(sender).lower(), []
    for number in range(first_block, ground.head() + 1):
        for transaction in ground.chain.rpc("eth_getBlockByNumber", hex(number), True)["transactions"]:
            if transaction["from"].lower() == address:
                receipt = ground.chain.rpc("eth_getTransactionReceipt", transaction["hash"])
                found.append({**transaction, "succeeded": int(receipt["status"], 16) == 1})
    return found


def _journalled(journals: list[Path]) -> dict[str, str]:
    known: dict[str, str] = {}
    for path in journals:
        connection = sqlite3.connect(path)
        known |= dict(connection.execute("SELECT hash, status FROM transactions").fetchall())
        connection.close()
    return known


def _overlapping(journals: list[Path], accounts: set[int]) -> set[int]:
    """Accounts for which two nonces were open at the same time."""
    found: set[int] = set()
    for path in journals:
        connection = sqlite3.connect(path)
        query = (
            "SELECT account, nonce, min(prepared_at), max(coalesce(settled_at, 1e18)) FROM transactions "
            "WHERE status <> 'dropped' GROUP BY account, nonce"
        )
        by_account: dict[int, list[tuple[float, float]]] = {}
        for account, _, begun, ended in connection.execute(query):
            if account in accounts:
                by_account.setdefault(account, []).append((begun, ended))
        connection.close()
        for account, spans in by_account.items():
            spans.sort()
            found |= {account for (_, ended), (begun, _) in pairwise(spans) if begun < ended}
    return found


def _target(data: str) -> int:
    """The account that a liquidate call names: the first word of its struct."""
    offset = int(data[10:74], 16) * 2
    return int(data[10 + offset : 74 + offset], 16)


def _reason(ground: Ground, transaction: dict[str, Any]) -> str:
    call = {key: transaction[key] for key in ("from", "to", "input", "gas")}
    try:
        ground.chain.rpc("eth_call", call, hex(int(transaction["blockNumber"], 16)))
    except Exception as error:  # noqa: BLE001 - only its words are wanted
        return str(error)
    return ""
