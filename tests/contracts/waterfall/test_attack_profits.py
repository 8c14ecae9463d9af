"""What a rule of sections 3 to 5 takes from the attacker who would live on its absence: his profit without it and with it, both on chain.

Without: the governed number that switches the rule off, or, where none does, the very calls of ledger and fund that a liquidator without
the rule would make, made in its name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from eth_utils.crypto import keccak

from keeper.model import Instrument
from scripts.parameter_list import governed_parameters
from tests.contracts.waterfall.conftest import CROSS, ETH, ETH_PERP, NO_WITNESS, PORTFOLIO, World, wad
from tests.reverts import reverts

LIQUIDATION = 4  # ILedger.CashReason


@contextmanager
def in_the_liquidators_name(world: World) -> Iterator[Callable[[Any], None]]:
    """Sends calls as the liquidator contract; all of it is undone at the end."""
    anvil, chain = world.system.anvil, world.system.chain
    liquidator = world.system.liquidator.address
    snapshot = anvil.snapshot()
    anvil.rpc("anvil_impersonateAccount", liquidator)
    anvil.rpc("anvil_setBalance", liquidator, hex(10**20))
    try:
        yield lambda call: chain.send(call, liquidator)
    finally:
        anvil.rpc("anvil_stopImpersonatingAccount", liquidator)
        anvil.revert(snapshot)


def functions(world: World, contract: str) -> Any:
    return world.system.deployment.contract(world.system.chain, contract).functions


def set_parameter(world: World, name: str, value: int, governance: Any) -> None:
    functions_ = functions(world, "RiskParameters")
    world.system.chain.send(functions_.set(governed_parameters()[name].index, value), governance.address)


def equity(world: World, *accounts: int) -> int:
    return sum(world.requirement(account)["equity"] for account in accounts)


def test_self_liquidation_for_the_funds_money(world: World, alice: Any) -> None:
    """payment + fee <= equity x release / MM'. Owner's account with 9.80 of equity and a clock at 30 %: 230.35 of the fund's without the
    rule, minus the fee with it."""
    world.fund(10_000)
    victim = world.open(alice, CROSS, usdc=2_000)
    taker = world.open(alice, CROSS, usdc=10_000)
    world.trade(victim, ETH_PERP, 10)
    world.move({"ETH": 3_202.0})
    world.flag(victim, alice)
    world.system.anvil.advance(900)
    world.move()
    before = equity(world, victim, taker)
    requirement = world.requirement(victim)["maintenance"]
    assert (equity(world, victim), requirement) == (wad(9.8), wad(800.5))
    with in_the_liquidators_name(world) as send:
        ledger = functions(world, "Ledger")
        send(ledger.transferPosition(victim, taker, ETH_PERP, wad(10), world.mark(ETH_PERP), 64))
        send(ledger.transferCash(victim, taker, requirement * 3 // 10, LIQUIDATION))
        world.system.chain.send(functions(world, "Liquidator").coverDeficit(victim), alice.address)
        without = equity(world, victim, taker) - before
    assert without == wad(230.35)  # 240.15 of discount less 9.80 that were the owner's own
    event = world.liquidate(victim, taker, [(ETH_PERP, wad(9))], alice).events["Liquidated"][0]
    assert equity(world, victim, taker) - before == -event["fee"] < 0
    assert world.system.insurance_fund.holdings() == wad(10_000)


def test_full_close_for_ten_times_the_pay(world: World, long_eth: int, rescuer: int, liquidator: Any, governance: Any) -> None:
    """INV-LIQ-NOT-TOO-MUCH. Health 0.963 needs a contract of ten. Where every account counts as small the rule is off."""
    world.move({"ETH": 3_280.0})
    before = equity(world, rescuer)
    snapshot = world.system.anvil.snapshot()
    set_parameter(world, "SMALL_ACCOUNT", wad(10_000), governance)
    world.move()
    request = (long_eth, rescuer, [(ETH_PERP, wad(10))], NO_WITNESS, 0, b"")
    world.system.chain.send(functions(world, "Liquidator").liquidate(request), liquidator.address)
    without = equity(world, rescuer) - before
    world.system.anvil.revert(snapshot)
    assert without == wad(16.4) + wad(5)  # 2 % of 820, and a small account's reward
    with reverts("TooMuch", long_eth, ..., wad(820), 0):
        world.liquidate(long_eth, rescuer, [(ETH_PERP, wad(10))], liquidator)
    world.liquidate(long_eth, rescuer, [(ETH_PERP, wad(1))], liquidator)
    assert equity(world, rescuer) - before == wad(1.64)


def test_an_old_flag_kept_in_stock(world: World, long_eth: int, rescuer: int, liquidator: Any, governance: Any) -> None:
    """The clock dies without proofs. A flag of two hours ago, the account healthy since: at the next dip 30 % at once without the rule
    (a clock that lives for a day), 2 % with it."""
    paid = []
    for expiry in (86_400, None):
        snapshot = world.system.anvil.snapshot()
        if expiry is not None:
            set_parameter(world, "CLOCK_RESUME", expiry, governance)
            set_parameter(world, "CLOCK_EXPIRY", expiry, governance)
        world.move({"ETH": 3_280.0})
        send, contract = world.system.chain.send, functions(world, "Liquidator")
        send(contract.flag(long_eth, NO_WITNESS), liquidator.address)
        world.move({"ETH": 3_400.0})
        world.system.anvil.advance(7_200)
        world.move({"ETH": 3_280.0})
        before = equity(world, rescuer)
        send(contract.liquidate((long_eth, rescuer, [(ETH_PERP, wad(1))], NO_WITNESS, 0, b"")), liquidator.address)
        paid.append(equity(world, rescuer) - before)
        world.system.anvil.revert(snapshot)
    assert paid == [wad(24.6), wad(1.64)]  # 30 % and 2 % of 82


def test_covered_calls_left_naked(world: World, covered: tuple[int, int], bob: Any) -> None:
    """The shortfall must not rise. 10 WETH cover 10 deep calls, 400 of debt: without the rule the buyer of a tenth of a WETH has 1 % of it
    and the account misses 330 more than before."""
    account, _ = covered
    buyer = world.open(bob, CROSS, usdc=10_000)
    world.move()

    def shortfall() -> int:
        now = world.requirement(account)
        return now["maintenance"] - now["margin_maintenance"]

    bought, before, had = wad(0.1), shortfall(), equity(world, buyer)
    price = 3_200 * bought * 99 // 100
    with in_the_liquidators_name(world) as send:
        ledger = functions(world, "Ledger")
        send(ledger.transferCollateral(account, buyer, 0, bought))
        send(ledger.transferCash(buyer, account, price, LIQUIDATION))
        profit, harm = equity(world, buyer) - had, shortfall() - before
    assert profit == wad(3.2)
    assert harm > 10 * profit
    with reverts("ShortfallRose", account, ..., ...):
        world.convert(account, buyer, bought, bob)
    assert equity(world, buyer) == had
    assert abs(shortfall() - before) < harm // 1_000  # some seconds of a call's value


def test_the_deficit_stranded_on_a_crumb(world: World, long_eth: int, rescuer: int, liquidator: Any) -> None:
    """The fund pays each leg's share in the same call. Without it whoever takes 9.99 of 10 contracts leaves 110.20 of debt on a crumb that
    requires 0.80: a thousand times what it was, and nobody's business any more. With it the crumb owes as little as it is."""
    world.fund(10_000)
    world.move({"ETH": 3_190.0})
    start = world.requirement(long_eth)
    burden = -start["equity"] / start["maintenance"]
    with in_the_liquidators_name(world) as send:
        send(functions(world, "Ledger").transferPosition(long_eth, rescuer, ETH_PERP, wad(9.99), world.mark(ETH_PERP), 64))
        left = world.requirement(long_eth)
        assert left["equity"] == -wad(110.2)
        assert 999 < -left["equity"] / left["maintenance"] / burden < 1_001
    world.liquidate(long_eth, rescuer, [(ETH_PERP, wad(9.99))], liquidator)
    left = world.requirement(long_eth)
    assert abs(left["equity"] + wad(0.1102)) < 10**6
    assert -left["equity"] / left["maintenance"] / burden < 1.001


def test_a_crumb_that_bears_the_collaterals_stress(world: World, alice: Any, rescuer: int, liquidator: Any, expiries: Any) -> None:
    """PORTFOLIO: 100 WETH against 400 short perps, and a hundredth of a future. The account is bankrupt by 5,000; a friend of the owner
    takes the future. Where the WETH counted for every part, the fund paid a quarter of the deficit and the risk stayed: another crumb,
    another quarter. Parts are measured without collateral: the crumb's share is twelve cents."""
    world.fund(100_000)
    crumb = Instrument.future(ETH, expiries[1]).pack()
    account = world.open(alice, PORTFOLIO, usdc=500, weth=100)
    world.deposit(rescuer, usdc=2_000_000)
    world.trade(account, ETH_PERP, -400)
    world.trade(account, crumb, 0.01)
    world.move({"ETH": 4_549.0})
    deficit = -world.requirement(account)["equity"]
    assert wad(4_000) < deficit < wad(6_000)
    engine = world.system.engine
    # The share that it had: what the future and the WETH would need alone against what the rest needs
    alone = int(engine.preview(account, [(ETH_PERP, wad(400), 0)], 0)[1])
    rest = int(engine.preview(account, [(crumb, -wad(0.01), 0)], 0)[1])
    assert 0.2 < alone / (alone + rest) < 0.3
    event = world.liquidate(account, rescuer, [(crumb, wad(0.01))], liquidator, witness=world.witness(account)).events["Liquidated"][0]
    assert event["fundPaid"] < wad(0.5)
    assert -world.requirement(account)["equity"] > deficit - wad(1)
    event = world.liquidate(account, rescuer, [(ETH_PERP, -wad(400))], liquidator, witness=world.witness(account)).events["Liquidated"][0]
    assert event["fundPaid"] > deficit - wad(1)
    assert world.requirement(account)["equity"] >= 0


def test_sybil_dust_fills_the_queue(world: World, long_eth: int, bob: Any, carol: Any, governance: Any, stranger: Any) -> None:
    """A nominee below remaining / (4 x queue length) is refused. The attacker ranks first with ten contracts: 1,010.20 of haircut are his.
    Without the rule (the measure of dust set to zero) two crumbs of his fill a queue of two, and everybody shares what he owed."""
    set_parameter(world, "NOMINATION_QUEUE", 2, governance)
    attacker = world.open(carol, CROSS, usdc=3_500)
    world.trade(attacker, ETH_PERP, -10)
    honest = world.open(bob, CROSS, usdc=40_000)
    world.trade(honest, ETH_PERP, -10)
    crumbs = [world.open(carol, CROSS, usdc=15) for _ in range(2)]
    for crumb in crumbs:
        world.trade(crumb, ETH_PERP, -0.01)
    world.move({"ETH": 3_100.0})
    world.open_deficit(long_eth, stranger)
    nominate = functions(world, "Nominations").nominate
    execute = functions(world, "Deleverager").execute

    def lost(*, dust: bool) -> int:
        """By the attacker, in all."""
        send = world.system.chain.send
        if not dust:
            with no_measure_of_dust(world):
                world.move()
                for crumb in crumbs:
                    send(nominate(ETH_PERP, crumb, NO_WITNESS), carol.address)
            with reverts("RanksTooLow", honest, ..., ...):
                world.nominate(ETH_PERP, honest, stranger)
        else:
            world.move()
            with reverts("Dust", crumbs[0], ..., ...):
                world.nominate(ETH_PERP, crumbs[0], carol)
            for account in (honest, attacker):
                send(nominate(ETH_PERP, account, NO_WITNESS), bob.address)
        before = equity(world, attacker, *crumbs)
        while world.system.nominations.openDeficits() != 0:
            world.wait_for_nominations()
            world.move()
            send(execute(long_eth, 64), stranger.address)
        return before - equity(world, attacker, *crumbs)

    snapshot = world.system.anvil.snapshot()
    without = lost(dust=False)
    world.system.anvil.revert(snapshot)
    within = lost(dust=True)
    assert abs(within - wad("1010.2")) < 1_000
    assert wad(500) < without < wad(510)  # his half of the open interest


@contextmanager
def no_measure_of_dust(world: World) -> Iterator[None]:
    """Meanwhile the short side's deficits have size 0 in the storage of Nominations: | size 112 | droppedAt 40 | windowEnds 40 |
    deficits 64 |."""
    chain, address = world.system.chain, world.system.nominations.address
    for slot in range(16):
        of_instrument = keccak(ETH_PERP.to_bytes(32, "big") + slot.to_bytes(32, "big"))
        at = keccak((0).to_bytes(32, "big") + of_instrument)
        word = int.from_bytes(chain.web3.eth.get_storage_at(address, int.from_bytes(at, "big")), "big")
        if word >> 144 == wad(10):
            break
    else:
        raise AssertionError("the side was not found in the storage")
    for value in (word % (1 << 144), word):
        chain.rpc("anvil_setStorageAt", address, "0x" + at.hex(), "0x" + value.to_bytes(32, "big").hex())
        if value != word:
            yield
