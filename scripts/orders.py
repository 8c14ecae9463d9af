"""Orders for people and scripts: decimals in, signed orders out. The typed data are those of keeper/execution/orders.py.

buy = order(7, Instrument.perp(0), "2", limit="2500", expiry=now + 60)
signed = sign_order(buy, key, chain_id, clearing.address)
clearing.settle(signed.as_tuple(), other.as_tuple(), wad("2"), wad("2499.5"))
"""

from __future__ import annotations

import itertools
import secrets
from decimal import Decimal

from keeper.execution.orders import ANY_VENUE, Order, SignedOrder, order_hash, sign_order
from keeper.model import Instrument, Wad

__all__ = ["DEFAULT_FEE_CAP", "Order", "SignedOrder", "order", "order_hash", "sign_order", "wad"]

DEFAULT_FEE_CAP = 10**15  # 0.1 % of notional

# Distinct in this process by counting, between processes by where they start.
_nonces = itertools.count(secrets.randbits(48) << 15)


def wad(amount: str | int | Decimal) -> int:
    """Decimal text, whole number or Decimal as 1e-18 units, exact."""
    return Wad.parse(str(amount)).raw


def order(
    account: int,
    instrument: Instrument | int,
    size: str | int | Decimal,
    *,
    limit: str | int | Decimal,
    expiry: int,
    fee_cap: int = DEFAULT_FEE_CAP,
    nonce: int | None = None,
    reduce_only: bool = False,
    venue: str = ANY_VENUE,
) -> Order:
    """An order of `size` contracts (> 0 buys) at `limit` USD or better, valid until `expiry` (unix seconds).

    fee_cap: rate, 1e18 is all of the notional. Without `nonce`, one that no other order of this process has. Raises UnitError.
    """
    return Order(
        account=account,
        instrument=instrument.pack() if isinstance(instrument, Instrument) else instrument,
        size=wad(size),
        limit_price=wad(limit),
        fee_cap=fee_cap,
        expiry=expiry,
        nonce=next(_nonces) if nonce is None else nonce,
        reduce_only=reduce_only,
        venue=venue,
    )
