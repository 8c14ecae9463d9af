"""The only package that signs and sends: plans confirmed on the contract, journaled, broadcast, watched."""

from keeper.execution.calls import EXECUTE, NOMINATE, OPEN, Call, Execution, Outcome, call_of, execution_of, step_call
from keeper.execution.confirmation import Confirmation, Confirmed, ConfirmedBatch, Refusal, Refused
from keeper.execution.dispatch import Dispatch
from keeper.execution.inventory import Inventory, InventoryRules, Settlement
from keeper.execution.journal import Entry, Journal, Status
from keeper.execution.lease import Lease
from keeper.execution.orders import Order, SignedOrder, sign_order
from keeper.execution.prices import PriceRelay
from keeper.execution.signer import ExternalSigner, Signer, more_signers
from keeper.execution.transactions import FeePolicy, TransactionManager

__all__ = [
    "EXECUTE",
    "NOMINATE",
    "OPEN",
    "Call",
    "Confirmation",
    "Confirmed",
    "ConfirmedBatch",
    "Dispatch",
    "Entry",
    "Execution",
    "ExternalSigner",
    "FeePolicy",
    "Inventory",
    "InventoryRules",
    "Journal",
    "Lease",
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
    "execution_of",
    "more_signers",
    "sign_order",
    "step_call",
]
