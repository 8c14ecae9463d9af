"""Who may not call what, over all contracts at once; the traders are the waterfall's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from scripts.deploy import Deployment
from tests.contracts.waterfall.conftest import system, world

__all__ = ["argument", "deployed", "system", "world"]

ZERO = "0x" + "00" * 20


@pytest.fixture(scope="session")
def deployed(project: Any, deployment: Deployment) -> dict[str, Any]:
    """Every contract of the deployment by its name."""
    return {name: getattr(project, name).at(deployment.address(name)) for name in deployment.contracts}


def argument(declared: Mapping[str, Any]) -> Any:
    """The least value of an ABI type that decodes: zeros, empty lists, structs of them."""
    kind = declared["type"]
    if kind.endswith("[]"):
        return []
    if kind == "tuple":
        return tuple(argument(component) for component in declared["components"])
    if kind.startswith("bytes"):
        return b"\0" * int(kind[5:] or 0)
    return {"address": ZERO, "bool": False, "string": ""}.get(kind, 0)
