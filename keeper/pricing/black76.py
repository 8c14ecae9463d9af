"""Black-76: price and seven Greeks of European options on a forward, on arrays (Black 1976; margin.md section 1).

    D = exp(-r T), s = v sqrt(T), d1 = ln(F/K) / s + s / 2, d2 = d1 - s
    call = D (F N(d1) - K N(d2)), put = call - D (F - K)                                            (1)

(1) cancels in the tails, so the value is taken as intrinsic plus the out-of-the-money value, which with the Mills ratio
M(x) = N(-x) / phi(x) and the identity F phi(d1) = K phi(d2) is, for the call as for the put,

    otm = min(F, K) [phi(d) (M(-d) - M(-e))], d = -|ln(F/K)| / s + s / 2, e = d - s                 (2)

Error of the price against 50-digit arithmetic: <= 2e-15 max(F, V); V exceeds F only for puts deep in the money, where
doubles themselves are further apart than 2e-15 F. Greeks: <= 5e-14 of their natural scale.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import erfcx, ndtr

from keeper.errors import PricingError

__all__ = ["DAYS_PER_YEAR", "OptionGreeks", "greeks", "log_moneyness", "out_of_the_money", "price"]

Floats = NDArray[np.float64]

DAYS_PER_YEAR = 365.0
_SQRT_HALF = math.sqrt(0.5)
_SQRT_HALF_PI = math.sqrt(0.5 * math.pi)
_PHI_0 = 1.0 / math.sqrt(2.0 * math.pi)
_D_LIMIT = 40.0  # phi(40) is zero in double precision: beyond it every product with phi is zero


@dataclass(frozen=True, slots=True)
class OptionGreeks:
    """Price and derivatives, arrays of one shape, USD per contract.

    delta: dV/dF; gamma: d2V/dF2; vega: dV/dv per 1.00 of vol; theta: dV/dt per calendar day (F, v, r fixed);
    rho: dV/dr per 1.00 of rate at fixed F (= -T V); vanna: d2V/dF dv; volga: d2V/dv2.
    """

    price: Floats
    delta: Floats
    gamma: Floats
    vega: Floats
    theta: Floats
    rho: Floats
    vanna: Floats
    volga: Floats


def log_moneyness(forward: ArrayLike, strike: ArrayLike) -> Floats:
    """ln(F/K), accurate relative to itself also where F is close to K (F - K is exact there); -inf where F = 0.

    forward >= 0 and strike > 0, broadcast together, USD.
    """
    F, K = np.broadcast_arrays(np.asarray(forward, dtype=np.float64), np.asarray(strike, dtype=np.float64))
    near = (F >= 0.5 * K) & (F <= 2.0 * K)
    with np.errstate(divide="ignore"):
        return np.asarray(np.where(near, np.log1p(np.where(near, F - K, 0.0) / K), np.log(F / K)))


def out_of_the_money(moneyness: Floats, stdev: Floats) -> Floats:
    """Undiscounted out-of-the-money value per unit of min(F, K), formula (2).

    moneyness: ln(F/K), stdev: v sqrt(T) >= 0, one shape or broadcast together. Returns 0..1; 0 where stdev = 0.
    """
    s = np.where(stdev > 0.0, stdev, 1.0)
    with np.errstate(over="ignore"):
        h = -np.abs(moneyness) / s
        d = h + 0.5 * s
        phi = _PHI_0 * np.exp(-0.5 * d * d)
        # For d > 0 the product phi(d) M(-d) = N(d) would lose digits in both of its factors.
        head = np.where(d > 0.0, ndtr(d), phi * _mills(np.maximum(-d, 0.0)))
        value = head - phi * _mills(0.5 * s - h)
    return np.where(stdev > 0.0, np.maximum(value, 0.0), 0.0)


def price(forward: ArrayLike, strike: ArrayLike, tau: ArrayLike, vol: ArrayLike, rate: ArrayLike, is_call: ArrayLike) -> Floats:
    """Black-76 value in USD per contract.

    forward >= 0 and strike > 0: USD; tau: years >= 0; vol >= 0: per sqrt(year), 1.00 = 100 %; rate: per year,
    continuously compounded; is_call: bool. All broadcast together; the result has that shape. At tau = 0 or vol = 0 the
    discounted intrinsic value. Raises PricingError for arguments outside these domains or not finite.

    >>> round(float(price(20.0, 20.0, 4 / 12, 0.25, 0.09, False)), 2)
    1.12
    """
    F, K, T, v, r, call = _checked(forward, strike, tau, vol, rate, is_call)
    otm = np.minimum(F, K) * out_of_the_money(log_moneyness(F, K), v * np.sqrt(T))
    intrinsic = np.maximum(np.where(call, F - K, K - F), 0.0)
    return np.asarray(np.exp(-r * T) * (intrinsic + otm))


def greeks(forward: ArrayLike, strike: ArrayLike, tau: ArrayLike, vol: ArrayLike, rate: ArrayLike, is_call: ArrayLike) -> OptionGreeks:
    """Price and the seven Greeks of `OptionGreeks`; arguments, shapes and errors as `price`.

    Where v sqrt(T) = 0 delta is the limit from above (one half of D at the money) and gamma, vega, vanna and volga are
    zero; theta is then the growth of the discounted value.
    """
    F, K, T, v, r, call = _checked(forward, strike, tau, vol, rate, is_call)
    value = price(F, K, T, v, r, call)
    discount = np.exp(-r * T)
    root = np.sqrt(T)
    stdev = v * root
    live = (stdev > 0.0) & (F > 0.0)
    s = np.where(live, stdev, 1.0)
    x = log_moneyness(F, K)
    with np.errstate(over="ignore"):
        d1 = np.clip(np.where(live, x / s + 0.5 * s, np.where(x == 0.0, 0.0, np.copysign(_D_LIMIT, x))), -_D_LIMIT, _D_LIMIT)
    d2 = d1 - s
    density = np.where(live, discount * _PHI_0 * np.exp(-0.5 * d1 * d1), 0.0)
    v_safe = np.where(live, v, 1.0)
    vega = F * density * root
    decay = np.where(live, F * density * v / (2.0 * np.where(live, root, 1.0)), 0.0)
    return OptionGreeks(
        price=value,
        delta=discount * np.where(call, ndtr(d1), -ndtr(-d1)),
        gamma=density / (np.where(live, F, 1.0) * s),
        vega=vega,
        theta=(r * value - decay) / DAYS_PER_YEAR,
        rho=-T * value,
        vanna=-density * d2 / v_safe,
        volga=vega * d1 * d2 / v_safe,
    )


def _mills(x: Floats) -> Floats:
    """N(-x) / phi(x) for x >= 0, without overflow."""
    return np.asarray(_SQRT_HALF_PI * erfcx(_SQRT_HALF * x))


def _checked(
    forward: ArrayLike, strike: ArrayLike, tau: ArrayLike, vol: ArrayLike, rate: ArrayLike, is_call: ArrayLike
) -> tuple[Floats, Floats, Floats, Floats, Floats, NDArray[np.bool_]]:
    named = {"forward": forward, "strike": strike, "tau": tau, "vol": vol, "rate": rate}
    arrays = {name: np.asarray(value, dtype=np.float64) for name, value in named.items()}
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise PricingError(f"{name}: expected finite numbers, got {array[~np.isfinite(array)][:3]}")
    for name in ("forward", "tau", "vol"):
        if (arrays[name] < 0.0).any():
            raise PricingError(f"{name}: expected >= 0, got {arrays[name].min()}")
    if (arrays["strike"] <= 0.0).any():
        raise PricingError(f"strike: expected > 0, got {arrays['strike'].min()}")
    try:
        F, K, T, v, r, call = np.broadcast_arrays(*arrays.values(), np.asarray(is_call, dtype=np.bool_))
    except ValueError as error:
        shapes = {name: array.shape for name, array in arrays.items()}
        raise PricingError(f"expected shapes that broadcast together, got {shapes}") from error
    return F, K, T, v, r, call
