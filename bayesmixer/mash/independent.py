"""Effects that are independent between conditions: one component, the product of the conditions'
own adaptive shrinkage (Stephens 2017).

The density of a row is the product over its conditions of their mixtures' densities, and the
posterior within the component is that of `ash`, condition by condition. Where errors are
correlated the estimates are joined by the Gaussian copula of that correlation: each condition keeps
its own mixture, and a row without effects has the density that its errors give it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr, ndtr, ndtri

from bayesmixer.mash.rows import Index, Part, Rows

Array = NDArray[np.float64]

LOG_2PI = float(np.log(2 * np.pi))
LEAST = 1e-300  # probability in a tail


class Alone(NamedTuple):
    """Weights (condition, scale) of each condition's mixture, and the scales: 0, then a grid."""

    weights: Array
    scales: Array


class Known(NamedTuple):
    """Posterior of cells (row, condition), as those of `bayesmixer.mash.moments.Moments`."""

    mean: Array
    second: Array
    negative: Array
    positive: Array
    zero: Array


def log_density(rows: Rows, alone: Alone, part: Part, index: Index) -> Array:
    """log density of rows (row) of a part."""
    seen = rows.seen[index]
    b, s = rows.b[index], standard_errors(rows, index)
    likely, top = _likelihoods(b, s, alone)
    with np.errstate(divide="ignore"):
        each = np.log(likely.sum(0)) + top
    total: Array = np.sum(each, 1, where=seen)
    if rows.v is not None:
        total += _copula(rows, alone, part, index, b, s)
    return total


def posterior(rows: Rows, alone: Alone, index: Index) -> Known:
    """Posterior of the cells of rows, on the scale of the mixture; of a missing one the prior."""
    seen = rows.seen[index]
    b, s = rows.b[index], standard_errors(rows, index)
    likely, _ = _likelihoods(b, s, alone)
    precision = seen / s**2
    total = np.where(seen, likely.sum(0), 1)
    found = Known(*(np.zeros_like(b) for _ in range(5)))
    for weights, scale, one in _scales(alone, likely):
        share = np.where(seen, one / total, weights)
        if scale == 0:
            found.zero[:] += share
            continue
        variance = scale**2 / (1 + scale**2 * precision)
        mean = b * precision * variance
        tail = share * ndtr(-np.abs(mean) / np.sqrt(variance))
        above = mean > 0
        found.negative[:] += np.where(above, tail, share - tail)
        found.positive[:] += np.where(above, share - tail, tail)
        found.mean[:] += share * mean
        found.second[:] += share * (mean**2 + variance)
    return found


def log_signs(rows: Rows, alone: Alone, index: Index) -> Array:
    """Logs of the probabilities of being below, above and at 0 (3, row, condition), given the cells
    of rows; of a missing one by the prior.
    """
    seen = rows.seen[index]
    b, s = rows.b[index], standard_errors(rows, index)
    precision = seen / s**2
    used = np.flatnonzero((alone.weights > 0).any(0))
    logs = np.full((3, *b.shape), -np.inf)
    with np.errstate(divide="ignore"):
        prior = np.log(alone.weights[:, used]).T[:, None, :]
    variance = s**2 + alone.scales[used][:, None, None] ** 2
    likely = prior - np.where(seen, 0.5 * (np.log(variance) + b**2 / variance), 0)
    likely -= np.logaddexp.reduce(likely, axis=0)
    for scale, share in zip(alone.scales[used], likely, strict=True):
        if scale == 0:
            logs[2] = np.logaddexp(logs[2], share)
            continue
        z = b * precision * np.sqrt(scale**2 / (1 + scale**2 * precision))
        for into, sign in ((0, -1), (1, 1)):
            logs[into] = np.logaddexp(logs[into], share + log_ndtr(sign * z))
    return logs


def drawn(rows: Rows, alone: Alone, index: Index, rng: np.random.Generator) -> Array:
    """One draw of each of some rows (row, condition), on the scale of the mixture, each condition
    by itself.
    """
    seen = rows.seen[index]
    b, s = rows.b[index], standard_errors(rows, index)
    likely, _ = _likelihoods(b, s, alone)
    precision = seen / s**2
    total = np.where(seen, likely.sum(0), 1)
    left, out = rng.random(b.shape), np.zeros_like(b)
    for weights, scale, one in _scales(alone, likely):
        share = np.where(seen, one / total, weights)
        chosen = (left >= 0) & (left < share)
        left = np.where(chosen, -1, left - share)
        variance = scale**2 / (1 + scale**2 * precision[chosen])
        mean = (b * precision)[chosen] * variance
        out[chosen] = mean + np.sqrt(variance) * rng.standard_normal(len(mean))
    return out


def combined(known: Known, to: Array) -> Known:
    """Posterior of combinations `to` (row or 1, combination, condition) of independent effects.

    Means and variances are exact. So is the probability of 0, unless effects cancel; that of a
    sign is a normal's of the same moments, given that not all effects are 0, where more than one
    condition takes part.
    """
    mean = np.einsum("nqr,nr->nq", to, known.mean)
    variance = np.einsum("nqr,nr->nq", to**2, known.second - known.mean**2)
    part = to != 0
    with np.errstate(divide="ignore"):
        zero = np.exp(np.einsum("nqr,nr->nq", part.astype(float), np.log(known.zero)))
    rest = np.clip(1 - zero, LEAST, 1)
    centre = mean / rest
    spread = np.clip((variance + mean**2) / rest - centre**2, LEAST, None)
    negative = (1 - zero) * ndtr(-centre / np.sqrt(spread))
    single = part.sum(2) == 1
    if single.any():
        below = np.einsum("nqr,nr->nq", (to > 0) * 1.0, known.negative)
        below += np.einsum("nqr,nr->nq", (to < 0) * 1.0, known.positive)
        negative = np.where(single, below, negative)
    return Known(mean, variance + mean**2, negative, np.clip(1 - zero - negative, 0, 1), zero)


def standard_errors(rows: Rows, index: Index) -> Array:
    """Of each cell by itself (row, condition)."""
    if rows.v is None:
        return rows.s[index]
    v = rows.v if rows.v.ndim == 2 else rows.v[index]
    found: Array = rows.s[index] * np.sqrt(np.einsum("...rr->...r", v))
    return found


def _scales(alone: Alone, likely: Array) -> list[tuple[Array, float, Array]]:
    used = np.flatnonzero((alone.weights > 0).any(0))
    return [(alone.weights[:, i], float(alone.scales[i]), likely[n]) for n, i in enumerate(used)]


def _likelihoods(b: Array, s: Array, alone: Alone) -> tuple[Array, Array]:
    """Weight times density over the largest, of scales that are used (scale, row, condition), and
    the log of that (row, condition).
    """
    used = (alone.weights > 0).any(0)
    with np.errstate(divide="ignore"):
        log_weights = np.log(alone.weights[:, used]).T[:, None, :]
    variance = s**2 + alone.scales[used][:, None, None] ** 2
    likely = log_weights - 0.5 * (LOG_2PI + np.log(variance) + b**2 / variance)
    top = likely.max(0)
    likely -= top
    np.exp(likely, out=likely)
    return likely, top


def _copula(rows: Rows, alone: Alone, part: Part, index: Index, b: Array, s: Array) -> Array:
    """log density of the Gaussian copula of the errors' correlation, at rows."""
    used = np.flatnonzero((alone.weights > 0).any(0))
    tail = np.zeros_like(b)
    for i in used:
        tail += alone.weights[:, i] * ndtr(-np.abs(b) / np.sqrt(s**2 + alone.scales[i] ** 2))
    z = -np.sign(b) * ndtri(np.clip(tail, LEAST, 0.5))
    z[~rows.seen[index]] = 0
    covariance = rows.covariance(index[:1] if part.common else index)
    size = np.sqrt(np.einsum("nrr->nr", covariance))
    lower = np.linalg.cholesky(covariance / (size[:, :, None] * size[:, None, :]))
    log_det = 2 * np.log(np.einsum("nrr->nr", lower)).sum(1)
    if part.common:
        white = np.linalg.solve(lower[0], z.T).T
    else:
        white = np.linalg.solve(lower, z[:, :, None])[:, :, 0]
    value: Array = -0.5 * (log_det + (white**2).sum(1) - (z**2).sum(1))
    return value
