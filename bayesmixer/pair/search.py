"""Climbs of a pair's likelihood outside of PyMC: with some parameters held, for the staged estimate
and for what is shown beside a fit.

The likelihood and its Jacobian are the Op's; the map from the chart to the Op's inputs is cheap, so
that its slopes are taken by central differences.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.optimize import minimize

from bayesmixer.mixer.laid_out import h_total
from bayesmixer.ops.pair import PairLogLik
from bayesmixer.pair.cards import (
    ATANH_RHO_0,
    ATANH_U,
    LOG_H2,
    LOG_SIGMA2_0,
    LOGIT_PI_DIFFERENCE,
    LOGIT_PI_MEAN,
    LOGIT_T,
)
from bayesmixer.pair.chart import MOST_RHO_0, Overlap, overlap, polygenicities, sigmoid
from bayesmixer.pair.laid_out import pair_data

Array = NDArray[np.float64]

ORDER = (LOG_H2, LOG_H2, LOGIT_PI_MEAN, LOGIT_PI_DIFFERENCE, LOG_SIGMA2_0, LOG_SIGMA2_0, ATANH_U,
         LOGIT_T, ATANH_RHO_0)  # fmt: skip
"""What the nine entries of a point are."""
X, Y, W = 6, 7, 8
"""Places of `atanh_u`, `logit_t` and `atanh_rho_0`."""
SCALE = np.array([0.1, 0.1, 0.2, 0.2, 0.02, 0.02, 0.1, 0.7, 0.03])
"""Typical standard deviations, where no curvature is known."""
STEP = 1e-6
WALL = 1e4  # curvature of the wall around the search box


def point(h2: Any, pi: Any, sigma2_0: Any, u: float, y: float, rho_0: float) -> Array:
    """The nine entries at natural parameters, (2,) each of h2, pi and sigma2_0."""
    logit = np.log(pi) - np.log1p(-np.asarray(pi))
    rest = [math.atanh(u), y, math.atanh(rho_0 / MOST_RHO_0)]
    return np.array(
        [*np.log(h2), logit.mean(), logit[0] - logit[1], *np.log(sigma2_0), *rest], float
    )


def overlap_at(v: Array, t: float | None = None) -> tuple[Overlap, Array]:
    """Overlap and polygenicities (2,) of a point; `t` in place of its own."""
    pi = polygenicities(v[2], v[3])
    place = sigmoid(v[Y]) if t is None else t
    return overlap(np.tanh(v[X]), place, *pi), np.array(pi)


def inputs(v: Array, total: float, t: float | None = None) -> tuple[Array, Array, Array]:
    """Inputs of `PairLogLik` at a point: (3,) weights, (3, 3) variances and covariance of the
    components unique to the first trait, to the second, and shared, and (3,) those of the errors.
    """
    at, pi = overlap_at(v, t)
    s1, s2 = np.exp(v[:2]) / (pi * total)
    zero1, zero2 = np.exp(v[4:6])
    unique = np.maximum(pi - at.pi_shared, 0.0)
    return (
        np.array([*unique, at.pi_shared]),
        np.array([[s1, 0.0, 0.0], [0.0, s2, 0.0], [s1, s2, at.rho_beta * math.sqrt(s1 * s2)]]),
        np.array([zero1, zero2, MOST_RHO_0 * math.tanh(v[W]) * math.sqrt(zero1 * zero2)]),
    )


class Search:
    """Log-likelihood of the pairs of z of some data at a point.

    Parameters
    ----------
    data
        GwasData of two traits.
    censor
        As of the model.
    """

    def __init__(self, data: xr.Dataset, censor: float | None = None) -> None:
        laid_out, self.total = pair_data(data, censor), h_total(data)
        self.ops = {known: PairLogLik(laid_out, known).in_all for known in (False, True)}

    def height(self, v: Array, t: float | None = None) -> float:
        """Log-likelihood at a point."""
        return float(self.ops[False].evaluate(*inputs(v, self.total, t))[0].sum())

    def slope(self, v: Array, t: float | None = None) -> tuple[float, Array]:
        """Log-likelihood and gradient (9,) at a point."""
        loglik, jacobian = self.ops[True].evaluate(*inputs(v, self.total, t))

        def flat(v: Array) -> Array:
            return np.concatenate([part.ravel() for part in inputs(v, self.total, t)])

        steps = STEP * np.eye(v.size)
        map_slope = np.array([(flat(v + e) - flat(v - e)) / (2 * STEP) for e in steps])
        return float(loglik.sum()), map_slope @ jacobian.sum(axis=0)

    def climb(
        self,
        start: Array,
        free: Sequence[int],
        t: float | None = None,
        covariance: Array | None = None,
        accuracy: float = 1e-3,
    ) -> tuple[Array, float]:
        """Where the log-likelihood is highest along the `free` entries, the others held, and its
        height.

        Parameters
        ----------
        start
            (9,).
        free
            Places of the entries that move.
        t
            Place of the overlap where it is held.
        covariance
            Of the free entries, roughly: what the climb is conditioned by.
        accuracy
            Log-likelihood units of a step's gain at which to stop.
        """
        rows = np.array(free)
        low, high = np.array([ORDER[i].box for i in free]).T
        root = np.diag(SCALE[rows]) if covariance is None else np.linalg.cholesky(covariance)

        def cost(c: Array) -> tuple[float, Array]:
            v = start.copy()
            asked = start[rows] + root @ c
            v[rows] = np.clip(asked, low, high)
            out = asked - v[rows]
            value, gradient = self.slope(v, t)
            if not (np.isfinite(value) and np.isfinite(gradient).all()):
                return 1e12 + float(c @ c), 2 * c
            slope = np.where(out == 0, -gradient[rows], WALL * out)
            return -value + 0.5 * WALL * float(out @ out), root.T @ slope

        begin = cost(np.zeros(rows.size))[0]
        found = minimize(
            cost,
            np.zeros(rows.size),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": 60, "ftol": accuracy / max(abs(begin), 1.0), "gtol": 1e-3},
        )
        v = start.copy()
        v[rows] = np.clip(start[rows] + root @ found.x, low, high)
        return v, -float(found.fun)
