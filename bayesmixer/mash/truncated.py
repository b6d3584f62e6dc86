"""Covariances by truncated eigenvalues: estimates whitened by their errors come from N(0, U + I),
whose covariance is learned by EM as that of a plain mixture with no eigenvalue below 1 (as mashr's
TEEM).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

Array = NDArray[np.float64]

FLOOR = 1e-7  # of the eigenvalues of U
STILL = 1e-7  # change of any weight at which the steps end
STEPS = 5_000
LOG_2PI = float(np.log(2 * np.pi))


def truncated(whitened: Array, starts: Array, steps: int = STEPS) -> tuple[Array, Array]:
    """Covariances U (K, R, R) beside errors of covariance I, and their weights.

    Parameters
    ----------
    whitened
        Estimates (row, R) whose errors are independent and of variance 1.
    starts
        The first U (K, R, R).
    steps
        The most steps of EM.
    """
    n, r = whitened.shape
    total = starts + np.eye(r)
    weights = np.full(len(starts), 1 / len(starts))
    for _ in range(steps):
        d, q = np.linalg.eigh(total)
        each = zip(d, q, strict=True)
        squares = np.array([np.square(whitened @ one) @ (1 / e) for e, one in each])
        with np.errstate(divide="ignore"):
            heights = np.log(weights) - 0.5 * (r * LOG_2PI + np.log(d).sum(1))
        likely = heights[:, None] - 0.5 * squares
        share = np.exp(likely - logsumexp(likely, axis=0))
        counts = share.sum(1)
        before, weights = weights, counts / n
        for k, count in enumerate(counts):
            if count > np.finfo(float).tiny:
                e, v = np.linalg.eigh((whitened.T * share[k]) @ whitened / count)
                total[k] = (v * np.where(e <= 1, 1 + FLOOR, e)) @ v.T
        if np.abs(weights - before).max() < STILL:
            break
    return total - np.eye(r), weights
