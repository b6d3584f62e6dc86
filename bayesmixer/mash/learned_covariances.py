"""Covariances learned from strong effects by extreme deconvolution, in the three ways that
`bayesmixer.mash.covariances` offers.

"regularised" takes effects in units of their standard errors, one scale for all, so that the result
does not depend on the units of the data; each covariance stands at half, once and twice its size,
as effects of one pattern differ in strength, and is drawn to the covariance of all strong effects,
that to the covariance of the errors, with the weight of as many rows as there are conditions. It
starts at the directions that most strong effects lie along, and at the covariance of all.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bayesmixer.errors import InputError
from bayesmixer.mash.deconvolution import Prior, deconvolve
from bayesmixer.mash.diagonal_errors import LOW_RANK, typical_errors
from bayesmixer.mash.filled_cells import one_covariance
from bayesmixer.mash.mixture import factor
from bayesmixer.mash.rows import Index, Rows, picked
from bayesmixer.mash.truncated import truncated

Array = NDArray[np.float64]

WAYS = ("regularised", "rank_preserving", "truncated")
SCALES = (0.5, 1.0, 2.0)
RISE = 1e-4  # of the mean objective a row: shapes do not change any more that weights could tell
STEPS = 200
START = 0.1  # of the errors' covariance that full rank starts with
MOST = 2_000  # rows of one covariance of errors, but for missing cells, that full rank learns from
FAR = 1e5  # standard errors beyond which only the direction of an effect counts
OWN = 1e7  # rows that each have their own, times R^3
TURNS = 30
# median sizes beyond which an effect has no more part in what all share: it would count for more
# than a hundred others in a sum of squares (of simulations the largest is 5.7, of GTEx 8.3)
OUTSTANDING = 10.0


def learned(rows: Rows, chosen: Index, principal: dict[str, Array], way: str) -> dict[str, Array]:
    """Covariances of the chosen rows, on the scale of the mixture.

    Parameters
    ----------
    rows, chosen
        All rows, and those to learn from.
    principal
        Principal components and their sum, by name: where "rank_preserving" starts, as mashr does.
    way
        One of `WAYS`.
    """
    if way == "rank_preserving":
        found = deconvolve(picked(rows, chosen), [factor(u) for u in principal.values()])
        return {f"ed_{name}": u for name, u in zip(principal, found.u, strict=True)}
    few, unit = in_standard_errors(picked(rows, chosen))
    if way == "truncated":
        whole = np.flatnonzero(few.seen.all(1))
        if not len(whole):
            raise InputError("strong", "none has a value in every condition, as 'truncated' needs")
        lower = np.linalg.cholesky(few.covariance(whole[:1])[0])
        white = np.linalg.inv(lower)
        c = few.b[whole] @ white.T
        _, d, vt = np.linalg.svd(c, full_matrices=False)
        axes = (vt.T * d / np.sqrt(len(c)))[:, : len(principal) - 1]
        single = [np.outer(axis, axis) for axis in axes.T]
        u = lower @ truncated(c, np.array([*single, axes @ axes.T]))[0] @ lower.T
        names = [f"ted_{name}" for name in [*principal][-len(u) :]]
    else:
        v = np.eye(len(unit)) if few.v is None else few.v if few.v.ndim == 2 else few.v.mean(0)
        lower = np.linalg.cholesky(v)
        white = np.linalg.inv(lower)
        c = few.b @ white.T
        # a line for as many effects as there are conditions: fewer would tell their own noise
        lines = min(len(principal) - 1, len(c) // len(v))
        starts = [*along(c, lines), c.T @ c / len(c)]
        roots = [lower @ np.linalg.cholesky(u + START * np.eye(len(u))) for u in starts]
        few, prior = picked(few, affordable(few)), Prior(float(len(v)), v)
        if lines > 1:
            prior = about_pooled(few, roots[-1], prior)
        u = deconvolve(few, roots, SCALES, prior, RISE, STEPS).u
        if rows.v is None and not all(part.common for part in rows.parts):
            unit = typical_errors(rows)
            u = np.array([few_directions(one) for one in u])
        names = [*(f"ed_{i + 1}" for i in range(len(u) - 1)), "ed"]
    return {name: one * np.outer(unit, unit) for name, one in zip(names, u, strict=True)}


def about_pooled(rows: Rows, root: Array, prior: Prior) -> Prior:
    """The prior about one covariance of all rows, learned first, in place of that of the errors.

    Each covariance has few rows of its own, all of several together have more. Of n rows in R
    conditions the covariance of the errors keeps a part of (R / n)^2, so that hardly more rows than
    conditions say nothing by themselves.
    """
    size = np.sqrt(np.square(rows.b).sum(1, keepdims=True))
    most = OUTSTANDING * np.median(size)
    tamed = replace(rows, b=rows.b * np.minimum(1, most / np.maximum(size, most)))
    pooled = deconvolve(tamed, [root], SCALES, prior, RISE, STEPS).u[0]
    of_errors = min(1.0, (len(prior.v) / len(rows.b)) ** 2)
    pooled *= np.trace(prior.v) / np.trace(pooled)
    return Prior(prior.strength, (1 - of_errors) * pooled + of_errors * prior.v)


def in_standard_errors(rows: Rows) -> tuple[Rows, Array]:
    """z-scores as rows, and the median standard error of each condition."""
    z = rows.b / rows.s
    z /= np.maximum(np.abs(z).max(1, keepdims=True) / FAR, 1)
    return replace(rows, b=z, s=np.ones_like(rows.s)), typical_errors(rows)


def few_directions(u: Array) -> Array:
    """The covariance with its variances beyond the largest few levelled, which a likelihood of
    independent errors that differ by row takes in a tenth of the time.
    """
    d, q = np.linalg.eigh(u)
    rest = d[:-LOW_RANK].mean() if len(d) > LOW_RANK else d[0]
    top = q[:, -LOW_RANK:]
    levelled: Array = rest * np.eye(len(u)) + (top * (d[-LOW_RANK:] - rest)) @ top.T
    return levelled


def affordable(rows: Rows) -> Index:
    """As many rows as full rank can be learned from in seconds, at equal distances."""
    own = max(1, int(OWN / rows.b.shape[1] ** 3))
    found = []
    for part in rows.parts:
        n = len(part.members)
        alike = part.common or one_covariance(picked(rows, part.members)) is not None
        most = min(n, MOST if alike else own)
        found.append(part.members[np.linspace(0, n - 1, most).astype(int)])
    return np.sort(np.concatenate(found))


def along(c: Array, most: int) -> list[Array]:
    """Covariances of rows put together by the line through 0 that they lie along.

    Lines start at the strongest row, then at the strongest for what no line so far holds of it.
    """
    squares = np.square(c).sum(1)
    c, squares = c[squares > 0], squares[squares > 0]
    x = c / np.sqrt(squares)[:, None]
    held, lines = np.zeros(len(x)), []
    for _ in range(min(most, len(x))):
        first = int(np.argmax((1 - held) * squares))
        lines.append(x[first])
        held = np.maximum(held, np.square(x @ x[first]))
    nearest = np.zeros(len(x), dtype=np.intp)
    for turn in range(TURNS if lines else 0):
        before, nearest = nearest, np.square(x @ np.array(lines).T).argmax(1)
        if turn and (nearest == before).all():
            break
        for k in np.unique(nearest):
            lines[k] = np.linalg.svd(x[nearest == k], full_matrices=False)[2][0]
    every: list[int] = np.unique(nearest).tolist() if lines else []
    return [c[nearest == k].T @ c[nearest == k] / (nearest == k).sum() for k in every]
