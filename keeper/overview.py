"""What the keeper sees now, as plain figures: for the command line and for machines."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from keeper.chain import Store
from keeper.config import Config
from keeper.doctor import connect
from keeper.engine import follower_of
from keeper.errors import ChainError
from keeper.execution import Journal
from keeper.monitoring import Assessment, Assessor, MarginCallStore, find
from keeper.portfolio import HOUSE, Progress

__all__ = ["AccountLine", "account_lines", "look", "status_of"]


@dataclass(frozen=True, slots=True)
class AccountLine:
    """One account, USD; health None where it is unbounded (nothing at risk). worst first when listed."""

    account: int
    owner: str
    mode: str
    equity: float
    margin_equity: float
    initial: float
    maintenance: float
    health: float | None
    positions: int
    gross_notional: float


def look(config: Config) -> tuple[Progress, Assessment | None, Store]:
    """The state at the head: what the database has, and the rest from the node. Writes nothing to the database; the store
    that comes back is a copy. The assessment is None before prices are published. Raises ChainError and DeploymentError."""
    deployment, port = connect(config)
    store = Store.copy_of(config.database, deployment.fingerprint)
    follower = follower_of(port, deployment, store)
    while (progress := follower.advance()) is not None and not progress.caught_up:
        pass
    current = follower.current()
    if current is None:
        raise ChainError(f"the chain has no block {deployment.first_block} yet, where the deployment begins")
    ready = current.state.table.is_complete and current.state.spots
    return current, Assessor().assess(current.state, current.block) if ready else None, store


def account_lines(assessment: Assessment) -> list[AccountLine]:
    """Every account but the house, by rising health."""
    result, book = assessment.result, assessment.book
    counts = np.bincount(book.position_account, minlength=book.accounts)
    lines = []
    for row in np.argsort(result.health, kind="stable").tolist():
        account = assessment.state.accounts[int(book.account_id[row])]
        if account.id == HOUSE:
            continue
        health = float(result.health[row])
        lines.append(
            AccountLine(
                account=account.id,
                owner=account.owner,
                mode=account.mode.name,
                equity=float(result.equity[row]),
                margin_equity=float(result.margin_equity_maintenance[row]),
                initial=float(result.initial[row]),
                maintenance=float(result.maintenance[row]),
                health=health if math.isfinite(health) else None,
                positions=int(counts[row]),
                gross_notional=float(result.gross_notional[row]),
            )
        )
    return lines


def status_of(config: Config) -> dict[str, Any]:
    """Head, feeds, accounts by tier, margin calls, transactions. Raises as `look`."""
    progress, assessment, store = look(config)
    state, block = progress.state, progress.block
    calls, journal = MarginCallStore(store.connection).open_calls(), Journal(store.connection)
    exclude = frozenset() if config.account is None else frozenset({config.account})
    findings = [] if assessment is None else find(assessment, exclude)
    tiers: dict[str, int] = {}
    for finding in findings:
        tiers[finding.tier.name] = tiers.get(finding.tier.name, 0) + 1
    return {
        "block": block.number,
        "block_time": block.time,
        "accounts": len(state.accounts) - 1,
        "positions": 0 if assessment is None else assessment.book.positions,
        "underlyings": {
            state.symbols.get(index, str(index)): {"spot": feed.spot / 1e18, "age": block.time - feed.signed_at}
            for index, feed in sorted(state.spots.items())
        },
        "under_margined": tiers,
        "findings": [{**asdict(finding), "tier": finding.tier.name} for finding in findings],
        "unpriced": [] if assessment is None else list(assessment.unpriced),
        "margin_calls": sorted(calls.since),
        "transactions": journal.counts(),
    }
