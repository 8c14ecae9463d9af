"""The light that the keeper shows and the one that the contract tells: of every holder, before anything happens and behind a fall."""

from __future__ import annotations

import random

import pytest

from keeper.deleveraging import lights
from keeper.model import Instrument, MarginMode
from keeper.monitoring import Assessment
from scripts.roles import FIRST_TRADER, address_of
from scripts.seed_local import fund_account, mark, open_account, to_wad, trade, wait_for_fresh_prices
from tests.scenarios.deleveraging.conftest import ETH, WAD, Ground

CROWD = 12


def crowd(ground: Ground) -> None:
    """Holders of either side, in every mode, with more or less money for their risk, at two prices; some hold a long option too. The last
    is short half a contract and owns more than the maker: nobody ranks below."""
    world, rng = ground.world, random.Random(7)
    for number in range(CROWD + 1):
        index = FIRST_TRADER + 10 + number
        world.anvil.rpc("anvil_setBalance", address_of(index), hex(10**20))
        world.anvil.rpc("anvil_impersonateAccount", address_of(index))
        party = open_account(world.chain, world.deployment, index, rng.choice(list(MarginMode)[1:]))
        fund_account(world.chain, world.deployment, party, usdc=round(rng.uniform(11_000, 40_000)) if number < CROWD else 60_000_000)
        legs = [(ETH, rng.choice((-1, 1)) * round(rng.uniform(3, 12), 2))] if number < CROWD else [(ETH, -0.5)]
        if number % 3 == 0 and number < CROWD:
            legs.append((Instrument.call(0, world.story.expiries[1], 3_600), 2.0))
        for instrument, size in legs:
            wait_for_fresh_prices(world.chain, world.deployment)
            price = mark(world.chain, world.deployment, instrument.pack())
            buyer, seller = (party, world.maker) if size > 0 else (world.maker, party)
            trade(world.chain, world.deployment, buyer, seller, instrument.pack(), to_wad(abs(size)), price)
        if number == CROWD // 2:
            ground.fall(-0.03)


def compared(ground: Ground, assessment: Assessment) -> list[int]:
    """Lights of all holders, each compared with the contract's at the same block."""
    found = []
    for account in assessment.state.accounts.values():
        for each in lights(assessment, account.id) if account.positions else ():
            longs = account.positions[each.instrument].size.raw > 0
            others = sorted(
                other.id
                for other in assessment.state.accounts.values()
                if other.id != account.id
                and each.instrument in other.positions
                and (other.positions[each.instrument].size.raw > 0) == longs
            )
            told, coverage = ground.view("Nominations", "quintile", account.id, each.instrument.pack(), others)
            assert coverage == WAD
            assert each.light == told, (account.id, each)
            assert each.score == pytest.approx(ground.view("Nominations", "score", account.id, each.instrument.pack()), rel=1e-6, abs=2)
            found.append(told)
    return found


def test_lights_are_the_contracts(ground: Ground) -> None:
    crowd(ground)
    keeper = ground.engine()
    seen: set[int] = set()
    for change in (-0.02, -0.04, -0.08):
        ground.fall(change)
        keeper.step()
        assessment = keeper.snapshot.assessment
        assert assessment is not None
        assert assessment.block.number == ground.world.head()
        seen |= set(compared(ground, assessment))
    assert {0, 1, 5} <= seen
    assert len(seen) >= 5
