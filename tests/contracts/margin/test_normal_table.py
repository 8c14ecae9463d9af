"""The normal table: as its script writes it, and how far it is from the truth."""

from __future__ import annotations

import mpmath

from scripts.generate_normal_table import TARGET, cells, evaluate, source

ZERO_CELL = 481


def test_committed_table_is_what_the_script_writes() -> None:
    assert TARGET.read_text() == source()


def test_error_of_every_cell() -> None:
    """Below 1.2e-11; and weighted by K / F, up to e^5.1 (moneyness e^-4 after a fall of 66 %), below 2.5e-10."""
    table, worst, weighted = b"".join(cells()), mpmath.mpf(0), mpmath.mpf(0)
    with mpmath.workdps(30):
        for cell in range(-480, 416):
            for part in (0.0, 0.08, 0.31, 0.5, 0.69, 0.92, 1 - 2**-29):
                u = int(part * 2**29)
                d = (cell + mpmath.mpf(u) / 2**29) / 64
                error = abs(mpmath.mpf(evaluate(table, (cell + ZERO_CELL << 29) + u)) / 2**41 - (mpmath.ncdf(d) - 0.5))
                worst = max(worst, error)
                # K N(d2) counts where K > F: then d2 < 0 and K / F <= exp(d2^2 / 2)
                weighted = max(weighted, error * mpmath.exp(min(mpmath.mpf("5.1"), d * d / 2)) if d < 0 else error)
    assert worst < 1.2e-11
    assert weighted < 2.5e-10
