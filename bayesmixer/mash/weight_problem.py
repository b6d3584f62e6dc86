"""The weights of a mixture as a problem of their own: likelihoods of effects under its components,
a prior, a penalty; what is found where, by the convex problem, by resampling, and by draws.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesmixer.bound import Bound
from bayesmixer.mash.nested_weights import Nested
from bayesmixer.mash.weights import Weights, optimal_weights
from bayesmixer.ops.mixture import Components

Array = NDArray[np.float64]
CELLS = 5_000_000  # of (draw, effect) at a time


@dataclass(frozen=True)
class Problem:
    """What is known but the weights.

    Attributes
    ----------
    components
        Likelihoods of the effects.
    prior, penalty
        Of full Bayes; of the mode, Dirichlet parameters less 1 (component).
    groups
        Names of the prior's groups, and what to call one.
    near
        Which components are exactly 0, or of a scale below half a median error (component).
    variance
        Mean square of effects, from the mode, within each component: (component), or (component,
        condition).
    described
        What the wing says of weights, and of draws of them (draw, component) where there are some:
        `estimate` and all that goes with it.
    block
        Label (effect) of what effects depend on each other within; None: each by itself.
    conditions
        Names, where the variance has them.
    """

    components: Components
    prior: Nested
    penalty: Array
    groups: tuple[str, list[str]]
    near: NDArray[np.bool_]
    variance: Array
    described: Callable[[Weights, Array | None], xr.DataTree]
    block: NDArray[np.intp] | None = None
    conditions: list[str] | None = None

    def mode(self) -> Weights:
        """Weights of the highest penalised likelihood."""
        return optimal_weights(self.components.relative, self.penalty)

    def resampled(self, start: Array, draws: int, rng: np.random.Generator) -> Iterator[Array]:
        """Weights of the highest penalised likelihood of effects counted by exponential variables,
        one a block (Rubin 1981; Newton and Raftery 1994); `start` is the mode.
        """
        block = np.arange(self.components.rows) if self.block is None else self.block
        number = int(block.max()) + 1
        for _ in range(draws):
            counts = rng.standard_exponential(number)[block]
            counts *= len(counts) / counts.sum()
            yield optimal_weights(
                self.components.relative, self.penalty, counts=counts, start=start
            ).x

    def log_likelihoods(self, weights: Array) -> Array:
        """Log-likelihood of all effects under weights (draw, component)."""
        out = np.empty(len(weights))
        used = np.flatnonzero(weights.max(0) > 0)
        matrix, step = self.components.relative[used], max(1, CELLS // self.components.rows)
        for first in range(0, len(weights), step):
            part = slice(first, first + step)
            with np.errstate(divide="ignore"):
                out[part] = np.log(weights[part][:, used] @ matrix).sum(1)
        heights: Array = out + self.components.top.sum()
        return heights

    def functionals(self, weights: Array) -> xr.Dataset:
        """What data tell of weights (chain, draw, component), neighbouring scales being one: mass
        at exactly 0, near 0, by group, the size of effects; and the weights themselves.
        """
        null = int(self.prior.null is not None)
        member = np.zeros((self.prior.size, self.prior.groups))
        member[null + np.arange(len(self.prior.group)), self.prior.group] = 1
        if self.prior.alone:
            member[-1, -1] = 1
        dim, names = self.groups
        flat = weights.reshape(-1, weights.shape[-1])
        both = ("chain", "draw")
        found: dict[str, Any] = {
            "weights": ((*both, "component"), weights),
            "near_null": (both, weights @ self.near.astype(float)),
            f"{dim}_weight": ((*both, dim), weights @ member),
            "log_likelihood": (both, self.log_likelihoods(flat).reshape(weights.shape[:2])),
        }
        dims = both if self.conditions is None else (*both, "condition")
        found["effect_sd"] = (dims, np.sqrt(weights @ self.variance))
        if null:
            found["pi0"] = (both, weights[..., 0])
        chains, draws = weights.shape[:2]
        coords = {"chain": np.arange(chains), "draw": np.arange(draws), dim: names}
        if self.conditions is not None:
            coords["condition"] = self.conditions
        return xr.Dataset(found, coords=coords)


@dataclass
class BoundWeights(Bound):
    """A model's card and data together with the problem of its weights."""

    problem: Problem | None = None
