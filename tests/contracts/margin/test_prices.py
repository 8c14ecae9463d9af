"""Prices of the kernel against 40-digit Black-76, over the whole accepted domain: 4e-10 of the (shocked) forward per option.

Moneyness e^-4..e^4, vols 1 %..500 %, one minute to three years, spots shocked by -66 %..+500 %. The edges are named.
"""

from __future__ import annotations

import math
import random
from fractions import Fraction

import mpmath
import pytest
from web3.contract import Contract

from tests.contracts.margin.conftest import GAS
from tests.contracts.margin.words import wad

TIME = 1_800_000_000
MINUTE, YEAR = 60, 365 * 86_400
CALL, PUT = 2, 3
TOLERANCE = 4e-10
SHOCKS = (-0.66, -0.33, -0.18, -0.045, 0.0, 0.09, 0.18, 0.5, 2.0, 5.0)


def flat_slice(forward: float, vol: float, seconds: int, rate: float = 0.0) -> list[int]:
    """An expiry's words with one vol for all strikes: a = vol^2 refTau (below 9.2, an int64), b = 0."""
    tau = min(Fraction(seconds, YEAR), Fraction(1, 4))
    ref_tau = wad(tau)
    quote = wad(forward) << 160 | wad(rate) % 2**64 << 96 | ref_tau << 32 | TIME
    smile = wad(Fraction(vol) ** 2 * tau) << 192
    wing = wad(1) << 192 | wad(forward) << 96
    return [quote, smile, wing]


def position(kind: int, strike_units: int, expiry: int) -> int:
    ln_strike = round(mpmath.log(mpmath.mpf(strike_units) / 10**8) * 2**42)
    return 10**18 << 160 | ln_strike % 2**48 << 112 | kind << 104 | expiry << 64 | strike_units


def black76(forward: mpmath.mpf, strike: mpmath.mpf, s: mpmath.mpf, call: bool) -> mpmath.mpf:
    """Undiscounted; s = v sqrt T."""
    if s == 0:
        return max(mpmath.mpf(0), forward - strike if call else strike - forward)
    d1 = mpmath.log(forward / strike) / s + s / 2
    sign = 1 if call else -1
    return sign * (forward * mpmath.ncdf(sign * d1) - strike * mpmath.ncdf(sign * (d1 - s)))


def exact_deviation(words: list[int], seconds: int) -> mpmath.mpf:
    """v sqrt T of the words as they were rounded: that is the input, not the float it came from."""
    a, ref_tau = words[1] >> 192, (words[0] >> 32) % 2**64
    return mpmath.sqrt(mpmath.mpf(a) / 10**18 * seconds * 10**18 / (mpmath.mpf(YEAR) * ref_tau))


def random_slices(seed: int, count: int) -> list[tuple[float, float, int]]:
    rng = random.Random(seed)
    chosen = [
        (10 ** rng.uniform(-2, 5.2), math.exp(rng.uniform(math.log(0.01), math.log(5))), int(MINUTE * (3 * YEAR / MINUTE) ** rng.random()))
        for _ in range(count)
    ]
    return [*chosen, (3_500.0, 0.01, MINUTE), (3_500.0, 5.0, 3 * YEAR), (100_000.0, 5.0, MINUTE), (0.05, 0.01, 3 * YEAR)]


@pytest.mark.parametrize("slice_", random_slices(7, 24), ids=lambda s: f"F{s[0]:.4g}-vol{s[1]:.3f}-{s[2]}s")
def test_price_error(margin_math: Contract, slice_: tuple[float, float, int]) -> None:
    forward, vol, seconds = slice_
    words, expiry = flat_slice(forward, vol, seconds), TIME + seconds
    with mpmath.workdps(40):
        F = mpmath.mpf(words[0] >> 160) / 10**18
        s = exact_deviation(words, seconds)
        # strikes over the domain, and close to the forward, where short-dated options have their value
        logs = [-4 + i * 8 / 39 for i in range(40)] + [float(s) * (i - 10) / 2 for i in range(21)]
        strikes = [max(1, round(F * mpmath.exp(max(-4, min(4, x))) * 10**8)) for x in logs]
        positions = [position(CALL if i % 2 else PUT, k, expiry) for i, k in enumerate(strikes)]
        marks, _ = margin_math.functions.price(words, expiry, TIME, positions).call(GAS)
        for i, (units, mark) in enumerate(zip(strikes, marks, strict=True)):
            exact = black76(F, mpmath.mpf(units) / 10**8, s, bool(i % 2))
            assert abs(mpmath.mpf(mark) / 10**18 - exact) <= TOLERANCE * F + mpmath.mpf(10) ** -18, (forward, vol, seconds, units)


@pytest.mark.parametrize("slice_", random_slices(11, 10), ids=lambda s: f"F{s[0]:.4g}-vol{s[1]:.3f}-{s[2]}s")
def test_shocked_price_error(margin_math: Contract, slice_: tuple[float, float, int]) -> None:
    forward, vol, seconds = slice_
    words, expiry = flat_slice(forward, vol, seconds), TIME + seconds
    with mpmath.workdps(40):
        F, s = mpmath.mpf(words[0] >> 160) / 10**18, exact_deviation(words, seconds)
        shocks = [round(mpmath.log1p(x) * 2**42) for x in SHOCKS]
        for log in (-4, -1.5, -float(s), 0.01, 0.7, 2.2, 4):
            units = max(1, round(F * mpmath.exp(log) * 10**8))
            strike = mpmath.mpf(units) / 10**8
            forwards, strikes = margin_math.functions.shocked(words, expiry, TIME, position(CALL, units, expiry), shocks).call(GAS)
            for x, upper, lower in zip(SHOCKS, forwards, strikes, strict=True):
                shocked = F * (1 + mpmath.mpf(x))
                mean = ((1 + mpmath.mpf(x)) * upper + lower) / mpmath.mpf(2) ** 41 / 10**12
                exact = (black76(shocked, strike, s, True) + black76(shocked, strike, s, False)) / 2
                exact = black76(shocked, strike, s, True) - (shocked - strike) / 2 if s else exact
                rounding = mpmath.mpf(10) ** -12  # lanes count 1e-12 USD per contract
                assert abs(mean - exact) <= TOLERANCE * shocked + 2 * rounding, (forward, vol, seconds, units, x)


@pytest.mark.parametrize("kind", [CALL, PUT])
@pytest.mark.parametrize(
    ("forward", "strike"), [(3_500.0, 3_400.0), (3_500.0, 3_500.0), (3_500.0, 3_600.0), (3_500.0, 1e-8), (3_500.0, 1.8e11)]
)
def test_no_time_or_no_vol_is_intrinsic(margin_math: Contract, kind: int, forward: float, strike: float) -> None:
    units = wad(strike) // 10**10
    intrinsic = max(0, (wad(forward) - units * 10**10) * (1 if kind == CALL else -1))
    no_vol, no_time, settled = flat_slice(forward, 0.0, YEAR), flat_slice(forward, 0.8, YEAR), flat_slice(9_999.0, 0.8, YEAR)
    settled[2] |= wad(forward)
    for words, expiry in ((no_vol, TIME + YEAR), (no_time, TIME), (settled, TIME - 1)):
        marks, deviations = margin_math.functions.price(words, expiry, TIME, [position(kind, units, expiry)]).call(GAS)
        assert deviations == [1]  # 2**-35 stands for 0
        assert abs(marks[0] - intrinsic) <= 2e-11 * wad(forward)


def test_parity_is_exact(margin_math: Contract) -> None:
    """Call - put = D (F - K) to the last digit but for a mark that the floor at 0 touches."""
    rng = random.Random(3)
    expiry = TIME + 40 * 86_400
    words = flat_slice(3_456.789, 0.7, 40 * 86_400, rate=0.05)
    units = [rng.randrange(10**11, 10**12) for _ in range(60)]
    calls, _ = margin_math.functions.price(words, expiry, TIME, [position(CALL, k, expiry) for k in units]).call(GAS)
    puts, _ = margin_math.functions.price(words, expiry, TIME, [position(PUT, k, expiry) for k in units]).call(GAS)
    with mpmath.workdps(40):
        discount = int(mpmath.floor(mpmath.exp(-mpmath.mpf("0.05") * 40 / 365) * 10**18))
    for k, call, put in zip(units, calls, puts, strict=True):
        assert abs(call - put - discount * (wad(3_456.789) - k * 10**10) // 10**18) <= 10_000  # 1e-14 USD: exp and two roundings
