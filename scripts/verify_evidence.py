"""Recomputes the demo's JSON line from the raw material that the demo left, and compares.

    python -m scripts.verify_evidence [out/evidence]

Shares no code with keeper or demo: it decodes logs and views itself and prices options itself.

- From the chain's events alone: accounts, liquidated, bankrupt, insurance_paid; cash, positions and collateral of every account (each
  event's state must follow from the one before), hence ledger_drift_units; with the prices and smiles of the price door's events the
  equity of every account, hence unallocated_deficit.
- Requirements need the engine's full scan. It is taken from raw `eth_call` answers (views.jsonl.gz), each of which must agree with the
  events in equity and with itself in health: margin_calls and undermargined_left.
- Times are the observer's (blocks.csv): detect_to_inclusion_ms.

Besides, the files must have the sums of SHA256SUMS, every account must have been read at every step, and deleveraging must have taken from
the winners what was missing and not more (INV-ADL-EXACT). Exit code 0 only if all agrees.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import math
import sys
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import NormalDist
from typing import Any

from eth_utils.crypto import keccak

__all__ = ["EvidenceError", "differences", "main", "recompute"]

DEFAULT = Path(__file__).resolve().parents[1] / "out" / "evidence"
WAD = 10**18
YEAR = 365 * 86_400
SETTLEMENT = 255
WETH, ETH = 0, 0  # collateral 0 is the underlying 0
CALLED, LIQUIDATABLE, SAFE = 125 * WAD // 100, 105 * WAD // 100, WAD
BANKRUPT = 3
PERP, FUTURE, CALL, PUT = range(4)
INT256_MAX, INT256_MIN = 2**255 - 1, -(2**255)
PRICE_TOLERANCE = 1e-9  # of gross notional: the contract prices options within 4e-10 of the forward
CASH_TOLERANCE = 1e-6  # USD
EVENTS = (
    "AccountOpened(uint64,address,uint8)",
    "CashChanged(uint64,uint8,int256,int256)",
    "CollateralChanged(uint64,uint8,int256,uint256)",
    "PositionChanged(uint64,uint112,int256,int256,int256,int256)",
    "TokensReceived(uint8,address,uint256,uint256)",
    "TokensSent(uint8,address,uint256,uint256)",
    "MarketUpdated(uint8,uint32,uint96,uint96,uint16)",
    "ExpiryUpdated(uint8,uint32,uint256,uint256,uint256)",
    "Liquidated(uint64,uint64,uint8,int256,int256,uint256,uint256,uint256,uint256,uint256)",
    "Drawn(address,uint64,uint8,uint256,uint256)",
    "CarryRealised(uint64,uint112,int256)",
    "LossShared(uint64,uint112,bool,uint256,int256,uint256)",
    "Deleveraged(uint64,uint64,uint112,uint256,uint256,uint256,uint256)",
    "Executed(uint64,int256,uint256,uint256,uint256,uint256)",
    "DeficitClosed(uint64,int256,uint256)",
)
TOPICS = {"0x" + keccak(text=signature).hex(): signature.partition("(")[0] for signature in EVENTS}
RISKS_OF = "0x" + keccak(text="risksOf(uint64[])")[:4].hex()
_normal = NormalDist()


class EvidenceError(ValueError):
    """The material contradicts itself or is incomplete; the message says where."""


@dataclass(frozen=True, slots=True)
class Event:
    """topics, data: 32-byte words as unsigned integers."""

    block: int
    time: int
    transaction: str
    name: str
    contract: str
    topics: tuple[int, ...]
    data: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class View:
    """`Lens.RiskView` with the block after which and the time at which it was asked."""

    account: int
    block: int
    time: int
    ok: bool
    equity: int
    health: int


@dataclass
class Ledger:
    """State of all accounts, built from events in their order."""

    cash: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    weth: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    positions: dict[int, dict[int, tuple[int, int, int]]] = field(default_factory=lambda: defaultdict(dict))  # size, cost, carry entry
    losses: dict[tuple[int, bool], int] = field(default_factory=dict)  # (instrument, longs) -> loss index
    unbalanced: dict[int, int] = field(default_factory=dict)  # instrument -> sum of all sizes, where it is not zero
    recorded: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    spots: dict[int, tuple[int, int]] = field(default_factory=dict)  # underlying -> spot, mark
    slices: dict[tuple[int, int], tuple[int, int, int]] = field(default_factory=dict)

    def apply(self, event: Event) -> None:
        """Raises EvidenceError where an event's state does not follow from the one before it."""
        t, d = event.topics, event.data
        match event.name:
            case "CashChanged":
                self._follows(event, self.cash[t[0]] + _signed(d[0]), _signed(d[1]))
                self.cash[t[0]] = _signed(d[1])
            case "CollateralChanged":
                self._follows(event, self.weth[t[0]] + _signed(d[0]), d[1])
                self.weth[t[0]] = d[1]
            case "PositionChanged":
                size, cost = _signed(d[0]), _signed(d[1])
                self.unbalanced[t[1]] = self.unbalanced.get(t[1], 0) + size - self.positions[t[0]].get(t[1], (0, 0, 0))[0]
                if not self.unbalanced[t[1]]:
                    del self.unbalanced[t[1]]
                self.positions[t[0]][t[1]] = (size, cost, _signed(d[2]))
                if not size:
                    del self.positions[t[0]][t[1]]
            case "TokensReceived":
                self._follows(event, self.recorded[t[0]] + d[0], d[1])
                self.recorded[t[0]] = d[1]
            case "TokensSent":
                self._follows(event, self.recorded[t[0]] - d[0], d[1])
                self.recorded[t[0]] = d[1]
            case "MarketUpdated":
                self.spots[t[0]] = (d[1], d[2])
            case "ExpiryUpdated":
                self.slices[t[0], t[1]] = (d[0], d[1], d[2])
            case _:
                self._carry(event)

    def _carry(self, event: Event) -> None:
        t, d = event.topics, event.data
        if event.name == "CarryRealised":
            self.positions[t[0]][t[1]] = (*self.positions[t[0]][t[1]][:2], _signed(d[0]))
        elif event.name == "LossShared":
            self.losses[t[1], bool(d[0])] = _signed(d[2])

    def drift(self) -> int:
        """INV-LEDGER, 1e-18 USD: tokens recorded less (cash less costs) of all accounts."""
        costs = sum(cost for held in self.positions.values() for _, cost, _ in held.values())
        return self.recorded[SETTLEMENT] - (sum(self.cash.values()) - costs)

    def require_zero_sum(self) -> None:
        """INV-ZERO-SUM; holds after every transaction."""
        if self.unbalanced:
            raise EvidenceError(f"positions do not sum to zero: { {hex(i): size for i, size in self.unbalanced.items()} }")

    def require_collateral(self) -> None:
        """INV-COLLATERAL."""
        if sum(self.weth.values()) != self.recorded[WETH]:
            raise EvidenceError(f"collateral: accounts hold {sum(self.weth.values())}, the vault recorded {self.recorded[WETH]}")

    def equity(self, account: int, time: int) -> tuple[float, float]:
        """Equity and gross notional, USD, at the prices in force."""
        equity, notional = self.cash[account] / WAD, 0.0
        if self.weth[account]:
            equity += self.weth[account] / WAD * self.spots[ETH][0] / WAD
        for instrument, (size, cost, entry) in self.positions[account].items():
            equity += size / WAD * self._mark(instrument, time) - cost / WAD
            equity -= size / WAD * (self.losses.get((instrument, size > 0), 0) - entry) / WAD
            notional += abs(size) / WAD * self.spots[instrument >> 96 & 0xFF][0] / WAD
        return equity, notional

    def _mark(self, instrument: int, time: int) -> float:
        kind, underlying = instrument >> 104, instrument >> 96 & 0xFF
        expiry, strike = instrument >> 64 & 0xFFFFFFFF, (instrument & (2**64 - 1)) / 1e8
        if kind == PERP:
            return self.spots[underlying][1] / WAD
        quote, smile, wing = self.slices[underlying, expiry]
        forward, rate, tau = (quote >> 160) / WAD, _int64(quote >> 96) / WAD, (quote >> 32 & (2**64 - 1)) / WAD
        if kind == FUTURE:
            return forward
        a, b = _int64(smile >> 192) / WAD, (smile >> 128 & (2**64 - 1)) / WAD
        rho, m = _int64(smile >> 64) / WAD, _int64(smile) / WAD
        sigma, reference = (wing >> 192) / WAD, (wing >> 96 & (2**96 - 1)) / WAD
        limit = 4.0 * math.sqrt(a + b * sigma)
        k = min(max(math.log(strike / reference), -limit), limit) - m
        vol = math.sqrt((a + b * (rho * k + math.hypot(k, sigma))) / tau)
        return _black76(forward, strike, (expiry - time) / YEAR, rate, vol, call=kind == CALL)

    @staticmethod
    def _follows(event: Event, expected: int, found: int) -> None:
        if expected != found:
            raise EvidenceError(f"block {event.block}: {event.name} of {event.topics} says {found}, the events before it {expected}")


def recompute(folder: Path) -> dict[str, Any]:
    """The JSON line from the raw material in `folder`. Raises EvidenceError."""
    run = _run(folder)
    events, views, seen = list(_events(folder, run)), _views(folder, run), _seen(folder)
    steps, last = run["steps"], run["last_block"]
    accounts = sorted(e.topics[0] for e in events if e.name == "AccountOpened")
    readings = _readings(views)
    _require_complete(accounts, readings, [step["block"] for step in steps] + [last])

    ledger = _replay(events, views)
    _require_exact_deleveraging(events)
    final = [_at(readings, account, last) for account in accounts]
    deficit = sum(max(0.0, -ledger.equity(view.account, view.time)[0]) for view in final if view is not None)
    first: dict[int, int] = {}
    for e in events:
        if e.name == "Liquidated":
            first.setdefault(e.topics[0], e.block)
    prices = sorted({e.block for e in events if e.name == "MarketUpdated"})
    waits = sorted(wait for account, block in first.items() for wait in _wait(account, block, prices, readings, seen))
    return {
        "accounts": len(accounts),
        "liquidated": len(first),
        "margin_calls": sum(_was_called(readings, account, steps) for account in accounts),
        "bankrupt": len({e.topics[0] for e in events if e.name == "Liquidated" and e.topics[2] == BANKRUPT}),
        "insurance_paid": round(sum(e.data[0] for e in events if e.name == "Drawn") / WAD, 6),
        "unallocated_deficit": round(deficit, 6) if deficit > CASH_TOLERANCE else 0.0,
        "ledger_drift_units": ledger.drift(),
        "undermargined_left": sum(view is None or view.health < SAFE or not view.ok for view in final),
        "detect_to_inclusion_ms_p50": _percentile(waits, 0.50),
        "detect_to_inclusion_ms_p99": _percentile(waits, 0.99),
    }


def differences(folder: Path) -> tuple[dict[str, Any], list[str]]:
    """The recomputed line and what speaks against the evidence."""
    found = _wrong_sums(folder)
    recomputed = recompute(folder)
    written = _run(folder)["summary"]
    for key in sorted(recomputed.keys() | written.keys()):
        mine, theirs = recomputed.get(key), written.get(key)
        if mine != theirs and not _same_money(key, mine, theirs):
            found.append(f"{key}: written {theirs}, recomputed {mine}")
    return recomputed, found


# --- reading ---


def _run(folder: Path) -> dict[str, Any]:
    run: dict[str, Any] = json.loads((folder / "run.json").read_text())
    return run


def _events(folder: Path, run: Mapping[str, Any]) -> Iterator[Event]:
    """Known events of the run's contracts. Raises EvidenceError for a log out of order."""
    names = {address.lower(): name for name, address in run["contracts"].items()}
    previous = (-1, -1)
    for log in _lines(folder / "logs.jsonl.gz"):
        place = (int(log["blockNumber"], 16), int(log["logIndex"], 16))
        if place <= previous:
            raise EvidenceError(f"logs: {place} follows {previous}")
        previous = place
        contract, event = names.get(log["address"].lower()), TOPICS.get(log["topics"][0])
        if contract is not None and event is not None:
            topics, data = tuple(int(topic, 16) for topic in log["topics"][1:]), _words(log["data"])
            yield Event(place[0], int(log["blockTimestamp"], 16), log["transactionHash"], event, contract, topics, data)


def _views(folder: Path, run: Mapping[str, Any]) -> list[View]:
    """Every risk that the lens told. Raises EvidenceError for a health that its own figures contradict."""
    lens, found = run["contracts"]["Lens"].lower(), []
    for line in _lines(folder / "views.jsonl.gz"):
        if line["to"].lower() != lens or not line["data"].startswith(RISKS_OF):
            continue
        words = _words(line["result"])
        for start in range(2, 2 + 11 * words[1], 11):
            account, ok, _, maintenance, equity, _, margin_equity, long_options, *_, health = words[start : start + 11]
            needed, held = maintenance - long_options, _signed(margin_equity) - long_options
            expected = held * WAD // needed if needed else INT256_MAX if held >= 0 else INT256_MIN
            if ok and abs(_signed(health) - expected) > 1:
                raise EvidenceError(f"block {line['block']}, account {account}: health {_signed(health)}, its own figures give {expected}")
            found.append(View(account, line["block"], line["time"], bool(ok), _signed(equity), _signed(health)))
    return found


def _seen(folder: Path) -> dict[int, int]:
    pairs = (line.split(",") for line in (folder / "blocks.csv").read_text().splitlines())
    return {int(block): int(nanoseconds) for block, nanoseconds in pairs}


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    try:
        with gzip.open(path, "rt") as file:
            yield from map(json.loads, file)
    except (OSError, EOFError, ValueError) as error:
        raise EvidenceError(f"{path.name}: {error}") from None


def _wrong_sums(folder: Path) -> list[str]:
    found = []
    for line in (folder / "SHA256SUMS").read_text().splitlines():
        expected, name = line.split()
        if hashlib.sha256((folder / name).read_bytes()).hexdigest() != expected:
            found.append(f"{name} is not the file whose sum was written")
    return found


# --- computing ---


def _replay(events: list[Event], views: list[View]) -> Ledger:
    """The ledger after all events; on the way every view's equity is compared with it. Raises EvidenceError."""
    ledger = Ledger()
    times = {event.block: event.time for event in events}
    by_block: dict[int, list[View]] = defaultdict(list)
    for view in views:
        by_block[view.block].append(view)
    by_event: dict[int, list[Event]] = defaultdict(list)
    for event in events:
        by_event[event.block].append(event)
    for block in sorted(by_block.keys() | by_event.keys()):
        for event in by_event[block]:
            ledger.apply(event)
        ledger.require_zero_sum()
        for view in by_block[block]:
            _require_agreement(view, ledger, times.get(block, view.time))
    ledger.require_collateral()
    return ledger


def _require_agreement(view: View, ledger: Ledger, time: int) -> None:
    if view.time != time:
        raise EvidenceError(f"block {view.block}: read at {view.time}, its logs are of {time}")
    equity, notional = ledger.equity(view.account, time)
    if view.ok and abs(equity - view.equity / WAD) > CASH_TOLERANCE + PRICE_TOLERANCE * notional:
        raise EvidenceError(f"block {view.block}, account {view.account}: view's equity {view.equity / WAD}, by the events {equity}")


def _require_exact_deleveraging(events: list[Event]) -> None:
    """INV-ADL-EXACT: what an execution took of counterparties and loss index is what its parts say, and where it ended a deficit, what the
    fund had left of that: a unit per contract and per close beyond. Raises EvidenceError."""
    by_transaction: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        if event.name in ("Executed", "Deleveraged", "LossShared", "DeficitClosed"):
            by_transaction[event.transaction].append(event)
    for found in by_transaction.values():
        for executed in (event for event in found if event.name == "Executed"):
            account, (equity, fund_paid, haircut, shared, closes) = executed.topics[0], executed.data
            own = [event for event in found if event.topics[0] == account]
            parts = [event.data for event in own if event.name == "Deleveraged"]
            losses = [event.data[1] for event in own if event.name == "LossShared"]
            if (haircut, closes, shared) != (sum(part[3] for part in parts), len(parts), sum(losses)):
                raise EvidenceError(f"block {executed.block}: the execution for account {account} is not the sum of its parts")
            ended = any(event.name == "DeficitClosed" for event in own)
            rounding = len(parts) + sum(-(-part[0] // WAD) for part in parts)
            if ended and _signed(equity) < 0 and not 0 <= fund_paid + haircut + shared + _signed(equity) <= rounding:
                raise EvidenceError(
                    f"block {executed.block}: of account {account}'s {-_signed(equity)} missing, others paid {haircut + shared}"
                )


def _readings(views: list[View]) -> dict[int, tuple[list[int], list[View]]]:
    """Account -> blocks, views, ascending."""
    found: dict[int, tuple[list[int], list[View]]] = {}
    for view in sorted(views, key=lambda view: view.block):
        blocks, own = found.setdefault(view.account, ([], []))
        blocks.append(view.block)
        own.append(view)
    return found


def _at(readings: Mapping[int, tuple[list[int], list[View]]], account: int, block: int, *, exactly: bool = False) -> View | None:
    """The account's last view at or before `block`."""
    blocks, views = readings.get(account, ([], []))
    position = bisect_right(blocks, block)
    if not position or (exactly and blocks[position - 1] != block):
        return None
    return views[position - 1]


def _require_complete(accounts: list[int], readings: Mapping[int, tuple[list[int], list[View]]], blocks: list[int]) -> None:
    for block in blocks:
        if missing := [account for account in accounts if _at(readings, account, block, exactly=True) is None]:
            raise EvidenceError(f"block {block}: accounts {missing} were not read")


def _was_called(readings: Mapping[int, tuple[list[int], list[View]]], account: int, steps: list[dict[str, Any]]) -> bool:
    for step in steps:
        before, after = _at(readings, account, step["before"]), _at(readings, account, step["block"], exactly=True)
        if before is not None and after is not None and before.health >= CALLED > after.health:
            return True
    return False


def _wait(
    account: int, liquidated: int, prices: list[int], readings: Mapping[int, tuple[list[int], list[View]]], seen: Mapping[int, int]
) -> Iterator[float]:
    """Milliseconds from the price update that made the account liquidatable, walking back while it was."""
    trigger = None
    for block in reversed(prices[: bisect_right(prices, liquidated - 1)]):
        view = _at(readings, account, block, exactly=True)
        if view is None or view.health >= LIQUIDATABLE:
            break
        trigger = block
    if trigger is not None:
        yield (seen[liquidated] - seen[trigger]) / 1e6


def _black76(forward: float, strike: float, tenor: float, rate: float, vol: float, *, call: bool) -> float:
    """Black (1976), formulas 16 and 17 with discounting; USD per contract."""
    deviation = vol * math.sqrt(tenor)
    d1 = math.log(forward / strike) / deviation + deviation / 2
    sign = 1 if call else -1
    undiscounted = sign * (forward * _normal.cdf(sign * d1) - strike * _normal.cdf(sign * (d1 - deviation)))
    return math.exp(-rate * tenor) * undiscounted


def _percentile(ordered: list[float], share: float) -> float | None:
    """Nearest rank."""
    return round(ordered[max(0, math.ceil(share * len(ordered)) - 1)], 1) if ordered else None


def _same_money(key: str, mine: object, theirs: object) -> bool:
    """The deficit is priced here in float64, there by the contract."""
    return (
        key == "unallocated_deficit" and isinstance(mine, float) and isinstance(theirs, float) and math.isclose(mine, theirs, rel_tol=1e-6)
    )


def _words(text: str) -> tuple[int, ...]:
    raw = bytes.fromhex(text[2:])
    return tuple(int.from_bytes(raw[i : i + 32], "big") for i in range(0, len(raw), 32))


def _signed(word: int) -> int:
    return word - 2**256 if word >> 255 else word


def _int64(word: int) -> int:
    word &= 2**64 - 1
    return word - 2**64 if word >> 63 else word


def main() -> int:
    parser = argparse.ArgumentParser(description="Recomputes the demo's JSON line from its raw evidence.")
    parser.add_argument("evidence", type=Path, nargs="?", default=DEFAULT)
    folder: Path = parser.parse_args().evidence
    if not (folder / "run.json").is_file():
        sys.exit(f"{folder} holds no evidence: run `make demo` first")
    try:
        recomputed, found = differences(folder)
    except EvidenceError as error:
        sys.exit(f"the evidence contradicts itself: {error}")
    for difference in found:
        print(difference, file=sys.stderr)
    print(json.dumps(recomputed))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
