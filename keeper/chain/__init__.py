"""The chain: deployment file, node client, typed events, durable store and reorganisation-safe ingestion."""

from keeper.chain.client import NodeClient
from keeper.chain.contract import Contract, Errors
from keeper.chain.deployment import SETTLEMENT_INDEX, Deployment, Token
from keeper.chain.endpoints import EndpointPool, EndpointState, name_of
from keeper.chain.events import EVENTS, Decoder, Event
from keeper.chain.ingestion import Ingestion, Step
from keeper.chain.memory import MemoryChain
from keeper.chain.port import Block, ChainPort, Fees, Log, Receipt
from keeper.chain.store import Store
from keeper.chain.wake import Wake

__all__ = [
    "EVENTS",
    "SETTLEMENT_INDEX",
    "Block",
    "ChainPort",
    "Contract",
    "Decoder",
    "Deployment",
    "EndpointPool",
    "EndpointState",
    "Errors",
    "Event",
    "Fees",
    "Ingestion",
    "Log",
    "MemoryChain",
    "NodeClient",
    "Receipt",
    "Step",
    "Store",
    "Token",
    "Wake",
    "name_of",
]
