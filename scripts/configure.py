"""Lists what may be traded and pledged, names the fund's member and who trips the breaker, then hands every role to the timelock.

    python -m scripts.configure [--url http://127.0.0.1:8545] [--deployment out/deployment.json]

After it the deployer can change nothing: whatever follows is proposed to the timelock (scripts/governance).
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from web3 import Web3

from scripts.chain import Chain
from scripts.deploy import DEPLOYMENT_FILE, UNDERLYINGS, Deployment
from scripts.roles import DEPLOYER, GUARDIAN, address_of

__all__ = ["COLLATERAL_HAIRCUTS", "DAY", "MAJORS", "configure", "default_expiries", "hand_over"]

DAY = 86_400
WAD = 10**18
MAJORS = (1, WAD // 2)  # group of BTC and ETH and its kappa: half of the offset between them is credited
SPOT_SCALE = WAD  # no dynamic scaling of the scenarios' spot shocks yet
COLLATERAL_HAIRCUTS = (15 * WAD // 100, 10 * WAD // 100)  # WETH: initial, maintenance
FUND_DRAW_LIMIT = 10_000_000 * WAD
FUND_DRAW_WINDOW = DAY
EXPIRY_DAYS = (7, 30, 90)

# Contract -> roles besides DEFAULT_ADMIN_ROLE.
ROLES = {
    "RiskParameters": ("PARAMETER_ADMIN",),
    "CircuitBreaker": ("GOVERNOR",),
    "InstrumentRegistry": ("LISTING_ADMIN",),
    "PriceDoor": ("SIGNER_ADMIN", "SOURCE_ADMIN"),
    "SpotSources": ("SOURCE_ADMIN",),
    "CollateralVault": ("LISTING_ADMIN",),
    "InsuranceFund": ("MEMBER_ADMIN",),
    "TradingLimits": ("LIMIT_ADMIN", "ATTESTOR"),
}


def default_expiries(now: int) -> tuple[int, ...]:
    """A week, a month and a quarter away, at 08:00 UTC (unix seconds, ascending)."""
    midnight = now - now % DAY
    return tuple(midnight + days * DAY + 8 * 3_600 for days in EXPIRY_DAYS)


def configure(chain: Chain, deployment: Deployment, deployer: str, expiries: Sequence[int]) -> None:
    """Underlyings, expiries (of both), collateral, group, fund member, breaker. Raises TransactionFailedError."""
    group, kappa = MAJORS
    parameters = deployment.contract(chain, "RiskParameters").functions
    registry = deployment.contract(chain, "InstrumentRegistry").functions
    calls = [parameters.setGroup(group, kappa)]
    for symbol, underlying in UNDERLYINGS.items():
        calls += [
            registry.listUnderlying(underlying, symbol, True),
            parameters.setUnderlying(underlying, group, SPOT_SCALE),
            *(registry.listExpiry(underlying, expiry) for expiry in expiries),
        ]
    weth = deployment.tokens["WETH"]
    calls.append(parameters.setCollateral(weth["index"], (UNDERLYINGS["ETH"], True, *COLLATERAL_HAIRCUTS)))
    calls.append(deployment.contract(chain, "CollateralVault").functions.list(weth["address"]))
    fund = deployment.contract(chain, "InsuranceFund").functions
    calls.append(fund.setMember(deployment.address("Liquidator"), FUND_DRAW_LIMIT, FUND_DRAW_WINDOW))
    calls.append(fund.setAgent(deployment.address("Deleverager"), deployment.address("Liquidator")))
    breaker = deployment.contract(chain, "CircuitBreaker").functions
    for role, holder in (("TRIPPER", deployment.address("PriceDoor")), ("GUARDIAN", address_of(GUARDIAN))):
        calls += [breaker.grantRole(identifier, holder) for identifier in _role_ids((role,))]
    # The ledger asks nobody: what it charges and vests by is brought to it.
    funding = deployment.contract(chain, "Funding").functions
    calls += [funding.updateDebitRate(), funding.updateProfitVesting()]
    for call in calls:
        chain.send(call, deployer)


def hand_over(chain: Chain, deployment: Deployment, deployer: str) -> None:
    """Every role to the timelock, none left with the deployer. Raises TransactionFailedError."""
    timelock = deployment.address("Timelock")
    for name, roles in ROLES.items():
        contract = deployment.contract(chain, name)
        # The right to grant goes last: renouncing it first would lock the others in.
        for role in _role_ids((*roles, "DEFAULT_ADMIN_ROLE")):
            chain.send(contract.functions.grantRole(role, timelock), deployer)
            chain.send(contract.functions.renounceRole(role, deployer), deployer)


def _role_ids(names: Iterable[str]) -> Iterable[bytes]:
    return (bytes(32) if name == "DEFAULT_ADMIN_ROLE" else bytes(Web3.keccak(text=name)) for name in names)


def main() -> None:
    parser = argparse.ArgumentParser(description="Configures a fresh deployment and hands its roles to the timelock.")
    parser.add_argument("--url", default=os.environ.get("DPRE_RPC", "http://127.0.0.1:8545"))
    parser.add_argument("--deployment", type=Path, default=DEPLOYMENT_FILE)
    options = parser.parse_args()
    chain, deployment = Chain(options.url), Deployment.read(options.deployment)
    now = int(chain.web3.eth.get_block("latest")["timestamp"])
    deployer = address_of(DEPLOYER)
    configure(chain, deployment, deployer, default_expiries(now))
    hand_over(chain, deployment, deployer)


if __name__ == "__main__":
    main()
