"""Posterior of every effect under a mixture: means, variances, probabilities of signs.

Within the component of covariance w F F' the posterior of an effect is normal with covariance G G',
G = sqrt(w) F K^-T where K K' = I + w H' H and H = L^-1 F (V = L L'), and mean G K^-1 sqrt(w) H'
L^-1 b: no inverse of V or U, so that singular U and missing cells need nothing special.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp, ndtr

from bayesmixer.mash.likelihood import blocks, rows_at_once
from bayesmixer.mash.mixture import Mixture
from bayesmixer.mash.rows import Index, Part, Rows

Array = NDArray[np.float64]

NEGLIGIBLE = 1e-22  # probability of a component below which it adds nothing to an effect
ZERO = 1e-12  # prior variance of a contrast over what it would be without cancellation
KEPT = 1e-10  # weight up to which a component takes no part in posteriors


@dataclass
class Moments:
    """What is known of each effect (row, reported); log-likelihoods and Bayes factors (row)."""

    mean: Array
    second: Array
    negative: Array
    positive: Array
    zero: Array
    log_likelihood: Array
    log10_bf: Array | None
    outer: Array | None

    @property
    def sd(self) -> Array:
        """Posterior standard deviations."""
        return np.sqrt(np.clip(self.second - self.mean**2, 0, None))

    @property
    def lfsr(self) -> Array:
        """The smaller of P(<= 0) and P(>= 0)."""
        return np.clip(np.minimum(self.negative, self.positive) + self.zero, 0, 1)

    @property
    def covariance(self) -> Array:
        """Posterior covariances (row, reported, reported)."""
        assert self.outer is not None
        return self.outer - self.mean[:, :, None] * self.mean[:, None, :]


def moments(
    rows: Rows, mixture: Mixture, report: Array | None = None, covariance: bool = False
) -> Moments:
    """Moments of the effects, or of combinations `report` (reported, condition) of them, in the
    data's units.
    """
    assert mixture.weights is not None
    n, r = rows.b.shape
    q = r if report is None else len(report)
    found = Moments(
        *(np.zeros((n, q)) for _ in range(5)),
        log_likelihood=np.empty(n),
        log10_bf=np.empty(n) if mixture.point_mass else None,
        outer=np.zeros((n, q, q)) if covariance else None,
    )
    part_mixture, weighted = mixture.active(0)
    assert part_mixture.weights is not None
    log_weights = np.log(part_mixture.weights)[:, None]
    kept = part_mixture.weights > KEPT
    active = weighted[kept]
    known: tuple[Part | None, list[_Common]] = (None, [])
    normal = [int(at) for at in active if at >= mixture.point_mass]
    for part, index, block in blocks(rows, part_mixture):
        if part.common and known[0] is not part:
            known = (part, [_Common(rows, part.index[0], part_mixture, at) for at in normal])
        likely = block[weighted] + log_weights
        found.log_likelihood[index] = logsumexp(likely, axis=0)
        if found.log10_bf is not None:
            found.log10_bf[index] = _log10_bf(likely, block[0], float(mixture.weights[0]))
        likely = likely[kept]
        share = np.exp(likely - logsumexp(likely, axis=0))
        null = len(active) - len(normal)
        if null:
            found.zero[index] += share[0][:, None]
        for i, at in enumerate(normal):
            s = share[null + i]
            chosen = np.flatnonzero(s > NEGLIGIBLE)
            if not len(chosen):
                continue
            if part.common:
                one = known[1][i]
                _add(found, rows, index[chosen], s[chosen], *one.of(rows.b[index[chosen]]),
                     one.u, report)  # fmt: skip
                continue
            step = rows_at_once(r)
            for first in range(0, len(chosen), step):
                few = chosen[first : first + step]
                w, f, u = _component(part_mixture, at)
                mean, root = _each(rows, index[few], w, f)
                _add(found, rows, index[few], s[few], mean, root, u, report)
    if found.log10_bf is not None and mixture.weights[0] >= 1:
        found.log10_bf = _log10_bf_of_all(rows, mixture)
    return found


def _component(mixture: Mixture, at: int) -> tuple[float, Array, Array]:
    scale, covariance = mixture.place(at)
    return float(mixture.grid[scale] ** 2), mixture.factors[covariance], mixture.u[covariance]


class _Common:
    """Posterior of a component where all rows have one covariance of errors."""

    def __init__(self, rows: Rows, first: int, mixture: Mixture, at: int) -> None:
        w, f, self.u = _component(mixture, at)
        index = np.array([first])
        white = _white(rows, index)
        h = np.sqrt(w) * (white @ f)
        self.root = _root(np.sqrt(w) * f, h)[0]
        inner = np.linalg.solve(np.eye(f.shape[1]) + h[0].T @ h[0], h[0].T @ white[0])
        self.slope = np.sqrt(w) * f @ inner

    def of(self, b: Array) -> tuple[Array, Array]:
        """Means and G."""
        return b @ self.slope.T, self.root


def _each(rows: Rows, index: Index, w: float, f: Array) -> tuple[Array, Array]:
    """Means (row, R) and G (row, R, rank), each row with its own covariance of errors."""
    white = _white(rows, index)
    h = np.sqrt(w) * (white @ f)
    root = _root(np.sqrt(w) * f, h)
    c = np.einsum("nrs,ns->nr", white, rows.b[index])
    inner = np.eye(f.shape[1]) + h.transpose(0, 2, 1) @ h
    y = np.linalg.solve(inner, np.einsum("nra,nr->na", h, c)[:, :, None])[:, :, 0]
    return y @ (np.sqrt(w) * f).T, root


def _white(rows: Rows, index: Index) -> Array:
    """L^-1 of the covariances of errors, without the cells that are missing."""
    seen = rows.seen[index]
    if rows.v is None:
        r = seen.shape[1]
        diagonal: Array = np.eye(r) * (seen / rows.s[index])[:, None, :]
        return diagonal
    inverse: Array = np.linalg.inv(np.linalg.cholesky(rows.covariance(index)))
    return inverse * (seen[:, :, None] & seen[:, None, :])


def _root(f: Array, h: Array) -> Array:
    """G = F K^-T, K K' = I + H' H."""
    inner = np.eye(f.shape[1]) + h.transpose(0, 2, 1) @ h
    root: Array = np.linalg.solve(np.linalg.cholesky(inner), f.T).transpose(0, 2, 1)
    return root


def _add(
    found: Moments,
    rows: Rows,
    index: Index,
    share: Array,
    mean: Array,
    root: Array,
    u: Array,
    report: Array | None,
) -> None:
    """Add a component to rows, from its mean and root on the scale of the mixture."""
    unit = rows.unit[index]
    if report is None:
        zero = np.diag(u) == 0
        mean = mean * unit
        variance = np.einsum("...ra,...ra->...r", root, root) * unit**2
    else:
        same = bool((unit == unit[0]).all())
        to = report * (unit[0] if same else unit[:, None, :])
        mean = mean @ to.T if same else np.einsum("nqr,nr->nq", to, mean)
        root = to @ root
        variance = np.einsum("...qa,...qa->...q", root, root)
        before = np.einsum("...qr,...qr->...q", to @ u, to)
        size = (np.abs(to) @ np.sqrt(np.diag(u))) ** 2
        zero = before <= ZERO * size
    if zero.any():
        mean = np.where(zero, 0, mean)
        variance = np.where(zero, 0, variance)
        found.zero[index] += share[:, None] * zero
    sd = np.sqrt(np.where(zero, 1, variance))
    tail = ndtr(-np.abs(mean) / sd)
    above = mean > 0
    some = share[:, None] * ~zero
    found.mean[index] += share[:, None] * mean
    found.second[index] += share[:, None] * (mean**2 + variance)
    found.negative[index] += some * np.where(above, tail, 1 - tail)
    found.positive[index] += some * np.where(above, 1 - tail, tail)
    if found.outer is not None:
        if report is None:
            root = root * (unit[:, :, None])
        within = root @ np.swapaxes(root, -1, -2)
        found.outer[index] += share[:, None, None] * (within + mean[:, :, None] * mean[:, None, :])


def _log10_bf(likely: Array, null: Array, weight: float) -> Array:
    """All other components, in the proportions of their weights, over the point mass."""
    others = likely[1:] if weight > 0 else likely
    if weight >= 1 or not len(others):
        return np.zeros(len(null))
    bf: Array = (logsumexp(others, axis=0) - np.log1p(-weight) - null) / np.log(10)
    return bf


def _log10_bf_of_all(rows: Rows, mixture: Mixture) -> Array:
    """Where the point mass has all weight: the other components in equal parts over it."""
    bf = np.empty(len(rows.b))
    for _, index, block in blocks(rows, mixture):
        bf[index] = (logsumexp(block[1:], axis=0) - np.log(len(block) - 1) - block[0]) / np.log(10)
    return bf
