"""Deployment files without a container engine: they parse, agree with each other, and name only what exists.

promtool and systemd-analyze are asked too where they are installed.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from keeper.alerts.watch import KINDS
from keeper.api.metrics import METRICS, SnapshotCollector, exposition
from keeper.cli import app
from keeper.config import load_config
from keeper.snapshot import Snapshot
from scripts.anvil import ROOT

OPS = ROOT / "ops"
COMPOSE = yaml.safe_load((OPS / "compose.yaml").read_text())
RULES = [rule for group in yaml.safe_load((OPS / "prometheus" / "alerts.yaml").read_text())["groups"] for rule in group["rules"]]
DASHBOARD = json.loads((OPS / "grafana" / "dashboards" / "keeper.json").read_text())
RUNBOOKS = (ROOT / "docs" / "operations.md").read_text()
SECTIONS = dict(re.findall(r"^### (\w+)\n(.*?)(?=^#|\Z)", RUNBOOKS, re.MULTILINE | re.DOTALL))
_METRIC = re.compile(r"\bkeeper_[a-z_]+")


def metrics_in(expression: str) -> set[str]:
    return set(_METRIC.findall(expression))


def module_exists(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


# --- metrics, alerts, runbooks ---


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["alert"]))
def test_every_alert_has_metrics_that_exist_and_a_runbook(rule: dict[str, Any]) -> None:
    assert metrics_in(rule["expr"]) <= set(METRICS)
    assert metrics_in(rule["expr"]) or rule["expr"].startswith("up{")
    assert rule["annotations"]["runbook"] == f"docs/operations.md#{rule['alert'].lower()}"
    assert len(SECTIONS[rule["alert"]].split()) >= 15, "a runbook says what to do"
    assert rule["labels"]["severity"] in ("warning", "critical")
    for label in re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]):
        declared = {name for metric in metrics_in(rule["expr"]) for name in METRICS[metric][1]}
        assert label in declared | {"instance"}


def test_rules_ask_for_labels_that_the_metrics_have() -> None:
    for rule in RULES:
        for metric, selector in re.findall(r"\b(keeper_[a-z_]+)\{([^}]*)\}", rule["expr"]):
            assert set(re.findall(r"(\w+)\s*=", selector)) <= set(METRICS[metric][1]), rule["alert"]


def test_every_alert_of_the_keeper_itself_has_a_runbook() -> None:
    raised = {kind for path in (ROOT / "keeper").rglob("*.py") for kind in re.findall(r'\balarm\(\s*"(\w+)"', path.read_text())}
    assert raised
    described = set(re.findall(r"`(\w+)`", "\n".join(SECTIONS.values())))
    assert set(KINDS) | raised <= described


def test_dashboard_shows_metrics_that_exist() -> None:
    panels = DASHBOARD["panels"]
    shown = {name for panel in panels for target in panel["targets"] for name in metrics_in(target["expr"])}
    assert shown <= set(METRICS)
    # What issue 8 asks to be seen.
    assert {
        *("keeper_head_block", "keeper_cursor_lag_blocks", "keeper_reorg_depth_blocks", "keeper_oracle_age_seconds", "keeper_queue_depth"),
        *("keeper_stage_seconds", "keeper_nonce_gap", "keeper_gas_today", "keeper_fund_balance_usd", "keeper_accounts"),
    } <= shown
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        for target in panel["targets"]:
            for metric, selector in re.findall(r"\b(keeper_[a-z_]+)\{([^}]*)\}", target["expr"]):
                assert set(re.findall(r"(\w+)\s*(?:=|!=)", selector)) <= {"instance", *METRICS[metric][1]}
            for label in re.findall(r"{{(\w+)}}", target["legendFormat"]):
                declared = {name for metric in metrics_in(target["expr"]) for name in METRICS[metric][1]}
                assert label in declared | {"instance"}


def test_every_declared_metric_can_be_exposed_with_its_labels() -> None:
    """The exporter itself, fed with one value for each declared metric, read by Prometheus's own parser."""
    one = {name: {tuple("x" for _ in labels): 1.0} for name, (_, labels) in METRICS.items()}
    page = exposition(SnapshotCollector(lambda: Snapshot(at=0.0, account=1), (lambda: one,))).decode()
    samples = {sample.name: sample.labels for family in text_string_to_metric_families(page) for sample in family.samples}
    assert set(samples) == set(METRICS)
    assert all(set(samples[name]) == set(labels) for name, (_, labels) in METRICS.items())


# --- containers ---


def test_compose_starts_what_exists() -> None:
    services = COMPOSE["services"]
    assert {"anvil", "keeper-1", "keeper-2", "prometheus", "grafana"} <= set(services)
    targets = set(re.findall(r"^FROM .* AS (\w+)$", (OPS / "Dockerfile").read_text(), re.MULTILINE))
    for name, service in services.items():
        if "build" in service:
            assert service["build"]["target"] in targets
            assert (OPS / service["build"]["context"] / service["build"]["dockerfile"]).is_file()
        else:
            assert re.fullmatch(r"[a-z]+/[a-z]+:v?[\d.]+", service["image"]), f"{name}: a fixed version, no registry's host"
        command = service.get("command", [])
        if command[:2] == ["python", "-m"]:
            assert module_exists(command[2])
        for needed in service.get("depends_on", {}):
            assert "healthcheck" in services[needed]
        for volume in service.get("volumes", []):
            source, target = volume.split(":")[:2]
            assert target.startswith("/")
            assert (OPS / source).exists() if source.startswith(".") else source in COMPOSE["volumes"]
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), f"{name}: local keys must not be reachable from elsewhere"


@pytest.mark.parametrize("service", ["anvil", "venue", "keeper-1", "keeper-2"])
def test_commands_take_their_arguments(service: str) -> None:
    """The modules' own parsers, with --help appended: an unknown option would be an error first."""
    command = COMPOSE["services"][service]["command"]
    ended = subprocess.run([sys.executable, *command[1:], "--help"], capture_output=True, text=True, cwd=ROOT, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr
    options = {word for word in command if word.startswith("--")}
    known = set(re.findall(r"--[\w-]+", ended.stdout))
    assert options <= known


def test_scraped_ports_are_the_keepers() -> None:
    config = yaml.safe_load((OPS / "prometheus" / "prometheus.yml").read_text())
    [job] = config["scrape_configs"]
    ports = {COMPOSE["services"][name]["environment"]["KEEPER_API__PORT"] for name in ("keeper-1", "keeper-2")}
    assert {target.rpartition(":")[2] for target in job["static_configs"][0]["targets"]} == ports
    key = tomllib.loads((OPS / "local.toml").read_text())["api"]["keys"][0]
    assert hashlib.sha256(job["authorization"]["credentials"].encode()).hexdigest() == key["sha256"]
    assert "metrics" in key["scopes"]
    assert [OPS / "prometheus" / name for name in config["rule_files"]] == [OPS / "prometheus" / "alerts.yaml"]


def test_grafana_finds_its_dashboard_and_source() -> None:
    [source] = yaml.safe_load((OPS / "grafana/provisioning/datasources/prometheus.yaml").read_text())["datasources"]
    used = {target["datasource"]["uid"] for panel in DASHBOARD["panels"] for target in panel["targets"]}
    assert used == {source["uid"]}
    [provider] = yaml.safe_load((OPS / "grafana/provisioning/dashboards/keeper.yaml").read_text())["providers"]
    grafana = COMPOSE["services"]["grafana"]
    mounted = {volume.split(":")[1]: volume.split(":")[0] for volume in grafana["volumes"]}
    assert mounted[provider["options"]["path"]] == "./grafana/dashboards"
    home = Path(grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert (OPS / "grafana" / "dashboards" / home.name).is_file()


def test_dockerfile_copies_what_exists() -> None:
    text = (OPS / "Dockerfile").read_text()
    stages = re.findall(r"^FROM (\S+) AS (\w+)$", text, re.MULTILINE)
    assert all("/" not in image for image, _ in stages), "no registry's host"
    for line in re.findall(r"^COPY (?!--from)(.*)$", text, re.MULTILINE):
        *sources, _ = line.split()
        assert all((ROOT / source).exists() for source in sources), line
    assert set(re.findall(r"--from=(\w+)", text)) <= {name for _, name in stages}
    assert 'ENTRYPOINT ["keeper"]' in text
    keeper = text.partition(" AS keeper\n")[2].partition("\nFROM")[0]
    assert "USER keeper" in keeper, "not root"


# --- settings and unit ---


@pytest.mark.parametrize("name", ["keeper.toml", "local.toml"])
def test_example_settings_are_accepted(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEEPER_CONFIG", str(OPS / name))
    monkeypatch.setenv("KEEPER_KEYSTORE_PASSWORD", "x")
    config = load_config()
    assert config.api.enabled
    if name == "keeper.toml":
        assert [sink.kind for sink in config.alerts.sinks] == ["slack", "pagerduty", "email"]


def test_unit_runs_commands_that_exist() -> None:
    unit = (OPS / "systemd" / "keeper.service").read_text()
    commands = re.findall(r"^Exec\w+=\S+/keeper (\w+)$", unit, re.MULTILINE)
    assert commands == ["doctor", "run"]
    names = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback is not None}
    assert set(commands) <= names
    settings = re.findall(r"^Environment=(KEEPER_\w+)=", unit, re.MULTILINE)
    assert {name.removeprefix("KEEPER_").lower() for name in settings} - {"config"} <= set(type(load_config()).model_fields)
    assert "NoNewPrivileges=true" in unit


def test_the_guide_names_commands_and_settings_that_exist() -> None:
    names = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback is not None}
    assert set(re.findall(r"\bkeeper ([a-z-]+)(?= --|`|  )", RUNBOOKS)) <= names
    fields = set(type(load_config()).model_fields)
    named = {name.partition("__")[0].lower() for name in re.findall(r"KEEPER_([A-Z_]+)\b", RUNBOOKS)}
    assert named - {"", "config"} <= fields
    for path in re.findall(r"`((?:ops|examples|docs)/[\w./-]+)`", RUNBOOKS):
        assert (ROOT / path).exists(), path


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (Debian: prometheus)")
def test_prometheus_accepts_its_files() -> None:
    for arguments in (["check", "config", "prometheus.yml"], ["check", "rules", "alerts.yaml"]):
        ended = subprocess.run(["promtool", *arguments], capture_output=True, text=True, cwd=OPS / "prometheus", check=False)  # noqa: S607
        assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_accepts_the_unit() -> None:
    command = ["systemd-analyze", "verify", "--man=no", str(OPS / "systemd" / "keeper.service")]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stderr
    complaints = [line for line in said.splitlines() if "keeper.service" in line and "is not executable" not in line]
    assert not complaints
