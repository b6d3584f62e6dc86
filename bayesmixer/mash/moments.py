"""Posterior of every effect under a mixture: means, variances, probabilities of signs.

Within the component of covariance w F F' the posterior of an effect is normal with covariance G G',
G = sqrt(w) F K^-T where K K' = I + w H' H and H = L^-1 F (V = L L'), and mean G K^-1 sqrt(w) H'
L^-1 b: no inverse of V or U, so that singular U and missing cells need nothing special.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp, ndtr

from bayesmixer.mash import independent
from bayesmixer.mash.independent import Alone
from bayesmixer.mash.likelihood import LOW_RANK, block_size, blocks, ridge, rows_at_once, run
from bayesmixer.mash.mixture import Mixture, shares
from bayesmixer.mash.rows import Index, Part, Rows

Array = NDArray[np.float64]

NEGLIGIBLE = 1e-22  # probability of a component below which it adds nothing to an effect
NEARLY_ALL = 0.8  # of a block of rows
ZERO = 1e-12  # prior variance of a contrast over what it would be without cancellation
KEPT = 1e-10  # weight up to which a component takes no part in posteriors


class Known(NamedTuple):
    """Posterior of rows within a component, on the scale of the mixture: means (row, R), variances
    (R) or (row, R), and G (R, rank) or (row, R, rank) where it was needed.
    """

    mean: Array
    variance: Array
    root: Array | None


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
        mean=np.zeros((n, q)),
        second=np.zeros((n, q)),
        negative=np.zeros((n, q)),
        positive=np.zeros((n, q)),
        zero=np.zeros((n, q)),
        log_likelihood=np.empty(n),
        log10_bf=np.empty(n) if mixture.point_mass else None,
        outer=np.zeros((n, q, q)) if covariance else None,
    )
    part_mixture, weighted = mixture.active(0)
    assert part_mixture.weights is not None
    log_weights = np.log(part_mixture.weights)[:, None]
    kept = part_mixture.weights > KEPT
    draws = None if part_mixture.draws is None else part_mixture.draws[:, kept]
    active = weighted[kept]
    normal = [int(at) for at in active if mixture.point_mass <= at < part_mixture.normals]
    plain = report is None and not covariance
    last: Part | None = None
    for part, index, block in blocks(rows, part_mixture):
        if part is not last:
            last = part
            inside = [within(rows, part_mixture, at, part, plain) for at in normal]
        likely = block[weighted] + log_weights
        found.log_likelihood[index] = logsumexp(likely, axis=0)
        if found.log10_bf is not None:
            found.log10_bf[index] = _log10_bf(likely, block[0], float(mixture.weights[0]))
        share = shares(likely[kept], part_mixture.weights[kept], draws)
        null = int(len(active) > 0 and active[0] < mixture.point_mass)
        if null:
            found.zero[index] += share[0][:, None]
        if part_mixture.alone is not None and len(active) > null + len(normal):
            few = np.flatnonzero(share[-1] > NEGLIGIBLE)
            _add_alone(found, rows, index[few], share[-1][few], part_mixture.alone, report)
        for one, probability in zip(inside, share[null : null + len(normal)], strict=True):
            chosen = np.flatnonzero(probability > NEGLIGIBLE)
            if len(chosen) > NEARLY_ALL * len(index):  # cheaper than picking them
                chosen = np.arange(len(index))
            for first in range(0, len(chosen), one.step):
                few = chosen[first : first + one.step]
                known = one.of(rows, index[few])
                _add(found, rows, index[few], probability[few], known, one.u, report)
    if report is None:
        found.mean *= rows.unit
        found.second *= rows.unit**2
        if found.outer is not None:
            found.outer *= rows.unit[:, :, None] * rows.unit[:, None, :]
    if found.log10_bf is not None and mixture.weights[0] >= 1:
        found.log10_bf = _log10_bf_of_all(rows, mixture)
    return found


class _Within(Protocol):
    """The posterior within a component of covariance u."""

    u: Array
    step: int  # rows at a time

    def of(self, rows: Rows, index: Index) -> Known:
        """Posterior of rows."""
        ...


def within(rows: Rows, mixture: Mixture, at: int, part: Part, plain: bool) -> _Within:
    """The cheapest way to the posterior within a component, of rows of a part; `plain`: no
    covariances are asked for.
    """
    scale, covariance = mixture.place(at)
    w, f, u = float(mixture.grid[scale] ** 2), mixture.factors[covariance], mixture.u[covariance]
    if part.common:
        return _Common(rows, part.members[:1], w, f, u)
    if rows.v is None and plain:
        delta, low = ridge(u)
        if low.shape[1] <= LOW_RANK:
            return _Independent(w, delta, low, u, block_size(rows))
    return _Each(w, f, u, rows_at_once(rows.b.shape[1]))


class _Common:
    """Posterior of a component where all rows have one covariance of errors."""

    def __init__(self, rows: Rows, first: Index, w: float, f: Array, u: Array) -> None:
        self.u, self.step = u, block_size(rows)
        white = _white(rows, first)
        h = np.sqrt(w) * (white @ f)
        self.root = _root(np.sqrt(w) * f, h)[0]
        self.variance = np.einsum("ra,ra->r", self.root, self.root)
        inner = np.linalg.solve(np.eye(f.shape[1]) + h[0].T @ h[0], h[0].T @ white[0])
        self.slope = np.sqrt(w) * f @ inner

    def of(self, rows: Rows, index: Index) -> Known:
        """Posterior of rows."""
        return Known(rows.b[run(index)] @ self.slope.T, self.variance, self.root)


@dataclass
class _Independent:
    """Posterior of the component of w (delta I + F F') where errors are independent.

    With b = e + sqrt(w) F x, e ~ N(0, w delta), an effect given x shrinks by itself, and x is
    normal with precision I + w F' D^-1 F, D the variances of errors and e.
    """

    w: float
    delta: float
    f: Array
    u: Array
    step: int

    def of(self, rows: Rows, index: Index) -> Known:
        """Posterior of rows."""
        at = run(index)
        seen, own = rows.seen[at], self.w * self.delta
        v = rows.s[at] ** 2
        inverse = seen / (v + own)
        gain = own * inverse
        mean = gain * rows.b[at]
        variance = np.where(seen, v * gain, own)
        rank = self.f.shape[1]
        if rank:
            f = np.sqrt(self.w) * self.f
            products = (f[:, :, None] * f[:, None, :]).reshape(len(f), -1)
            precision = (inverse @ products).reshape(-1, rank, rank) + np.eye(rank)
            spread = np.linalg.inv(precision)
            x = np.einsum("nab,nb->na", spread, (rows.b[at] * inverse) @ f)
            mean += (1 - gain) * (x @ f.T)
            variance += (1 - gain) ** 2 * (spread.reshape(len(mean), -1) @ products.T)
        return Known(mean, variance, None)


@dataclass
class _Each:
    """Posterior where rows each have a covariance of errors."""

    w: float
    f: Array
    u: Array
    step: int

    def of(self, rows: Rows, index: Index) -> Known:
        """Posterior of rows."""
        white = _white(rows, index)
        f = np.sqrt(self.w) * self.f
        h = white @ f
        root = _root(f, h)
        c = np.einsum("nrs,ns->nr", white, rows.b[index])
        inner = np.eye(f.shape[1]) + h.transpose(0, 2, 1) @ h
        y = np.linalg.solve(inner, np.einsum("nra,nr->na", h, c)[:, :, None])[:, :, 0]
        return Known(y @ f.T, np.einsum("nra,nra->nr", root, root), root)


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
    known: Known,
    u: Array,
    report: Array | None,
) -> None:
    """Add a component to rows."""
    mean, variance, root = known
    if report is None:  # units come last
        zero = np.diag(u) == 0
    else:
        assert root is not None
        unit = rows.unit[index]
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
    if found.outer is not None:
        assert root is not None
        within = root @ np.swapaxes(root, -1, -2) + mean[:, :, None] * mean[:, None, :]
        found.outer[index] += share[:, None, None] * within
    at: Any = run(index)
    if zero.ndim == 2:
        found.zero[at] += share[:, None] * zero
    elif zero.any():  # the other columns alone: effects in one condition have but one
        found.zero[np.ix_(index, np.flatnonzero(zero))] += share[:, None]
        some = np.flatnonzero(~zero)
        at = np.ix_(index, some)
        mean, variance, zero = mean[:, some], variance[..., some], zero[some]
    part = share[:, None] * ~zero
    far = np.abs(mean)
    far *= -1 / np.sqrt(np.where(zero, 1, variance))
    tail = ndtr(far, out=far)
    tail *= part
    rest = part - tail
    above = mean > 0
    found.negative[at] += np.where(above, tail, rest)
    found.positive[at] += np.where(above, rest, tail)
    weighted = mean * share[:, None]
    found.mean[at] += weighted
    weighted *= mean
    weighted += variance * share[:, None]
    found.second[at] += weighted


def _add_alone(
    found: Moments, rows: Rows, index: Index, share: Array, alone: Alone, report: Array | None
) -> None:
    """Add the component of effects that are independent between conditions to rows."""
    known = independent.posterior(rows, alone, index)
    if report is not None:
        known = independent.combined(known, report * rows.unit[index][:, None, :])
    part = share[:, None]
    for into, one in zip(
        (found.mean, found.second, found.negative, found.positive, found.zero), known, strict=True
    ):
        into[index] += part * one
    if found.outer is not None:
        mean, spread = known.mean, known.second - known.mean**2
        if report is None:
            among = spread[:, :, None] * np.eye(mean.shape[1])
        else:
            to = report * rows.unit[index][:, None, :]
            own = independent.posterior(rows, alone, index)
            among = (to * (own.second - own.mean**2)[:, None, :]) @ np.swapaxes(to, 1, 2)
        found.outer[index] += part[:, :, None] * (among + mean[:, :, None] * mean[:, None, :])


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
