"""Ledger and vault from their events."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.contracts.events.logs import Log
from tests.contracts.events.part import WAD, ZERO, Modules, Roles, View, div_up

__all__ = ["Ledger", "Vault"]

COLLATERALS = 8
INDEX_MODULO = 2**56
YEAR = 365 * 86_400
PERP = 0


@dataclass
class Position:
    instrument: int
    size: int
    cost: int
    entry: int


@dataclass
class Account:
    owner: str = ZERO
    mode: int = 0
    deficit: bool = False
    interest_entry: int = 0
    cash: int = 0
    entity: int = 0
    collateral: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    positions: list[Position] = field(default_factory=list)  # in the order of the slots
    profit: tuple[int, int, int] = (0, 0, 0)  # current, previous, since

    def find(self, instrument: int) -> int | None:
        return next((i for i, p in enumerate(self.positions) if p.instrument == instrument), None)


def underlying_of(instrument: int) -> int:
    return instrument >> 96 & 0xFF


def kind_of(instrument: int) -> int:
    return instrument >> 104


class Ledger(Modules):
    def __init__(self, whole: Any) -> None:
        super().__init__(whole)
        self.accounts: dict[int, Account] = {0: Account()}  # the house is there from the beginning
        self.operators: dict[tuple[int, str], int] = {}
        self.funding: dict[int, tuple[int, int, int, int]] = defaultdict(lambda: (0, 0, 0, 0))  # rate, index, since, until
        self.losses: dict[tuple[int, bool], int] = defaultdict(int)
        self.instruments: set[int] = set()
        self.entities: set[int] = set()
        self.debit = (0, 0, 0)  # rate, index, since
        self.vesting = 0
        self.in_transit = 0

    # --- events ---

    def account_opened(self, e: Log) -> None:
        self.accounts[e["account"]] = Account(e["owner"], e["mode"])

    def mode_set(self, e: Log) -> None:
        self.accounts[e["account"]].mode = e["mode"]

    def entity_set(self, e: Log) -> None:
        self.accounts[e["account"]].entity = e["entity"]
        self.entities.add(e["entity"])

    def deficit_set(self, e: Log) -> None:
        self.accounts[e["account"]].deficit = e["open"]

    def operator_set(self, e: Log) -> None:
        self.operators[e["account"], e["operator"]] = e["scopes"]

    def cash_changed(self, e: Log) -> None:
        self.accounts[e["account"]].cash = e["cash"]

    def collateral_changed(self, e: Log) -> None:
        self.accounts[e["account"]].collateral[e["index"]] = e["quantity"]

    def position_changed(self, e: Log) -> None:
        account, instrument = self.accounts[e["account"]], e["instrument"]
        held, at = account.positions, account.find(instrument)
        self.instruments.add(instrument)
        if e["size"] == 0:
            assert at is not None, e
            last = held.pop()
            if at < len(held):
                held[at] = last  # as the ledger fills the gap
            return
        new = Position(instrument, e["size"], e["cost"], e["fundingIndex"])
        held[slice(at, at + 1) if at is not None else slice(len(held), None)] = [new]

    def carry_realised(self, e: Log) -> None:
        account = self.accounts[e["account"]]
        at = account.find(e["instrument"])
        assert at is not None, e
        account.positions[at].entry = e["fundingIndex"]

    def position_settled(self, e: Log) -> None:
        self.in_transit = e["inTransit"]

    def interest_started(self, e: Log) -> None:
        self.accounts[e["account"]].interest_entry = e["debitIndex"]

    def profit_counted(self, e: Log) -> None:
        self.accounts[e["account"]].profit = (e["current"], e["previous"], e["since"])

    def funding_rate_set(self, e: Log) -> None:
        self.funding[e["underlying"]] = (e["ratePerSecond"], e["fundingIndex"], e["since"], e["until"])

    def debit_rate_set(self, e: Log) -> None:
        self.debit = (e["perYear"], e["debitIndex"], e["since"])

    def profit_vesting_set(self, e: Log) -> None:
        self.vesting = e["period"]

    def loss_shared(self, e: Log) -> None:
        self.losses[e["instrument"], e["longs"]] = e["lossIndex"]

    # --- what follows from them ---

    def carry(self, instrument: int, now: int) -> tuple[int, int]:
        """Indices of longs and shorts."""
        rate, index, since, until = self.funding[underlying_of(instrument)]
        both = index + rate * (min(now, until) - since) if kind_of(instrument) == PERP else 0
        return both + self.losses[instrument, True], both + self.losses[instrument, False]

    def owed(self, account: Account, now: int) -> int:
        total = 0
        for p in account.positions:
            longs, shorts = self.carry(p.instrument, now)
            total += div_up(p.size * ((longs if p.size > 0 else shorts) - p.entry), WAD)
        return total

    def interest(self, number: int, now: int) -> int:
        account = self.accounts[number]
        if account.cash >= 0 or account.deficit or number == 0:
            return 0
        rate, index, since = self.debit
        current = (index + rate * (now - since) // (1000 * YEAR)) % INDEX_MODULO
        return div_up(-account.cash * ((current - account.interest_entry) % INDEX_MODULO), 10**15)

    def unvested(self, account: Account, now: int) -> int:
        current, previous, since = account.profit
        if now - since < self.vesting:
            return current + previous
        return current if now - since < 2 * self.vesting else 0

    def held(self, instrument: int) -> tuple[int, int]:
        sizes = [p.size for a in self.accounts.values() for p in a.positions if p.instrument == instrument]
        return sum(s for s in sizes if s > 0), -sum(s for s in sizes if s < 0)

    def exposure(self, entity: int, underlying: int) -> int:
        return sum(
            abs(p.size)
            for a in self.accounts.values()
            if a.entity == entity
            for p in a.positions
            if underlying_of(p.instrument) == underlying
        )

    def views(self) -> Iterator[View]:
        now = self.whole.now
        yield from super().views()
        for number, a in self.accounts.items():
            mask = sum(1 << i for i, quantity in a.collateral.items() if quantity)
            yield "account", (number,), ((a.owner, a.mode, len(a.positions), mask, True, a.deficit, a.interest_entry),)
            yield "cash", (number,), (a.cash,)
            yield "costs", (number,), (sum(p.cost for p in a.positions),)
            yield "positions", (number,), (tuple((p.instrument, p.size, p.cost) for p in a.positions),)
            yield "accrued", (number,), (self.owed(a, now), self.interest(number, now))
            yield "unvestedProfit", (number,), (self.unvested(a, now),)
            yield "entityOf", (number,), (a.entity,)
            yield "deficitOpen", (number,), (a.deficit,)
            for index in range(COLLATERALS):
                yield "collateral", (number, index), (a.collateral[index],)
            for instrument in self.instruments:
                at = a.find(instrument)
                yield "positionSize", (number, instrument), (a.positions[at].size if at is not None else 0,)
        for (number, operator), scopes in self.operators.items():
            yield "operatorScopes", (number, operator), (scopes,)
            if scopes:
                yield "isAuthorised", (number, operator, scopes), (True,)
        underlyings = {underlying_of(i) for i in self.instruments} | set(self.funding)
        for instrument in self.instruments:
            longs, shorts = self.held(instrument)
            yield "openInterest", (instrument,), (longs,)
            yield "openInterestSides", (instrument,), (longs, shorts)
            yield "carry", (instrument,), self.carry(instrument, now)
        for u in underlyings:
            yield "openInterestOf", (u,), (sum(self.held(i)[0] for i in self.instruments if underlying_of(i) == u),)
            yield "fundingRate", (u,), (self.funding[u][0], self.funding[u][3])
            for entity in self.entities - {0}:
                yield "entityExposure", (entity, u), (self.exposure(entity, u),)
        yield "accountCount", (), (max(self.accounts),)
        yield "debitRate", (), (self.debit[0],)
        yield "profitVesting", (), (self.vesting,)
        yield "inTransit", (), (self.in_transit,)


class Vault(Modules, Roles):
    def __init__(self, whole: Any) -> None:
        super().__init__(whole)
        self.tokens: dict[int, tuple[str, int]] = {}  # address, unit
        self.recorded: dict[int, int] = defaultdict(int)

    def token_listed(self, e: Log) -> None:
        self.tokens[e["index"]] = (e["token"], 10 ** (18 - e["decimals"]))

    def tokens_received(self, e: Log) -> None:
        self.recorded[e["index"]] = e["recorded"]

    def tokens_sent(self, e: Log) -> None:
        self.recorded[e["index"]] = e["recorded"]

    def views(self) -> Iterator[View]:
        yield from Modules.views(self)
        yield from Roles.views(self)
        for index, (token, unit) in self.tokens.items():
            yield "token", (index,), (token,)
            yield "unit", (index,), (unit,)
            yield "recorded", (index,), (self.recorded[index],)
        yield "tokenCount", (), (len(self.tokens) - 1,)
