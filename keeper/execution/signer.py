"""The keeper's key. Only this package holds it; it is never logged, printed or compared in messages."""

from __future__ import annotations

import json
from typing import Any

from eth_account import Account
from eth_account.signers.local import LocalAccount

from keeper.config import Config
from keeper.errors import ConfigError
from keeper.execution.orders import Order, SignedOrder, sign_order

__all__ = ["Signer"]


class Signer:
    """Signs transactions and orders with one key."""

    def __init__(self, account: LocalAccount) -> None:
        self._account = account

    @classmethod
    def from_config(cls, config: Config) -> Signer:
        """Raises ConfigError where there is no key or it is none; the message never holds the key."""
        if config.private_key is not None:
            try:
                return cls(Account.from_key(config.private_key.get_secret_value()))
            except (ValueError, TypeError):
                # The library's message quotes the key: it must not leave here.
                raise ConfigError("private_key (KEEPER_PRIVATE_KEY): expected 32 bytes as 0x-prefixed hex") from None
        if config.keystore is not None and config.keystore_password is not None:
            try:
                content = json.loads(config.keystore.read_text())
                return cls(Account.from_key(Account.decrypt(content, config.keystore_password.get_secret_value())))
            except FileNotFoundError:
                raise ConfigError(f"keystore: {config.keystore} does not exist") from None
            except (ValueError, KeyError, TypeError):
                raise ConfigError(f"keystore: {config.keystore} does not open with this password") from None
        raise ConfigError("no key: set KEEPER_PRIVATE_KEY, or KEEPER_KEYSTORE and KEEPER_KEYSTORE_PASSWORD")

    @property
    def address(self) -> str:
        return str(self._account.address)

    def sign_transaction(self, fields: dict[str, Any]) -> tuple[str, bytes]:
        """(hash, raw) of an EIP-1559 transaction."""
        signed = self._account.sign_transaction(fields)
        return signed.hash.to_0x_hex(), bytes(signed.raw_transaction)

    def sign_order(self, order: Order, chain_id: int, clearing: str) -> SignedOrder:
        return sign_order(order, "0x" + bytes(self._account.key).hex(), chain_id, clearing)
