"""What must hold before the keeper starts, and how to mend it where it does not."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from keeper.chain import SETTLEMENT_INDEX, ChainPort, Decoder, Deployment, EndpointPool, NodeClient, name_of
from keeper.chain.contract import Errors
from keeper.config import Config
from keeper.errors import ChainError, ConfigError, DeploymentError, KeeperError, RevertError
from keeper.examination import (
    Check,
    Verdict,
    check_batches,
    check_database,
    check_jobs,
    check_nodes,
    check_permissions,
    check_top_up,
    check_watchers,
)
from keeper.execution import ExternalSigner, Signer, more_signers
from keeper.execution.calls import SCOPE_TRADE
from keeper.model import WAD
from keeper.portfolio import Parameter

__all__ = ["Check", "Verdict", "connect", "diagnose", "require_healthy"]

_MIN_BALANCE_WEI = 10**16
_SLOW_SECONDS = 0.5
_CLOCK_SECONDS = 120


def connect(config: Config) -> tuple[Deployment, EndpointPool]:
    """The deployment and its endpoints, which explain its errors. Raises DeploymentError; asks the nodes nothing."""
    deployment = Deployment.load(config.deployment)
    errors: Errors = deployment.contract("Ledger").errors
    endpoints = [(name_of(url), NodeClient(url, errors, config.rpc_timeout)) for url in config.rpc_urls]
    return deployment, EndpointPool(endpoints, config.rpc_max_lag)


def require_healthy(config: Config) -> tuple[Deployment, EndpointPool, Signer | ExternalSigner]:
    """What the engine needs, checked. Raises ConfigError that lists every failed check with its remedy."""
    failed = [check for check in diagnose(config) if check.verdict is Verdict.FAILED]
    if failed:
        raise ConfigError("; ".join(f"{check.name}: {check.detail}. {check.remedy}" for check in failed))
    deployment, port = connect(config)
    return deployment, port, Signer.from_config(config)


def diagnose(config: Config) -> list[Check]:
    """Every check whose ground is there; never raises for what it checks."""
    try:
        deployment, port = connect(config)
        Decoder(deployment)
    except DeploymentError as error:
        return [Check("deployment", Verdict.FAILED, str(error), "Deploy, or name the file that scripts/deploy.py wrote (--deployment).")]
    checks = [Check("deployment", Verdict.OK, f"{len(deployment.contracts)} contracts, first block {deployment.first_block}")]
    node = _node(config, port, deployment)
    checks += node
    signer, key = _key(config)
    checks.append(key)
    if any(check.verdict is Verdict.FAILED for check in node):
        return checks
    checks += check_nodes(config, deployment)
    checks.append(_attempt("contracts", lambda: _contracts(port, deployment)))
    if checks[-1].verdict is Verdict.OK:
        checks.append(_attempt("permissions", lambda: check_permissions(port, deployment, _ask)))
    checks.append(_attempt("oracle", lambda: _oracle(port, deployment)))
    checks.append(_attempt("clock", lambda: _clock(port)))
    if config.account is None:
        remedy = "Open one (Clearing.openAccount), fund it, and set KEEPER_ACCOUNT."
        checks.append(Check("account", Verdict.FAILED, "no account is configured", remedy))
    elif signer is not None:
        account, owner = config.account, signer
        checks.append(_attempt("account", lambda: _authorised(port, deployment, account, owner.address)))
        checks.append(_attempt("margin", lambda: _margin(port, deployment, account)))
        checks.append(_attempt("batches", lambda: check_batches(deployment, account, partial(_ask, port, deployment))))
    if signer is not None:
        payer = signer
        checks.append(_attempt("gas money", lambda: _gas_money(port, payer.address)))
        checks.append(_attempt("top-up", lambda: check_top_up(port, deployment, payer.address)))
        checks += _further_senders(config, port, deployment)
    checks.append(check_database(config, deployment))
    checks.append(check_jobs(config))
    checks.append(_peer("maker", "KEEPER_MAKER_URL", config.maker_url, "inventory stays"))
    checks.append(_peer("publisher", "KEEPER_UPDATES_URL", config.updates_url, "stale prices stop liquidations"))
    return checks + check_watchers(config)


def _attempt(name: str, check: Callable[[], Check]) -> Check:
    try:
        return check()
    except KeeperError as error:
        return Check(name, Verdict.FAILED, str(error), "Is the deployment file the one of this chain?")


def _node(config: Config, port: ChainPort, deployment: Deployment) -> list[Check]:
    started = time.perf_counter()
    try:
        found = port.chain_id()
    except ChainError as error:
        return [Check("node", Verdict.FAILED, str(error), f"Start the node, or set KEEPER_RPC_URL (now {name_of(config.rpc_url)}).")]
    seconds = time.perf_counter() - started
    slow = seconds > _SLOW_SECONDS
    remedy = "Use a node nearer by: every liquidation waits for several answers." if slow else ""
    checks = [
        Check("node", Verdict.WARNING if slow else Verdict.OK, f"{name_of(config.rpc_url)} answers in {1000 * seconds:.1f} ms", remedy)
    ]
    if found != deployment.chain_id:
        detail = f"the node serves chain {found}, the deployment is on {deployment.chain_id}"
        checks.append(Check("chain", Verdict.FAILED, detail, "Set KEEPER_RPC_URL or --deployment so that both are the same chain."))
    else:
        checks.append(Check("chain", Verdict.OK, f"chain {found}"))
    return checks


def _key(config: Config) -> tuple[Signer | ExternalSigner | None, Check]:
    try:
        signer = Signer.from_config(config)
    except ConfigError as error:
        return None, Check("key", Verdict.FAILED, str(error), "Set KEEPER_PRIVATE_KEY, or KEEPER_KEYSTORE with KEEPER_KEYSTORE_PASSWORD.")
    return signer, Check("key", Verdict.OK, f"signs as {signer.address}")


def _further_senders(config: Config, port: ChainPort, deployment: Deployment) -> list[Check]:
    """Each sends for the keeper's account: it needs the right to, and gas."""
    try:
        senders = more_signers(config)
    except ConfigError as error:
        return [Check("further senders", Verdict.FAILED, str(error), "Correct KEEPER_MORE_PRIVATE_KEYS or KEEPER_MORE_KEYSTORES.")]
    checks = []
    for number, sender in enumerate(senders, 2):
        address, account = sender.address, config.account
        if account is not None:
            allowed = _attempt(f"sender {number}", partial(_authorised, port, deployment, account, address))
            checks.append(replace(allowed, name=f"sender {number}"))
        checks.append(replace(_attempt("gas", partial(_gas_money, port, address)), name=f"gas of sender {number}"))
    return checks


def _contracts(port: ChainPort, deployment: Deployment) -> Check:
    places = {**{name: c.address for name, c in deployment.contracts.items()}, **{t.name: t.address for t in deployment.tokens.values()}}
    empty = [f"{name} at {address}" for name, address in places.items() if not port.code(address)]
    if empty:
        remedy = "The chain is another one, or was reset: deploy again and remove the keeper's database."
        return Check("contracts", Verdict.FAILED, f"no code for {', '.join(empty)}", remedy)
    return Check("contracts", Verdict.OK, f"code at all {len(places)} addresses")


def _ask(port: ChainPort, deployment: Deployment, contract: str, function: str, *arguments: Any) -> Any:
    target = deployment.contract(contract)
    return target.decode(function, port.call(target.address, target.encode(function, *arguments)))


def _authorised(port: ChainPort, deployment: Deployment, account: int, address: str) -> Check:
    owner = _ask(port, deployment, "Ledger", "account", account)[0]
    if not _ask(port, deployment, "Ledger", "isAuthorised", account, address, SCOPE_TRADE):
        remedy = f"Use the key of {owner}, or let that owner call Clearing.setOperator({account}, {address}, {SCOPE_TRADE})."
        return Check("account", Verdict.FAILED, f"{address} may not trade for account {account} (owner {owner})", remedy)
    return Check("account", Verdict.OK, f"{address} may trade for account {account}")


def _margin(port: ChainPort, deployment: Deployment, account: int) -> Check:
    try:
        requirement = _ask(port, deployment, "MarginEngine", "requirement", account)
    except RevertError as error:
        return Check("margin", Verdict.WARNING, f"account {account} cannot be margined: {error}", "Publish prices first.")
    initial, margin_equity = requirement[0] / WAD, requirement[3] / WAD
    cash = _ask(port, deployment, "Ledger", "cash", account) / WAD
    token = deployment.tokens[SETTLEMENT_INDEX].name
    detail = f"{cash:,.2f} {token} cash, margin equity {margin_equity:,.2f}, initial margin {initial:,.2f}"
    if margin_equity <= initial:
        return Check("margin", Verdict.WARNING, detail, f"Deposit {token} (Clearing.deposit): without free margin no legs can be taken.")
    return Check("margin", Verdict.OK, detail)


def _gas_money(port: ChainPort, address: str) -> Check:
    balance = port.balance(address)
    if balance == 0:
        return Check("gas money", Verdict.FAILED, f"{address} has none", f"Send some of the chain's coin to {address}.")
    if balance < _MIN_BALANCE_WEI:
        return Check("gas money", Verdict.WARNING, f"{balance / WAD:.6f} left", f"Top {address} up.")
    return Check("gas money", Verdict.OK, f"{balance / WAD:,.4f}")


def _oracle(port: ChainPort, deployment: Deployment) -> Check:
    now, limit = port.head().time, _ask(port, deployment, "RiskParameters", "value", int(Parameter.MAX_ACTION_AGE))
    ages = {}
    for symbol, underlying in deployment.underlyings.items():
        try:
            ages[symbol] = now - _ask(port, deployment, "PriceDoor", "prices", underlying)[2]
        except RevertError as error:
            return Check("oracle", Verdict.WARNING, f"{symbol}: {error}", "Start the publisher (scripts/publisher.py).")
    detail = ", ".join(f"{symbol} {age} s old" for symbol, age in ages.items())
    if max(ages.values(), default=0) > limit:
        return Check("oracle", Verdict.WARNING, f"{detail}; actions need {limit} s", "Start the publisher, or set KEEPER_UPDATES_URL.")
    return Check("oracle", Verdict.OK, detail)


def _clock(port: ChainPort) -> Check:
    ahead = port.head().time - time.time()
    if abs(ahead) > _CLOCK_SECONDS:
        detail = f"the newest block is {abs(ahead):,.0f} s {'ahead of' if ahead > 0 else 'behind'} this machine's clock"
        return Check("clock", Verdict.WARNING, detail, "Expected on a replayed chain; otherwise synchronise the clock (NTP) or the node.")
    return Check("clock", Verdict.OK, f"{ahead:+.1f} s from the newest block")


def _peer(name: str, variable: str, url: str | None, consequence: str) -> Check:
    if url is None:
        return Check(name, Verdict.WARNING, f"not configured: {consequence}", f"Set {variable}.")
    return Check(name, Verdict.OK, url)
