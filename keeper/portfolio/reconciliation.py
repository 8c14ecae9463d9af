"""Does the fold say what the contracts say? Exact integers on both sides, so any difference is a fault."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from keeper.chain import SETTLEMENT_INDEX, Block, ChainPort, Deployment
from keeper.model import Account, MarginMode, Position, Wad
from keeper.model.instrument import Instrument
from keeper.portfolio.state import State

__all__ = ["Reconciler", "account_of_view", "differences", "table_differences"]


def account_of_view(view: Sequence[Any], tokens: Mapping[int, str]) -> Account:
    """ILens.AccountView (id, owner, mode, cash, collateral, positions) as an account. tokens: name by collateral index."""
    number, owner, mode, cash, collateral, positions = view
    return Account(
        id=number,
        owner=owner,
        mode=MarginMode(mode),
        cash=Wad(cash),
        collateral={tokens.get(index, f"token {index}"): Wad(quantity) for index, quantity in enumerate(collateral) if quantity},
        positions={Instrument.unpack(instrument): Position(Wad(size), Wad(cost)) for instrument, size, cost in positions if size},
    )


class Reconciler:
    """Compares the fold with Lens.accounts and RiskParameters.table, `batch` accounts at a time, round and round: few at a time and
    often, since the node and the interpreter have nothing left for a price that comes meanwhile.

    Asked as of the block that the fold stands at, so that a chain that moves on does not disturb. A difference counts once
    it was seen twice: nodes answer calls from a block that is being made before they announce it.
    """

    def __init__(self, port: ChainPort, deployment: Deployment, batch: int = 25) -> None:
        self._port = port
        self._deployment = deployment
        self._batch = batch
        self._next = 0
        self._suspected: frozenset[str] = frozenset()
        self.rounds = 0

    @property
    def suspicious(self) -> bool:
        """True where the last comparison found something that the next must confirm: make it soon."""
        return bool(self._suspected)

    def position(self, state: State) -> tuple[int, int]:
        """(account ids compared in this round, all there are); all of them where a round has just ended."""
        last = max(state.accounts)
        return (self._next or last + 1), last + 1

    def pause(self, accounts: int, longest: float, within: float) -> float:
        """Seconds until the next comparison, so that every account is seen every `within` seconds; at most `longest`."""
        return min(longest, within * self._batch / max(1, accounts))

    def compare(self, state: State, block: Block) -> list[str] | None:
        """Differences of the next batch as of `block` that the comparison before found too; None where `block` is not the
        chain's any more: no statement. Raises ChainError."""
        last = max(state.accounts)
        first, until = self._next, min(last, self._next + self._batch - 1)
        if first > last:
            first, until = 0, min(last, self._batch - 1)
        lens, parameters = self._deployment.contract("Lens"), self._deployment.contract("RiskParameters")
        views = lens.decode("accounts", self._port.call(lens.address, lens.encode("accounts", first, until), block=block.number))
        words = parameters.decode("table", self._port.call(parameters.address, parameters.encode("table"), block=block.number))
        standing = self._port.block(block.number)
        if standing is None or standing.hash != block.hash:
            return None
        tokens = {index: name for index, name in state.tokens.items() if index != SETTLEMENT_INDEX}
        found = differences(state, [account_of_view(view, tokens) for view in views]) + table_differences(state, words)
        confirmed = [difference for difference in found if difference in self._suspected]
        if confirmed or not found:
            self._suspected = frozenset()
            self.rounds += until == last
            self._next = 0 if until == last else until + 1
        else:
            self._suspected = frozenset(found)
        return confirmed


def differences(state: State, truth: Iterable[Account]) -> list[str]:
    """One line per fact in which the fold differs from the contracts' `truth`; empty where all is well."""
    found: list[str] = []
    for account in truth:
        mine = state.accounts.get(account.id)
        if mine is None:
            found.append(f"account {account.id}: on chain, unknown to the fold")
            continue
        if mine.owner.lower() != account.owner.lower() and account.id != 0:
            found.append(f"account {account.id}: owner {mine.owner} in the fold, {account.owner} on chain")
        if mine.mode != account.mode and account.id != 0:
            found.append(f"account {account.id}: mode {mine.mode.name} in the fold, {account.mode.name} on chain")
        if mine.cash != account.cash:
            found.append(f"account {account.id}: cash {mine.cash.raw} in the fold, {account.cash.raw} on chain")
        for token in sorted({*mine.collateral, *account.collateral}):
            here, there = mine.collateral.get(token, Wad(0)), account.collateral.get(token, Wad(0))
            if here != there:
                found.append(f"account {account.id}: {token} {here.raw} in the fold, {there.raw} on chain")
        for instrument in sorted({*mine.positions, *account.positions}):
            one, other = mine.positions.get(instrument), account.positions.get(instrument)
            if one != other:
                found.append(f"account {account.id}: {instrument} is {one} in the fold, {other} on chain")
    return found


def table_differences(state: State, words: Sequence[int]) -> list[str]:
    """Words of the parameter table in which the fold differs from RiskParameters.table()."""
    return [
        f"parameter word {index}: {mine:#x} in the fold, {theirs:#x} on chain"
        for index, (mine, theirs) in enumerate(zip(state.table.words, words, strict=True))
        if mine != theirs
    ]
