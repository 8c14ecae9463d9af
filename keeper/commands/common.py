"""What the commands share: options, printing, and errors as one sentence."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel
from rich.console import Console

from keeper.config import Config, load_config
from keeper.errors import KeeperError

__all__ = [
    "AccountOption",
    "DatabaseOption",
    "DeploymentOption",
    "JsonOption",
    "RpcOption",
    "configured",
    "out",
    "print_json",
    "sentence",
    "usd",
]

DeploymentOption = Annotated[Path | None, typer.Option("--deployment", help="deployment file (KEEPER_DEPLOYMENT)")]
RpcOption = Annotated[str | None, typer.Option("--rpc", help="node (KEEPER_RPC_URL)")]
DatabaseOption = Annotated[Path | None, typer.Option("--database", help="the keeper's database (KEEPER_DATABASE)")]
AccountOption = Annotated[int | None, typer.Option("--account", help="the keeper's account (KEEPER_ACCOUNT)")]
JsonOption = Annotated[bool, typer.Option("--json", help="one JSON document instead of a table")]

_WIDTH = 130

out = Console()
if not out.is_terminal:  # a file or a pipe has no width to keep to
    out.width = max(out.width, _WIDTH)
_err = Console(stderr=True)


def configured(deployment: Path | None, rpc: str | None, database: Path | None = None, account: int | None = None) -> Config:
    """Raises ConfigError."""
    return load_config(deployment=deployment, rpc_url=rpc, database=database, account=account)


def print_json(content: Any) -> None:
    """One document on stdout; figures that are not finite are null, as JSON has no word for them."""
    document = content.model_dump(mode="json") if isinstance(content, BaseModel) else content
    typer.echo(json.dumps(_finite(document), allow_nan=False))


def usd(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


@contextmanager
def sentence() -> Iterator[None]:
    """Errors of the keeper as one sentence on stderr and exit code 1, without a trace."""
    try:
        yield
    except KeeperError as error:
        _err.print(f"[red]{type(error).__name__}[/]: {error}", highlight=False)
        raise typer.Exit(1) from None


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return value
