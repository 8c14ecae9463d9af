"""The fund is empty: a keeper alone brings the system back to no deficit, and the winners pay exactly what was missing."""

from __future__ import annotations

from typing import Any

import pytest

from tests.scenarios.deleveraging.conftest import ETH, WAD, Ground


@pytest.fixture
def fallen(ground: Ground) -> int:
    """Block of the gap; Lena is bankrupt, nobody looked yet."""
    block = ground.fall()
    assert ground.equity("Lena") < 0
    assert ground.view("InsuranceFund", "holdings") == 0
    return block


def test_opens_nominates_by_rank_and_executes(ground: Ground, fallen: int) -> None:
    lena = ground.account("Lena")
    keeper = ground.engine()
    ground.step(keeper, until=lambda state: lena in state.deficits.open)
    assert ground.view("Nominations", "openDeficits") == 1
    state = ground.step(keeper, until=lambda state: len(state.deficits.queues.get((ETH, False), ())) >= 2)
    for _ in range(5):
        keeper.step()
    state = ground.state(keeper)

    # The fold is the contract's queue, in the order of the contract's own scores.
    queue, scores = ground.view("Nominations", "adlQueue", ETH.pack(), False)
    assert [(each.account, each.score) for each in state.deficits.queues[ETH, False]] == list(zip(queue, scores, strict=True))
    ranked = sorted(("Sven", "Tess", "Uwe"), key=lambda name: -ground.view("Nominations", "score", ground.account(name), ETH.pack()))
    assert [ground.names()[account] for account in queue] == ranked[: len(queue)]
    assert ranked[0] == "Tess"
    assert ground.events("Deleveraged") == [], "nothing is closed while nominations are open"

    ground.step(keeper, until=lambda state: lena not in state.deficits.open, mine=True)
    assert ground.view("Nominations", "openDeficits") == 0
    assert ground.equity("Lena") >= 0
    assert ground.events("Liquidated") == []
    require_exact(ground)


def require_exact(ground: Ground) -> None:
    """INV-ADL-EXACT from raw events: haircuts and shared losses are what was missing, a unit per contract and per close beyond."""
    executed, closes = ground.events("Executed"), ground.events("Deleveraged")
    assert executed
    last: dict[int, int] = {}
    for record in executed:
        last[record["args"]["account"]] = record["args"]["equity"]
    total: dict[str, Any] = {name: sum(record["args"][name] for record in executed) for name in ("fundPaid", "haircut", "shared", "closes")}
    assert total["haircut"] == sum(record["args"]["haircut"] for record in closes)
    assert total["closes"] == len(closes)
    assert total["shared"] == sum(record["args"]["amount"] for record in ground.events("LossShared"))
    owed = -sum(last.values())
    contracts = sum(-(-record["args"]["size"] // WAD) for record in closes)
    if len(executed) == len(last):  # at one price each
        excess = total["fundPaid"] + total["haircut"] + total["shared"] - owed
        assert 0 <= excess <= contracts + len(closes)
