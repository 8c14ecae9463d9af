"""Configuration: precedence, refusals that name the setting, secrets that do not print."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from keeper.config import load_config
from keeper.errors import ConfigError

KEY = "0x" + "5e" * 32


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("KEEPER_CONFIG", "KEEPER_RPC_URL", "KEEPER_PRIVATE_KEY", "KEEPER_ACCOUNT", "KEEPER_POLL_INTERVAL"):
        monkeypatch.delenv(name, raising=False)


def test_options_beat_environment_beats_file_beats_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_config().poll_interval == 0.02
    (tmp_path / "keeper.toml").write_text("poll_interval = 0.2\naccount = 4\n")
    assert (load_config().poll_interval, load_config().account) == (0.2, 4)
    monkeypatch.setenv("KEEPER_POLL_INTERVAL", "0.3")
    assert load_config().poll_interval == 0.3
    assert load_config(poll_interval=0.4, account=None).poll_interval == 0.4
    assert load_config(account=None).account == 4


def test_another_file_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "other.toml").write_text("account = 7\n")
    monkeypatch.setenv("KEEPER_CONFIG", str(tmp_path / "other.toml"))
    assert load_config().account == 7
    monkeypatch.setenv("KEEPER_CONFIG", str(tmp_path / "none.toml"))
    with pytest.raises(ConfigError, match="does not exist"):
        load_config()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"poll_interval": 0}, "poll_interval"),
        ({"rpc_url": "ws://node"}, "rpc_url"),
        ({"margin_call_health": 1.4, "margin_call_cleared": 1.3}, "margin_call_cleared"),
        ({"private_key": KEY, "keystore": "key.json", "keystore_password": "x"}, "not both"),
        ({"keystore": "key.json"}, "keystore_password"),
        ({"colour": "red"}, "colour"),
        ({"account": 0}, "account"),
    ],
)
def test_refusals_name_the_setting(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(**settings)


def test_a_misspelt_variable_is_not_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEEPER_RPC", "http://node")
    with pytest.raises(ConfigError, match="KEEPER_RPC"):
        load_config()


def test_a_key_never_prints(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEEPER_PRIVATE_KEY", KEY)
    config = load_config()
    assert KEY[2:] not in repr(config) + str(config) + config.model_dump_json()
    with pytest.raises(ConfigError) as refusal:
        load_config(keystore="key.json", keystore_password="open sesame")  # noqa: S106 - shows that it does not print
    assert KEY[2:] not in str(refusal.value)
    assert "sesame" not in str(refusal.value)


def test_it_is_frozen() -> None:
    with pytest.raises(ValidationError):
        load_config().account = 3  # type: ignore[misc]


def test_a_damaged_file(tmp_path: Path) -> None:
    (tmp_path / "keeper.toml").write_text("account = = 4")
    with pytest.raises(ConfigError, match="TOML"):
        load_config()
