"""Commands as a user calls them: exit codes, JSON, what the doctor says, and that no key is ever printed."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from keeper.cli import app
from scripts.anvil import ROOT, Anvil
from tests.keeper.system import description

KEY = "0x" + "5e" * 32
runner = CliRunner()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("KEEPER_")]:
        monkeypatch.delenv(name)
    return tmp_path


def checks(*arguments: str) -> tuple[int, dict[str, Any]]:
    result = runner.invoke(app, ["doctor", "--json", *arguments])
    return result.exit_code, {check["name"]: check for check in json.loads(result.stdout)}


def test_help_lists_the_commands() -> None:
    result = runner.invoke(app, ["--help"])
    assert result.exit_code == 0
    for command in ("run", "status", "accounts", "doctor"):
        assert command in result.stdout


def test_the_doctor_begins_with_the_deployment(folder: Path) -> None:
    code, found = checks("--deployment", "none.json")
    assert code == 1
    assert list(found) == ["deployment"]
    assert "none.json" in found["deployment"]["detail"]
    content = copy.deepcopy(description())
    content["contracts"]["Ledger"]["abi"] = []
    (folder / "old.json").write_text(json.dumps(content))
    code, found = checks("--deployment", "old.json")
    assert "AccountOpened" in found["deployment"]["detail"]


def test_the_doctor_names_what_is_missing_without_a_node(folder: Path) -> None:
    (folder / "deployment.json").write_text(json.dumps(description()))
    code, found = checks("--deployment", "deployment.json", "--rpc", "http://127.0.0.1:9")
    assert code == 1
    assert {name: check["verdict"] for name, check in found.items()} == {"deployment": "ok", "node": "failed", "key": "failed"}
    assert "KEEPER_RPC_URL" in found["node"]["remedy"]
    assert "KEEPER_PRIVATE_KEY" in found["key"]["remedy"]


def test_the_doctor_on_a_chain_without_the_contracts(folder: Path, anvil: Anvil, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "deployment.json").write_text(json.dumps(description()))
    monkeypatch.setenv("KEEPER_PRIVATE_KEY", KEY)
    code, found = checks("--deployment", "deployment.json", "--rpc", anvil.url, "--account", "2")
    assert code == 1
    assert found["chain"]["verdict"] == "ok"
    assert found["contracts"]["verdict"] == "failed"
    assert "Ledger" in found["contracts"]["detail"]
    assert found["gas money"]["verdict"] == "failed"
    assert all(check["remedy"] for check in found.values() if check["verdict"] != "ok")
    other = {**description(), "chain_id": 5}
    (folder / "other.json").write_text(json.dumps(other))
    _, found = checks("--deployment", "other.json", "--rpc", anvil.url)
    assert "chain 31337" in found["chain"]["detail"]


@pytest.mark.parametrize("command", ["status", "accounts"])
def test_a_missing_deployment_is_one_sentence_not_a_trace(command: str) -> None:
    result = runner.invoke(app, [command, "--deployment", "none.json"])
    assert result.exit_code == 1
    assert "does not exist" in result.stderr.replace("\n", " ")
    assert "Traceback" not in result.stderr


def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEEPER_POLL_INTERVAL", "often")
    result = runner.invoke(app, ["status"])
    assert result.exit_code == 1
    assert "poll_interval" in result.stderr


def test_run_as_a_process_logs_json_and_no_secrets(folder: Path) -> None:
    """A process of its own, as it is started: python -m keeper.cli run."""
    (folder / "deployment.json").write_text(json.dumps(description()))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "KEEPER_PRIVATE_KEY": KEY, "KEEPER_RPC_URL": "http://127.0.0.1:9"}
    command = [sys.executable, "-m", "keeper.cli", "run", "--deployment", "deployment.json", "--account", "2"]
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=folder, timeout=60, check=False)
    assert ended.returncode == 1
    lines = [json.loads(line) for line in ended.stderr.splitlines()]
    assert lines[-1]["event"] == "cannot_run"
    assert "node" in lines[-1]["reason"]
    assert KEY[2:] not in ended.stderr + ended.stdout
