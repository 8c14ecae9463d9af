"""SABR: implied lognormal vol by the expansion of Hagan, Kumar, Lesniewski & Woodward (2002), formula 2.17a."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keeper.errors import PricingError

__all__ = ["implied_vol"]

Floats = NDArray[np.float64]


def implied_vol(
    forward: ArrayLike, strike: ArrayLike, tau: ArrayLike, alpha: ArrayLike, beta: ArrayLike, nu: ArrayLike, rho: ArrayLike
) -> Floats:
    """Black-76 vol per sqrt(year) of dF = a F^beta dW, da = nu a dZ, a(0) = alpha, dW dZ = rho dt.

    forward, strike > 0: USD; tau >= 0: years; alpha > 0; 0 <= beta <= 1; nu >= 0; |rho| < 1; all broadcast together, the
    result has that shape. An expansion in tau: far from the money at long tenors its density can turn negative. Raises
    PricingError for arguments outside these domains.
    """
    named = {"forward": forward, "strike": strike, "tau": tau, "alpha": alpha, "beta": beta, "nu": nu, "rho": rho}
    F, K, T, a, b, v, r = np.broadcast_arrays(*(np.asarray(value, dtype=np.float64) for value in named.values()))
    for name, array, good in (
        ("forward", F, F > 0.0),
        ("strike", K, K > 0.0),
        ("tau", T, T >= 0.0),
        ("alpha", a, a > 0.0),
        ("beta", b, (b >= 0.0) & (b <= 1.0)),
        ("nu", v, v >= 0.0),
        ("rho", r, np.abs(r) < 1.0),
    ):
        if not (good & np.isfinite(array)).all():
            raise PricingError(f"SABR {name}: expected inside its domain, got {array}")
    log_ratio = np.log(F / K)
    one = 1.0 - b
    middle = (F * K) ** (0.5 * one)
    z = v / a * middle * log_ratio
    # z / x(z) -> 1 at the money: x(z) = ln((sqrt(1 - 2 rho z + z^2) + z - rho) / (1 - rho)) loses its digits there.
    small = np.abs(z) < 1e-6
    safe = np.where(small, 1.0, z)
    x = np.log((np.sqrt(1.0 - 2.0 * r * safe + safe * safe) + safe - r) / (1.0 - r))
    ratio = np.where(small, 1.0 - 0.5 * r * z, safe / x)
    square = (one * log_ratio) ** 2
    level = a / (middle * (1.0 + square / 24.0 + square * square / 1920.0))
    growth = one**2 / 24.0 * a**2 / middle**2 + 0.25 * r * b * v * a / middle + (2.0 - 3.0 * r * r) / 24.0 * v**2
    return np.asarray(level * ratio * (1.0 + growth * T))
