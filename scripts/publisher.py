"""The oracle's publisher: signs the market that it is shown, submits it to the price door, and hands out what it signed.

    python -m scripts.publisher --deployment out/deployment.json --rpc http://127.0.0.1:8545 --market out/market.json

Watches the market file (written atomically by whoever observes the market) and the chain's clock. A new market is signed with the
timestamp of the latest block and submitted at once; an unchanged one again every `--heartbeat` seconds of chain time, so that prices
stay fresh. A market whose "time" the chain has not reached waits for it. Without new blocks nothing is due: everything decides by block
time.

`GET /updates` on loopback lists the latest signed updates, so that anyone may relay them; `GET /health` says when the last was stored.

Keys: PUBLISHER_SIGNER_KEYS (comma-separated oracle keys) and PUBLISHER_PAYER_KEY (pays gas, signs no prices), or, on a local chain,
accounts of Anvil's public mnemonic by --signer-index and --payer-index. Keys are never logged. Logs are JSON lines on stderr. SIGTERM
and SIGINT end it with 0.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import structlog
from eth_account import Account
from eth_account.signers.local import LocalAccount
from hexbytes import HexBytes
from requests.exceptions import RequestException
from web3 import Web3
from web3.exceptions import ContractLogicError, Web3Exception
from web3.logs import DISCARD
from web3.types import TxReceipt

from scripts.anvil import private_key
from scripts.chain import http_provider
from scripts.deploy import DEPLOYMENT_FILE, Deployment
from scripts.deployed import DeploymentError, contract, custom_error, read_deployment
from scripts.json_http import JsonHandler
from scripts.market_feed import FeedError, MarketUpdate, market_updates, sign
from scripts.roles import PUBLISHER, PUBLISHER_SIGNERS

__all__ = ["MarketFile", "Publisher", "SignedUpdate", "UpdateBoard", "main"]

log = structlog.get_logger("publisher")

_RECEIPT_TIMEOUT_S = 10.0
_RPC_TIMEOUT_S = 10.0
_RETRY_FIRST_S = 0.1
_RETRY_LAST_S = 2.0
_PRIORITY_FEE_WEI = 10**9
_OVERTAKEN = "TimestampNotNewer"
_CAUSES = ("JUMP", "QUORUM", "SLICE", "STALE")  # ICircuitBreaker.Cause


@dataclass(frozen=True, slots=True)
class SignedUpdate:
    """An update with a quorum's signatures: all that `PriceDoor.submit` needs."""

    symbol: str
    update: MarketUpdate
    signatures: tuple[bytes, ...]

    def as_json(self) -> dict[str, Any]:
        """Integers as decimal strings (JSON numbers lose digits beyond 2^53), fields in the order of the struct."""
        u = self.update
        quotes = [[str(number) for number in quote.as_tuple()] for quote in u.expiries]
        fields = [str(number) for number in (u.underlying, u.timestamp, u.spot, u.mark, u.confidence)]
        return {"symbol": self.symbol, "update": [*fields, quotes], "signatures": [f"0x{s.hex()}" for s in self.signatures]}


@dataclass
class UpdateBoard:
    """What the HTTP side shows. The loop replaces whole values, which other threads may read at any moment."""

    updates: tuple[SignedUpdate, ...] = ()
    health: Mapping[str, Any] = field(default_factory=lambda: {"signed_at": None, "stored_at": None})


class MarketFile:
    """The market file, read again only when it was replaced."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._market: Mapping[str, Any] | None = None

    def read(self) -> tuple[Mapping[str, Any] | None, bool]:
        """The market and whether it is another than at the last call; None before the file exists. Raises FeedError for no JSON."""
        try:
            stat = self._path.stat()
            seen = (stat.st_mtime_ns, stat.st_ino, stat.st_size)
            if seen == self._seen:
                return self._market, False
            market = json.loads(self._path.read_text())
        except FileNotFoundError:
            return self._market, False
        except json.JSONDecodeError as error:
            raise FeedError(f"{self._path.name} is no JSON: {error}") from None
        changed = market != self._market
        self._seen, self._market = seen, market
        return market, changed


class Publisher:
    """The loop's body: `step` looks once at file and chain and publishes when something is due."""

    def __init__(
        self,
        web3: Web3,
        deployment: Deployment,
        market_file: MarketFile,
        signer_keys: Sequence[str],
        payer: LocalAccount,
        board: UpdateBoard,
        heartbeat: int,
    ) -> None:
        self._web3 = web3
        self._deployment = deployment
        self._door = contract(web3, deployment, "PriceDoor")
        self._registry = contract(web3, deployment, "InstrumentRegistry")
        self._symbols = {id_: symbol for symbol, id_ in deployment.underlyings.items()}
        self._market_file = market_file
        self._next: Mapping[str, Any] | None = None
        self._market: Mapping[str, Any] | None = None
        self._expiries: dict[int, set[int]] = {}
        self._signer_keys = tuple(signer_keys)
        self._payer = payer
        self._board = board
        self._heartbeat = heartbeat
        self._signed_at = 0
        self._stored_at = 0
        self._unpublished = False
        self._unlisted: set[tuple[int, int]] = set()

    def step(self) -> bool:
        """Publishes when the market changed or the heartbeat is due; whether it did.

        Raises FeedError for a market that cannot be signed, requests' and web3's exceptions for a node that does not answer.
        """
        shown, changed = self._market_file.read()
        if changed:
            self._next = shown
        now = int(self._web3.eth.get_block("latest")["timestamp"])
        # A market of a later time waits for the chain's clock; until then the one before it holds.
        if self._next is not None and not _is_later(self._next.get("time"), now):
            self._market, self._next, self._unpublished = self._next, None, True
        market = self._market
        if market is None:
            return False
        if now < self._signed_at:
            log.warning("chain went back", chain_time=now, signed_at=self._signed_at)
            self._signed_at = self._stored_at = 0
        # The door wants a newer time than it has: after a change that it stored, the next one waits for the next block.
        if now - self._signed_at < self._heartbeat and not (self._unpublished and now > self._stored_at):
            return False
        self._publish(market, now)
        return True

    def _publish(self, market: Mapping[str, Any], now: int) -> None:
        updates = [self._listed(update) for update in market_updates(market, self._deployment.underlyings, now)]
        signed = tuple(self._sign(update) for update in updates)
        self._board.updates = signed
        self._board.health = {**self._board.health, "signed_at": now}
        refusal = self._submit(signed, now)
        self._signed_at = now
        if refusal in (None, _OVERTAKEN):
            self._stored_at = now
        # What was overtaken is tried again with the next block; what is malformed stays so until the file changes.
        self._unpublished = refusal == _OVERTAKEN

    def _sign(self, update: MarketUpdate) -> SignedUpdate:
        signatures = sign(update, self._signer_keys, self._deployment.chain_id, self._door.address)
        return SignedUpdate(self._symbols[update.underlying], update, tuple(signatures))

    def _listed(self, update: MarketUpdate) -> MarketUpdate:
        """Without the expiries that are not listed: one of them would make the door refuse the whole update."""
        listed = self._expiries.get(update.underlying, set())
        if not all(quote.expiry in listed for quote in update.expiries):
            listed = set(self._registry.functions.expiries(update.underlying).call())
            self._expiries[update.underlying] = listed
        for quote in update.expiries:
            if quote.expiry not in listed and (update.underlying, quote.expiry) not in self._unlisted:
                self._unlisted.add((update.underlying, quote.expiry))
                log.warning("expiry not listed, left out", underlying=self._symbols[update.underlying], expiry=quote.expiry)
        return MarketUpdate(
            update.underlying,
            update.timestamp,
            update.spot,
            update.mark,
            update.confidence,
            tuple(quote for quote in update.expiries if quote.expiry in listed),
        )

    def _submit(self, signed: Sequence[SignedUpdate], now: int) -> str | None:
        """Stores the updates in one transaction; the name of the door's refusal, None when all are stored."""
        started = time.monotonic()
        try:
            hash_ = self._send(signed)
        except ContractLogicError as error:
            name, values = custom_error(error, self._deployment) or (str(error), ())
            if name != _OVERTAKEN:
                log.error("door refused", error=name, values=list(values), signed_at=now)  # noqa: TRY400 - named, a traceback adds nothing
                return name
            # Somebody relayed one of them, or a newer one, before us; that must not hold up the others.
            rest = [s for s in signed if self._stored_time(s.update.underlying) < now]
            log.info("overtaken", underlyings=[s.symbol for s in signed if s not in rest], signed_at=now)
            if 0 < len(rest) < len(signed):
                self._submit(rest, now)
            return name
        receipt = self._web3.eth.wait_for_transaction_receipt(hash_, timeout=_RECEIPT_TIMEOUT_S, poll_latency=0.01)
        if receipt["status"] != 1:
            log.warning("submission reverted, overtaken on its way", transaction=hash_.to_0x_hex(), signed_at=now)
            return _OVERTAKEN
        held = self._held(receipt)
        for symbol, cause in held.items():
            # Signed again with the next heartbeat: a jump applies once it has been confirmed for long enough.
            log.warning("held", underlying=symbol, cause=cause, signed_at=now, block=receipt["blockNumber"])
        if len(held) < len(signed):
            self._board.health = {**self._board.health, "stored_at": now}
        log.info(
            "published",
            signed_at=now,
            block=receipt["blockNumber"],
            gas=receipt["gasUsed"],
            milliseconds=round(1000 * (time.monotonic() - started), 1),
            prices={s.symbol: s.update.spot / 1e18 for s in signed if s.symbol not in held},
        )
        return None

    def _send(self, signed: Sequence[SignedUpdate]) -> HexBytes:
        base_fee = int(self._web3.eth.get_block("latest").get("baseFeePerGas", 0))
        updates, signatures = [s.update.as_tuple() for s in signed], [list(s.signatures) for s in signed]
        transaction = self._door.functions.submitBatch(updates, signatures).build_transaction(
            {
                "from": self._payer.address,
                "nonce": self._web3.eth.get_transaction_count(self._payer.address, "pending"),
                "maxPriorityFeePerGas": Web3.to_wei(_PRIORITY_FEE_WEI, "wei"),
                "maxFeePerGas": Web3.to_wei(2 * base_fee + _PRIORITY_FEE_WEI, "wei"),
            }
        )
        return self._web3.eth.send_raw_transaction(self._payer.sign_transaction(transaction).raw_transaction)

    def _held(self, receipt: TxReceipt) -> dict[str, str]:
        """Symbol -> cause of what the door recorded without storing it (docs/oracles.md)."""
        held = self._door.events.UpdateHeld().process_receipt(receipt, errors=DISCARD)
        return {self._symbols[event["args"]["underlying"]]: _CAUSES[event["args"]["cause"]] for event in held}

    def _stored_time(self, underlying: int) -> int:
        """When the stored price was signed; 0 where there is none."""
        (word,) = self._door.functions.read([underlying << 32]).call()
        return int(word) & 0xFFFFFFFF


def _is_later(time_of_market: object, now: int) -> bool:
    return isinstance(time_of_market, int | float) and time_of_market > now


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], board: UpdateBoard) -> None:
        self.board = board
        super().__init__(address, _Handler)


class _Handler(JsonHandler):
    server: _Server

    def do_GET(self) -> None:  # noqa: N802 - the base class names it
        if self.path == "/updates":
            self.answer(200, [update.as_json() for update in self.server.board.updates])
        elif self.path == "/health":
            self.answer(200, dict(self.server.board.health))
        else:
            self.answer(404, {"error": f"expected /updates or /health, got {self.path}"})


def run(publisher: Publisher, stop: threading.Event, poll: float) -> None:
    """Steps until `stop`; a node that does not answer or a market that cannot be signed is logged once and tried again."""
    trouble: str | None = None
    retry = _RETRY_FIRST_S
    while not stop.is_set():
        try:
            publisher.step()
        except (RequestException, Web3Exception, FeedError) as error:
            kind = type(error).__name__
            if trouble != kind:
                log.warning("cannot publish, retrying", error=kind, reason=str(error)[:300])
            trouble = kind
            stop.wait(retry)
            retry = min(2 * retry, _RETRY_LAST_S)
            continue
        if trouble is not None:
            log.info("recovered", after=trouble)
        trouble, retry = None, _RETRY_FIRST_S
        stop.wait(poll)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m scripts.publisher", description="Signs and submits the market as the oracle signers.")
    parser.add_argument("--deployment", type=Path, default=DEPLOYMENT_FILE)
    parser.add_argument("--rpc", default="http://127.0.0.1:8545", metavar="URL")
    parser.add_argument("--market", type=Path, default=Path("out/market.json"), help="market file to watch")
    parser.add_argument("--port", type=int, default=0, help="loopback port of GET /updates (default: any free one, see the log)")
    parser.add_argument(
        "--heartbeat", type=int, default=2, metavar="SECONDS", help="chain time after which an unchanged market is signed again"
    )
    parser.add_argument("--poll", type=float, default=0.02, metavar="SECONDS", help="wall time between two looks at file and chain")
    parser.add_argument(
        "--signer-index",
        type=int,
        nargs="+",
        default=list(PUBLISHER_SIGNERS),
        help="accounts of Anvil's mnemonic, unless PUBLISHER_SIGNER_KEYS",
    )
    parser.add_argument("--payer-index", type=int, default=PUBLISHER, help="account of Anvil's mnemonic, unless PUBLISHER_PAYER_KEY")
    options = parser.parse_args(arguments)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger("info"),
    )

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        deployment = read_deployment(options.deployment)
        from_environment = os.environ.get("PUBLISHER_SIGNER_KEYS")
        signer_keys = from_environment.split(",") if from_environment else [private_key(index) for index in options.signer_index]
        payer = Account.from_key(os.environ.get("PUBLISHER_PAYER_KEY") or private_key(options.payer_index))
        signers = [Account.from_key(key).address for key in signer_keys]
    except DeploymentError as error:
        log.critical("cannot start", reason=str(error))
        return 1
    except ValueError:
        log.critical("cannot start", reason="expected private keys of 32 bytes, 0x-prefixed hex")  # the exception would quote the key
        return 1

    board = UpdateBoard()
    web3 = Web3(http_provider(options.rpc, _RPC_TIMEOUT_S))
    publisher = Publisher(web3, deployment, MarketFile(options.market), signer_keys, payer, board, options.heartbeat)
    with _Server(("127.0.0.1", options.port), board) as server:
        thread = threading.Thread(target=server.serve_forever, name="http", daemon=True)
        thread.start()
        log.info("started", updates=f"http://127.0.0.1:{server.server_port}/updates", signers=signers, payer=payer.address, rpc=options.rpc)
        run(publisher, stop, options.poll)
        server.shutdown()
    log.info("stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
