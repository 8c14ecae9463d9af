"""Settings of what the keeper shows, whom it tells and what it does now and then: the tables [api], [alerts] and [jobs] of
keeper.toml (KEEPER_API__PORT=8641).

[api]
port = 8640
[[api.keys]]                       # `keeper key bot --scope read --scope stream` prints such a table
name = "bot"
sha256 = "..."
scopes = ["read", "stream"]

[[alerts.sinks]]
kind = "slack"
url = "https://..."
least = "warning"
"""

from __future__ import annotations

import ipaddress
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints, model_validator

from keeper.errors import ConfigError

__all__ = ["AlertSettings", "ApiKey", "ApiSettings", "JobSettings", "Scope", "SinkSettings", "WatchSettings", "is_loopback"]

_Seconds = Annotated[float, Field(gt=0.0)]
_Hash = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]


class Scope(StrEnum):
    """What a key may do. READ: status, accounts, parameters, market; LIQUIDATE: proofs and calldata of liquidations;
    STREAM: news as they happen; METRICS: the Prometheus page."""

    READ = "read"
    LIQUIDATE = "liquidate"
    STREAM = "stream"
    METRICS = "metrics"


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ApiKey(_Table):
    """sha256: of the key in hexadecimal, so that this file opens nothing; rate: requests per second in the long run;
    burst: requests at once."""

    name: str = Field(min_length=1)
    sha256: _Hash
    scopes: frozenset[Scope] = Field(min_length=1)
    rate: float = Field(default=20.0, gt=0.0)
    burst: int = Field(default=40, ge=1)


class ApiSettings(_Table):
    """host: an address that is not loopback needs keys; streams: connections at once; stalled_after: seconds without a step
    of the engine after which /healthz fails; liquidation_accounts: most findings planned per request."""

    enabled: bool = True
    host: str = "127.0.0.1"
    port: int = Field(default=8640, ge=0, le=65535, description="0: any free port, named in the log")
    keys: tuple[ApiKey, ...] = ()
    streams: int = Field(default=64, ge=1)
    stalled_after: _Seconds = 30.0
    liquidation_accounts: int = Field(default=50, ge=1, le=1000)

    @model_validator(mode="after")
    def _guarded(self) -> ApiSettings:
        if not is_loopback(self.host) and not self.keys:
            raise ValueError(f"host {self.host} is open to others: expected api.keys (`keeper key NAME --scope read` makes one)")
        for part in ("name", "sha256"):
            values = [getattr(key, part) for key in self.keys]
            if len(set(values)) != len(values):
                raise ValueError(f"keys: expected every {part} once")
        return self


class SinkSettings(_Table):
    """One receiver of alerts. least: severity from which it is told; after: seconds that trouble must have stood (escalation:
    first the chat, then the pager); repeat: seconds between reminders while it stands, 0 for none; per_minute: messages,
    what is more is summed up in one. url: of webhook and slack, and where PagerDuty or Telegram are asked if not at their own
    address; token: Telegram's bot token or PagerDuty's routing key; chat: Telegram's chat id; the rest is for e-mail."""

    kind: Literal["webhook", "slack", "telegram", "email", "pagerduty"]
    name: str = ""
    least: Literal["info", "warning", "critical"] = "warning"
    after: float = Field(default=0.0, ge=0.0)
    repeat: float = Field(default=3600.0, ge=0.0)
    per_minute: int = Field(default=20, ge=1)
    timeout: _Seconds = 5.0
    url: SecretStr | None = None
    token: SecretStr | None = None
    secret: SecretStr | None = Field(default=None, description="webhook: signs the body (HMAC-SHA256 in X-Keeper-Signature)")
    chat: str | None = None
    smtp_host: str | None = None
    smtp_port: int = Field(default=587, ge=1, le=65535)
    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    smtp_user: str | None = None
    smtp_password: SecretStr | None = None
    sender: str | None = None
    recipients: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """What it is called in logs and metrics."""
        return self.name or self.kind

    @model_validator(mode="after")
    def _complete(self) -> SinkSettings:
        needed = {
            "webhook": ("url",),
            "slack": ("url",),
            "telegram": ("token", "chat"),
            "pagerduty": ("token",),
            "email": ("smtp_host", "sender", "recipients"),
        }[self.kind]
        missing = [name for name in needed if not getattr(self, name)]
        if missing:
            raise ValueError(f"sink {self.title}: {', '.join(missing)} is missing")
        if self.url is not None and not self.url.get_secret_value().startswith(("http://", "https://")):
            raise ValueError(f"sink {self.title}: url is expected to be an http(s) address")
        return self


class WatchSettings(_Table):
    """From where on a figure is trouble. oracle_age: seconds beyond which nothing can be liquidated; lag: blocks the state is behind;
    stalled: seconds without a step of the engine; nonce_gap: transactions in flight at one signer; balance: of a signer, in
    whole coins; fund_balance: USD; queue_seconds: how long findings may wait; unpriced: accounts without a price."""

    oracle_age: _Seconds = 60.0
    lag: int = Field(default=5, ge=1)
    stalled: _Seconds = 15.0
    nonce_gap: int = Field(default=16, ge=1)
    balance: float = Field(default=0.05, ge=0.0)
    fund_balance: float = Field(default=100_000.0, ge=0.0)
    queue_seconds: _Seconds = 30.0
    unpriced: int = Field(default=1, ge=1)


class JobSettings(_Table):
    """Seconds between runs; 0: never, for those that may be left out. reconcile_every: the longest pause between comparisons of the fold
    with the contracts; reconcile_within: seconds within which every account is compared once; snapshot_every: of the state, what a
    restart need not fold again; proposals: file that tuning writes for governance."""

    reconcile_every: _Seconds = 30.0
    reconcile_within: _Seconds = 600.0
    snapshot_every: _Seconds = 1800.0
    funding_every: float = Field(default=600.0, ge=0.0)
    settlement_every: float = Field(default=30.0, ge=0.0)
    poke_every: float = Field(default=30.0, ge=0.0)
    claims_every: float = Field(default=60.0, ge=0.0)
    tuning_every: float = Field(default=3600.0, ge=0.0)
    proposals: Path = Path("out/proposals.json")


class AlertSettings(_Table):
    """sinks: who is told; source: how the keeper names itself ("" for account and chain); watch: thresholds; margin_calls: also tell
    of every margin call (severity info)."""

    sinks: tuple[SinkSettings, ...] = ()
    source: str = ""
    watch: WatchSettings = WatchSettings()
    margin_calls: bool = True

    @model_validator(mode="after")
    def _distinct(self) -> AlertSettings:
        titles = [sink.title for sink in self.sinks]
        if len(set(titles)) != len(titles):
            raise ValueError(f"sinks: expected every name once, got {', '.join(titles)}")
        return self


def is_loopback(host: str) -> bool:
    """True where only this machine can reach it. Raises ConfigError for a name other than localhost: what it means may
    change."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        raise ConfigError(f"host: expected an IP address or localhost, got {host!r}") from None
