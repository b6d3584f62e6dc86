"""Standard normal and t distributions cut to an interval: log of the mass, mean and variance of
what is left, to full accuracy in narrow intervals and far out.

Where differences of tails and densities would cancel, the density is integrated by Gauss-Legendre
rules, in v with t = sqrt(df) sinh(v / sqrt(df)) (t itself for a normal), in which the log density
is -df log cosh(v / sqrt(df)), from the end at which it is highest to where nothing is left.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

Array = NDArray[np.float64]

CANCELS = 1e-3  # a difference of tails below this part of the larger one is integrated
DEEP = 1e-290  # tails below it
NEAR, WIDE = 3.0, 0.3  # an interval that begins below and is at least so wide has closed moments
NOTHING = 45.0  # of the log density below its top
NODES, WEIGHTS = np.polynomial.legendre.leggauss(20)
PANEL = 4.0  # width in v that one rule takes, for df of at least a few
PANEL_T = 2.5  # the same in v / sqrt(df)
LOG_2PI = float(np.log(2 * np.pi))


def log_density(t: Array, df: Any = None) -> Array:
    """Of the standard normal, or of t with `df` degrees of freedom."""
    if df is None:
        normal: Array = -0.5 * (t * t + LOG_2PI)
        return normal
    student: Array = _top(df) - 0.5 * (df + 1) * np.log1p(t * t / df)
    return student


def log_mass(lo: Array, hi: Array, df: Any = None) -> Array:
    """Log of the probability between lo and hi (lo < hi, either may be infinite)."""
    lo, hi, _ = _upright(lo, hi)
    over = _tail(hi, df)
    upper = _tail(lo, df)
    mass = upper - over
    low = lo < 0
    if low.any():
        mass = np.where(low, 1 - _tail(-np.minimum(lo, 0), df) - over, mass)
    with np.errstate(divide="ignore"):
        out: Array = np.log(mass)
    bad = ~((mass > CANCELS * upper) & (upper > DEEP))
    if bad.any():
        own = df if df is None or np.ndim(df) == 0 else np.broadcast_to(df, bad.shape)[bad]
        out[bad] = _integrals(lo[bad], hi[bad], own)[0]
    return out


def moments(lo: Array, hi: Array, df: Any = None) -> tuple[Array, Array, Array]:
    """Of t within [lo, hi]: the end of the interval where it lies, mean distance of t from that end
    (signed), and variance.

    The distance is accurate where t itself, far out, would hide it.
    """
    lo, hi, turned = _upright(lo, hi)
    distance, variance = np.empty(lo.shape), np.empty(lo.shape)
    closed = np.zeros(lo.shape, bool)
    if df is None:
        closed = (lo < NEAR) & (hi - lo > WIDE) & np.isfinite(lo)
        a, b = lo[closed], hi[closed]
        mass = special.ndtr(-a) - special.ndtr(-b)
        at_a = np.exp(-0.5 * a * a) / np.sqrt(2 * np.pi)
        at_b = np.exp(-0.5 * b * b) / np.sqrt(2 * np.pi)
        mean = (at_a - at_b) / mass
        last = np.where(np.isfinite(b), b, 0) * at_b
        distance[closed] = mean - a
        variance[closed] = 1 + (a * at_a - last) / mass - mean**2
    rest = ~closed
    if rest.any():
        own = df if df is None or np.ndim(df) == 0 else np.broadcast_to(df, rest.shape)[rest]
        _, distance[rest], variance[rest] = _integrals(lo[rest], hi[rest], own)
    sign = np.where(turned, -1.0, 1.0)
    return sign * lo, sign * distance, variance


def _upright(lo: Array, hi: Array) -> tuple[Array, Array, NDArray[np.bool_]]:
    """The interval or its mirror image: that whose nearer end is its lower one."""
    turned = hi < -lo
    return np.where(turned, -hi, lo), np.where(turned, -lo, hi), turned


def _tail(t: Array, df: Any) -> Array:
    """P(T > t)."""
    tail: Array = special.ndtr(-t) if df is None else special.stdtr(df, -t)
    return tail


def _top(df: Any) -> Any:
    """Log density of t at 0."""
    return special.gammaln((df + 1) / 2) - special.gammaln(df / 2) - 0.5 * np.log(np.pi * df)


def _integrals(lo: Array, hi: Array, df: Any) -> tuple[Array, Array, Array]:
    """Log of the mass, mean distance from lo, and variance, of flat arrays."""
    root = 1.0 if df is None else np.sqrt(df)

    def drop(v: Array) -> Array:
        """Log density below its value at 0."""
        if df is None:
            return 0.5 * v * v
        u = np.abs(v) / root
        return np.asarray(df * (u + np.log1p(np.exp(-2 * u)) - np.log(2)))

    def reach(v: Array) -> Array:
        """How far from v >= 0 it is to where nothing is left, of the second moment neither."""
        if df is None:
            return 2 * NOTHING / (np.sqrt(v * v + 2 * NOTHING) + v)
        with np.errstate(divide="ignore"):
            y = np.where(df > 4, (drop(v) + NOTHING) / np.maximum(df - 2, 1e-300), np.inf)
        return np.asarray(root * (y + np.log1p(np.sqrt(-np.expm1(-2 * y)))) - v)

    first = lo if df is None else root * np.arcsinh(lo / root)
    begin = np.maximum(first, -reach(np.zeros(1)))

    def fall(way: Array, v: Array) -> Array:
        """Log density below its largest, at v = begin + way; far out without cancellation."""
        if df is None:
            return np.where(begin > 0, way * (begin + 0.5 * way), 0.5 * v * v)
        far = np.log1p(np.exp(-2 * np.abs(v) / root)) - np.log1p(np.exp(-2 * np.abs(begin) / root))
        return np.where(begin > 0, df * (way / root + far), drop(v))

    above = np.maximum(first, 0)
    width = np.minimum(_width(lo, hi, root, df) - (begin - first), reach(above) + (above - begin))
    floor = drop(np.maximum(begin, 0))
    widest = PANEL if df is None else np.minimum(PANEL, PANEL_T * root)
    panels = int(np.ceil(np.max(width / widest, initial=1)))
    step = width / panels
    mass = np.zeros(lo.shape)
    one, two = np.zeros(lo.shape), np.zeros(lo.shape)
    # distances from where the rules begin, which is lo where lo is near
    for i in range(panels):
        for node, weight in zip(NODES, WEIGHTS, strict=True):
            way = step * (i + 0.5 * (1 + node))
            v = begin + way
            height = 0.5 * weight * np.exp(-fall(way, v))
            t = way
            if df is not None:  # sinh a - sinh b without cancellation
                t = 2 * root * np.cosh((v + begin) / (2 * root)) * np.sinh(way / (2 * root))
            mass += height
            one += height * t
            two += height * t * t
    mean = one / mass
    shift = (begin if df is None else root * np.sinh(begin / root)) - lo
    shift = np.where(begin > first, shift, 0)
    top = -0.5 * LOG_2PI if df is None else _top(df)
    return np.log(mass * step) - floor + top, mean + shift, two / mass - mean**2


def _width(lo: Array, hi: Array, root: Any, df: Any) -> Array:
    """Width of [lo, hi] in v, without cancellation."""
    if df is None:
        return hi - lo
    a, b = lo / root, hi / root
    at_a, at_b = np.sqrt(1 + a * a), np.sqrt(1 + b * b)
    width: Array = root * np.arcsinh((hi - lo) / root * (1 + (at_a * at_b - a * b)) / (at_a + at_b))
    return width
