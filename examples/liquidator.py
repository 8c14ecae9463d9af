"""A liquidator of one's own: a process with its own key, funds and strategy, on top of the keeper's API.

    BOT_KEY=0x... python -m examples.liquidator --account 7 --liquidator 0x... --api http://127.0.0.1:8640 --rpc http://127.0.0.1:8545

Strategy: of what the API suggests, the call that pays most, if it pays at least --minimum USD; shrunk to no less than half of what
the contract says it pays now; never more than --gas-cap gas a day. Before anything is sent the contract is asked by eth_call,
so that what somebody else did first costs nothing, as long as that is known in time; what is not, costs one reverted
transaction and a pause for that account.

The API is not trusted: only `liquidate` on the contract of --liquidator, for the bot's own account, is ever signed.

The key comes from BOT_KEY, the API's key (where it asks for one) from BOT_API_KEY. Logs are JSON lines on stderr.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from eth_abi import decode, encode
from eth_account import Account
from eth_account.signers.local import LocalAccount
from web3 import HTTPProvider, Web3
from web3.exceptions import ContractLogicError, TimeExhausted, Web3Exception

from keeper.api.documents import Suggested
from keeper.client import Client
from keeper.errors import ApiError

__all__ = ["Bot", "Strategy", "main"]

WAD = 10**18
DAY = 86_400
# ILiquidator.liquidate: its argument, and the Outcome that it returns.
REQUEST = "(uint64,uint64,(uint112,int128)[],(bytes,bytes),uint256,bytes)"
OUTCOME = "(uint8,uint256,uint256,uint256,uint256,uint256,uint256,uint256,int256)"
MINIMUM_PAYMENT, PAYMENT = 4, 5
RECEIPT_SECONDS = 30.0


@dataclass(frozen=True)
class Strategy:
    """minimum: USD that a liquidation must pay; gas_cap: gas per day; pause: seconds for which an account is left alone after a
    failure."""

    minimum: float = 10.0
    gas_cap: int = 50_000_000
    pause: float = 2.0


@dataclass
class Bot:
    """account: of the ledger, takes the legs; must have margin and belong to the key. liquidator: the contract's address."""

    client: Client
    web3: Web3
    key: LocalAccount
    account: int
    liquidator: str
    strategy: Strategy = field(default_factory=Strategy)
    gas_spent: int = 0
    _day: int = 0
    _left_alone: dict[int, float] = field(default_factory=dict)

    def step(self) -> bool:
        """One look, at most one transaction; True where something was sent. Raises ApiError and Web3Exception."""
        if int(time.time()) // DAY != self._day:
            self._day, self.gas_spent = int(time.time()) // DAY, 0
        now = time.monotonic()
        wanted = [
            each
            for each in self.client.liquidatable(self.account).suggestions
            if each.kind == "liquidate" and each.payment >= self.strategy.minimum and self._left_alone.get(each.account, 0.0) <= now
        ]
        return any(self._try(each) for each in sorted(wanted, key=lambda each: -each.payment))

    def _try(self, found: Suggested) -> bool:
        """True where it was sent."""
        call = {"from": self.key.address, "to": Web3.to_checksum_address(self.liquidator)}
        if not is_ours(found, self.liquidator, self.account):
            return self._pass(found, "the API suggests something else than a liquidation by this account")
        try:
            outcome = decode([OUTCOME], self.web3.eth.call({**call, "data": found.data}))[0]
            payment = outcome[PAYMENT] / WAD
            if payment < self.strategy.minimum:
                return self._pass(found, f"pays {payment:.2f} USD only")
            data = at_least(found.data, outcome[PAYMENT] // 2)
            gas = self.web3.eth.estimate_gas({**call, "data": data}) * 5 // 4
        except ContractLogicError as error:
            # Somebody was first, prices are too old, or this account's own margin is used up: the contract knows.
            return self._pass(found, str(error))
        if self.gas_spent + gas > self.strategy.gas_cap:
            return self._pass(found, "the day's gas is spent")
        receipt = self._send({**call, "data": data, "gas": gas})
        self.gas_spent += receipt["gasUsed"]
        won = receipt["status"] == 1
        say("liquidated" if won else "lost", account=found.account, payment=payment, gas=receipt["gasUsed"], block=receipt["blockNumber"])
        if not won:
            self._left_alone[found.account] = time.monotonic() + self.strategy.pause
        return True

    def _send(self, transaction: dict[str, Any]) -> Any:
        head = self.web3.eth.get_block("latest")
        tip = self.web3.eth.max_priority_fee
        signed = self.key.sign_transaction(
            {
                **transaction,
                "type": 2,
                "chainId": self.web3.eth.chain_id,
                "nonce": self.web3.eth.get_transaction_count(self.key.address, "pending"),
                "value": 0,
                "maxFeePerGas": 2 * head.get("baseFeePerGas", 0) + tip,
                "maxPriorityFeePerGas": tip,
            }
        )
        sent = self.web3.eth.send_raw_transaction(signed.raw_transaction)
        return self.web3.eth.wait_for_transaction_receipt(sent, timeout=RECEIPT_SECONDS, poll_latency=0.02)

    def _pass(self, found: Suggested, why: str) -> bool:
        self._left_alone[found.account] = time.monotonic() + self.strategy.pause
        say("passed", account=found.account, why=why[:200])
        return False


def is_ours(found: Suggested, liquidator: str, account: int) -> bool:
    """True for `liquidate` of the account it is said to be, by `account`, on `liquidator`."""
    raw = bytes.fromhex(found.data[2:])
    if found.to.lower() != liquidator.lower() or raw[:4] != Web3.keccak(text=f"liquidate({REQUEST})")[:4]:
        return False
    [request] = decode([REQUEST], raw[4:])
    return request[0] == found.account and request[1] == account


def at_least(data: str, payment: int) -> str:
    """The same call of `liquidate`, reverting where it would be paid less than `payment` (USD, 1e18)."""
    raw = bytes.fromhex(data[2:])
    [request] = decode([REQUEST], raw[4:])
    changed = (*request[:MINIMUM_PAYMENT], payment, *request[MINIMUM_PAYMENT + 1 :])
    return "0x" + (raw[:4] + encode([REQUEST], [changed])).hex()


def say(event: str, **facts: Any) -> None:
    print(json.dumps({"event": event, "at": time.time(), **facts}), file=sys.stderr, flush=True)


def listen(client: Client, wake: threading.Event) -> None:
    """Wakes the bot when an account changes its band: no polling faster than needed."""
    while True:
        try:
            for _ in client.stream("health"):
                wake.set()
        except ApiError as error:
            say("stream_lost", reason=str(error))
            time.sleep(1.0)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m examples.liquidator", description="Liquidates what pays, by the keeper's suggestions.")
    parser.add_argument("--api", default="http://127.0.0.1:8640", help="the keeper's API")
    parser.add_argument("--rpc", default="http://127.0.0.1:8545", help="a node")
    parser.add_argument("--account", type=int, required=True, help="your account in the ledger")
    parser.add_argument("--liquidator", required=True, help="address of the Liquidator contract")
    parser.add_argument("--minimum", type=float, default=Strategy.minimum, help="USD that a liquidation must pay")
    parser.add_argument("--gas-cap", type=int, default=Strategy.gas_cap, help="gas per day")
    parser.add_argument("--every", type=float, default=1.0, help="seconds between looks where nothing happens")
    options = parser.parse_args()
    key = os.environ.get("BOT_KEY")
    if key is None:
        parser.error("BOT_KEY is not set")
    secret = os.environ.get("BOT_API_KEY")
    wake = threading.Event()
    web3 = Web3(HTTPProvider(options.rpc))
    with Client(options.api, secret) as client:
        bot = Bot(client, web3, Account.from_key(key), options.account, options.liquidator, Strategy(options.minimum, options.gas_cap))
        threading.Thread(target=listen, args=(Client(options.api, secret), wake), daemon=True).start()
        say("started", account=bot.account, address=bot.key.address)
        while True:
            try:
                if bot.step():
                    continue
            except (ApiError, Web3Exception, TimeExhausted, OSError) as error:
                say("trouble", error=type(error).__name__, reason=str(error)[:200])
            wake.wait(options.every)
            wake.clear()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(0)
