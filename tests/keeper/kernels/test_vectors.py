"""What kernels are written in, against numpy: transposing, halves, streaming past the caches, pointers."""

from typing import Any

import numpy as np
import pytest

from keeper.kernels.access import item, load, load_half, pointer, put, settle, store, stream
from keeper.kernels.compilation import kernel
from keeper.kernels.memory import line_aligned
from keeper.kernels.vectors import absolute, fma, sign_bit, splat_half, transposed

SQUARE = np.arange(64.0).reshape(8, 8)


@kernel
def _eight(table: Any, out: Any) -> None:
    columns = transposed((
        load(table, 0), load(table, 8), load(table, 16), load(table, 24),
        load(table, 32), load(table, 40), load(table, 48), load(table, 56),
    ))  # fmt: skip
    c0, c1, c2, c3, c4, c5, c6, c7 = columns
    stream(out, 0, c0)
    stream(out, 8, c1)
    stream(out, 16, c2)
    stream(out, 24, c3)
    store(out, 32, c4)
    store(out, 40, c5)
    store(out, 48, c6)
    store(out, 56, c7)
    settle()


@kernel
def _four_to_halves(table: Any, out: Any) -> None:
    h0, h1, h2, h3, h4, h5, h6, h7 = transposed((load(table, 0), load(table, 8), load(table, 16), load(table, 24)))
    stream(out, 0, h0)
    stream(out, 4, h1)
    stream(out, 8, h2)
    stream(out, 12, h3)
    store(out, 16, h4)
    store(out, 20, h5)
    store(out, 24, h6)
    store(out, 28, h7)
    settle()


@kernel
def _halves_to_four(table: Any, out: Any) -> None:
    c0, c1, c2, c3 = transposed((
        load_half(table, 0), load_half(table, 4), load_half(table, 8), load_half(table, 12),
        load_half(table, 16), load_half(table, 20), load_half(table, 24), load_half(table, 28),
    ))  # fmt: skip
    store(out, 0, c0)
    store(out, 8, c1)
    store(out, 16, c2)
    store(out, 24, c3)


@kernel
def _through_pointers(table: Any, at: int, out: Any) -> None:
    source, target = pointer(table), pointer(out)
    put(target, 4, item(source, at))
    store(target, 0, fma(splat_half(2.0), absolute(load_half(source, at)), load_half(source, 0)))


@kernel
def _signs(values: Any, out: Any) -> None:
    for k in range(len(values)):
        out[k] = sign_bit(values[k])


def test_eight_rows_of_eight() -> None:
    out = line_aligned(64)
    _eight(SQUARE.reshape(-1), out)
    assert (out.reshape(8, 8) == SQUARE.T).all()


@pytest.mark.parametrize(("kernel_of", "rows"), [(_four_to_halves, 4), (_halves_to_four, 8)])
def test_four_vectors_and_eight_halves(kernel_of: Any, rows: int) -> None:
    table, out = SQUARE.reshape(-1)[:32], line_aligned(32)
    kernel_of(table, out)
    assert (out.reshape(-1, rows) == table.reshape(rows, -1).T).all()


def test_pointers_reach_the_same_elements() -> None:
    table, out = np.linspace(-3.0, 3.0, 12), np.zeros(8)
    _through_pointers(table, 5, out)
    assert (out[:4] == 2.0 * np.abs(table[5:9]) + table[:4]).all()
    assert out[4] == table[5]
    assert (out[5:] == 0.0).all()


def test_sign_bits() -> None:
    values, out = np.array([1.5, -2.0, 0.0, -0.0, 1e-300, -1e-300]), np.zeros(6)
    _signs(values, out)
    assert out.tolist() == [0.0, 1.0, 0.0, 1.0, 0.0, 1.0]
