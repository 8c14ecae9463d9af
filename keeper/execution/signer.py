"""The keeper's keys: in this process from the environment or a keystore file, or behind an external signer.

Only this package holds keys; they are never logged, printed or compared in messages.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import requests
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_account.signers.local import LocalAccount
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak
from pydantic import SecretStr

from keeper.config import Config
from keeper.errors import ConfigError, ExecutionError
from keeper.execution.orders import Order, SignedOrder, sign_order, typed_data

__all__ = ["ExternalSigner", "Signer", "more_signers"]


class Signer:
    """Signs transactions and orders with one key."""

    def __init__(self, account: LocalAccount) -> None:
        self._account = account

    @classmethod
    def from_config(cls, config: Config) -> Signer | ExternalSigner:
        """Raises ConfigError where there is no key or it is none; the message never holds the key."""
        if config.private_key is not None:
            return cls.from_key(config.private_key)
        if config.keystore is not None and config.keystore_password is not None:
            return cls.from_keystore(config.keystore, config.keystore_password)
        if config.external_signer is not None and config.external_address is not None:
            return ExternalSigner(config.external_signer, config.external_address, config.peer_timeout)
        raise ConfigError(
            "no key: set KEEPER_PRIVATE_KEY, or KEEPER_KEYSTORE and KEEPER_KEYSTORE_PASSWORD, or KEEPER_EXTERNAL_SIGNER and "
            "KEEPER_EXTERNAL_ADDRESS"
        )

    @classmethod
    def from_key(cls, key: SecretStr) -> Signer:
        """Raises ConfigError for what is no key."""
        try:
            return cls(Account.from_key(key.get_secret_value()))
        except (ValueError, TypeError):
            # The library's message quotes the key: it must not leave here.
            raise ConfigError("private_key (KEEPER_PRIVATE_KEY): expected 32 bytes as 0x-prefixed hex") from None

    @classmethod
    def from_keystore(cls, path: Path, password: SecretStr) -> Signer:
        """geth's encrypted format. Raises ConfigError."""
        try:
            content = json.loads(path.read_text())
            return cls(Account.from_key(Account.decrypt(content, password.get_secret_value())))
        except FileNotFoundError:
            raise ConfigError(f"keystore: {path} does not exist") from None
        except (ValueError, KeyError, TypeError):
            raise ConfigError(f"keystore: {path} does not open with this password") from None

    @property
    def address(self) -> str:
        return str(self._account.address)

    def sign_transaction(self, fields: dict[str, Any]) -> tuple[str, bytes]:
        """(hash, raw) of an EIP-1559 transaction."""
        signed = self._account.sign_transaction(fields)
        return signed.hash.to_0x_hex(), bytes(signed.raw_transaction)

    def sign_order(self, order: Order, chain_id: int, clearing: str) -> SignedOrder:
        return sign_order(order, "0x" + bytes(self._account.key).hex(), chain_id, clearing)


class ExternalSigner:
    """Keys in another process, asked by clef's JSON-RPC: account_signTransaction and account_signTypedData. What comes back is
    checked: it must be signed by `address`, and be what was asked for."""

    def __init__(self, url: str, address: str, timeout: float) -> None:
        self._url = url
        self._timeout = timeout
        self.address = str(to_checksum_address(address))

    def sign_transaction(self, fields: dict[str, Any]) -> tuple[str, bytes]:
        """(hash, raw) of an EIP-1559 transaction. Raises ExecutionError where it is refused or signed otherwise."""
        numbers = ("chainId", "nonce", "value", "gas", "maxFeePerGas", "maxPriorityFeePerGas")
        wanted = {name: hex(fields[name]) for name in numbers}
        wanted |= {"from": self.address, "to": fields["to"], "data": "0x" + bytes(fields["data"]).hex()}
        answer = self._ask("account_signTransaction", wanted)
        try:
            raw = bytes.fromhex(answer["raw"].removeprefix("0x"))
            signer = str(Account.recover_transaction(raw))
        except (KeyError, TypeError, ValueError) as error:
            raise ExecutionError(f"the external signer answered with no transaction: {type(error).__name__}") from None
        if signer != self.address:
            raise ExecutionError(f"the external signer signed as {signer}, expected {self.address}")
        _require_same(raw, fields)
        return "0x" + keccak(raw).hex(), raw

    def sign_order(self, order: Order, chain_id: int, clearing: str) -> SignedOrder:
        """Raises ExecutionError."""
        data = typed_data(order, chain_id, clearing)
        answer = self._ask("account_signTypedData", self.address, json.loads(json.dumps(data)))
        try:
            signature = bytes.fromhex(answer.removeprefix("0x"))
            signer = str(Account.recover_message(encode_typed_data(full_message=data), signature=signature))
        except (AttributeError, TypeError, ValueError) as error:
            raise ExecutionError(f"the external signer answered with no signature: {type(error).__name__}") from None
        if signer != self.address:
            raise ExecutionError(f"the external signer signed as {signer}, expected {self.address}")
        return SignedOrder(order, self.address, signature)

    def _ask(self, method: str, *parameters: Any) -> Any:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}
        try:
            answer = requests.post(self._url, json=body, timeout=self._timeout).json()
        except (requests.RequestException, ValueError) as error:
            raise ExecutionError(f"the external signer does not answer: {type(error).__name__}") from None
        if not isinstance(answer, dict) or answer.get("error") is not None or "result" not in answer:
            reason = answer.get("error") if isinstance(answer, dict) else answer
            raise ExecutionError(f"the external signer refuses {method}: {str(reason)[:200]}")
        return answer["result"]


def more_signers(config: Config) -> list[Signer]:
    """Further senders: each needs the trade scope on the keeper's account, and gas. Raises ConfigError."""
    keys = [] if config.more_private_keys is None else config.more_private_keys.get_secret_value().split(",")
    found = [Signer.from_key(SecretStr(key.strip())) for key in keys if key.strip()]
    if config.keystore_password is not None:
        paths = [Path(name.strip()) for name in config.more_keystores.split(",") if name.strip()]
        found += [Signer.from_keystore(path, config.keystore_password) for path in paths]
    return found


def _require_same(raw: bytes, fields: dict[str, Any]) -> None:
    from eth_account.typed_transactions.typed_transaction import TypedTransaction  # noqa: PLC0415 - slow to import, seldom needed
    from hexbytes import HexBytes  # noqa: PLC0415 - same

    try:
        signed = TypedTransaction.from_bytes(HexBytes(raw)).as_dict()
    except (ValueError, TypeError) as error:
        raise ExecutionError(f"the external signer answered with another kind of transaction: {type(error).__name__}") from None
    for name in ("chainId", "nonce", "value", "gas", "maxFeePerGas", "maxPriorityFeePerGas"):
        if int(signed[name]) != int(fields[name]):
            raise ExecutionError(f"the external signer changed {name}: {signed[name]} instead of {fields[name]}")
    if bytes(signed["data"]) != bytes(fields["data"]) or str(to_checksum_address(signed["to"])) != fields["to"]:
        raise ExecutionError("the external signer changed what is called")
