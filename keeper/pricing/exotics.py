"""Closed forms of exotic options in the Black-Scholes world with a cost of carry, on arrays.

Everywhere: S spot and K strike in USD > 0, T years > 0, r rate and q yield per year continuously compounded, b = r - q,
vol per sqrt(year) > 0. Arguments broadcast together; results have that shape and are USD per contract. PricingError for
anything else. Formula numbers are those of Haug, The Complete Guide to Option Pricing Formulas, 2nd ed. (2007).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, owens_t

from keeper.errors import PricingError
from keeper.pricing import black76

__all__ = [
    "ExchangeOption",
    "asian_arithmetic_continuous",
    "asian_arithmetic_discrete",
    "asian_geometric_continuous",
    "asian_geometric_discrete",
    "asset_or_nothing",
    "barrier",
    "bivariate_normal_cdf",
    "cash_or_nothing",
    "double_knock_out_call",
    "exchange",
    "forward_start",
    "lookback_fixed_call",
    "lookback_floating_call",
    "no_touch",
    "one_touch_at_expiry",
    "one_touch_at_hit",
    "rainbow",
    "spread_kirk",
    "two_asset_correlation_call",
]

Floats = NDArray[np.float64]
_PHI_0 = 1.0 / np.sqrt(2.0 * np.pi)
_IMAGES = 8
"""Reflections on each side of the double barrier's series: the terms fall like exp(-2 n^2 ln(U/L)^2 / (vol^2 T))."""


def bivariate_normal_cdf(x: ArrayLike, y: ArrayLike, rho: ArrayLike) -> Floats:
    """P(X <= x, Y <= y) of standard normals with correlation |rho| < 1, by Owen's T function (Owen 1956)."""
    h, k, r = np.broadcast_arrays(*(np.asarray(value, dtype=np.float64) for value in (x, y, rho)))
    if not (np.abs(r) < 1.0).all():
        raise PricingError(f"rho: expected between -1 and 1, got {r}")
    root = np.sqrt(1.0 - r * r)
    with np.errstate(divide="ignore", invalid="ignore"):
        first, second = owens_t(h, (k - r * h) / (h * root)), owens_t(k, (h - r * k) / (k * root))
    beta = np.where((h * k > 0.0) | ((h * k == 0.0) & (h + k >= 0.0)), 0.0, 0.5)
    general = 0.5 * (ndtr(h) + ndtr(k)) - first - second - beta
    origin = 0.25 + np.arcsin(r) / (2.0 * np.pi)
    return np.asarray(np.where((h == 0.0) & (k == 0.0), origin, general))


def cash_or_nothing(
    S: ArrayLike, K: ArrayLike, T: ArrayLike, r: ArrayLike, q: ArrayLike, vol: ArrayLike, is_call: ArrayLike, cash: ArrayLike
) -> Floats:
    """Pays `cash` at expiry in the money: cash exp(-rT) N(+-d2) (Reiner & Rubinstein 1991; Haug 4.19.2)."""
    S, K, T, r, q, vol, cash = _numbers(S=S, K=K, T=T, r=r, q=q, vol=vol, cash=cash)
    sign = np.where(is_call, 1.0, -1.0)
    return np.asarray(cash * np.exp(-r * T) * ndtr(sign * (_d1(S / K, T, r - q, vol) - vol * np.sqrt(T))))


def asset_or_nothing(S: ArrayLike, K: ArrayLike, T: ArrayLike, r: ArrayLike, q: ArrayLike, vol: ArrayLike, is_call: ArrayLike) -> Floats:
    """Delivers the asset at expiry in the money: S exp(-qT) N(+-d1) (Cox & Rubinstein 1985; Haug 4.19.3)."""
    S, K, T, r, q, vol = _numbers(S=S, K=K, T=T, r=r, q=q, vol=vol)
    return np.asarray(S * np.exp(-q * T) * ndtr(np.where(is_call, 1.0, -1.0) * _d1(S / K, T, r - q, vol)))


def one_touch_at_hit(S: ArrayLike, H: ArrayLike, T: ArrayLike, r: ArrayLike, q: ArrayLike, vol: ArrayLike, cash: ArrayLike) -> Floats:
    """Pays `cash` when the barrier H is first touched, from below or above (Reiner & Rubinstein 1991; Haug 4.19.5, 1-4)."""
    S, H, T, r, q, vol, cash = _numbers(S=S, K=H, T=T, r=r, q=q, vol=vol, cash=cash)
    return np.asarray(cash * _at_hit(S, H, T, r, r - q, vol, np.where(S > H, 1.0, -1.0)))


def one_touch_at_expiry(S: ArrayLike, H: ArrayLike, T: ArrayLike, r: ArrayLike, q: ArrayLike, vol: ArrayLike, cash: ArrayLike) -> Floats:
    """Pays `cash` at expiry if H was touched (Reiner & Rubinstein 1991; Haug 4.19.5, 5-8)."""
    S, H, T, r, q, vol, cash = _numbers(S=S, K=H, T=T, r=r, q=q, vol=vol, cash=cash)
    return np.asarray(cash * np.exp(-r * T) * _hit_probability(S, H, T, r - q, vol, np.where(S > H, 1.0, -1.0)))


def no_touch(S: ArrayLike, H: ArrayLike, T: ArrayLike, r: ArrayLike, q: ArrayLike, vol: ArrayLike, cash: ArrayLike) -> Floats:
    """Pays `cash` at expiry unless H was touched (Haug 4.19.5, 9-12)."""
    S, H, T, r, q, vol, cash = _numbers(S=S, K=H, T=T, r=r, q=q, vol=vol, cash=cash)
    return np.asarray(cash * np.exp(-r * T)) - one_touch_at_expiry(S, H, T, r, q, vol, cash)


def barrier(
    kind: Literal["di", "ui", "do", "uo"],
    S: ArrayLike,
    K: ArrayLike,
    H: ArrayLike,
    T: ArrayLike,
    r: ArrayLike,
    q: ArrayLike,
    vol: ArrayLike,
    is_call: ArrayLike,
    rebate: ArrayLike = 0.0,
) -> Floats:
    """Down or up (d, u), knocked in or out (i, o) at H, watched continuously; rebate: paid at the hit of a knock-out, at
    expiry of a knock-in that never was (Merton 1973, Reiner & Rubinstein 1991; Haug 4.17.1).

    Knock-out and knock-in without rebates add up to the plain option. Raises PricingError where S is already beyond H.
    """
    S, K, H, T, r, q, vol, rebate = _numbers(S=S, K=K, H=H, T=T, r=r, q=q, vol=vol, rebate=rebate)
    down, knock_in = kind[0] == "d", kind[1] == "i"
    if (S < H if down else S > H).any():
        raise PricingError(f"barrier: expected spots {'above' if down else 'below'} {H}, got {S}")
    b = r - q
    root = vol * np.sqrt(T)
    mu = b / vol**2 - 0.5
    phi, eta = np.where(is_call, 1.0, -1.0), 1.0 if down else -1.0
    grown, discount = S * np.exp((b - r) * T), np.exp(-r * T)
    shift = (1.0 + mu) * root

    def plain(x: Floats) -> Floats:
        return np.asarray(phi * (grown * ndtr(phi * x) - K * discount * ndtr(phi * (x - root))))

    def mirrored(y: Floats) -> Floats:
        return np.asarray(
            phi * (grown * (H / S) ** (2.0 * (mu + 1.0)) * ndtr(eta * y) - K * discount * (H / S) ** (2.0 * mu) * ndtr(eta * (y - root)))
        )

    A, B = plain(np.log(S / K) / root + shift), plain(np.log(S / H) / root + shift)
    C, D = mirrored(np.log(H * H / (S * K)) / root + shift), mirrored(np.log(H / S) / root + shift)
    high_strike = K >= H
    if down:
        inside = np.where(phi > 0.0, np.where(high_strike, C, A - B + D), np.where(high_strike, B - C + D, A))
    else:
        inside = np.where(phi > 0.0, np.where(high_strike, A, B - C + D), np.where(high_strike, A - B + D, C))
    if knock_in:
        return np.asarray(inside + rebate * discount * (1.0 - _hit_probability(S, H, T, b, vol, np.full_like(S, eta))))
    return np.asarray(A - inside + rebate * _at_hit(S, H, T, r, b, vol, np.full_like(S, eta)))


def double_knock_out_call(
    S: ArrayLike, K: ArrayLike, L: ArrayLike, U: ArrayLike, T: ArrayLike, r: ArrayLike, q: ArrayLike, vol: ArrayLike
) -> Floats:
    """Call that dies at L or U, flat barriers with L < S < U and L < K < U (Ikeda & Kunitomo 1992; Haug 4.17.3)."""
    S, K, L, U, T, r, q, vol = _numbers(S=S, K=K, L=L, U=U, T=T, r=r, q=q, vol=vol)
    if not ((L < S) & (S < U) & (L < K) & (K < U)).all():
        raise PricingError(f"double barrier: expected spot and strike between {L} and {U}, got {S} and {K}")
    b = r - q
    root, power = vol * np.sqrt(T), 2.0 * b / vol**2 + 1.0
    drift = (b + 0.5 * vol**2) * T
    asset, strike = np.zeros_like(S), np.zeros_like(S)
    for n in range(-_IMAGES, _IMAGES + 1):
        ratio = (U / L) ** n
        direct, image = ratio**power, (L / (ratio * S)) ** power
        at = [np.log(S * ratio**2 / level) for level in (K, U)]
        back = [np.log(L**2 / (ratio**2 * level * S)) for level in (K, U)]
        d1, d2, d3, d4 = ((x + drift) / root for x in (*at, *back))
        asset += direct * (ndtr(d1) - ndtr(d2)) - image * (ndtr(d3) - ndtr(d4))
        strike += direct / ratio**2 * (ndtr(d1 - root) - ndtr(d2 - root))
        strike -= image * (ratio * S / L) ** 2 * (ndtr(d3 - root) - ndtr(d4 - root))
    return np.asarray(S * np.exp((b - r) * T) * asset - K * np.exp(-r * T) * strike)


@dataclass(frozen=True, slots=True)
class ExchangeOption:
    """price: USD; delta1, delta2: per USD of each asset; gamma1, gamma2."""

    price: Floats
    delta1: Floats
    delta2: Floats
    gamma1: Floats
    gamma2: Floats


def exchange(
    S1: ArrayLike, S2: ArrayLike, T: ArrayLike, q1: ArrayLike, q2: ArrayLike, vol1: ArrayLike, vol2: ArrayLike, rho: ArrayLike
) -> ExchangeOption:
    """Option to receive asset 1 for asset 2 (Margrabe 1978; Haug 5.5); needs no rate. Black-76 with asset 2 as money."""
    S1, S2, T, q1, q2, vol1, vol2, rho = _numbers(S=S1, S2=S2, T=T, q1=q1, q2=q2, vol=vol1, vol2=vol2, rho=rho)
    F1, F2 = S1 * np.exp(-q1 * T), S2 * np.exp(-q2 * T)
    g = black76.greeks(F1, F2, T, np.sqrt(vol1**2 + vol2**2 - 2.0 * rho * vol1 * vol2), 0.0, True)
    second = (g.price - g.delta * F1) / S2  # homogeneous of degree one: price = S1 delta1 + S2 delta2
    carried = np.exp(-q1 * T)
    return ExchangeOption(g.price, g.delta * carried, second, g.gamma * carried**2, g.gamma * (F1 / S2) ** 2)


def spread_kirk(
    F1: ArrayLike, F2: ArrayLike, K: ArrayLike, T: ArrayLike, r: ArrayLike, vol1: ArrayLike, vol2: ArrayLike, rho: ArrayLike
) -> Floats:
    """Call on F1 - F2 with strike K: Black-76 on F1 against F2 + K (Kirk 1995, an approximation; Haug 5.7)."""
    F1, F2, K, T, r, vol1, vol2, rho = _numbers(S=F1, S2=F2, K=K, T=T, r=r, vol=vol1, vol2=vol2, rho=rho)
    share = F2 / (F2 + K)
    return black76.price(F1, F2 + K, T, np.sqrt(vol1**2 + (vol2 * share) ** 2 - 2.0 * rho * vol1 * vol2 * share), r, True)


def rainbow(
    kind: Literal["min", "max"],
    S1: ArrayLike,
    S2: ArrayLike,
    K: ArrayLike,
    T: ArrayLike,
    r: ArrayLike,
    q1: ArrayLike,
    q2: ArrayLike,
    vol1: ArrayLike,
    vol2: ArrayLike,
    rho: ArrayLike,
    is_call: ArrayLike,
) -> Floats:
    """Option on the smaller or the larger of two assets, |rho| < 1 (Stulz 1982, Johnson 1987; Haug 5.11).

    max = call1 + call2 - min (of one strike); puts by parity with the asset min or max itself, a Margrabe option away.
    """
    S1, S2, K, T, r, q1, q2, vol1, vol2, rho = _numbers(S=S1, S2=S2, K=K, T=T, r=r, q1=q1, q2=q2, vol=vol1, vol2=vol2, rho=rho)
    root = np.sqrt(T)
    joint = np.sqrt(vol1**2 + vol2**2 - 2.0 * rho * vol1 * vol2)
    A1, A2, discount = S1 * np.exp(-q1 * T), S2 * np.exp(-q2 * T), np.exp(-r * T)
    d = np.log(A1 / A2) / (joint * root) + 0.5 * joint * root
    y1, y2 = (np.log(A / (K * discount)) / (v * root) + 0.5 * v * root for A, v in ((A1, vol1), (A2, vol2)))
    lesser = (
        A1 * bivariate_normal_cdf(y1, -d, -(vol1 - rho * vol2) / joint)
        + A2 * bivariate_normal_cdf(y2, d - joint * root, -(vol2 - rho * vol1) / joint)
        - K * discount * bivariate_normal_cdf(y1 - vol1 * root, y2 - vol2 * root, rho)
    )
    smaller = A1 - black76.price(A1, A2, T, joint, 0.0, True)
    call, asset = lesser, smaller
    if kind == "max":
        plain = sum(black76.price(A / discount, K, T, v, r, True) for A, v in ((A1, vol1), (A2, vol2)))
        call, asset = plain - lesser, A1 + A2 - smaller
    return np.asarray(np.where(is_call, call, call - asset + K * discount))


def two_asset_correlation_call(
    S1: ArrayLike,
    S2: ArrayLike,
    K1: ArrayLike,
    K2: ArrayLike,
    T: ArrayLike,
    r: ArrayLike,
    q1: ArrayLike,
    q2: ArrayLike,
    vol1: ArrayLike,
    vol2: ArrayLike,
    rho: ArrayLike,
) -> Floats:
    """Pays S2 - K2 (if positive) where S1 > K1, |rho| < 1 (Zhang 1995; Haug 5.3)."""
    S1, S2, K1, K2, T, r, q1, q2, vol1, vol2, rho = _numbers(
        S=S1, S2=S2, K1=K1, K2=K2, T=T, r=r, q1=q1, q2=q2, vol=vol1, vol2=vol2, rho=rho
    )
    root = np.sqrt(T)
    y1 = _d1(S1 / K1, T, r - q1, vol1) - vol1 * root
    y2 = _d1(S2 / K2, T, r - q2, vol2) - vol2 * root
    received = S2 * np.exp(-q2 * T) * bivariate_normal_cdf(y2 + vol2 * root, y1 + rho * vol2 * root, rho)
    return np.asarray(received - K2 * np.exp(-r * T) * bivariate_normal_cdf(y2, y1, rho))


def asian_geometric_continuous(
    S: ArrayLike, K: ArrayLike, T: ArrayLike, r: ArrayLike, q: ArrayLike, vol: ArrayLike, is_call: ArrayLike
) -> Floats:
    """On the continuous geometric average from now to T: Black-76 at vol / sqrt(3) (Kemna & Vorst 1990; Haug 4.20.1)."""
    S, K, T, r, q, vol = _numbers(S=S, K=K, T=T, r=r, q=q, vol=vol)
    return black76.price(S * np.exp(0.5 * (r - q - vol**2 / 6.0) * T), K, T, vol / np.sqrt(3.0), r, is_call)


def asian_geometric_discrete(
    S: ArrayLike, K: ArrayLike, T: ArrayLike, r: ArrayLike, q: ArrayLike, vol: ArrayLike, is_call: ArrayLike, fixings: int
) -> Floats:
    """On the geometric average of `fixings` >= 1 equally spaced prices, the last at T (Clewlow & Strickland 1998, 118-123)."""
    S, K, T, r, q, vol = _numbers(S=S, K=K, T=T, r=r, q=q, vol=vol)
    n = float(_count(fixings))
    mean = (r - q - 0.5 * vol**2) * T * (n + 1.0) / (2.0 * n)
    variance = vol**2 * T * (n + 1.0) * (2.0 * n + 1.0) / (6.0 * n * n)
    return black76.price(S * np.exp(mean + 0.5 * variance), K, T, np.sqrt(variance / T), r, is_call)


def asian_arithmetic_continuous(
    S: ArrayLike, average: ArrayLike, K: ArrayLike, total: ArrayLike, T: ArrayLike, r: ArrayLike, q: ArrayLike, vol: ArrayLike
) -> Floats:
    """Call on the arithmetic average over `total` years of which T remain, `average` so far: lognormal with the first two
    moments of the average to come (Levy 1992; Haug 4.20.2). b = r - q other than 0; the strike less the fixed part > 0."""
    S, average, K, total, T, r, q, vol = _numbers(S=S, average=average, K=K, total=total, T=T, r=r, q=q, vol=vol)
    b, left = r - q, K - average * (total - T) / total
    if (b == 0.0).any() or (total < T).any() or (left <= 0.0).any():
        raise PricingError(f"Levy: expected r other than q, T <= total and a strike left, got {b}, {T} of {total}, {left}")
    mean = S * np.expm1(b * T) / (b * total)
    carried = b + vol**2
    second = 2.0 * S**2 / (carried * total**2) * (np.expm1((b + carried) * T) / (b + carried) - np.expm1(b * T) / b)
    return black76.price(mean, left, T, np.sqrt(np.log(second / mean**2) / T), r, True)


def asian_arithmetic_discrete(S: float, K: float, times: ArrayLike, r: float, q: float, vol: float, is_call: bool) -> Floats:
    """On the arithmetic average of the prices at `times` [n] years > 0 ascending, paid at the last: lognormal with the
    first two moments (Turnbull & Wakeman 1991 as Haug 4.20.3). Scalars but for `times`."""
    t = np.asarray(times, dtype=np.float64)
    if t.ndim != 1 or not t.size or not np.isfinite(t).all() or t[0] <= 0.0 or (np.diff(t) <= 0.0).any():
        raise PricingError(f"times: expected ascending years > 0, got {t}")
    spot, strike, rate, yields, v = _numbers(S=S, K=K, r=r, q=q, vol=vol)
    forward = spot * np.exp((rate - yields) * t)
    mean = forward.mean()
    second = (np.multiply.outer(forward, forward) * np.exp(v**2 * np.minimum.outer(t, t))).mean()
    return black76.price(mean, strike, t[-1], np.sqrt(np.log(second / mean**2) / t[-1]), rate, is_call)


def lookback_floating_call(S: ArrayLike, lowest: ArrayLike, T: ArrayLike, r: ArrayLike, q: ArrayLike, vol: ArrayLike) -> Floats:
    """Pays the last price less the lowest; lowest <= S so far (Goldman, Sosin & Gatto 1979; Haug 4.15.1)."""
    S, low, T, r, q, vol = _numbers(S=S, K=lowest, T=T, r=r, q=q, vol=vol)
    if (low > S).any():
        raise PricingError(f"lowest: expected at most the spot {S}, got {low}")
    a1 = _d1(S / low, T, r - q, vol)
    plain = S * np.exp(-q * T) * ndtr(a1) - low * np.exp(-r * T) * ndtr(a1 - vol * np.sqrt(T))
    return np.asarray(plain + S * np.exp(-r * T) * _strike_bonus(S / low, a1, T, r - q, vol, -1.0))


def lookback_fixed_call(S: ArrayLike, K: ArrayLike, highest: ArrayLike, T: ArrayLike, r: ArrayLike, q: ArrayLike, vol: ArrayLike) -> Floats:
    """Pays the highest price less K; highest >= S so far (Conze & Viswanathan 1991; Haug 4.15.2)."""
    S, K, high, T, r, q, vol = _numbers(S=S, K=K, highest=highest, T=T, r=r, q=q, vol=vol)
    if (high < S).any():
        raise PricingError(f"highest: expected at least the spot {S}, got {high}")
    level, discount = np.maximum(K, high), np.exp(-r * T)
    d1 = _d1(S / level, T, r - q, vol)
    plain = S * np.exp(-q * T) * ndtr(d1) - level * discount * ndtr(d1 - vol * np.sqrt(T))
    return np.asarray(discount * np.maximum(high - K, 0.0) + plain + S * discount * _strike_bonus(S / level, d1, T, r - q, vol, 1.0))


def forward_start(
    S: ArrayLike, alpha: ArrayLike, start: ArrayLike, T: ArrayLike, r: ArrayLike, q: ArrayLike, vol: ArrayLike, is_call: ArrayLike
) -> Floats:
    """Strike alpha times the price at `start` < T years: S exp(-q start) options on 1 (Rubinstein 1990; Haug 4.11)."""
    S, alpha, start, T, r, q, vol = _numbers(S=S, K=alpha, start=start, T=T, r=r, q=q, vol=vol)
    left = T - start
    return np.asarray(S * np.exp(-q * start) * black76.price(np.exp((r - q) * left), alpha, left, vol, r, is_call))


def _d1(ratio: Floats, T: Floats, b: Floats, vol: Floats) -> Floats:
    root = vol * np.sqrt(T)
    return np.asarray((np.log(ratio) + b * T) / root + 0.5 * root)


def _hit_probability(S: Floats, H: Floats, T: Floats, b: Floats, vol: Floats, eta: Floats) -> Floats:
    """That H is touched by T; eta = 1 where S starts above it, -1 below."""
    root = vol * np.sqrt(T)
    drift = (b - 0.5 * vol**2) * T
    x, y = (np.log(S / H) + drift) / root, (np.log(H / S) + drift) / root
    return np.asarray(ndtr(-eta * x) + (H / S) ** (2.0 * b / vol**2 - 1.0) * ndtr(eta * y))


def _at_hit(S: Floats, H: Floats, T: Floats, r: Floats, b: Floats, vol: Floats, eta: Floats) -> Floats:
    """Value of 1 paid when H is first touched (factor F of Haug 4.17.1)."""
    root = vol * np.sqrt(T)
    mu = b / vol**2 - 0.5
    power = np.sqrt(mu**2 + 2.0 * r / vol**2)
    z = np.log(H / S) / root + power * root
    ratio = H / S
    return np.asarray(ratio ** (mu + power) * ndtr(eta * z) + ratio ** (mu - power) * ndtr(eta * (z - 2.0 * power * root)))


def _strike_bonus(ratio: Floats, d: Floats, T: Floats, b: Floats, vol: Floats, sign: float) -> Floats:
    """What the better strike of a lookback adds, per S exp(-rT); its limit where b = 0."""
    root = np.sqrt(T)
    carry = np.where(b == 0.0, 1.0, b)
    reflected = ratio ** (-2.0 * carry / vol**2) * ndtr(sign * (d - 2.0 * carry * root / vol))
    general = sign * vol**2 / (2.0 * carry) * (np.exp(carry * T) * ndtr(sign * d) - reflected)
    density = _PHI_0 * np.exp(-0.5 * d * d)
    return np.asarray(np.where(b == 0.0, vol * root * (density + sign * d * ndtr(sign * d)), general))


def _count(fixings: int) -> int:
    if type(fixings) is not int or fixings < 1:
        raise PricingError(f"fixings: expected an int >= 1, got {fixings!r}")
    return fixings


_POSITIVE = {"S", "S2", "K", "K1", "K2", "H", "L", "U", "T", "vol", "vol2", "total", "start", "highest"}


def _numbers(**values: ArrayLike) -> list[Floats]:
    """The arguments as float64 of one shape, in order. Raises PricingError for what the module's head does not allow."""
    arrays = {name: np.asarray(value, dtype=np.float64) for name, value in values.items()}
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise PricingError(f"{name}: expected finite numbers, got {array}")
        if name in _POSITIVE and (array <= 0.0).any():
            raise PricingError(f"{name}: expected > 0, got {array.min()}")
        if name == "rho" and (np.abs(array) >= 1.0).any():
            raise PricingError(f"rho: expected between -1 and 1, got {array}")
    try:
        return [np.array(array) for array in np.broadcast_arrays(*arrays.values())]
    except ValueError as error:
        shapes = {name: array.shape for name, array in arrays.items()}
        raise PricingError(f"expected shapes that broadcast together, got {shapes}") from error
