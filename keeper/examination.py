"""Single checks of the doctor that reach beyond the chain's first answer: nodes, permissions, top-ups, disk, receivers."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from keeper.chain import SETTLEMENT_INDEX, ChainPort, Deployment, NodeClient, Store, name_of
from keeper.chain.contract import Contract, Errors
from keeper.config import Config
from keeper.errors import ChainError, DeploymentError, StoreError
from keeper.execution.calls import BATCH, SCOPE_TRADE
from keeper.roster import moment, recall, roster_of

__all__ = [
    "Check",
    "Verdict",
    "check_batches",
    "check_database",
    "check_jobs",
    "check_nodes",
    "check_permissions",
    "check_top_up",
    "check_watchers",
]

_SLOW_SECONDS = 0.5
_LEAST_FREE_BYTES = 2**30
_LOG_SPAN = 1_000
_WRITERS = ("Clearing", "Liquidator")
"""Contracts that the keeper calls and that must be able to write to ledger and vault."""

_ERC20 = [
    {
        "type": "function",
        "name": name,
        "inputs": [{"name": "", "type": "address"}] * arguments,
        "outputs": [{"name": "", "type": "uint256"}],
    }
    for name, arguments in (("balanceOf", 1), ("allowance", 2))
]


class Verdict(StrEnum):
    """WARNING: the keeper runs, and something deserves a look. FAILED: it must not start."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Check:
    """detail: what was found; remedy: how to mend it, empty where all is well."""

    name: str
    verdict: Verdict
    detail: str
    remedy: str = ""


def check_nodes(config: Config, deployment: Deployment) -> list[Check]:
    """Every endpoint by itself: chain, head against the best, speed, and whether it has the logs of the first block."""
    errors: Errors = deployment.contract("Ledger").errors
    clients = [(name_of(url), NodeClient(url, errors, config.rpc_timeout)) for url in config.rpc_urls]
    heads: dict[str, int] = {}
    for name, client in clients:
        with suppress(ChainError):
            heads[name] = client.head().number
    best = max(heads.values(), default=0)
    return [_quality(name, client, deployment, best, config.rpc_max_lag) for name, client in clients]


def _quality(name: str, client: NodeClient, deployment: Deployment, best: int, max_lag: int) -> Check:
    title = f"rpc {name}"
    try:
        started = time.perf_counter()
        head, chain = client.head(), client.chain_id()
        seconds = (time.perf_counter() - started) / 2.0
        if chain != deployment.chain_id:
            return Check(
                title, Verdict.FAILED, f"serves chain {chain}, the deployment is on {deployment.chain_id}", "Remove this endpoint."
            )
        first = deployment.first_block
        addresses = [contract.address for contract in deployment.contracts.values()]
        old = client.logs(addresses, first, min(head.number, first + _LOG_SPAN))
    except ChainError as error:
        return Check(title, Verdict.WARNING, str(error), "Start it, or remove it from KEEPER_RPC_URL and KEEPER_RPC_OTHERS.")
    detail = f"block {head.number}, {best - head.number} behind, {1000 * seconds:.1f} ms, {len(old)} logs from block {first} on"
    if best - head.number > max_lag:
        return Check(title, Verdict.WARNING, detail, f"It lags by more than {max_lag} blocks and will not be used: let it synchronise.")
    if not old and head.number > first:
        return Check(title, Verdict.WARNING, detail, "It has no logs of the deployment: use a node that keeps history.")
    if seconds > _SLOW_SECONDS:
        return Check(title, Verdict.WARNING, detail, "Use a node nearer by: every liquidation waits for several answers.")
    return Check(title, Verdict.OK, detail)


def check_permissions(port: ChainPort, deployment: Deployment, ask: Callable[..., Any]) -> Check:
    """The contracts may do what the venue needs of them: writers of ledger and vault, and who draws from the fund. ask: (port,
    deployment, contract, function, *arguments) -> answer."""
    lacking = [
        f"{name} is no module of {owner}"
        for name in _WRITERS
        for owner in ("Ledger", "CollateralVault")
        if not ask(port, deployment, owner, "isModule", deployment.contract(name).address)
    ]
    if lacking:
        remedy = "Modules are wired once, at deployment: this one was not finished. Deploy again (scripts/deploy.py)."
        return Check("permissions", Verdict.FAILED, "; ".join(lacking), remedy)
    try:
        limit = ask(port, deployment, "InsuranceFund", "member", deployment.contract("Liquidator").address)
    except (DeploymentError, ChainError) as error:
        return Check("permissions", Verdict.WARNING, f"InsuranceFund.member: {error}", "Is the deployment file as new as the contracts?")
    if not any(limit if isinstance(limit, tuple | list) else (limit,)):
        remedy = "Name it: InsuranceFund.setMember through governance (scripts/configure.py does it on a local chain)."
        return Check("permissions", Verdict.WARNING, "the Liquidator may draw nothing from the InsuranceFund", remedy)
    return Check("permissions", Verdict.OK, f"{' and '.join(_WRITERS)} may write, the Liquidator may draw from the fund")


def check_batches(deployment: Deployment, account: int, ask: Callable[..., Any]) -> Check:
    """Whether many liquidations may go in one transaction. ask: (contract, function, *arguments) of the chain."""
    contract = deployment.contracts.get(BATCH)
    if contract is None:
        return Check("batches", Verdict.OK, f"one liquidation per transaction: the deployment has no {BATCH}")
    if not ask("Ledger", "isAuthorised", account, contract.address, SCOPE_TRADE):
        wish = f"Clearing.setOperator({account}, {contract.address}, {SCOPE_TRADE}) by the account's owner allows many"
        return Check("batches", Verdict.OK, f"one liquidation per transaction; {wish}")
    return Check("batches", Verdict.OK, "many liquidations per transaction")


def check_top_up(port: ChainPort, deployment: Deployment, address: str) -> Check:
    """What could be deposited at once if the keeper's margin ran out: tokens in its wallet, and the vault's allowance of them."""
    token = deployment.tokens[SETTLEMENT_INDEX]
    erc20 = Contract(token.name, token.address, _ERC20, deployment.contract("Ledger").errors)

    def read(function: str, *arguments: str) -> float:
        answer = port.call(erc20.address, erc20.encode(function, *arguments))
        return int(erc20.decode(function, answer)) / float(10**token.decimals)

    balance, allowed = read("balanceOf", address), read("allowance", address, deployment.contract("CollateralVault").address)
    detail = f"{balance:,.2f} {token.name} in the wallet, the vault may take {min(allowed, balance):,.2f} of it"
    if balance > 0.0 and allowed < balance:
        return Check("top-up", Verdict.WARNING, detail, f"{token.name}.approve(CollateralVault, ...) once, so that a deposit is one call.")
    return Check("top-up", Verdict.OK, detail)


def check_database(config: Config, deployment: Deployment) -> Check:
    """It opens, belongs to this deployment, is not in use, and the disk has room."""
    path = config.database
    folder = path.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
        if path.exists():
            Store(path, deployment.fingerprint, exclusive=True).close()
    except StoreError as error:
        remedy = "Stop the other keeper, give this one a database of its own, or remove the file (it is filled anew from the chain)."
        return Check("database", Verdict.WARNING, str(error), remedy)
    except sqlite3.DatabaseError as error:
        remedy = "It is set aside and filled anew from the chain at the next start: look at the disk if this happens again."
        return Check("database", Verdict.WARNING, f"{path}: {error}", remedy)
    except OSError as error:
        return Check("database", Verdict.FAILED, f"{path}: {error}", "Set KEEPER_DATABASE to a file in a folder that can be written.")
    state = f"{path.stat().st_size / 2**20:,.1f} MiB" if path.exists() else "new"
    detail = f"{path} ({state}), {free / 2**30:,.1f} GiB free"
    if free < _LEAST_FREE_BYTES:
        return Check("database", Verdict.WARNING, detail, "Make room: without it the journal cannot be written, and nothing is sent.")
    return Check("database", Verdict.OK, detail)


def check_jobs(config: Config) -> Check:
    """How the periodic jobs fared when the keeper last ran."""
    known = recall(roster_of(config.database))
    if not known:
        return Check("jobs", Verdict.OK, "none ran yet with this database")
    failed = [f"{job.name}: {job.error}" for job in known.values() if job.error]
    if failed:
        return Check("jobs", Verdict.WARNING, "; ".join(failed), "The runbook of JobFailed (docs/operations.md) says what each needs.")
    ran = [f"{job.name} {moment(job.started)}" for job in known.values() if job.started is not None]
    return Check("jobs", Verdict.OK, f"last ran, UTC: {', '.join(ran) or 'none yet'}")


def check_watchers(config: Config) -> list[Check]:
    """Who sees and hears of the keeper."""
    api, alerts = config.api, config.alerts
    if not api.enabled:
        watched = Check("api", Verdict.WARNING, "switched off: no metrics, no health", "Set KEEPER_API__ENABLED=true.")
    else:
        keys = f"{len(api.keys)} keys" if api.keys else "no keys: this machine only"
        watched = Check("api", Verdict.OK, f"{api.host}:{api.port}, {keys}")
    if not alerts.sinks:
        told = Check("alerts", Verdict.WARNING, "nobody is told of trouble", "Add [[alerts.sinks]] to keeper.toml (docs/operations.md).")
    else:
        told = Check("alerts", Verdict.OK, ", ".join(sink.title for sink in alerts.sinks) + "; `keeper alert-test` tries them")
    return [watched, told]
