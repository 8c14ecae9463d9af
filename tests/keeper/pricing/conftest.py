"""A 50-digit Black-76 of textbook form, independent of the formulas in the package."""

from collections.abc import Callable

import mpmath as mp
import pytest


def _cdf(x: mp.mpf) -> mp.mpf:
    return mp.erfc(-x / mp.sqrt(2)) / 2


@pytest.fixture(scope="session")
def oracle() -> Callable[..., dict[str, tuple[mp.mpf, mp.mpf]]]:
    """oracle(F, K, T, v, r, is_call): output -> (exact value, scale that its error is measured against).

    Prices are measured against F, or against the price itself where a put is worth more than F: the doubles around a
    put of 50 F are further apart than 2e-15 F.
    """

    def exact(forward: float, strike: float, tau: float, vol: float, rate: float, is_call: bool) -> dict[str, tuple[mp.mpf, mp.mpf]]:
        with mp.workdps(50):
            F, K, T, v, r = map(mp.mpf, (forward, strike, tau, vol, rate))
            D, root = mp.exp(-r * T), mp.sqrt(T)
            s = v * root
            d1 = mp.log(F / K) / s + s / 2
            d2 = d1 - s
            phi = mp.exp(-d1 * d1 / 2) / mp.sqrt(2 * mp.pi)
            value = D * (F * _cdf(d1) - K * _cdf(d2)) if is_call else D * (K * _cdf(-d2) - F * _cdf(-d1))
            unit = max(F, value)
            return {
                "price": (value, unit),
                "delta": (D * (_cdf(d1) if is_call else -_cdf(-d1)), mp.mpf(1)),
                "gamma": (D * phi / (F * s), 1 / (F * s)),
                "vega": (D * F * phi * root, F * root),
                "theta": ((r * value - D * F * phi * v / (2 * root)) / 365, (F * v / root + abs(r) * unit) / 365),
                "rho": (-T * value, T * unit),
                "vanna": (-D * phi * d2 / v, (1 + s) / v),
                "volga": (D * F * phi * root * d1 * d2 / v, F * root * (1 + s) / v),
            }

    return exact
