"""Arrays where the kernels want them: on cache lines, and inside huge pages where the system gives them."""

from __future__ import annotations

import mmap
from math import prod

import numpy as np
from numpy.typing import NDArray

__all__ = ["line_aligned"]

_HUGE_PAGE = 1 << 21  # bytes
_LARGE = 1 << 17  # bytes from which on the lookup of 4 kB pages costs the reduction up to a fifth


def line_aligned(*shape: int) -> NDArray[np.float64]:
    """Zeros of float64, C-contiguous, on a 64-byte boundary at least."""
    count = prod(shape)
    if count * 8 < _LARGE or not hasattr(mmap, "MADV_HUGEPAGE"):
        buffer = np.zeros(count + 8)
        return buffer[(-buffer.ctypes.data % 64) // 8 :][:count].reshape(shape)
    block = mmap.mmap(-1, -(-count * 8 // _HUGE_PAGE) * _HUGE_PAGE + _HUGE_PAGE)
    block.madvise(mmap.MADV_HUGEPAGE)
    whole = np.frombuffer(block, dtype=np.float64)
    return whole[(-whole.ctypes.data % _HUGE_PAGE) // 8 :][:count].reshape(shape)
