"""Settings of the keeper: one frozen object, from KEEPER_* variables, a TOML file and command-line options.

Order of precedence: options given in code (the CLI's), environment, the TOML file (KEEPER_CONFIG, default keeper.toml in
the working directory, if there is one), defaults. Secrets are `SecretStr`: they print as asterisks.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from keeper.errors import ConfigError
from keeper.observation import AlertSettings, ApiSettings, JobSettings

__all__ = ["Config", "load_config"]

_PREFIX = "KEEPER_"
_FILE_VARIABLE = "KEEPER_CONFIG"
_KEY_LENGTH = 16
"""Letters from which on a part of an address may be a key."""

_Seconds = Annotated[float, Field(gt=0.0)]


class Config(BaseSettings):
    """Everything the keeper is told. Build it with `load_config`, which reports what is wrong in a sentence."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, frozen=True, extra="forbid", env_nested_delimiter="__")

    rpc_url: str = Field("http://127.0.0.1:8545", description="HTTP endpoint of a node")
    rpc_others: str = Field("", description="further endpoints, comma-separated: watched, and used when the first is not fit")
    rpc_max_lag: int = Field(3, ge=0, description="blocks that an endpoint may be behind the best before it is put aside")
    ws_url: str | None = Field(None, description="websocket of a node: its new heads wake the keeper at once; nothing is read from it")
    ws_silence: _Seconds = Field(5.0, description="seconds of silence, while the chain moves on, after which the socket is opened anew")
    rpc_timeout: _Seconds = Field(10.0, description="seconds until a request counts as failed")
    deployment: Path = Field(Path("out/deployment.json"), description="file that scripts/deploy.py wrote")
    database: Path = Field(Path("out/keeper.sqlite"), description="the keeper's own database")
    poll_interval: _Seconds = Field(0.02, description="seconds between looks at the head")

    account: int | None = Field(None, ge=1, description="the keeper's account in the ledger: takes legs, is paid")
    private_key: SecretStr | None = Field(None, description="0x key; prefer a keystore")
    keystore: Path | None = Field(None, description="encrypted key file (geth's format)")
    keystore_password: SecretStr | None = Field(None, description="password of the keystore")

    external_signer: str | None = Field(None, description="JSON-RPC of a signer like clef (account_signTransaction) that holds the key")
    external_address: str | None = Field(None, description="address that the external signer signs for")
    more_private_keys: SecretStr | None = Field(None, description="further senders, comma-separated: operators of the account")
    more_keystores: str = Field("", description="key files of further senders, comma-separated, with the same password")
    dry_run: bool = Field(False, description="do everything but send")
    deleverage: bool = Field(True, description="open deficits beyond the insurance fund, nominate who bears them, execute")
    closes_per_transaction: int = Field(8, ge=1, description="counterparties that one execution of a deficit looks at")
    lease: Path | None = Field(
        None, description="database that keepers with the same keys share: who holds its lease sends, the others wait"
    )
    lease_seconds: _Seconds = Field(0.5, description="how long one renewal of the lease holds: bounds the take-over")
    relay_url: str | None = Field(None, description="private endpoint that broadcasts first; the public ones when nobody included in time")

    maker_url: str | None = Field(None, description="backstop maker's POST /quote, for working inventory down")
    updates_url: str | None = Field(None, description="publisher's GET /updates, for relaying prices with a liquidation")
    relay_after: float = Field(0.5, ge=0.0, description="seconds that prices may be too old before they are relayed")
    peer_timeout: _Seconds = Field(2.0, description="seconds until a request to maker or publisher counts as failed")

    margin_call_health: float = Field(1.25, gt=1.0, description="health below which an account gets a margin call")
    margin_call_cleared: float = Field(1.30, description="health above which the call ends (hysteresis)")

    max_fee_gwei: float = Field(500.0, gt=0.0, description="highest fee per gas ever offered")
    priority_fee_gwei: float = Field(1.0, ge=0.0, description="tip of the first attempt")
    fee_bump: float = Field(0.25, ge=0.125, description="raise per replacement (nodes ask for at least 1/8)")
    bump_after: _Seconds = Field(12.0, description="seconds without inclusion until a transaction is replaced")
    max_cost: float | None = Field(None, gt=0.0, description="ETH that one transaction may cost at most")
    max_cost_per_day: float | None = Field(None, gt=0.0, description="ETH that each sender may spend per day (UTC)")
    in_flight: int = Field(16, ge=1, description="transactions that one sender may have open at once")
    gas_limit: int = Field(15_000_000, ge=100_000, description="gas offered to one transaction")
    gas_per_block: int = Field(30_000_000, ge=1_000_000, description="gas of the chain's blocks: bounds what many accounts send at once")
    actions_per_round: int = Field(16, ge=1, description="liquidations sent at once, most urgent first")
    retry_after: _Seconds = Field(1.0, description="seconds until an account whose plan was refused is tried again")
    minimum_profit: float | None = Field(None, description="USD that a liquidation must bring; unset: solvency first")
    unwind_rate: float = Field(0.0013, ge=0.0, description="share of notional that working inventory down costs (spread, fees)")
    gas_cost: float = Field(1.0, ge=0.0, description="USD of gas per liquidation, for the estimate of profit")
    inventory_tolerance: float = Field(100.0, ge=0.0, description="USD notional per instrument that may stay")
    inventory_spread: float = Field(0.02, gt=0.0, description="share of the mark that a maker's price may be away from it")

    api: ApiSettings = Field(ApiSettings(), description="REST, streams, metrics and dashboard")
    alerts: AlertSettings = Field(AlertSettings(), description="who is told of trouble")
    jobs: JobSettings = Field(JobSettings(), description="what is done now and then")

    @model_validator(mode="after")
    def _consistent(self) -> Config:
        if self.margin_call_cleared < self.margin_call_health:
            raise ValueError(
                f"margin_call_cleared ({self.margin_call_cleared}) is expected to be >= margin_call_health ({self.margin_call_health})"
            )
        if self.private_key is not None and self.keystore is not None:
            raise ValueError("expected private_key or keystore, not both")
        if self.keystore is not None and self.keystore_password is None:
            raise ValueError("keystore needs keystore_password (KEEPER_KEYSTORE_PASSWORD)")
        if (self.external_signer is None) != (self.external_address is None):
            raise ValueError("external_signer and external_address are expected together")
        for name in ("rpc_url", "maker_url", "updates_url", "external_signer", "relay_url"):
            value = getattr(self, name)
            if value is not None and not value.startswith(("http://", "https://")):
                raise ValueError(f"{name}: expected an http(s) address, got {value!r}")
        if not all(url.startswith(("http://", "https://")) for url in self.rpc_urls):
            raise ValueError("rpc_others: expected http(s) addresses, comma-separated")
        if self.ws_url is not None and not self.ws_url.startswith(("ws://", "wss://")):
            raise ValueError("ws_url: expected a ws(s) address")
        return self

    @property
    def rpc_urls(self) -> tuple[str, ...]:
        """Every endpoint, the preferred one first."""
        return (self.rpc_url, *(url.strip() for url in self.rpc_others.split(",") if url.strip()))

    def secrets(self) -> frozenset[str]:
        """Every text of these settings that must not be shown: secret values, and what nodes' addresses hold beyond the host
        (providers put the key into the path)."""
        addresses = (*self.rpc_urls, self.ws_url, self.relay_url, self.external_signer, self.maker_url, self.updates_url)
        hidden = (part for url in addresses if url is not None for part in _beyond_host(url))
        return frozenset(_secret_values(self)) | frozenset(hidden)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is the library's
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (
            init_settings,
            env_settings,
            TomlConfigSettingsSource(settings_cls, toml_file=Path(os.environ.get("KEEPER_CONFIG", "keeper.toml"))),
        )


def load_config(**overrides: Any) -> Config:
    """The configuration; `overrides` that are None are left out. Raises ConfigError that names every wrong setting, never
    its value where it is secret."""
    named = os.environ.get(_FILE_VARIABLE)
    if named is not None and not Path(named).is_file():
        raise ConfigError(f"{_FILE_VARIABLE} names {named}, which does not exist")
    known = {f"{_PREFIX}{name}".upper() for name in Config.model_fields} | {_FILE_VARIABLE}
    unknown = sorted(name for name in os.environ if name.startswith(_PREFIX) and name.split("__")[0] not in known)
    if unknown:
        raise ConfigError(f"unknown settings in the environment: {', '.join(unknown)}")
    try:
        return Config(**{key: value for key, value in overrides.items() if value is not None})
    except ValidationError as error:
        wrong = [
            f"{'.'.join(str(part) for part in item['loc']) or 'settings'}: {item['msg']}" for item in error.errors(include_input=False)
        ]
        raise ConfigError("; ".join(wrong)) from None
    except ValueError as error:
        raise ConfigError(f"the configuration file is expected to be TOML: {error}") from error


def _secret_values(settings: BaseModel) -> Iterator[str]:
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        for each in value if isinstance(value, tuple) else (value,):
            if isinstance(each, SecretStr):
                # Lists of keys are comma-separated: each part is a secret too.
                yield from {each.get_secret_value(), *(part.strip() for part in each.get_secret_value().split(","))}
            elif isinstance(each, BaseModel):
                yield from _secret_values(each)


def _beyond_host(url: str) -> Iterator[str]:
    parts = urlsplit(url)
    if parts.password:
        yield parts.password
    # Short path segments are words like "rpc", which logs may hold.
    yield from (part for part in (*parts.path.split("/"), *parts.query.split("=")) if len(part) >= _KEY_LENGTH)
