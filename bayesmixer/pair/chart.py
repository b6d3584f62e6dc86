"""Coordinates of polygenic overlap in which every constraint holds by construction.

Of two traits with polygenicities pi1 and pi2, m the smaller, a share f = pi_shared / m of what can
be shared is shared, and effects of shared variants correlate by rho_beta. u = rho_beta f = rg /
rg_max is the genetic correlation as a part of the possible. With x, y real,

    u = tanh x,  t = sigmoid y,  L = max(|u|, (pi1 + pi2 - 1) / m, 0),  f = sqrt(L^2 + (1 - L^2) t)

so that t = 0 is the least overlap that rg (and pi1 + pi2 > 1) requires, with |rho_beta| = 1, and t
= 1 complete overlap. Where neither bound but |u| binds, t = 4 f+ f- / (1 - u^2), f+ and f- the
shares of m of concordant and discordant effects. Data know u, and t hardly: their posteriors are
nearly independent.

All functions take NumPy's numbers and arrays, or PyTensor's (`of=pytensor.tensor`).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

MOST_RHO_0 = 0.995
"""Largest |rho_0|: beyond it two GWAS are one, and their joint density is none."""


class Overlap(NamedTuple):
    """A point of the chart; each a number, an array or a tensor.

    Attributes
    ----------
    f
        pi_shared / m, between `least` and 1.
    least
        L: the smallest f that rg and the polygenicities allow.
    rho_beta
        Correlation of the effects of shared variants.
    pi_shared
        Share of variants that are causal for both traits.
    rg
        Genetic correlation.
    rg_max
        Largest |rg| that the polygenicities allow, sqrt(m / max).
    """

    f: Any
    least: Any
    rho_beta: Any
    pi_shared: Any
    rg: Any
    rg_max: Any


def sigmoid(v: Any, of: Any = np) -> Any:
    """1 / (1 + exp(-v)), 0 and 1 at the infinities."""
    if of is np:
        from scipy.special import expit

        return expit(v)
    return of.sigmoid(v)


def polygenicities(mean: Any, difference: Any, of: Any = np) -> tuple[Any, Any]:
    """(pi1, pi2) from the mean of their logits and the first less the second."""
    return sigmoid(mean + difference / 2, of), sigmoid(mean - difference / 2, of)


def least_overlap(u: Any, pi1: Any, pi2: Any, of: Any = np) -> Any:
    """L: the smallest part of m that is shared, by |rg| and by pi1 + pi2 - pi_shared <= 1."""
    return of.maximum(abs(u), of.maximum((pi1 + pi2 - 1) / of.minimum(pi1, pi2), 0.0))


def overlap(u: Any, t: Any, pi1: Any, pi2: Any, of: Any = np) -> Overlap:
    """The point of the chart at u in [-1, 1] and t in [0, 1], exact at both ends of each."""
    small, large = of.minimum(pi1, pi2), of.maximum(pi1, pi2)
    least = least_overlap(u, pi1, pi2, of)
    square = least**2 + (1 - least**2) * t
    some = square > 0  # the root has no slope at 0: nothing shared, and rho_beta is 0 there
    f = of.where(some, of.sqrt(of.where(some, square, 1.0)), 0.0)
    rho_beta = of.clip(u / of.where(some, f, 1.0), -1.0, 1.0)
    rg_max = of.sqrt(small / large)
    return Overlap(f, least, rho_beta, f * small, u * rg_max, rg_max)


def place(pi_shared: Any, rho_beta: Any, pi1: Any, pi2: Any) -> tuple[Any, Any]:
    """(x, y) of an overlap (NumPy): infinite where |u| = 1, and where overlap is the least or
    complete.

    Values outside the constraints are taken to their ends.
    """
    f = np.clip(np.asarray(pi_shared, float) / np.minimum(pi1, pi2), 0.0, 1.0)
    u = np.clip(np.asarray(rho_beta, float), -1.0, 1.0) * f
    least = least_overlap(u, pi1, pi2)
    with np.errstate(divide="ignore", invalid="ignore"):
        # as differences of squares, which keep their digits near the ends
        above, below = (f - least) * (f + least), (1 - f) * (1 + f)
        y = np.where(above <= 0, -math.inf, np.log(above) - np.log(below))
        return np.arctanh(u), np.where(f >= 1, math.inf, y)


def log_density_of_place(y: Any, least: Any, of: Any = np) -> Any:
    """Log density of y where the excess e = (f - L) / (1 - L) is uniform on (0, 1).

    de/dy = (1 - L^2) t (1 - t) / (2 f (1 - L)) = (1 + L) t (1 - t) / (2 f).
    """
    log_t, log_rest = -_softplus(-y, of), -_softplus(y, of)
    square = least**2 + (1 - least**2) * of.exp(log_t)
    return of.log1p(least) + log_t + log_rest - math.log(2.0) - 0.5 * of.log(square)


def place_of_excess(e: Any, least: Any, of: Any = np) -> Any:
    """y of an excess e in (0, 1)."""
    f = least + (1 - least) * e
    return of.log(e * (1 - least) * (f + least)) - of.log((1 - f) * (1 + f))


def _softplus(v: Any, of: Any) -> Any:
    return np.logaddexp(0.0, v) if of is np else of.softplus(v)
