"""The backstop market maker: anyone who asks is quoted one price, as a signed order, against a funded account of its own.

    python -m scripts.maker --rpc http://127.0.0.1:8545 --deployment out/deployment.json --account 1

`POST /quote {"instrument", "size", "account"}` on loopback (instrument: id; size: the asker's signed contracts, 1e18; account: the asker's)
answers with the opposite order for exactly that size at mark -/+ the spread, good for ten seconds of chain time:

    {"order": [the fields of IClearing.Order: integers as decimal strings], "signer", "signature", "price", "mark"}

409 with a reason where the trade would leave the maker without initial margin; 400 for a request that is none. The asker settles it with an
order of its own (`Clearing.settle`). Integers are strings: JSON numbers lose digits beyond 2^53. Logs are JSON lines on stderr.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import signal
import sys
from http.server import HTTPServer
from pathlib import Path
from typing import Any

import structlog
from requests.exceptions import RequestException
from web3 import HTTPProvider, Web3
from web3.exceptions import Web3Exception

from scripts.anvil import private_key
from scripts.deploy import DEPLOYMENT_FILE, Deployment
from scripts.deployed import DeploymentError, contract, custom_error, read_deployment
from scripts.json_http import JsonHandler
from scripts.orders import Order, sign_order
from scripts.roles import MAKER

__all__ = ["Maker", "RefusedError", "main"]

log = structlog.get_logger("maker")

WAD = 10**18
BASIS_POINT = 10**14
QUOTE_SECONDS = 10  # of chain time
FEE_CAP = WAD // 100
MINIMUM_TICK = WAD // 10_000  # USD: half-spread at least, also where a mark is near zero


class RefusedError(ValueError):
    """The maker does not quote this; the message says why."""


class Maker:
    """account: its account in the ledger; spread: share of the mark to either side, 1e18. Marks and margin are the chain's."""

    def __init__(self, web3: Web3, deployment: Deployment, account: int, key: str, spread: int) -> None:
        self._web3 = web3
        self._deployment = deployment
        self._engine = contract(web3, deployment, "MarginEngine")
        self._clearing = contract(web3, deployment, "Clearing")
        self._account = account
        self._key = key
        self._spread = spread

    def quote(self, instrument: int, size: int, account: int) -> dict[str, Any]:
        """The opposite of the asker's `size` at its price. Raises RefusedError, web3's and requests' errors."""
        if size == 0 or account == self._account:
            raise RefusedError(f"expected a size other than 0 and another account than {self._account}, got {size} for {account}")
        (mark,), _ = self._engine.functions.marks([instrument]).call()
        half_spread = max(mark * self._spread // WAD, MINIMUM_TICK)
        # The asker sells below mark and buys above it; an option's bid stays positive or there is none.
        price = mark + half_spread if size > 0 else mark - half_spread
        if price <= 0:
            raise RefusedError(f"no bid: the mark is {mark}")
        self._require_margin(instrument, -size, price)
        now = int(self._web3.eth.get_block("latest")["timestamp"])
        order = Order(
            account=self._account,
            instrument=instrument,
            size=-size,
            limit_price=price,
            fee_cap=FEE_CAP,
            expiry=now + QUOTE_SECONDS,
            nonce=secrets.randbits(63),
        )
        signed = sign_order(order, self._key, self._deployment.chain_id, self._clearing.address)
        return {
            "order": [str(field) if type(field) is int else field for field in order.as_tuple()],
            "signer": signed.signer,
            "signature": "0x" + signed.signature.hex(),
            "price": str(price),
            "mark": str(mark),
        }

    def _require_margin(self, instrument: int, size: int, price: int) -> None:
        after = self._engine.functions.preview(self._account, [(instrument, size, price)], 0).call()
        initial, margin_equity = after[0], after[3]
        if margin_equity < initial:
            raise RefusedError(f"the maker's initial margin would be {initial}, its margin equity {margin_equity}")


class _Server(HTTPServer):
    def __init__(self, address: tuple[str, int], maker: Maker, deployment: Deployment) -> None:
        self.maker = maker
        self.deployment = deployment
        super().__init__(address, _Handler)


class _Handler(JsonHandler):
    server: _Server

    def do_POST(self) -> None:  # noqa: N802 - the base class names it
        if self.path != "/quote":
            self.answer(404, {"error": f"expected POST /quote, got {self.path}"})
            return
        try:
            asked = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
            instrument, size, account = int(asked["instrument"]), int(asked["size"]), int(asked["account"])
        except (ValueError, KeyError, TypeError) as error:
            self.answer(400, {"error": f"expected instrument, size and account as integers: {error!r}"})
            return
        try:
            answer = self.server.maker.quote(instrument, size, account)
        except RefusedError as error:
            log.info("refused", instrument=instrument, size=size, account=account, reason=str(error))
            self.answer(409, {"error": str(error)})
        except (Web3Exception, RequestException) as error:
            reason = custom_error(error, self.server.deployment) or str(error)
            log.warning("no quote", instrument=instrument, size=size, account=account, reason=reason)
            self.answer(503, {"error": str(reason)})
        else:
            log.info("quoted", instrument=instrument, size=size / WAD, account=account, price=int(answer["price"]) / WAD)
            self.answer(200, answer)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m scripts.maker", description="Quotes signed orders at mark -/+ a spread.")
    parser.add_argument("--deployment", type=Path, default=DEPLOYMENT_FILE)
    parser.add_argument("--rpc", default="http://127.0.0.1:8545", metavar="URL")
    parser.add_argument("--account", type=int, required=True, help="the maker's account in the ledger")
    parser.add_argument("--port", type=int, default=0, help="loopback port (default: any free one, see the log)")
    parser.add_argument("--spread", type=int, default=10, metavar="BASIS_POINTS", help="of the mark, to either side")
    options = parser.parse_args()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger("info"),
    )
    try:
        deployment = read_deployment(options.deployment)
    except DeploymentError as error:
        log.critical("cannot start", reason=str(error))
        return 1
    # Its own key, or on a local chain the one of Anvil's public mnemonic.
    key = os.environ.get("MAKER_PRIVATE_KEY") or private_key(MAKER)
    web3 = Web3(HTTPProvider(options.rpc, request_kwargs={"timeout": 10}))
    maker = Maker(web3, deployment, options.account, key, options.spread * BASIS_POINT)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with _Server(("127.0.0.1", options.port), maker, deployment) as server:
        log.info("started", quote=f"http://127.0.0.1:{server.server_port}/quote", account=options.account, rpc=options.rpc)
        server.serve_forever(poll_interval=0.1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
