"""Who is who on a local chain: indices into Anvil's mnemonic (`scripts.anvil`), the same in demo and tests."""

from __future__ import annotations

from functools import lru_cache

from eth_account import Account

from scripts.anvil import private_key

__all__ = [
    "DEPLOYER",
    "FIRST_TRADER",
    "GOVERNOR",
    "GUARDIAN",
    "KEEPER",
    "MAKER",
    "ORACLE_QUORUM",
    "ORACLE_SIGNERS",
    "PUBLISHER",
    "PUBLISHER_SIGNERS",
    "address_of",
]

DEPLOYER = 0
GOVERNOR = 1  # proposes to the timelock
KEEPER = 2
MAKER = 3
PUBLISHER = 4  # pays the gas of price updates; no oracle signer
ORACLE_SIGNERS = range(5, 10)
PUBLISHER_SIGNERS = ORACLE_SIGNERS[:3]  # the keys that the publisher holds: a quorum, not all
ORACLE_QUORUM = len(PUBLISHER_SIGNERS)
GUARDIAN = 10  # may tighten the circuit breaker
FIRST_TRADER = 11


@lru_cache(maxsize=256)
def address_of(index: int) -> str:
    """Checksummed address of Anvil's account `index`."""
    return str(Account.from_key(private_key(index)).address)
