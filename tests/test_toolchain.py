"""The two builds agree with each other, with the pins, and with what is in contracts/."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts.anvil import Anvil, AnvilError
from scripts.artifacts import ArtifactError, load

ROOT = Path(__file__).resolve().parents[1]
COMPILER = ROOT / "toolchain" / "solc-v0.8.30"


def compile_standard_json(sources: dict[str, str], cwd: Path) -> dict[str, Any]:
    request = {
        "language": "Solidity",
        "sources": {name: {"content": text} for name, text in sources.items()},
        "settings": {"outputSelection": {"*": {"*": ["evm.bytecode.object"]}}},
    }
    command = [str(COMPILER), "--standard-json"]
    answer = subprocess.run(command, input=json.dumps(request), capture_output=True, text=True, check=True, cwd=cwd)
    return json.loads(answer.stdout)


def test_brownie_and_forge_compile_alike() -> None:
    brownie = yaml.safe_load((ROOT / "brownie-config.yaml").read_text())["compiler"]["solc"]
    forge = tomllib.loads((ROOT / "foundry.toml").read_text())["profile"]["default"]

    assert forge["solc"] == f"./toolchain/solc-v{brownie['version']}"
    assert brownie["evm_version"] == forge["evm_version"]
    assert brownie["optimizer"] == {"enabled": forge["optimizer"], "runs": forge["optimizer_runs"]}
    assert [r.replace("=", "/=") + "/" for r in brownie["remappings"]] == forge["remappings"]


def test_compiler_is_the_pinned_one() -> None:
    pinned = json.loads((ROOT / "package.json").read_text())["devDependencies"]["solc"]
    shown = subprocess.run([str(COMPILER), "--version"], capture_output=True, text=True, check=True).stdout

    assert COMPILER.name == f"solc-v{pinned}"
    assert re.search(rf"^Version: {re.escape(pinned)}\+commit\.[0-9a-f]{{8}}\.Linux\.g\+\+$", shown, re.MULTILINE)


def test_compiler_cache_notices_a_changed_import(tmp_path: Path) -> None:
    source = {"A.sol": 'import "./B.sol"; contract A { uint256 public x = SEED; }'}

    (tmp_path / "B.sol").write_text("uint256 constant SEED = 1;")
    first = compile_standard_json(source, tmp_path)["contracts"]["A.sol"]["A"]
    (tmp_path / "B.sol").write_text("uint256 constant SEED = 2;")
    second = compile_standard_json(source, tmp_path)["contracts"]["A.sol"]["A"]
    (tmp_path / "B.sol").unlink()
    third = compile_standard_json(source, tmp_path)

    assert first != second
    assert any("not found" in error["message"] for error in third["errors"])


def test_compiler_takes_inputs_that_overflow_the_stack_of_the_npm_wrapper(tmp_path: Path) -> None:
    answer = compile_standard_json({"Big.sol": "contract Big {}\n//" + "x" * 4_000_000}, tmp_path)

    assert "Big" in answer["contracts"]["Big.sol"]


@pytest.mark.parametrize("lock", ["requirements.lock", "toolchain/build-requirements.lock", "package-lock.json"])
def test_locks_name_no_address(lock: str) -> None:
    text = (ROOT / lock).read_text()

    assert "://" not in re.sub(r'"(url|funding)": "[^"]*"', "", text)
    assert '"resolved"' not in text


def test_every_contract_is_known_to_brownie(project: Any) -> None:
    """Brownie finds contracts by a pattern that misses one followed by a constant, a function or an error: those go above it."""
    declared = set()
    for path in (ROOT / "contracts").rglob("*.sol"):
        text = re.sub(r"//[^\n]*|/\*[\s\S]*?\*/", "", path.read_text())
        declared |= set(re.findall(r"^(?:abstract contract|contract|library|interface)\s+(\w+)", text, re.MULTILINE))

    assert declared - {name for name, _ in project._build.items()} == set()


def test_missing_artifact_is_named() -> None:
    with pytest.raises(ArtifactError, match="no compiled contract 'Nowhere'"):
        load("Nowhere")


def test_anvil_starts_while_the_usual_port_is_taken() -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(("127.0.0.1", 8545))
            taken.listen()
        except OSError:
            pass  # somebody else holds it: as good
        with Anvil(timestamp=1_700_000_000) as first, Anvil() as second:
            assert 8545 not in (first.port, second.port)
            assert first.port != second.port
            assert first.time() == 1_700_000_000


def test_anvil_says_when_a_port_is_taken() -> None:
    with Anvil() as first, pytest.raises(AnvilError, match="already in use"):
        Anvil(port=first.port).start()


def test_anvil_clock_moves_only_when_told(anvil: Anvil) -> None:
    start = anvil.time()
    before = anvil.snapshot()
    anvil.mine(3)
    assert anvil.time() == start + 3
    anvil.advance(3600)
    assert anvil.time() == start + 3603
    anvil.revert(before)
    assert anvil.time() == start
    with pytest.raises(AnvilError, match="unknown or was used"):
        anvil.revert(before)
