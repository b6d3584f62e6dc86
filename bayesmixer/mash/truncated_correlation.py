"""Correlation of errors pair by pair, from effects with small z-scores in both conditions, and what
leaving out the large ones does to it undone.

Of a normal pair with correlation rho, seen where both |z| < c, E[xy] over E[x^2] is a known
increasing function of rho, which is inverted. Each pair has all the effects that are small in these
two conditions, where the simple estimate has those that are small in all.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

Array = NDArray[np.float64]

POINTS = 401  # of the quadrature
KNOTS = 400  # of rho
WIDEST = 0.995
FEW = 20  # effects a pair needs
BEYOND = 4.5  # standard errors at which one correlation, or their sum of squares, is not chance
LEAST = 1e-3  # eigenvalue


def pairwise(z: Array, seen: NDArray[np.bool_], cut: float) -> tuple[Array, bool, int]:
    """Correlation of errors (R, R); whether it is beyond chance; effects of the pair with fewest.

    Parameters
    ----------
    z, seen
        z-scores and whether they are there (effect, condition).
    cut
        |z| from which an effect does not count.
    """
    small = seen & (np.abs(z) < cut)
    kept, one = np.where(small, z, 0), small.astype(np.float64)
    counts = one.T @ one
    square = np.square(kept).T @ one  # of the row's condition, where the column's is small too
    with np.errstate(invalid="ignore", divide="ignore"):
        # effects that are exactly 0 in a condition tell no correlation
        within = np.nan_to_num((kept.T @ kept) / np.sqrt(square * square.T))
    off = np.triu_indices(len(counts), 1)
    if not len(off[0]):
        return np.ones((1, 1)), False, len(z)
    fewest = int(counts[off].min())
    if fewest < FEW:
        return np.eye(len(counts)), False, fewest
    rho, seen_as = _curve(cut)
    v = np.interp(within, seen_as, rho)
    np.fill_diagonal(v, 1)
    scores = within[off] * np.sqrt(counts[off])
    together = (np.square(scores).sum() - len(scores)) / np.sqrt(2 * len(scores))
    return _proper(v), bool(max(np.abs(scores).max(), together) > BEYOND), fewest


def _proper(v: Array) -> Array:
    """The correlation with no eigenvalue below the least."""
    d, q = np.linalg.eigh(v)
    if d[0] >= LEAST:
        return v
    raised = (q * np.maximum(d, LEAST)) @ q.T
    size = np.sqrt(np.diag(raised))
    found: Array = raised / np.outer(size, size)
    return found


@cache
def _curve(cut: float) -> tuple[Array, Array]:
    """Correlations, and E[xy] / E[x^2] of normal pairs with these within the cut."""
    rho = np.sin(np.linspace(-1, 1, KNOTS + 1) * np.arcsin(WIDEST))
    node, weight = np.polynomial.legendre.leggauss(POINTS)
    x = cut * node
    density = weight * np.exp(-(x**2) / 2)
    centre, spread = rho[:, None] * x, np.sqrt(1 - rho**2)[:, None]
    low, high = (-cut - centre) / spread, (cut - centre) / spread
    mass = ndtr(high) - ndtr(low)
    step = (np.exp(-(low**2) / 2) - np.exp(-(high**2) / 2)) / np.sqrt(2 * np.pi)
    of_y = centre * mass + spread * step
    seen_as = ((density * x) * of_y).sum(1) / ((density * x**2) * mass).sum(1)
    return rho, seen_as
