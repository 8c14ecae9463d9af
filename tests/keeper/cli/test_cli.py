"""Commands as a user calls them: exit codes, JSON, what the doctor says, and that no key is ever printed."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from keeper.api.guard import Denied, Guard
from keeper.cli import app
from keeper.engine import Engine
from keeper.observation import ApiKey, Scope
from scripts.anvil import ROOT, Anvil
from tests.keeper.alerts.servers import http_server
from tests.keeper.engine.test_engine import OWN, SIGNER, SYSTEM, Twin, config
from tests.keeper.system import description

KEY = "0x" + "5e" * 32
COMMANDS = (
    *(
        "run",
        "doctor",
        "status",
        "accounts",
        "account",
        "liquidatable",
        "journal",
        "simulate",
        "backfill",
        "tune",
        "margin",
        "key",
        "alert-test",
    ),
)
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
    for command in COMMANDS:
        assert f" {command} " in result.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_but_run_offers_json(command: str) -> None:
    result = runner.invoke(app, [command, "--help"], terminal_width=200)
    assert result.exit_code == 0
    assert ("--json" in result.stdout) is (command != "run")


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


@pytest.mark.parametrize(
    "command", ["status", "accounts", "account 2", "liquidatable", "journal", "backfill", "simulate --shock -10%", "backfill --json"]
)
def test_a_missing_deployment_is_one_sentence_not_a_trace(command: str) -> None:
    result = runner.invoke(app, [*command.split(), "--deployment", "none.json"])
    assert result.exit_code == 1
    assert "does not exist" in result.stderr.replace("\n", " ")
    assert "Traceback" not in result.stderr


def test_the_doctor_looks_at_every_endpoint_and_at_the_database(folder: Path, anvil: Anvil, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "deployment.json").write_text(json.dumps(description()))
    monkeypatch.setenv("KEEPER_RPC_OTHERS", "http://127.0.0.1:9")
    (folder / "keeper.sqlite").write_bytes(b"no database at all" * 1000)
    _, found = checks("--deployment", "deployment.json", "--rpc", anvil.url, "--database", str(folder / "keeper.sqlite"))
    assert found[f"rpc {anvil.url.removeprefix('http://')}"]["verdict"] in ("ok", "warning")
    assert found["rpc 127.0.0.1:9"]["verdict"] == "warning"
    assert found["database"]["verdict"] == "warning"
    assert found["alerts"]["verdict"] == "warning"
    _, found = checks("--deployment", "deployment.json", "--rpc", anvil.url, "--database", str(folder / "new.sqlite"))
    assert found["database"]["verdict"] == "ok"


def test_a_key_opens_what_its_hash_lets_in() -> None:
    result = runner.invoke(app, ["key", "bot", "--scope", "liquidate", "--scope", "stream", "--json"])
    made = json.loads(result.stdout)
    settings = ApiKey(name=made["name"], sha256=made["sha256"], scopes=made["scopes"])
    guard = Guard([settings])
    assert guard.admit(made["key"], Scope.STREAM).name == "bot"
    with pytest.raises(Denied):
        guard.admit(made["key"], Scope.READ)
    shown = runner.invoke(app, ["key", "bot", "--scope", "read"]).stdout
    [table] = tomllib.loads(shown)["api"]["keys"]
    assert ApiKey(**table).scopes == {Scope.READ}


def test_alert_test_tells_who_did_not_take_it(folder: Path) -> None:
    assert json.loads(runner.invoke(app, ["alert-test", "--json"]).stdout) == {}
    with http_server() as inbox:
        sinks = (
            f'[[alerts.sinks]]\nkind = "slack"\nurl = "{inbox.address}"\n[[alerts.sinks]]\nkind = "webhook"\nurl = "http://127.0.0.1:9"\n'
        )
        (folder / "keeper.toml").write_text(sinks)
        result = runner.invoke(app, ["alert-test", "--json"])
        assert result.exit_code == 1
        found = json.loads(result.stdout)
        assert found["slack"] == ""
        assert found["webhook"]
        assert len(inbox.received) == 2


@pytest.mark.parametrize("lease", [None, "lease.sqlite"])
def test_the_journal_is_read_without_a_node(folder: Path, lease: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the keeper's own database, or where the keepers share one."""
    if lease is not None:
        monkeypatch.setenv("KEEPER_LEASE", lease)
    (folder / "deployment.json").write_text(json.dumps(description()))
    chain = Twin()
    chain.set_up({OWN: (10**7, 0), 2: (6_000, 100)})
    with Engine(config(folder / "keeper.sqlite"), chain, SYSTEM, SIGNER) as engine:
        engine.start()
        chain.price(960)
        engine.step()
    arguments = ["journal", "--deployment", "deployment.json", "--database", "keeper.sqlite"]
    [entry] = json.loads(runner.invoke(app, [*arguments, "--json"]).stdout)["transactions"]
    assert (entry["purpose"], entry["account"], entry["status"], entry["nonce"]) == ("liquidate", 2, "sent", 0)
    assert json.loads(runner.invoke(app, [*arguments, "--of", "3", "--json"]).stdout)["transactions"] == []
    assert "liquidate" in runner.invoke(app, arguments).stdout


@pytest.mark.parametrize("arguments", [[], ["--shock", "-10%", "--crash", "covid-2020"]])
def test_simulate_wants_one_course(arguments: list[str]) -> None:
    result = runner.invoke(app, ["simulate", *arguments])
    assert result.exit_code == 1
    assert "one of --shock, --path and --crash" in result.stderr.replace("\n", " ")


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
