"""Does the fold say what the contracts say? Exact integers on both sides, so any difference is a fault."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from keeper.model import Account, MarginMode, Position, Wad
from keeper.model.instrument import Instrument
from keeper.portfolio.state import State

__all__ = ["account_of_view", "differences", "table_differences"]


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
