"""Writes tests/vectors/black76_reference.json: Black-76 with 40 digits, for tests/forge/margin/Accuracy.t.sol.

    python -m scripts.generate_price_vectors

Rows cover the domain that the engine accepts: moneyness e^-4..e^4, vols 1 %..500 % and what the shocks make of them (0.2 %..1,500 %), one
minute to three years, spots shocked by -66 %..+500 %; the edges have names. A row's inputs are integers as the contract reads them, so that
the reference has no rounding of inputs in it.
"""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any

import mpmath

__all__ = ["TARGET", "rows"]

TARGET = Path(__file__).resolve().parents[1] / "tests" / "vectors" / "black76_reference.json"
WAD, UNITS = 10**18, 10**8
MINUTE, YEAR = 60, 365 * 86_400
REFERENCE = YEAR // 25  # the longest reference tenor: variance of 1,500 % over it fits int64
SHOCKS = (-0.66, -0.33, -0.18, -0.045, 0.0, 0.09, 0.18, 0.5, 2.0, 5.0)
RANDOM_ROWS = 240
# (name, forward, vol, seconds, ln(K / F) in deviations where the third is True, shock)
EDGES = (
    ("a minute, 1 %, at the forward", 3_500.0, 0.01, MINUTE, (0.0, True), 0.0),
    ("a minute, 1 %, a deviation away", 3_500.0, 0.01, MINUTE, (1.0, True), 0.0),
    ("a minute, 1 %, moneyness e^4", 3_500.0, 0.01, MINUTE, (4.0, False), 5.0),
    ("a minute, 1 %, moneyness e^-4", 3_500.0, 0.01, MINUTE, (-4.0, False), -0.66),
    ("three years, 500 %, at the forward", 3_500.0, 5.0, 3 * YEAR, (0.0, True), 0.18),
    ("three years, 500 %, moneyness e^4", 3_500.0, 5.0, 3 * YEAR, (4.0, False), 0.5),
    ("three years, 500 %, moneyness e^-4", 3_500.0, 5.0, 3 * YEAR, (-4.0, False), -0.33),
    ("three years, 1,500 %: both positions beyond the table", 100_000.0, 15.0, 3 * YEAR, (0.0, True), 0.0),
    ("v sqrt T of 2^-35 and below, at the forward", 3_500.0, 1e-8, MINUTE, (0.0, True), 0.0),
    ("v sqrt T of 2^-35 and below, one strike unit above", 3_500.0, 1e-8, MINUTE, (1e-11, False), 0.0),
    ("v sqrt T close to 0, two deviations away", 3_500.0, 1e-5, MINUTE, (2.0, True), 0.0),
    ("d1 at the upper end of the table", 3_500.0, 0.5, 30 * 86_400, (-6.5, True), 0.0),
    ("d2 at the lower end of the table", 3_500.0, 0.5, 30 * 86_400, (7.5, True), 0.0),
    ("a shock of +500 % across the table", 3_500.0, 0.8, 7 * 86_400, (2.0, True), 5.0),
    ("the cheapest underlying", 0.02, 1.2, 90 * 86_400, (0.1, False), -0.18),
    ("the dearest", 160_000.0, 0.4, 90 * 86_400, (-0.1, False), 0.18),
)


def rows() -> dict[str, list[Any]]:
    """Column -> values: names, inputs (integers) and references (USD 1e18, to nearest): call and put at the market, and the mean of
    call and put less its linear half, F (N(d1) - 1/2) - K (N(d2) - 1/2), at the shocked forward."""
    rng = random.Random(76)
    table: dict[str, list[Any]] = {
        key: [] for key in ("name", "forward", "variance", "ref_tau", "seconds", "strike", "shock", "ln_shock", "call", "put", "shocked")
    }
    with mpmath.workdps(40):
        for name, forward, vol, seconds, (distance, scaled), shock in EDGES:
            _append(table, name, forward, vol, seconds, distance * (vol * math.sqrt(seconds / YEAR) if scaled else 1), shock)
        for i in range(RANDOM_ROWS):
            forward, vol = 10 ** rng.uniform(-1.7, 5.2), math.exp(rng.uniform(math.log(0.002), math.log(15)))
            seconds = int(MINUTE * (3 * YEAR / MINUTE) ** rng.random())
            deviation = vol * math.sqrt(seconds / YEAR)
            log = rng.uniform(-4, 4) if i % 2 else max(-4.0, min(4.0, deviation * rng.uniform(-5, 5)))
            _append(table, "random", forward, vol, seconds, log, rng.choice(SHOCKS))
    return table


def _append(table: dict[str, list[Any]], name: str, forward: float, vol: float, seconds: int, log: float, shock: float) -> None:
    tau = min(seconds, REFERENCE)
    ref_tau = tau * WAD // YEAR
    inputs = {
        "name": name,
        "forward": round(forward * WAD),
        "variance": round(mpmath.mpf(vol) ** 2 * tau * WAD / YEAR),
        "ref_tau": ref_tau,
        "seconds": seconds,
        "strike": max(1, round(forward * math.exp(log) * UNITS)),
        "shock": round(shock * WAD),
    }
    F, K = mpmath.mpf(inputs["forward"]) / WAD, mpmath.mpf(inputs["strike"]) / UNITS
    x = mpmath.mpf(inputs["shock"]) / WAD
    s = mpmath.sqrt(mpmath.mpf(inputs["variance"]) / ref_tau * seconds / YEAR)
    inputs["ln_shock"] = round(mpmath.log1p(x) * 2**42)
    call, put = _black76(F, K, s)
    shocked = _black76((1 + x) * F, K, s)[0] - ((1 + x) * F - K) / 2
    references = {"call": call, "put": put, "shocked": shocked}
    for key, value in (inputs | {key: int(mpmath.nint(value * WAD)) for key, value in references.items()}).items():
        table[key].append(value if key == "name" else str(value))


def _black76(forward: mpmath.mpf, strike: mpmath.mpf, s: mpmath.mpf) -> tuple[mpmath.mpf, mpmath.mpf]:
    """Call and put, undiscounted; s = v sqrt T."""
    if s == 0:
        return max(mpmath.mpf(0), forward - strike), max(mpmath.mpf(0), strike - forward)
    d1 = mpmath.log(forward / strike) / s + s / 2
    call = forward * mpmath.ncdf(d1) - strike * mpmath.ncdf(d1 - s)
    return call, strike * mpmath.ncdf(s - d1) - forward * mpmath.ncdf(-d1)


def main() -> None:
    TARGET.write_text(json.dumps(rows(), indent=1) + "\n")
    print(f"{TARGET.relative_to(Path.cwd())}: {len(EDGES) + RANDOM_ROWS} rows")


if __name__ == "__main__":
    main()
