"""How kernels are compiled: once per machine and state of the source, cached below the project, never in HOME."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import Any

import llvmlite
import numba
import numba.core.config

__all__ = ["CACHE", "forced_inline", "kernel"]


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


def kernel(*, parallel: bool = False) -> Any:
    """The decorator of all entry points: no GIL, no fused or reordered arithmetic that the source does not write."""
    return numba.njit(parallel=parallel, nogil=True, error_model="numpy", boundscheck=False, cache=CACHE is not None)
