"""Published numbers, for every keeper test that asks for them by model."""

from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture(scope="session")
def rows(vectors: Callable[[str], Any]) -> Callable[[str], list[dict[str, Any]]]:
    """rows(model): the rows of models.json for that model; fails where there are none."""
    everything = vectors("models.json")

    def of(model: str) -> list[dict[str, Any]]:
        found = [row for row in everything if row["model"] == model]
        assert found, f"models.json has no rows for {model}"
        return found

    return of
