"""Attacks by traders: signed orders and withdrawals, with the fixtures of tests/contracts/clearing."""

from tests.contracts.clearing.conftest import *  # noqa: F403
