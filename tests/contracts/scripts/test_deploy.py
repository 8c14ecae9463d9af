"""The deployment is complete, and nobody but the timelock governs it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from scripts.configure import ROLES
from scripts.deploy import UNDERLYINGS, Deployment
from tests.reverts import reverts


def test_deployer_and_governor_hold_no_role(chain: Any, deployment: Deployment, deployer: Any, governor: Any) -> None:
    for name, roles in ROLES.items():
        contract = deployment.contract(chain, name)
        for role in ("DEFAULT_ADMIN_ROLE", *roles):
            identifier = getattr(contract.functions, role)().call()
            assert contract.functions.hasRole(identifier, deployment.address("Timelock")).call(), (name, role)
            assert not contract.functions.hasRole(identifier, deployer.address).call(), (name, role)
            assert not contract.functions.hasRole(identifier, governor.address).call(), (name, role)


def test_deployer_can_change_no_parameter(risk_parameters: Any, deployer: Any, governor: Any) -> None:
    for sender in (deployer, governor):
        with reverts("AccessControlUnauthorizedAccount", sender.address, str(risk_parameters.PARAMETER_ADMIN())):
            risk_parameters.set(0, 6 * 10**17, {"from": sender})


def test_underlyings_and_expiries_are_listed(registry: Any, expiries: tuple[int, ...]) -> None:
    ids, symbols = registry.underlyings()
    assert (tuple(ids), tuple(symbols)) == ((0, 1), ("ETH", "BTC"))
    for underlying in UNDERLYINGS.values():
        assert tuple(registry.expiries(underlying)) == expiries


def test_weth_joins_the_legs_of_eth(risk_parameters: Any) -> None:
    (underlying, joins, initial, maintenance), exists = risk_parameters.collateral(0)
    assert exists
    assert joins
    assert underlying == UNDERLYINGS["ETH"]
    assert 0 < maintenance < initial < 10**18


def test_majors_share_a_group(risk_parameters: Any) -> None:
    groups = {risk_parameters.underlying(underlying)[0] for underlying in UNDERLYINGS.values()}
    assert groups == {1}
    assert risk_parameters.group(1) == 10**18 // 2


def test_published_market_is_stored(publish: Any, price_door: Any) -> None:
    publish({"ETH": 3_000.0}, basis=-0.01)
    spot, mark, _ = price_door.prices(0)
    assert spot == 3_000 * 10**18
    assert mark == 2_970 * 10**18


def test_file_reads_back(deployment: Deployment, tmp_path: Path) -> None:
    path = tmp_path / "deployment.json"
    deployment.save(path)
    assert Deployment.read(path) == deployment
    assert set(json.loads(path.read_text())) == {"chain_id", "block", "contracts", "tokens", "underlyings"}
