"""Writes contracts/math/NormalTable.sol: the normal distribution as piecewise cubics, in the form that the pricing kernel reads.

    python -m scripts.generate_normal_table           write the file
    python -m scripts.generate_normal_table --check   exit 1 where the committed file is not what this script writes

Derivation. N(d) - 1/2 on [-7.5, 6.5) in 896 cells of width h = 1/64. In each cell the cubic through the four Chebyshev
nodes: its error is at most max|N''''| h^4 / 3072 = 1.1e-11. Coefficients c0..c3 are integers of 2**-41 per power of u, u = the
position inside the cell, in [0, 1). c3, c2 and c1 are rounded in this order and each rounding is made good by the next lower
coefficient; c0 carries half a unit, because the kernel floors its result.

A cell is 24 bytes, most significant bits first:

    | hi = c0 * 2**58 + c2, 99 bits, two's complement | lo = c1 * 2**58 + c3, 93 bits, not negative |

so that hi * 2**93 + lo * 2**64 * u holds c0 + c1 u from bit 151 and, 58 bits lower, c2 + c3 u (u: 29 bits): one
multiplication serves both. The two outer cells (index 0 and 897) are the constants -1/2 and +1/2.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import mpmath

__all__ = ["cells", "evaluate", "source"]

UNIT_BITS = 41
POSITION_BITS = 29
LANE_BITS = 58
CELLS_PER_UNIT = 64
FIRST = -480  # -7.5 in cells
LAST = 416  # 6.5
CELL_BYTES = 24
HI_BITS, LO_BITS = 99, 93
LINE_BYTES = 64
TARGET = Path(__file__).resolve().parent.parent / "contracts" / "math" / "NormalTable.sol"

HEADER = """// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @dev Written by scripts/generate_normal_table.py, which says how: N(d) - 1/2 on [-7.5, 6.5) as {cells} cubics of {size} bytes each.
/// `NormalCdf` reads it. Kept as the code of a data contract: copied to memory once per call.
bytes constant NORMAL_TABLE = (
"""


def _coefficients(cell: int) -> tuple[int, int, int, int]:
    """c0..c3 of one cell in units of 2**-41; `cell` counts from d = 0."""
    nodes = [(1 + mpmath.cos((2 * j + 1) * mpmath.pi / 8)) / 2 for j in range(4)]
    values = [(mpmath.ncdf((cell + u) / mpmath.mpf(CELLS_PER_UNIT)) - 0.5) * 2**UNIT_BITS for u in nodes]
    cubic = mpmath.lu_solve(mpmath.matrix([[u**power for power in range(4)] for u in nodes]), mpmath.matrix(values))
    # On [0, 1]: u^3 ~ 1.5 u^2 - 0.5625 u + 1/32, u^2 ~ u - 1/8 (Chebyshev economisation), u ~ 1/2.
    c3 = int(mpmath.nint(cubic[3]))
    rest = cubic[3] - c3
    c2 = int(mpmath.nint(cubic[2] + 1.5 * rest))
    rest2 = cubic[2] + 1.5 * rest - c2
    c1 = int(mpmath.nint(cubic[1] - 0.5625 * rest + rest2))
    rest1 = cubic[1] - 0.5625 * rest + rest2 - c1
    c0 = int(mpmath.nint(cubic[0] + rest / 32 - rest2 / 8 + rest1 / 2 + mpmath.mpf("0.5")))
    if c1 == 0 and c3 < 0:
        c3 = 0  # the lane is unsigned; here the density is below a unit
    return c0, c1, c2, c3


def _pack(c0: int, c1: int, c2: int, c3: int) -> bytes:
    hi, lo = (c0 << LANE_BITS) + c2, (c1 << LANE_BITS) + c3
    if not -(2 ** (HI_BITS - 1)) <= hi < 2 ** (HI_BITS - 1) or not 0 <= lo < 2**LO_BITS:
        raise ValueError(f"a cell is expected to fit its lanes, got {(c0, c1, c2, c3)}")
    return ((hi % 2**HI_BITS) << LO_BITS | lo).to_bytes(CELL_BYTES, "big")


def cells() -> list[bytes]:
    """All cells, the two constant ones included."""
    half = 2 ** (UNIT_BITS - 1)
    with mpmath.workdps(40):
        inner = [_pack(*_coefficients(cell)) for cell in range(FIRST, LAST)]
    return [_pack(-half, 0, 0, 0), *inner, _pack(half - 1, 0, 0, 0)]


def evaluate(table: bytes, position: int) -> int:
    """The kernel's arithmetic on a table: `position` = cell index * 2**29 + u; result in 2**-41, N - 1/2."""
    index, u = position >> POSITION_BITS, position % 2**POSITION_BITS
    word = int.from_bytes((table + bytes(8))[index * CELL_BYTES : index * CELL_BYTES + 32], "big")
    signed = word - 2**256 if word >> 255 else word
    lanes = (signed >> 64) + (word % 2**157 >> 64 << 64) * u
    low = lanes % 2**120
    low -= 2**120 if low >> 119 else 0
    return (lanes + low * u * u) >> 151


def source() -> str:
    """The Solidity file."""
    table = b"".join(cells())
    lines = [f'    hex"{table[at : at + LINE_BYTES].hex()}"' for at in range(0, len(table), LINE_BYTES)]
    return HEADER.format(cells=LAST - FIRST, size=CELL_BYTES) + "\n".join(lines) + "\n);\n"


def main() -> int:
    parser = argparse.ArgumentParser(description="Writes contracts/math/NormalTable.sol.")
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    text = source()
    if parser.parse_args().check:
        return int(not TARGET.exists() or TARGET.read_text() != text)
    TARGET.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
