"""Learning the weights of a mixture from effects: likelihoods, then the concave problem."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayesmixer.arguments import choice
from bayesmixer.errors import InputError
from bayesmixer.mash.earned_weights import NONE, NUMBERS, earned_weights, without_independent
from bayesmixer.mash.independent import Alone
from bayesmixer.mash.likelihood import relative
from bayesmixer.mash.mixture import Mixture
from bayesmixer.mash.rows import Rows, in_condition
from bayesmixer.mash.weights import optimal_weights

Array = NDArray[np.float64]
PRIORS = ("nullbiased", "uniform")
NULL = 10.0  # Dirichlet parameter of the point mass under "nullbiased"


@dataclass(frozen=True)
class Learned:
    """A mixture with its weights, how good they are, the Dirichlet parameters, and by how much its
    log-likelihood is above that of the point mass alone (nan where there is none).
    """

    mixture: Mixture
    prior: Array
    log_likelihood: float
    penalised: float
    gap: float
    over_null: float = np.nan


def dirichlet(prior: Any, mixture: Mixture) -> Array:
    """Parameters of the penalty sum (parameter - 1) log weight, by component.

    Without a point mass there is nothing that "nullbiased" could favour.

    Raises
    ------
    InputError
        Neither a known name nor one number of at least 1 for each component.
    """
    parameters = np.ones(mixture.size)
    if isinstance(prior, str):
        choice("prior", prior, PRIORS)
        if prior == "nullbiased" and mixture.point_mass:
            parameters[0] = NULL
        return parameters
    given = np.asarray(prior, dtype=np.float64)
    if given.shape != parameters.shape or not np.isfinite(given).all() or (given < 1).any():
        found = f"expected {' or '.join(PRIORS)}, or {mixture.size} numbers of at least 1"
        raise InputError("prior", found)
    return given


def learn(
    rows: Rows, mixture: Mixture, prior: Any, scarce: NDArray[np.bool_] | None = None
) -> Learned:
    """The weights that maximise the penalised likelihood of the rows.

    Beside a component of independent effects they are those of `earned_weights`; of `scarce`
    covariances, these were learned from few effects.
    """
    parameters = dirichlet(prior, mixture)
    matrix, top = relative(rows, mixture)
    with np.errstate(divide="ignore"):
        null = float(np.log(matrix[0]).sum()) if mixture.point_mass else np.nan
    found = optimal_weights(matrix, parameters - 1)
    if mixture.alone is not None:
        of = np.full(mixture.size, NONE)
        of[int(mixture.point_mass) : mixture.normals] = np.tile(
            np.arange(len(mixture.u)), len(mixture.grid)
        )
        of[parameters > 1] = NONE
        few = np.zeros(len(mixture.u), dtype=bool) if scarce is None else scarce
        found = earned_weights(matrix, parameters - 1, found, of, few)
        own = int((mixture.alone.weights.max(1) < 1).sum())  # those of the point mass alone have 1
        found = without_independent(matrix, parameters - 1, found, own)
    penalised = found.height + float(top.sum())
    forced = parameters > 1
    penalty = float((parameters[forced] - 1) @ np.log(found.x[forced]))
    best = replace(mixture, weights=found.x)
    over_null = found.height - penalty - null
    return Learned(best, parameters, penalised - penalty, penalised, found.gap, over_null)


def learn_alone(rows: Rows, grid: Array, point_mass: bool, prior: Any) -> Alone:
    """Weights of each condition's own mixture, at the scales of a grid: the point mass alone where
    a weight and a scale are not worth their numbers by Akaike's criterion.
    """
    one, weights = np.ones((1, 1, 1)), []
    for r in range(rows.b.shape[1]):
        own = in_condition(rows, r, np.flatnonzero(rows.seen[:, r]))
        found = learn(own, Mixture(one, grid, point_mass), prior)
        none = np.eye(1, found.mixture.size)[0]
        weights.append(none if found.over_null < NUMBERS else found.mixture.weights)
    return Alone(np.array(weights), np.r_[np.zeros(int(point_mass)), grid])


def component_names(mixture: Mixture, names: Sequence[str]) -> list[str]:
    """null, then covariance@scale with scales counted from 1."""
    scales = range(1, len(mixture.grid) + 1)
    every = ["null"] * mixture.point_mass + [f"{name}@{i}" for i in scales for name in names]
    return every + ["independent"] * (mixture.alone is not None)
