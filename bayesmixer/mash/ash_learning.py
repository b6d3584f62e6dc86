"""Learning a prior of adaptive shrinkage: its weights, and its mode where that is asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from bayesmixer.arguments import choice
from bayesmixer.errors import InputError
from bayesmixer.mash.ash_components import SIDES, Components
from bayesmixer.mash.weights import optimal_weights

Array = NDArray[np.float64]
PRIORS = ("nullbiased", "uniform")
AT = np.r_[0.02, np.arange(0.1, 0.95, 0.1), 0.98]  # quantiles of effects where a mode may lie


@dataclass(frozen=True)
class Learned:
    """Components, their weights and Dirichlet parameters; how good they are. Log-likelihoods are
    those of estimates on the scale of the mixture.
    """

    components: Components
    weights: Array
    prior: Array
    log_likelihood: float
    penalised: float
    gap: float


def dirichlet(prior: Any, null_weight: float, family: str, scales: int, point_mass: bool) -> Array:
    """Parameters of the penalty sum (parameter - 1) log weight, by component.

    Without a point mass there is nothing that "nullbiased" could favour. Numbers for the scales of
    one side serve on the other too.

    Raises
    ------
    InputError
        Neither a known name nor one number of at least 1 for each component.
    """
    sides = len(SIDES[family])
    size = point_mass + sides * scales
    if isinstance(prior, str):
        choice("prior", prior, PRIORS)
        parameters = np.ones(size)
        if prior == "nullbiased" and point_mass:
            parameters[0] = null_weight
        return parameters
    given = np.asarray(prior, dtype=np.float64)
    if given.shape == (point_mass + scales,):
        given = np.r_[given[: int(point_mass)], np.tile(given[int(point_mass) :], sides)]
    if given.shape != (size,) or not np.isfinite(given).all() or (given < 1).any():
        found = f"expected {' or '.join(PRIORS)}, or {size} numbers of at least 1"
        raise InputError("prior", found)
    return given


def learn(
    x: Array, s: Array, df: Any, components: Components, prior: Array, weights: Array | None = None
) -> Learned:
    """Weights that maximise the penalised likelihood of estimates; or what given ones come to."""
    matrix = components.log_likelihood(x, s, df)
    top = matrix.max(0)
    matrix -= top
    np.exp(matrix, out=matrix)
    gap = np.nan
    if weights is None:
        found = optimal_weights(matrix, prior - 1)
        weights, gap = found.x, found.gap
    with np.errstate(divide="ignore"):
        log_likelihood = float(np.log(weights @ matrix).sum() + top.sum())
        forced = prior > 1
        penalty = float((prior[forced] - 1) @ np.log(weights[forced]))
    return Learned(components, weights, prior, log_likelihood, log_likelihood + penalty, gap)


def best_mode(x: Array, at: Callable[[float], Learned]) -> Learned:
    """What is learned at the mode of the highest penalised likelihood: the best of some quantiles
    of the estimates, their mean and median, then between its neighbours.
    """
    places = np.unique(np.r_[np.quantile(x, AT), x.mean(), np.median(x)])
    best: list[Learned] = []

    def height(mode: float) -> float:
        now = at(mode)
        if not best or now.penalised > best[0].penalised:
            best[:] = [now]
        return -now.penalised

    first = int(np.argmin([height(float(place)) for place in places]))
    low, high = places[max(first - 1, 0)], places[min(first + 1, len(places) - 1)]
    if high > low:
        exact = 1e-6 * float(high - low)
        minimize_scalar(height, bounds=(low, high), method="bounded", options={"xatol": exact})
    return best[0]
