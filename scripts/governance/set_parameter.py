"""Changes one risk parameter through the timelock: propose, wait, execute, show the effect.

    python -m scripts.governance.set_parameter --deployment out/deployment.json --rpc http://127.0.0.1:8545 MAX_ACTION_AGE 10

VALUE is in the parameter's unit as docs/parameters.md lists it: `0.05` for a ratio, `10000000` for USD, `10` for seconds or counts.
A proposal that already waits is taken up where it stands, so the command may be repeated.

The governor's key comes from the environment variable GOVERNOR_KEY, or from --governor-index of Anvil's public mnemonic on a local chain.
Ends with 0 when the table holds the value, 1 with one line on stderr otherwise.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils.crypto import keccak
from requests.exceptions import ConnectionError as NodeUnreachable
from web3 import HTTPProvider, Web3
from web3.contract import Contract
from web3.exceptions import ContractLogicError, Web3Exception

from scripts.anvil import private_key
from scripts.deploy import DEPLOYMENT_FILE, Deployment
from scripts.deployed import DeploymentError, contract, custom_error, read_deployment, require_chain
from scripts.parameter_list import GovernedParameter, ParameterListError, governed_parameters
from scripts.roles import GOVERNOR

__all__ = ["GovernanceError", "TimelockProposal", "main"]

# Proposals of this command: the same change proposed again after it was executed needs another salt, hence a counter.
_SALT = "DPRE set_parameter"
_NO_PREDECESSOR = b"\x00" * 32
_POLL_S = 1.0
# What the ledger, which asks nobody, is told of: parameter -> function of Funding that anybody may call.
_PASSED_ON = {"DEBIT_RATE": "updateDebitRate", "PROFIT_VESTING": "updateProfitVesting"}


class GovernanceError(RuntimeError):
    """The change cannot be proposed, executed or did not take effect; the message says why."""


class TimelockProposal:
    """One call through the timelock, by its id, at whatever stage it is."""

    def __init__(self, web3: Web3, deployment: Deployment, governor: LocalAccount, target: Contract, data: str) -> None:
        self._web3 = web3
        self._deployment = deployment
        self._timelock = contract(web3, deployment, "Timelock")
        self._governor = governor
        self._target = target
        self._data = data
        self._salt = self._first_open_salt()

    @property
    def id(self) -> bytes:
        return self._id(self._salt)

    @property
    def ready_at(self) -> int:
        """Unix seconds from which it may be executed; 0 before it is scheduled."""
        return int(self._timelock.functions.getTimestamp(self.id).call())

    def propose(self) -> None:
        """Schedules it with the timelock's minimum delay; nothing when it already waits."""
        if self.ready_at == 0:
            delay = self._timelock.functions.getMinDelay().call()
            self._send(self._timelock.functions.schedule(*self._call(self._salt), delay))

    def wait(self, timeout: float) -> None:
        """Until the chain's clock has reached `ready_at`. Raises GovernanceError after `timeout` seconds of wall time."""
        deadline = time.monotonic() + timeout
        while (now := self._web3.eth.get_block("latest")["timestamp"]) < self.ready_at:
            if time.monotonic() > deadline:
                raise GovernanceError(f"executable in {self.ready_at - now} s of chain time; run the same command then, it resumes")
            time.sleep(min(_POLL_S, max(0.0, deadline - time.monotonic())))

    def execute(self, *following: Any) -> None:
        """following: contract calls that anybody may make, sent right after it."""
        for function in (self._timelock.functions.execute(*self._call(self._salt)), *following):
            self._send(function)

    def _first_open_salt(self) -> bytes:
        counter = 0
        while self._timelock.functions.isOperationDone(self._id(salt := keccak(text=f"{_SALT} {counter}"))).call():
            counter += 1
        return salt

    def _id(self, salt: bytes) -> bytes:
        return bytes(self._timelock.functions.hashOperation(*self._call(salt)).call())

    def _call(self, salt: bytes) -> tuple[Any, ...]:
        return (self._target.address, 0, self._data, _NO_PREDECESSOR, salt)

    def _send(self, function: Any) -> None:
        try:
            transaction = function.build_transaction(
                {"from": self._governor.address, "nonce": self._web3.eth.get_transaction_count(self._governor.address)}
            )
        except ContractLogicError as error:
            raise GovernanceError(self._explain(function.fn_name, error)) from None
        signed = self._governor.sign_transaction(transaction)
        receipt = self._web3.eth.wait_for_transaction_receipt(self._web3.eth.send_raw_transaction(signed.raw_transaction))
        if receipt["status"] != 1:
            raise GovernanceError(f"{function.fn_name} reverted in transaction {receipt['transactionHash'].to_0x_hex()}")

    def _explain(self, action: str, error: ContractLogicError) -> str:
        found = custom_error(error, self._deployment)
        if found is None:
            return f"the timelock refuses to {action}: {error}"
        name, values = found
        if name == "AccessControlUnauthorizedAccount" and action == "schedule":
            return f"{values[0]} is no proposer of the timelock"
        return f"the timelock refuses to {action}: {name}({', '.join(map(str, values))})"


def set_parameter(web3: Web3, deployment: Deployment, governor: LocalAccount, options: argparse.Namespace) -> None:
    require_chain(web3, deployment)
    parameter = _parameter(options.parameter)
    try:
        value = parameter.unit.parse(options.value)
    except ParameterListError as error:
        raise GovernanceError(f"{parameter.name}: {error}") from None
    table = contract(web3, deployment, "RiskParameters")
    timelock = contract(web3, deployment, "Timelock")
    before = table.functions.value(parameter.index).call()
    lower, upper = table.functions.bounds(parameter.index).call()
    show = parameter.unit.show

    print(f"{parameter.name}: {show(before)} now, bounds {show(lower)} .. {show(upper)}")
    if before == value:
        print(f"{parameter.name} already is {show(value)}: nothing to do")
        return
    change = table.functions.set(parameter.index, value)
    try:
        change.call({"from": timelock.address})  # what the timelock will do, tried before anybody waits for it
    except ContractLogicError as error:
        raise GovernanceError(_refusal(error, deployment)) from None

    data = table.encode_abi("set", [parameter.index, value])
    proposal = TimelockProposal(web3, deployment, governor, table, data)
    proposal.propose()
    remaining = max(0, proposal.ready_at - web3.eth.get_block("latest")["timestamp"])
    print(f"proposed 0x{proposal.id.hex()}, executable in {remaining} s")
    if options.advance_time and remaining:
        _advance(web3, proposal.ready_at)
    proposal.wait(options.timeout)
    passed_on = _PASSED_ON.get(parameter.name)
    proposal.execute(*([contract(web3, deployment, "Funding").functions[passed_on]()] if passed_on else []))

    after = table.functions.value(parameter.index).call()
    if after != value:
        raise GovernanceError(f"executed, but {parameter.name} is {show(after)} instead of {show(value)}")
    print(f"executed: {parameter.name} {show(before)} -> {show(after)}")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.governance.set_parameter", description="Changes one risk parameter through the timelock."
    )
    parser.add_argument("parameter", help="name as in docs/parameters.md, e.g. MAX_ACTION_AGE")
    parser.add_argument("value", help="in the parameter's unit")
    parser.add_argument("--deployment", type=Path, default=DEPLOYMENT_FILE)
    parser.add_argument("--rpc", default="http://127.0.0.1:8545", metavar="URL")
    parser.add_argument("--governor-index", type=int, default=GOVERNOR, help="account of Anvil's mnemonic, unless GOVERNOR_KEY is set")
    parser.add_argument("--advance-time", action="store_true", help="local chains only: move Anvil's clock past the delay")
    parser.add_argument(
        "--timeout", type=float, default=7 * 86_400.0, metavar="SECONDS", help="longest wait for the delay (default: a week)"
    )
    options = parser.parse_args(arguments)
    try:
        deployment = read_deployment(options.deployment)
        governor = Account.from_key(os.environ.get("GOVERNOR_KEY") or private_key(options.governor_index))
        set_parameter(Web3(HTTPProvider(options.rpc)), deployment, governor, options)
    except (GovernanceError, DeploymentError) as error:
        return _fail(str(error))
    except NodeUnreachable:
        return _fail(f"no node answers at {options.rpc}")
    except Web3Exception as error:
        return _fail(f"the node refused: {error}")
    return 0


def _parameter(name: str) -> GovernedParameter:
    known = governed_parameters()
    if name.upper() not in known:
        raise GovernanceError(f"unknown parameter {name!r}; known: {', '.join(known)}")
    return known[name.upper()]


def _refusal(error: ContractLogicError, deployment: Deployment) -> str:
    found = custom_error(error, deployment)
    if found is None:
        return f"the parameter table refuses: {error}"
    name, values = found
    known = list(governed_parameters().values())
    if name == "OutOfBounds":
        unit = known[values[0]].unit
        return f"{known[values[0]].name}: {unit.show(values[1])} is outside {unit.show(values[2])} .. {unit.show(values[3])}"
    if name == "Disordered":
        lower, upper = known[values[0]], known[values[2]]
        return f"{lower.name} ({lower.unit.show(values[1])}) may not exceed {upper.name} ({upper.unit.show(values[3])})"
    return f"the parameter table refuses: {name}({', '.join(map(str, values))})"


def _advance(web3: Web3, timestamp: int) -> None:
    for method, arguments in (("evm_setNextBlockTimestamp", [timestamp]), ("evm_mine", [])):
        answer = web3.provider.make_request(method, arguments)  # type: ignore[arg-type]
        if "error" in answer:
            raise GovernanceError(f"--advance-time needs a local Anvil: {method} was refused ({answer['error'].get('message')})")


def _fail(message: str) -> int:
    print(f"set_parameter: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
