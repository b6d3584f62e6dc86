"""Weighted least squares by blocks of variants, with weights that follow the fit, and the two-step
estimator: what heritability and genetic covariance have in common.

Source: Bulik-Sullivan et al. 2015, Nature Genetics 47:291 (weights, jackknife, two steps).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bayesmixer.errors import InputError
from bayesmixer.jackknife import Estimate

Array = NDArray[np.float64]
Rows = NDArray[np.intp]

UPDATES = 2  # of the weights


def equal_blocks(rows: int, blocks: int) -> Rows:
    """(B + 1,) edges of blocks of neighbouring rows as equal as can be, at most one a row."""
    return np.floor(np.linspace(0, rows, min(blocks, rows) + 1)).astype(np.intp)


def sums(x: Array, y: Array, weight: Array, edges: Rows) -> tuple[Array, Array]:
    """X'WX (B, P, P) and X'Wy (B, P) of each block of rows."""
    blocks, p = len(edges) - 1, x.shape[1]
    xtx, xty = np.empty((blocks, p, p)), np.empty((blocks, p))
    for b, (i, j) in enumerate(pairwise(edges)):
        weighted = x[i:j] * weight[i:j, None]
        xtx[b], xty[b] = weighted.T @ x[i:j], weighted.T @ y[i:j]
    return xtx, xty


def solved(xtx: Array, xty: Array) -> Estimate:
    """Coefficients of all blocks, and without each."""
    left, right = xtx.sum(0), xty.sum(0)
    try:
        value = np.linalg.solve(left, right)
        without = np.linalg.solve(left - xtx, (right - xty)[..., None])[..., 0]
    except np.linalg.LinAlgError:
        raise InputError(
            "LD scores",
            "they are linearly dependent, or too few variants tell them apart",
            "Leave out annotations that others add up to.",
        ) from None
    return Estimate(value, without)


@dataclass(frozen=True)
class Problem:
    """A regression whose weights depend on its own coefficients.

    Attributes
    ----------
    x, y
        (J, P), (J,).
    weight_of
        Weights (J,) at coefficients (P,).
    start
        Weights (J,) to begin with.
    """

    x: Array
    y: Array
    weight_of: Callable[[Array], Array]
    start: Array

    def fit(self, edges: Rows, updates: int = UPDATES) -> Estimate:
        """Coefficients (P,) after `updates` of the weights, which the blocks then share."""
        weight = self.start
        for _ in range(updates):
            weight = self.weight_of(self._solve(weight))
        return solved(*sums(self.x, self.y, weight, edges))

    def _solve(self, weight: Array) -> Array:
        scale = np.sqrt(np.einsum("jp,jp,j->p", self.x, self.x, weight))
        left = (self.x * weight[:, None]).T @ self.x / np.outer(scale, scale)
        right = (self.x * weight[:, None]).T @ self.y / scale
        return np.asarray(np.linalg.lstsq(left, right, rcond=None)[0] / scale)


@dataclass(frozen=True)
class Fit:
    """Slopes (A,) and intercept of a regression on LD scores.

    Attributes
    ----------
    slope
        (A,) by annotation, of l N / mean N.
    intercept
        (1,) estimated, or None where it was fixed.
    at
        The intercept, whichever.
    edges
        (B + 1,) of the blocks.
    joint
        Slopes and intercept as one estimate (A + 1,), or slopes alone.
    beyond_cut
        Variants that the first of two steps left out; None without two steps.
    """

    slope: Estimate
    intercept: Estimate | None
    at: float
    edges: Rows
    joint: Estimate
    beyond_cut: int | None = None


def regress(
    x: Array,
    y: Array,
    weight_of: Callable[[Array, float], Array],
    start: Array,
    *,
    intercept: float | None,
    near: NDArray[np.bool_] | None,
    n_blocks: int,
    edges: Rows | None = None,
    updates: int = UPDATES,
) -> Fit:
    """Regress y on LD scores.

    Parameters
    ----------
    x
        (J, A) LD scores times N / mean N.
    y
        (J,) chi-squared, or products of z.
    weight_of
        Weights (J,) at slopes (A,) and an intercept.
    start
        (J,) weights to begin with.
    intercept
        Fixed, or None to estimate it.
    near
        (J,) variants of the first of two steps, which alone find the intercept; None for one step.
    n_blocks
        Blocks of equal numbers of variants (of the first step, where there are two).
    edges
        (B + 1,) blocks instead.
    updates
        Of the weights.
    """
    if intercept is not None:
        edges = equal_blocks(len(y), n_blocks) if edges is None else edges
        known = intercept
        one = Problem(x, y - known, lambda c: weight_of(c, known), start).fit(edges, updates)
        return Fit(one, None, intercept, edges, one)
    both = np.column_stack([x, np.ones(len(y))])
    if near is None:
        edges = equal_blocks(len(y), n_blocks) if edges is None else edges
        whole = Problem(both, y, lambda c: weight_of(c[:-1], c[-1]), start).fit(edges, updates)
        return _split(whole, edges, None)
    rows = np.flatnonzero(near)
    if edges is None:
        within = equal_blocks(len(rows), n_blocks)
        edges = np.concatenate([[0], rows[within[1:-1]], [len(y)]])
    else:
        within = np.searchsorted(rows, edges)
    first = _split(
        Problem(both[rows], y[rows], lambda c: weight_of(c[:-1], c[-1])[rows], start[rows]).fit(
            within, updates
        ),
        within,
        None,
    )
    assert first.intercept is not None
    second = Problem(x, y - first.at, lambda c: weight_of(c, first.at), start).fit(edges, updates)
    # how far the slope moves with the intercept that it is given
    pull = (start @ x[:, 0]) / (start @ x[:, 0] ** 2)
    moved = first.intercept.without - first.at
    joint = Estimate(
        np.append(second.value, first.at),
        np.column_stack([second.without - pull * moved, first.intercept.without]),
    )
    return _split(joint, edges, int(len(y) - len(rows)))


def _split(joint: Estimate, edges: Rows, beyond_cut: int | None) -> Fit:
    slope = Estimate(joint.value[:-1], joint.without[:, :-1])
    intercept = Estimate(joint.value[-1:], joint.without[:, -1:])
    return Fit(slope, intercept, float(joint.value[-1]), edges, joint, beyond_cut)
