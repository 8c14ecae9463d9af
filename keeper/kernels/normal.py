"""Functions of the normal distribution, logarithm and exponential on eight doubles, without a branch or a library call."""

from __future__ import annotations

import math
from typing import Any

from keeper.kernels.compilation import forced_inline
from keeper.kernels.vectors import absolute, exponent, fma, larger, polynomial, positive, power_of_two, splat

__all__ = ["exponential", "log_ratio", "mills", "normal_density", "normal_tail", "out_of_the_money"]

# All three are interpolations at 200 Chebyshev nodes in 60 digits, turned into powers; the error given is the largest relative one.
_MILLS = polynomial(
    (  # (x + 4) M(x) in t = (x - 4) / (x + 4) of [-1, 1): 8.2e-17
        1.8932190633084853, -1.523770910819985, 0.9704095548676177, -0.46754096299818737, 0.1513917623110474, -0.018900450865484503,
        -0.008722295248200037, 0.0040878557264789955, 0.0003342443649391365, -0.0005792696065073663, -4.781834677436329e-06,
        8.809696060211897e-05, 1.7912419621396938e-06, -1.4846493010422612e-05, -1.5665301434775512e-06, 2.5742673078165543e-06,
        6.635890483495518e-07, -4.0665439602468896e-07, -1.974812079272745e-07, 4.9053735092410555e-08, 4.027496644667924e-08,
        -3.2015537235375595e-09, -4.232837128668023e-09,
    )
)  # fmt: skip
_EXPONENTIAL = polynomial(
    (  # exp(x) on |x| <= ln(2) / 2: 3.1e-18
        1.0, 1.0, 0.5000000000000019, 0.16666666666666702, 0.04166666666648808, 0.008333333333309526, 0.0013888888952318045,
        0.00019841269909219843, 2.480148547921643e-05, 2.755722495611072e-06, 2.7632640675430235e-07, 2.5114870219497476e-08,
    )
)  # fmt: skip
_ATANH = polynomial(
    (  # atanh(f) / f in f^2, |f| <= (sqrt(2) - 1) / (sqrt(2) + 1): 7.7e-21
        1.0, 0.3333333333333333, 0.20000000000003765, 0.1428571428440443, 0.11111111339160024, 0.09090886817889902,
        0.07693582544557849, 0.0662433741980475, 0.06631431695922775,
    )
)  # fmt: skip
_PHI_0 = 1.0 / math.sqrt(2.0 * math.pi)
_LOG2_E = 1.0 / math.log(2.0)
_LN2_HIGH, _LN2_LOW = 0.6931471803691238, 1.9082149292705877e-10
_ROUND = 1.5 * 2.0**52  # adding it leaves an integer in the low bits
_LEAST_EXPONENT = -708.0  # exp of less is subnormal; every use multiplies it into a sum of numbers of order one


@forced_inline
def exponential(x: Any) -> Any:
    """exp(x) for x <= 709; exp(-708) for less."""
    x = larger(x, splat(_LEAST_EXPONENT))
    shifted = fma(x, splat(_LOG2_E), splat(_ROUND))
    n = shifted - splat(_ROUND)
    rest = fma(n, splat(-_LN2_LOW), fma(n, splat(-_LN2_HIGH), x))
    return _EXPONENTIAL(rest) * power_of_two(shifted)


@forced_inline
def log_ratio(a: Any, b: Any) -> Any:
    """ln(a / b) of positive normal numbers: 2 atanh((a - b 2^e) / (a + b 2^e)) + e ln 2, accurate relative to itself."""
    e = exponent(a / b)
    scaled = b * power_of_two(e + splat(_ROUND))
    f = (a - scaled) / (a + scaled)
    return fma(e, splat(_LN2_HIGH), fma(e, splat(_LN2_LOW), (f + f) * _ATANH(f * f)))


@forced_inline
def normal_density(x: Any) -> Any:
    """phi(x)"""
    return splat(_PHI_0) * exponential(splat(-0.5) * x * x)


@forced_inline
def mills(x: Any) -> Any:
    """M(x) = N(-x) / phi(x), x >= 0."""
    reciprocal = splat(1.0) / (x + splat(4.0))
    return reciprocal * _MILLS(fma(splat(-8.0), reciprocal, splat(1.0)))


@forced_inline
def normal_tail(x: Any, density: Any) -> Any:
    """N(-|x|), given density = phi(x)."""
    return density * mills(absolute(x))


@forced_inline
def out_of_the_money(moneyness: Any, stdev: Any, inverse_stdev: Any) -> Any:
    """Undiscounted out-of-the-money value per unit of min(F, K), formula (2) of keeper.pricing.black76.

    moneyness: ln(F / K); stdev > 0 and its inverse. With a = |moneyness| / s - s / 2 and b = a + s it is
    phi(a) (M(a) - M(b)), and 1 - phi(a) (M(-a) + M(b)) for a < 0.
    """
    h, half = absolute(moneyness) * inverse_stdev, splat(0.5) * stdev
    a, b = h - half, h + half
    density = normal_density(a)
    near, far = mills(absolute(a)), mills(b)
    value = positive(a, density * (near - far), fma(splat(0.0) - density, near + far, splat(1.0)))
    return larger(value, splat(0.0))
