"""Probabilities of the normal law and of Student's t, one at a time: to import SciPy's takes as
long as a regression.
"""

from __future__ import annotations

import math
from statistics import NormalDist

CLOSE = 1e-15  # relative change at which a fraction or a root is at its end


def normal_below(x: float) -> float:
    """P(Z <= x)."""
    return math.erfc(-x / math.sqrt(2)) / 2


def normal_at(p: float) -> float:
    """The x of P(Z <= x) = p."""
    return NormalDist().inv_cdf(p)


def beyond(z: float) -> float:
    """P(|Z| > |z|), which is that of chi-squared above z^2."""
    return math.erfc(abs(z) / math.sqrt(2))


def t_below(freedom: float, x: float) -> float:
    """P(T <= x), nan where x is."""
    if math.isnan(x):
        return math.nan
    if math.isinf(x):
        return float(x > 0)
    whole = freedom + x * x
    tail = _beta(freedom / 2, 0.5, freedom / whole, x * x / whole) / 2
    return tail if x < 0 else 1 - tail


def t_at(freedom: float, p: float) -> float:
    """The x of P(T <= x) = p, by Newton's steps from that of the normal law, which is nearer to 0:
    they never pass the root, since the density falls.
    """
    if p < 0.5:
        return -t_at(freedom, 1 - p)
    x = normal_at(p)
    height = math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2))
    height /= math.sqrt(freedom * math.pi)
    for _ in range(100):
        step = (p - t_below(freedom, x)) / height * (1 + x * x / freedom) ** ((freedom + 1) / 2)
        x += step
        if step <= 100 * CLOSE * x:
            break
    return x


def _beta(a: float, b: float, x: float, rest: float) -> float:
    """The regularised incomplete beta function at x, `rest` being 1 - x, by its continued fraction
    (DLMF 8.17.22).
    """
    if x == 0 or rest == 0:
        return float(rest == 0)
    if x > (a + 1) / (a + b + 2):  # where the fraction ends late
        return 1 - _beta(b, a, rest, x)
    log = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    front = math.exp(log + a * math.log(x) + b * math.log(rest)) / a
    c, d, found = 1.0, 1 / (1 - (a + b) * x / (a + 1)), 1 / (1 - (a + b) * x / (a + 1))
    for m in range(1, 10_000):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / (1 + term * d)
            c = 1 + term / c
            found *= c * d
        if abs(c * d - 1) < CLOSE:
            break
    return front * found
