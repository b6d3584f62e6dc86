"""Posterior of every effect under a mixture: means, variances, probabilities of signs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from bayesmixer.mash import independent
from bayesmixer.mash.likelihood import blocks, run
from bayesmixer.mash.mixture import Mixture, shares
from bayesmixer.mash.rows import Index, Part, Rows
from bayesmixer.mash.sums import Chosen, Sums, reported
from bayesmixer.mash.within import Common, Whitened, Within, within

Array = NDArray[np.float64]

NEGLIGIBLE = 1e-22  # probability of a component below which it adds nothing to an effect
NEARLY_ALL = 0.8  # of a block of rows
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
    whitened = Whitened(rows)
    for part, index, block in blocks(rows, part_mixture):
        whitened.block = index
        if part is not last:
            last = part
            inside = [within(rows, part_mixture, at, part, plain, whitened) for at in normal]
        likely = block[weighted] + log_weights
        found.log_likelihood[index] = logsumexp(likely, axis=0)
        if found.log10_bf is not None:
            found.log10_bf[index] = _log10_bf(likely, block[0], float(mixture.weights[0]))
        share = shares(likely[kept], part_mixture.weights[kept], draws)
        sums = Sums(len(index), q, covariance)
        null = int(len(active) > 0 and active[0] < mixture.point_mass)
        if null:
            sums.zero += share[0][:, None]
        if part_mixture.alone is not None and len(active) > null + len(normal):
            few = np.flatnonzero(share[-1] > NEGLIGIBLE)
            own = independent.posterior(rows, part_mixture.alone, index[few])
            to = None if report is None else report * rows.unit[index[few]][:, None, :]
            sums.add_alone(few, share[-1][few], own, to)
        _add_normals(sums, rows, index, inside, share[null : null + len(normal)], report, plain)
        at = run(index)
        for name in ("mean", "second", "negative", "positive", "zero"):
            getattr(found, name)[at] = getattr(sums, name)
        if found.outer is not None:
            found.outer[at] = sums.outer
    if report is None:
        found.mean *= rows.unit
        found.second *= rows.unit**2
        if found.outer is not None:
            found.outer *= rows.unit[:, :, None] * rows.unit[:, None, :]
    if found.log10_bf is not None and mixture.weights[0] >= 1:
        found.log10_bf = _log10_bf_of_all(rows, mixture)
    return found


def averaged(many: Iterable[Moments]) -> Moments:
    """Moments and densities averaged over draws of mixtures; so are Bayes factors."""
    total, n = None, 0
    for one in many:
        n += 1
        if total is None:
            total = one
            continue
        for name in ("mean", "second", "negative", "positive", "zero"):
            getattr(total, name)[:] += getattr(one, name)
        total.log_likelihood = np.logaddexp(total.log_likelihood, one.log_likelihood)
        if total.log10_bf is not None and one.log10_bf is not None:
            ten = np.log(10)
            total.log10_bf = np.logaddexp(ten * total.log10_bf, ten * one.log10_bf) / ten
        if total.outer is not None and one.outer is not None:
            total.outer += one.outer
    assert total is not None
    for name in ("mean", "second", "negative", "positive", "zero"):
        getattr(total, name)[:] /= n
    total.log_likelihood -= np.log(n)
    if total.log10_bf is not None:
        total.log10_bf -= np.log10(n)
    if total.outer is not None:
        total.outer /= n
    return total


def _add_normals(
    sums: Sums, rows: Rows, index: Index, inside: list[Within], share: Array,
    report: Array | None, plain: bool,
) -> None:  # fmt: skip
    """Components that are normals (component, row)."""
    shared = [one for one in inside if isinstance(one, Common)]
    if plain and shared:
        b = rows.b[run(index)]
        for one, probability in zip(shared, share, strict=True):
            chosen = _chosen(probability)
            own = b if isinstance(chosen, slice) else b[chosen]
            sums.add_common(one, own, chosen, probability[chosen])
        sums.add_shared(shared, share)
        return
    for part, probability in zip(inside, share, strict=True):
        chosen = np.arange(len(index))[_chosen(probability)]
        for first in range(0, len(chosen), part.step):
            few = chosen[first : first + part.step]
            known, zero = part.of(rows, index[few]), np.diag(part.u)[None] == 0
            if report is not None:
                unit = rows.unit[index[few]]
                same = bool((unit == unit[0]).all())
                to = report * (unit[0] if same else unit[:, None, :])
                known, zero = reported(known, part.u, to)
            sums.add(few, probability[few], known, zero)


def _chosen(probability: Array) -> Chosen:
    """Rows to which a component adds anything; all, where that is cheaper than picking them."""
    few = np.flatnonzero(probability > NEGLIGIBLE)
    return slice(0, len(probability)) if len(few) > NEARLY_ALL * len(probability) else few


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
