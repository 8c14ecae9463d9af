"""The lens looks at the same world as the waterfall."""

from __future__ import annotations

from tests.contracts.waterfall.conftest import long_eth, system, world

__all__ = ["long_eth", "system", "world"]
