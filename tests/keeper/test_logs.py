"""Logs as a machine reads them: every line JSON, no secret in any, whoever wrote the line."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from pydantic import SecretStr

from keeper.chain import Deployment, NodeClient
from keeper.config import load_config
from keeper.errors import ChainError
from scripts.anvil import ROOT
from tests.keeper.system import description

KEY = "0x" + "5e" * 32
HOOK = "https://hooks.example/services/T000/B000/abcdefghijklmnop"

SCRIPT = f"""
import logging, threading, warnings
from structlog.contextvars import bound_contextvars
from keeper.logs import configure_logs, get_logger
configure_logs("info", [{KEY!r}, {HOOK!r}])
log = get_logger("test", seen=({KEY!r}, [{{"deep": {KEY[2:]!r}}}]))
with bound_contextvars(correlation="7-2"):
    log.info("sent", reason="refused by {HOOK}/x", fine=7, none=None, object=RuntimeError({KEY!r}))
log.debug("too quiet")
logging.getLogger("uvicorn.error").error("%s failed", {KEY!r})
worker = threading.Thread(target=lambda: 1 / int(bool({KEY!r}) - 1), name="worker")
worker.start()
worker.join()
raise RuntimeError({KEY!r})
"""


@pytest.fixture(scope="module")
def lines() -> list[dict[str, Any]]:
    ended = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, cwd=ROOT, timeout=60, check=False)
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert KEY[2:] not in ended.stderr
    assert HOOK not in ended.stderr
    return [json.loads(line) for line in ended.stderr.splitlines()]


def test_lines_carry_component_level_time_and_correlation(lines: list[dict[str, Any]]) -> None:
    sent = lines[0]
    assert (sent["event"], sent["component"], sent["level"], sent["correlation"], sent["fine"]) == ("sent", "test", "info", "7-2", 7)
    assert sent["timestamp"].endswith("Z")
    assert sent["none"] is None
    assert sent["reason"] == "refused by **********/x"
    assert sent["seen"] == ["**********", [{"deep": "**********"}]]
    assert all(line["event"] != "too quiet" for line in lines)


def test_what_libraries_and_accidents_say_is_json_too(lines: list[dict[str, Any]]) -> None:
    library, thread, end = lines[1:]
    assert (library["logger"], library["event"]) == ("uvicorn.error", "********** failed")
    assert (thread["event"], thread["thread"]) == ("uncaught", "worker")
    assert "ZeroDivisionError" in thread["exception"]
    assert (end["event"], end["level"]) == ("uncaught", "critical")
    assert "RuntimeError: **********" in end["exception"]


def test_settings_name_their_secrets(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    sink = {"kind": "slack", "url": HOOK}
    pager = {"kind": "pagerduty", "token": "routing-key"}
    config = load_config(
        rpc_others="https://node.example/v2/rpc/0123456789abcdefXYZ", private_key=SecretStr(KEY), alerts={"sinks": [sink, pager]}
    )
    assert config.secrets() == {KEY, HOOK, "routing-key", "0123456789abcdefXYZ"}
    several = load_config(more_private_keys=SecretStr(f"{KEY}, 0x{'6f' * 32}"), relay_url="https://relay.example/ABCDEFGHIJKLMNOP")
    assert {KEY, "0x" + "6f" * 32, "ABCDEFGHIJKLMNOP"} <= several.secrets()
    assert KEY not in repr(config)
    assert "routing-key" not in repr(config)
    assert load_config().secrets() == frozenset()


def test_what_a_node_client_says_holds_no_path() -> None:
    """Such messages become alarms, which go to receivers and over the API: masking the log would be too late."""
    errors = Deployment.parse(description()).contract("Ledger").errors
    with pytest.raises(ChainError) as refused:
        NodeClient("http://127.0.0.1:9/v2/0123456789abcdefXYZ?key=abcdefghijklmnop", errors, 1.0).chain_id()
    assert "0123456789abcdefXYZ" not in str(refused.value)
    assert "abcdefghijklmnop" not in str(refused.value)
