"""scripts/governance/set_parameter.py against a table that a timelock administers, on a real Anvil."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from scripts.anvil import CHAIN_ID
from scripts.governance.set_parameter import main
from scripts.parameter_list import governed_parameters
from scripts.roles import FIRST_TRADER
from tests.contracts.governance.conftest import DELAY


@pytest.fixture
def deployment_file(governed: SimpleNamespace, tmp_path: Path) -> Path:
    contracts = {"RiskParameters": governed.table, "Timelock": governed.timelock}
    entries = {name: {"address": contract.address, "abi": contract.abi} for name, contract in contracts.items()}
    path = tmp_path / "deployment.json"
    path.write_text(json.dumps({"chain_id": CHAIN_ID, "block": 0, "contracts": entries, "tokens": {}, "underlyings": {}}))
    return path


@pytest.fixture
def command(anvil: Any, deployment_file: Path) -> Callable[..., int]:
    return lambda *arguments: main(["--deployment", str(deployment_file), "--rpc", anvil.url, *arguments])


def value(governed: SimpleNamespace, name: str) -> int:
    return int(governed.table.value(governed_parameters()[name].index))


def test_changes_a_scalar_after_the_delay(anvil: Any, governed: SimpleNamespace, command: Any, capsys: Any) -> None:
    before = anvil.time()
    assert command("--advance-time", "MAX_ACTION_AGE", "10") == 0
    assert value(governed, "MAX_ACTION_AGE") == 10
    assert anvil.time() >= before + DELAY
    assert "executed: MAX_ACTION_AGE 5 s -> 10 s" in capsys.readouterr().out


def test_values_are_in_the_parameters_unit(governed: SimpleNamespace, command: Any) -> None:
    assert command("--advance-time", "max_basis", "0.075") == 0
    assert value(governed, "MAX_BASIS") == 75_000_000_000_000_000
    assert command("--advance-time", "TIER_1_LIMIT", "5000000") == 0
    assert value(governed, "TIER_1_LIMIT") == 5_000_000 * 10**18


def test_there_and_back_again(governed: SimpleNamespace, command: Any) -> None:
    """The same change twice is two operations of the timelock."""
    for age in ("10", "5", "10"):
        assert command("--advance-time", "MAX_ACTION_AGE", age) == 0
        assert value(governed, "MAX_ACTION_AGE") == int(age)


def test_resumes_a_proposal_that_waits(anvil: Any, governed: SimpleNamespace, command: Any, capsys: Any) -> None:
    assert command("--timeout", "0", "MAX_ACTION_AGE", "10") == 1
    assert "run the same command then" in capsys.readouterr().err
    assert value(governed, "MAX_ACTION_AGE") == 5
    anvil.advance(DELAY)
    assert command("--timeout", "0", "MAX_ACTION_AGE", "10") == 0
    assert value(governed, "MAX_ACTION_AGE") == 10


def test_nothing_to_do(anvil: Any, command: Any, capsys: Any) -> None:
    block = anvil.rpc("eth_blockNumber")
    assert command("MAX_ACTION_AGE", "5") == 0
    assert "nothing to do" in capsys.readouterr().out
    assert anvil.rpc("eth_blockNumber") == block


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["MAX_ACTION_AGE", "61"], "MAX_ACTION_AGE: 61 s is outside 1 s .. 60 s"),
        (["MAX_ACTION_AGE", "1.5"], "expected a number >= 0 with no decimals [s], got '1.5'"),
        (["MAX_ACTION_AGE", "soon"], "expected a number, got 'soon'"),
        (["MAX_ACTION_AGE", "-1"], "[s], got '-1'"),
        (["MAX_BASIS", "NaN"], "at most 18 decimals [1], got 'NaN'"),
        (["MAX_BASIS", "0.0123456789012345678"], "at most 18 decimals"),
        (["MAX_BASES", "1"], "unknown parameter 'MAX_BASES'; known: VOL_RANGE_UP,"),
        (["TIER_1_MAINTENANCE", "0.06"], "TIER_1_MAINTENANCE (0.06) may not exceed TIER_1_INITIAL (0.05)"),
        (["DUTCH_DISCOUNT_MAX", "0.46"], "DiscountAndFeeTooHigh"),
    ],
    ids=lambda item: " ".join(item) if isinstance(item, list) else None,
)
def test_refusals_are_one_clear_line(anvil: Any, command: Any, capsys: Any, arguments: list[str], message: str) -> None:
    block = anvil.rpc("eth_blockNumber")
    # `--` lets argparse take a negative number as a value.
    assert command("--", *arguments) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith("set_parameter: ")
    assert error.count("\n") == 1
    assert anvil.rpc("eth_blockNumber") == block  # found out before anything was proposed


def test_only_proposers_may_propose(command: Any, stranger: Any, capsys: Any) -> None:
    assert command("--governor-index", str(FIRST_TRADER + 5), "MAX_ACTION_AGE", "10") == 1
    assert f"{stranger.address.lower()} is no proposer of the timelock" in capsys.readouterr().err


def test_takes_the_governors_key_from_the_environment(monkeypatch: Any, command: Any, capsys: Any) -> None:
    monkeypatch.setenv("GOVERNOR_KEY", "0x" + "11" * 32)
    assert command("MAX_ACTION_AGE", "10") == 1
    assert "is no proposer" in capsys.readouterr().err


def test_says_when_there_is_no_node(deployment_file: Path, capsys: Any) -> None:
    assert main(["--deployment", str(deployment_file), "--rpc", "http://127.0.0.1:1", "MAX_ACTION_AGE", "10"]) == 1
    assert "no node answers at http://127.0.0.1:1" in capsys.readouterr().err


def test_says_when_there_is_no_deployment(anvil: Any, tmp_path: Path, deployment_file: Path, capsys: Any) -> None:
    assert main(["--deployment", str(tmp_path / "none.json"), "--rpc", anvil.url, "MAX_ACTION_AGE", "10"]) == 1
    assert "deploy first" in capsys.readouterr().err
    raw = json.loads(deployment_file.read_text())
    deployment_file.write_text(json.dumps(raw | {"chain_id": 1}))
    assert main(["--deployment", str(deployment_file), "--rpc", anvil.url, "MAX_ACTION_AGE", "10"]) == 1
    assert f"expected chain 1, the node serves chain {CHAIN_ID}" in capsys.readouterr().err
    elsewhere = raw["contracts"] | {"Ledger": {"address": "0x" + "ab" * 20, "abi": []}}
    deployment_file.write_text(json.dumps(raw | {"contracts": elsewhere}))
    assert main(["--deployment", str(deployment_file), "--rpc", anvil.url, "MAX_ACTION_AGE", "10"]) == 1
    assert "expected Ledger at 0x" in capsys.readouterr().err
