"""The contracts' views of accounts at given blocks, kept as the node gave them: what a report claims about health can be decoded again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from eth_abi import decode, encode
from eth_utils.crypto import keccak

from scripts.chain import Chain
from scripts.deploy import Deployment

__all__ = ["RawView", "Risk", "RiskReader", "risks_of"]

VIEW_BATCH = 8  # accounts per call, calls of one reading in one request: the node works on several at once
WORDS_PER_RISK = 11  # ILens.RiskView: id, ok, the eight words of Requirement, health
WORD = 32
RISKS_OF = keccak(text="risksOf(uint64[])")[:4]
TOTALS = keccak(text="totals(uint64,uint64)")[:4]
HOLDINGS = keccak(text="holdings()")[:4]
ACCOUNT_COUNT = keccak(text="accountCount()")[:4]


@dataclass(frozen=True, slots=True)
class RawView:
    """An `eth_call` on the state after `block` at that block's own time, and its answer; 0x text."""

    block: int
    time: int
    to: str
    data: str
    result: str


@dataclass(frozen=True, slots=True)
class Risk:
    """One account by the full scan at one block. WAD; health is INT256_MAX where nothing needs margin."""

    account: int
    ok: bool
    health: int
    equity: int
    margin_equity: int
    initial: int
    maintenance: int
    gross_notional: int


def risks_of(result: bytes) -> list[Risk]:
    """Decodes what `Lens.risksOf` returned: RiskView[], static tuples of 11 words."""
    count = int.from_bytes(result[WORD : 2 * WORD], "big")
    found = []
    for i in range(count):
        start = (2 + i * WORDS_PER_RISK) * WORD
        account, ok, initial, maintenance, equity, _, margin_equity, _, gross_notional, _, health = (
            int.from_bytes(result[start + j * WORD : start + (j + 1) * WORD], "big", signed=j in (4, 5, 6, 10))
            for j in range(WORDS_PER_RISK)
        )
        found.append(Risk(account, bool(ok), health, equity, margin_equity, initial, maintenance, gross_notional))
    return found


class RiskReader:
    """Full scans by the lens, at any block the node still has. `views` collects every answer that told of risks or totals."""

    def __init__(self, chain: Chain, deployment: Deployment) -> None:
        self._chain = chain
        self._lens = deployment.address("Lens")
        self._ledger = deployment.address("Ledger")
        self._fund = deployment.address("InsuranceFund")
        self._times: dict[int, int] = {}
        self._latest = 0  # at least: blocks below it are settled
        self._unsettled: dict[int, list[int]] = {}  # block -> places in `views` of answers given while it was the latest
        self.views: list[RawView] = []

    def count(self, block: int) -> int:
        """Accounts, the house left out."""
        (view,) = self._ask(block, [(self._ledger, ACCOUNT_COUNT)])
        return int(view.result, 16)

    def read(self, accounts: Iterable[int], block: int) -> list[Risk]:
        wanted = sorted(set(accounts))
        batches = [wanted[start : start + VIEW_BATCH] for start in range(0, len(wanted), VIEW_BATCH)]
        views = self._ask(block, [(self._lens, RISKS_OF + encode(["uint64[]"], [batch])) for batch in batches])
        if self._latest <= block:
            self._unsettled.setdefault(block, []).extend(range(len(self.views), len(self.views) + len(views)))
        self.views += views
        return [risk for view in views for risk in risks_of(bytes.fromhex(view.result[2:]))]

    def all(self, block: int) -> list[Risk]:
        """Every account of the ledger, the house left out: it has no positions."""
        return self.read(range(1, self.count(block) + 1), block)

    def settle(self, block: int) -> list[Risk] | None:
        """All risks read at `block`, asked again where they were read while it was the latest: Anvil lets such calls see the half-made
        next block. None where nothing was. To be called once the next block is known to have touched what was read."""
        places = self._unsettled.pop(block, None)
        if places is None:
            return None
        self._latest = max(self._latest, block + 1)
        asked = [self.views[place] for place in places]
        for place, view in zip(places, self._ask(block, [(v.to, bytes.fromhex(v.data[2:])) for v in asked]), strict=True):
            self.views[place] = view
        of_block = [v for v in self.views if v.block == block and v.data.startswith("0x" + RISKS_OF.hex())]
        return [risk for view in of_block for risk in risks_of(bytes.fromhex(view.result[2:]))]

    def time_of(self, block: int) -> int:
        """Unix seconds of a block."""
        if block not in self._times:
            self._times[block] = int(self._chain.rpc("eth_getBlockByNumber", hex(block), False)["timestamp"], 16)
        return self._times[block]

    def fund(self, block: int) -> int:
        """The insurance fund's tokens, WAD."""
        views = self._ask(block, [(self._fund, HOLDINGS)])
        self.views += views
        return int(views[0].result, 16)

    def totals(self, block: int) -> dict[str, Any]:
        """`Lens.totals` over all accounts: the figures of INV-LEDGER and INV-COLLATERAL."""
        views = self._ask(block, [(self._lens, TOTALS + encode(["uint64", "uint64"], [0, self.count(block)]))])
        self.views += views
        (totals,) = decode(["(int256,int256,uint256,int256,uint256[],uint256[])"], bytes.fromhex(views[0].result[2:]))
        cash, costs, recorded, drift, collateral, recorded_collateral = totals
        return {
            "cash": cash,
            "costs": costs,
            "recorded": recorded,
            "drift": drift,
            "collateral": list(collateral),
            "collateral_recorded": list(recorded_collateral),
        }

    def _ask(self, block: int, calls: Sequence[tuple[str, bytes]]) -> list[RawView]:
        """Anvil answers for its latest block at the next one's time, and with the next one's state where that is mined meanwhile: the time
        is therefore given, and what may have raced with a new block is asked again."""
        time = self.time_of(block)
        requests = [("eth_call", ({"to": to, "data": "0x" + data.hex()}, hex(block), {}, {"time": hex(time)})) for to, data in calls]
        is_past = self._latest > block
        results = self._chain.rpc_batch(requests)
        if not is_past:
            self._latest = int(self._chain.rpc("eth_blockNumber"), 16)
            if self._latest > block:
                results = self._chain.rpc_batch(requests)
        return [RawView(block, time, to, "0x" + data.hex(), result) for (to, data), result in zip(calls, results, strict=True)]
