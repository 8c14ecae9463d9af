"""Interest on negative cash runs from the first block after the configuration, and by what governance sets."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from scripts.anvil import Anvil
from scripts.chain import Chain
from scripts.configure import configure, hand_over
from scripts.deploy import deploy
from scripts.governance.set_parameter import main
from scripts.roles import DEPLOYER, address_of

WAD = 10**18
YEAR = 365 * 86_400
HOUSE, DEBTOR = 0, 1
DEBT = 500 * WAD


@pytest.fixture
def venue(project: Any, chain: Chain, anvil: Anvil, expiries: tuple[int, ...], tmp_path: Path) -> SimpleNamespace:
    """Deployed, configured and handed over as for users; one account owes, as a loss would leave it."""
    deployer = address_of(DEPLOYER)
    deployment = deploy(chain, deployer)
    configure(chain, deployment, deployer, expiries)
    hand_over(chain, deployment, deployer)
    deployment.save(tmp_path / "deployment.json")
    ledger, clearing = deployment.contract(chain, "Ledger").functions, deployment.address("Clearing")
    anvil.rpc("anvil_impersonateAccount", clearing)
    anvil.rpc("anvil_setBalance", clearing, hex(10**20))
    chain.send(ledger.openAccount(deployer, 1), clearing)
    chain.send(ledger.changeCash(DEBTOR, -DEBT, 0), clearing)
    return SimpleNamespace(deployment=tmp_path / "deployment.json", ledger=ledger, deployer=deployer)


def test_a_debt_costs_interest_without_anybodys_doing(venue: SimpleNamespace, chain: Chain, anvil: Anvil) -> None:
    """DEBIT_RATE is 10 % a year."""
    assert venue.ledger.debitRate().call() == WAD // 10
    anvil.advance(YEAR // 12)
    carry, interest = venue.ledger.accrued(DEBTOR).call()
    assert carry == 0
    assert interest / DEBT == pytest.approx(0.1 / 12, rel=1e-4)
    chain.send(venue.ledger.accrue(DEBTOR), venue.deployer)
    assert venue.ledger.cash(HOUSE).call() == -venue.ledger.cash(DEBTOR).call() - DEBT > 4 * WAD


def test_a_rate_that_governance_sets_is_charged_at_once(venue: SimpleNamespace, chain: Chain, anvil: Anvil) -> None:
    for name, value in (("DEBIT_RATE", "0.2"), ("PROFIT_VESTING", "7200")):
        assert main(["--deployment", str(venue.deployment), "--rpc", anvil.url, "--advance-time", name, value]) == 0
    assert (venue.ledger.debitRate().call(), venue.ledger.profitVesting().call()) == (WAD // 5, 7_200)
    chain.send(venue.ledger.accrue(DEBTOR), venue.deployer)
    debt = -venue.ledger.cash(DEBTOR).call()
    anvil.advance(YEAR // 12)
    assert venue.ledger.accrued(DEBTOR).call()[1] / debt == pytest.approx(0.2 / 12, rel=1e-4)
