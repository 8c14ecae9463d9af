"""The deployed engine and its report through web3: calls only, and hundreds of them."""

from __future__ import annotations

from typing import Any

import pytest
from web3.contract import Contract

from scripts.chain import Chain
from scripts.deploy import Deployment

GAS = {"gas": 29_000_000}


@pytest.fixture(scope="session")
def margin_engine(chain: Chain, deployment: Deployment) -> Contract:
    return deployment.contract(chain, "MarginEngine")


@pytest.fixture(scope="session")
def margin_model(chain: Chain, deployment: Deployment) -> Contract:
    return deployment.contract(chain, "MarginModel")


@pytest.fixture(scope="session")
def margin_report(chain: Chain, deployment: Deployment) -> Contract:
    return deployment.contract(chain, "MarginReport")


@pytest.fixture(scope="session")
def margin_lens(chain: Chain, deployment: Deployment) -> Contract:
    return deployment.contract(chain, "MarginLens")


@pytest.fixture(scope="session")
def model_report(project: Any, chain: Chain, deployment: Deployment) -> Contract:
    from brownie import accounts  # noqa: PLC0415 - only once the project is loaded

    deployed = project.ModelReport.deploy(deployment.address("MarginEngine"), {"from": accounts[0]})
    return chain.contract(deployed.address, deployed.abi)


@pytest.fixture(scope="session")
def default_table(chain: Chain, deployment: Deployment) -> list[int]:
    """DPRE-1 as deployed."""
    return list(deployment.contract(chain, "RiskParameters").functions.table().call())


@pytest.fixture(scope="session")
def margin_math(project: Any, chain: Chain) -> Contract:
    """The engine's mathematics one function at a time."""
    from brownie import accounts  # noqa: PLC0415 - only once the project is loaded

    deployed = project.MarginMathMock.deploy({"from": accounts[0]})
    return chain.contract(deployed.address, deployed.abi)
