"""Prior of a mixture's weights, null against not, groups among what is not, scales within a group,
whose concentration does not grow with their number; and draws of all of it given the effects.

    null ~ Beta(a, b),   group ~ Dirichlet(c / K, ...),   scale given group ~ Dirichlet(c / L, ...).

Given the component that each effect is of, all three are conjugate; given weights, components are
independent between effects. A sweep draws one, then the other (`weight_chains` adds the moves that
it lacks). Shares are drawn and kept as logs:
with parameters c / L far below 1 most are below what a float can hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

Array = NDArray[np.float64]
Index = NDArray[np.intp]

NULL = (10.0, 1.0)  # Beta: what one effect in eleven not being 0 says
CONCENTRATION = 5.0
NOTHING = 1e-25  # weight of a component to which no effect of a finite number ever belongs


class Shares(NamedTuple):
    """Logs of the shares of null and not (2), groups (K), scales within those that have them (K or
    K - 1, L).
    """

    null: Array
    group: Array
    scale: Array


@dataclass(frozen=True)
class Nested:
    """Prior of the weights of a point mass, where `null` (a, b) is not None, and of components of
    which each is of a `group` and a `scale` (component), all pairs once; with `alone` of one more
    group, whose one component comes last.
    """

    null: tuple[float, float] | None
    concentration: float
    group: Index
    scale: Index
    alone: bool = False

    @property
    def scaled(self) -> int:
        """Number of groups that have all scales."""
        return int(self.group.max()) + 1

    @property
    def groups(self) -> int:
        """Number of groups K."""
        return self.scaled + self.alone

    @property
    def pairs(self) -> slice:
        """Where the components of a group and a scale are."""
        first = int(self.null is not None)
        return slice(first, first + len(self.group))

    @property
    def scales(self) -> int:
        """Number of scales L."""
        return int(self.scale.max()) + 1

    @property
    def size(self) -> int:
        """Number of components."""
        return (self.null is not None) + len(self.group) + self.alone

    def log_weights(self, shares: Shares) -> Array:
        """Logs of the weights (component), the point mass first."""
        others: Array = shares.group[self.group] + shares.scale[self.group, self.scale]
        others = np.r_[others, shares.group[-1:]] if self.alone else others
        if self.null is None:
            return others
        logs: Array = np.r_[shares.null[0], shares.null[1] + others]
        return logs

    def draw(self, counts: Array, rng: np.random.Generator) -> Shares:
        """Shares given how many effects are of each component; of none: from the prior."""
        n = self.scales
        by_scale = np.zeros((self.scaled, n))
        by_scale[self.group, self.scale] = counts[self.pairs]
        by_group = np.r_[by_scale.sum(1), counts[-1:]] if self.alone else by_scale.sum(1)
        null = np.array([-np.inf, 0.0])
        if self.null is not None:
            null = log_dirichlet(np.add(self.null, (counts[0], by_group.sum())), rng)
        return Shares(
            null,
            log_dirichlet(self.concentration / self.groups + by_group, rng),
            log_dirichlet(self.concentration / n + by_scale, rng),
        )

    def shares(self, log_weights: Array) -> Shares:
        """Logs of shares from those of weights (component)."""
        null = np.array([-np.inf, 0.0])
        if self.null is not None:
            null = np.array([log_weights[0], logsumexp(log_weights[1:])])
        scale = np.empty((self.scaled, self.scales))
        scale[self.group, self.scale] = log_weights[self.pairs]
        group = logsumexp(scale, axis=1)
        whole = np.r_[group, log_weights[-1:]] if self.alone else group
        return Shares(null, whole - null[1], scale - group[:, None])

    def sweep(self, relative: Array, log_weights: Array, rng: np.random.Generator) -> Array:
        """Logs of weights (component) after the components of all effects, of likelihoods
        (component, effect), were drawn, and shares given these.
        """
        weights = np.exp(log_weights)
        own = labels(relative, weights, weights @ relative, rng.random(relative.shape[1]))
        return self.log_weights(self.draw(np.bincount(own, minlength=self.size).astype(float), rng))


def log_dirichlet(alpha: Array, rng: np.random.Generator) -> Array:
    """Logs of draws from Dirichlet distributions of parameters (..., n)."""
    # a gamma variable of alpha is one of alpha + 1 times a uniform one to the power 1 / alpha
    logs = np.log(rng.standard_gamma(alpha + 1)) + np.log1p(-rng.random(alpha.shape)) / alpha
    logs -= logs.max(-1, keepdims=True)
    out: Array = logs - np.log(np.exp(logs).sum(-1, keepdims=True))
    return out


@nb.njit(cache=True, nogil=True)
def labels(relative: Any, weights: Any, mixed: Any, uniform: Any) -> Any:
    """Which component each effect is of (effect), drawn by numbers in [0, 1), one an effect, from
    weights times likelihoods (component, effect), whose sums are `mixed`.
    """
    effects = relative.shape[1]
    found = np.zeros(effects, dtype=np.int64)
    reached = np.zeros(effects)
    last = -1
    undecided = np.ones(effects, dtype=np.bool_)
    for p in np.argsort(-weights):
        w = weights[p]
        if w < NOTHING:
            break
        last = p
        for j in range(effects):
            reached[j] += w * relative[p, j]
            if undecided[j] and reached[j] > uniform[j] * mixed[j]:
                undecided[j] = False
                found[j] = p
    for j in range(effects):  # rounding of the sums
        if undecided[j]:
            found[j] = last
    return found
