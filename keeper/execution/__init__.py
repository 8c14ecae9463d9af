"""The only package that signs and sends: plans confirmed on the contract, journaled, broadcast, watched."""

from keeper.execution.calls import Call, Outcome, call_of
from keeper.execution.confirmation import Confirmation, Confirmed, Refusal, Refused
from keeper.execution.inventory import Inventory, InventoryRules, Settlement
from keeper.execution.journal import Entry, Journal, Status
from keeper.execution.orders import Order, SignedOrder, sign_order
from keeper.execution.prices import PriceRelay
from keeper.execution.signer import Signer
from keeper.execution.transactions import FeePolicy, TransactionManager

__all__ = [
    "Call",
    "Confirmation",
    "Confirmed",
    "Entry",
    "FeePolicy",
    "Inventory",
    "InventoryRules",
    "Journal",
    "Order",
    "Outcome",
    "PriceRelay",
    "Refusal",
    "Refused",
    "Settlement",
    "SignedOrder",
    "Signer",
    "Status",
    "TransactionManager",
    "call_of",
    "sign_order",
]
