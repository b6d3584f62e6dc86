"""What a prior of adaptive shrinkage says about each effect, and rates over sets of effects."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from bayesmixer.mash.ash_components import Components, Left
from bayesmixer.mash.mixture import shares
from bayesmixer.mash.moments import KEPT

Array = NDArray[np.float64]


class Known(NamedTuple):
    """Of every effect: mean, sd, P(< 0), P(> 0), P(= 0), and the log-likelihood of its estimate."""

    mean: Array
    sd: Array
    negative: Array
    positive: Array
    zero: Array
    log_likelihood: Array

    @property
    def lfsr(self) -> Array:
        """The smaller of P(<= 0) and P(>= 0)."""
        return np.clip(np.minimum(self.negative, self.positive) + self.zero, 0, 1)


def posterior(
    components: Components,
    weights: Array,
    x: Array,
    s: Array,
    df: Any = None,
    draws: Array | None = None,
) -> Known:
    """Of effects with estimates x and errors s, on the scale of the mixture; averaged over `draws`
    (draw, component), of which weights are the mean. Components of weight 1e-10 or less count in
    the log-likelihood alone.
    """
    active = np.flatnonzero(weights > 0)
    part = components.of(active)
    likely = part.log_likelihood(x, s, df) + np.log(weights[active])[:, None]
    log_likelihood = np.asarray(logsumexp(likely, axis=0))
    kept = np.flatnonzero(weights[active] > KEPT)
    those = None if draws is None else draws[:, active[kept]]
    share = shares(likely[kept], weights[active[kept]], those)
    left = [part.left(int(i), x, s, df) for i in kept]
    return _mixed(part, kept, share, left, log_likelihood)


def prior_of(components: Components, weights: Array) -> Known:
    """Of an effect without estimate: (1,) each."""
    kept = np.flatnonzero(weights > KEPT)
    share = (weights[kept] / weights[kept].sum())[:, None]
    return _mixed(components, kept, share, [components.prior(int(i)) for i in kept], np.zeros(1))


def _mixed(
    part: Components, kept: Any, share: Array, left: list[Left], log_likelihood: Array
) -> Known:
    mean, variance, negative, positive = (np.array(v) for v in zip(*left, strict=True))
    whole = np.einsum("pj,pj->j", share, mean)
    spread = np.einsum("pj,pj->j", share, variance + (mean - whole) ** 2)
    null = (part.scale[kept] == 0) & (part.mode == 0)
    return Known(
        mean=whole,
        sd=np.sqrt(spread),
        negative=np.clip(np.einsum("pj,pj->j", share, negative), 0, 1),
        positive=np.clip(np.einsum("pj,pj->j", share, positive), 0, 1),
        zero=np.clip(share[null].sum(0), 0, 1),
        log_likelihood=log_likelihood,
    )


def running_means(rate: Array) -> Array:
    """Mean rate of all effects whose own is not larger; equal ones share it. Of `lfsr` these are
    s-values, of `lfdr` q-values.
    """
    ordered = np.sort(rate)
    running = np.cumsum(ordered) / np.arange(1, len(rate) + 1)
    values: Array = running[np.searchsorted(ordered, rate, side="right") - 1]
    return values
