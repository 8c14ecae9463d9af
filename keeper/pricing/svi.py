"""Raw SVI surface slices on arrays (Gatheral 2004; Gatheral & Jacquier 2014; margin.md section 1)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keeper.errors import PricingError

__all__ = ["implied_vol", "is_acceptable", "total_variance"]

Floats = NDArray[np.float64]


def total_variance(k: ArrayLike, a: ArrayLike, b: ArrayLike, rho: ArrayLike, m: ArrayLike, sigma: ArrayLike) -> Floats:
    """w(k) = a + b (rho (k - m) + sqrt((k - m)^2 + sigma^2)), k = ln(K / F). All broadcast together; dimensionless."""
    k, a, b, rho, m, sigma = (np.asarray(value, dtype=np.float64) for value in (k, a, b, rho, m, sigma))
    x = k - m
    return np.asarray(a + b * (rho * x + np.sqrt(x * x + sigma * sigma)))


def is_acceptable(a: ArrayLike, b: ArrayLike, rho: ArrayLike, sigma: ArrayLike) -> NDArray[np.bool_]:
    """Whether a slice may be used: b >= 0, |rho| < 1, sigma > 0 and least variance a + b sigma sqrt(1 - rho^2) >= 0.

    All broadcast together. False for NaN.
    """
    a, b, rho, sigma = (np.asarray(value, dtype=np.float64) for value in (a, b, rho, sigma))
    inside = np.abs(rho) < 1.0
    least = a + b * sigma * np.sqrt(np.where(inside, 1.0 - rho * rho, 0.0))
    return np.asarray((least >= 0.0) & (b >= 0.0) & inside & (sigma > 0.0))


def implied_vol(
    strike: ArrayLike,
    ref_forward: ArrayLike,
    ref_tau: ArrayLike,
    a: ArrayLike,
    b: ArrayLike,
    rho: ArrayLike,
    m: ArrayLike,
    sigma: ArrayLike,
    clamp: float = 4.0,
) -> Floats:
    """Implied vol per sqrt(year) of `strike`: sqrt(w(k) / ref_tau), k = ln(K / ref_forward) clamped to
    |k| <= clamp sqrt(a + b sigma).

    strike, ref_forward: USD > 0; ref_tau: years > 0; all broadcast together, the result has that shape.
    Raises PricingError for slices that are not acceptable or arguments outside these domains.
    """
    K, F, tau = (np.asarray(value, dtype=np.float64) for value in (strike, ref_forward, ref_tau))
    for name, array in (("strike", K), ("ref_forward", F), ("ref_tau", tau)):
        if not (np.isfinite(array) & (array > 0.0)).all():
            raise PricingError(f"{name}: expected finite numbers > 0, got {array}")
    if not is_acceptable(a, b, rho, sigma).all() or not np.isfinite(m).all():
        raise PricingError("SVI: expected b >= 0, |rho| < 1, sigma > 0, a + b sigma sqrt(1 - rho^2) >= 0 and a finite m")
    limit = clamp * np.sqrt(np.asarray(a) + np.asarray(b) * np.asarray(sigma))
    k = np.clip(np.log(K / F), -limit, limit)
    return np.asarray(np.sqrt(np.maximum(total_variance(k, a, b, rho, m, sigma), 0.0) / tau))
