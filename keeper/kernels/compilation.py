"""How kernels are compiled: once per machine and state of the source, cached below the project, never in HOME."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import FunctionType
from typing import Any

import llvmlite
import numba
import numba.core.config

__all__ = ["CACHE", "ParallelKernel", "forced_inline", "kernel"]


def _cache_directory() -> Path | None:
    """A directory named after everything that compiled code depends on: numba only looks at the file a kernel is in, not
    at those it calls. None where nothing can be written."""
    digest = hashlib.sha256(f"numba {numba.__version__} llvmlite {llvmlite.__version__}".encode())
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.name.encode() + source.read_bytes())
    root = os.environ.get("DPRE_KERNEL_CACHE")
    directory = (Path(root) if root else Path(__file__).parents[2] / "cache" / "kernels") / digest.hexdigest()[:16]
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            return directory
    except OSError:
        return None


CACHE = _cache_directory()
if CACHE is not None:
    setattr(numba.core.config, "CACHE_DIR", str(CACHE))  # noqa: B010 - its settings are made at run time, no checker sees them

forced_inline: Any = numba.njit(forceinline=True)
"""For helpers that take or return vectors: a call would spill them."""


def kernel(function: Callable[..., Any]) -> Any:
    """The decorator of entry points: no GIL, no fused or reordered arithmetic that the source does not write."""
    return numba.njit(nogil=True, error_model="numpy", boundscheck=False, cache=CACHE is not None)(function)


class ParallelKernel:
    """An entry point over `numba.prange(threads)`, `threads` being its last argument. With one thread it is compiled as
    a plain loop: a team of one would still wake and await the others. Compiled when first called, in the form asked for."""

    def __init__(self, function: Callable[..., None]) -> None:
        options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "boundscheck": False, "cache": CACHE is not None}
        self.parallel: Any = numba.njit(parallel=True, **options)(function)
        self.serial: Any = numba.njit(**options)(_renamed(function))

    def __call__(self, *arguments: Any) -> None:
        (self.serial if arguments[-1] == 1 else self.parallel)(*arguments)


def _renamed(function: Callable[..., None]) -> Callable[..., None]:
    """The same code under another name, which numba's cache files go by."""
    twin = FunctionType(function.__code__, function.__globals__, f"{function.__name__}_serial", function.__defaults__, function.__closure__)
    twin.__qualname__ = f"{function.__qualname__}_serial"
    twin.__module__ = function.__module__
    return twin
