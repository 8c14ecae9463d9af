"""Dated snapshots of other venues' parameters, one JSON file each: facts that change, so data and not code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from keeper.errors import ParameterError

__all__ = ["available", "load"]

_FOLDER = Path(__file__).parent


def available() -> tuple[str, ...]:
    """Names of the presets that are shipped."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.json")))


def load(name: str, method: str) -> dict[str, Any]:
    """The preset's table. Raises ParameterError where there is none of that name, or where it is of another method."""
    if name not in available():
        raise ParameterError(f"preset: expected one of {list(available())}, got {name!r}")
    table: dict[str, Any] = json.loads((_FOLDER / f"{name}.json").read_text())
    if table["method"] != method:
        raise ParameterError(f"preset {name}: expected one of the method {method!r}, got {table['method']!r}")
    return table
