"""The deployed system: the fixtures of the contract tests."""

from tests.contracts.conftest import chain, deployment, expiries

__all__ = ["chain", "deployment", "expiries"]
