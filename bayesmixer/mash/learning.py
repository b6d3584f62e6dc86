"""Learning the weights of a mixture from effects: likelihoods, then the concave problem."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayesmixer.arguments import choice
from bayesmixer.errors import InputError
from bayesmixer.mash.independent import Alone
from bayesmixer.mash.likelihood import relative
from bayesmixer.mash.mixture import Mixture
from bayesmixer.mash.rows import Rows, in_condition
from bayesmixer.mash.weights import DARK, Weights, optimal_weights

Array = NDArray[np.float64]
PRIORS = ("nullbiased", "uniform")
NULL = 10.0  # Dirichlet parameter of the point mass under "nullbiased"


@dataclass(frozen=True)
class Learned:
    """A mixture with its weights, how good they are, and the Dirichlet parameters."""

    mixture: Mixture
    prior: Array
    log_likelihood: float
    penalised: float
    gap: float


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

    Beside a component of independent effects those of the `scarce` covariances must earn theirs,
    and so must those that one effect alone asks for.
    """
    parameters = dirichlet(prior, mixture)
    matrix, top = relative(rows, mixture)
    found = optimal_weights(matrix, parameters - 1)
    if mixture.alone is not None:
        first = int(mixture.point_mass)
        found = without_coincidences(matrix, parameters - 1, found, first)
        if scarce is not None and scarce.any():
            some = first + np.flatnonzero(np.tile(scarce, len(mixture.grid)))
            found = without_scarce(matrix, parameters - 1, found, some)
    penalised = found.height + float(top.sum())
    forced = parameters > 1
    penalty = float((parameters[forced] - 1) @ np.log(found.x[forced]))
    best = replace(mixture, weights=found.x)
    return Learned(best, parameters, penalised - penalty, penalised, found.gap)


def without_coincidences(matrix: Array, penalty: Array, found: Weights, first: int = 0) -> Weights:
    """Weights without components that one effect alone gives most of theirs, and gives too little
    reason for.

    Any effect is a coincidence of what its conditions have by themselves, by the last component;
    its best among P others, with the weight of one of n effects by maximum likelihood, is believed
    where some effect is n P times as likely by it: it was chosen among so many. Those before the
    `first` stay. Shares count by their squares, as which a component that lost its largest would
    lose or keep the others': those of thousands of effects that are nothing come to nothing.
    `matrix` (component, effect) has no likelihoods of the others any more.
    """
    while True:
        lone = _coincidences(matrix, penalty, found.x, first)
        if not len(lone):
            return found
        matrix[lone] = 0
        left = found.x.copy()
        left[lone] = 0
        found = optimal_weights(matrix, penalty, start=left / left.sum())


def _coincidences(matrix: Array, penalty: Array, x: Array, first: int) -> NDArray[np.intp]:
    """Which components they are."""
    some = first + np.flatnonzero((x[first:-1] > 0) & (penalty[first:-1] == 0))
    mixed = x @ matrix
    share = x[some, None] * matrix[some] / mixed
    most = share.max(1)
    lone = most**2 > np.square(share).sum(1) / 2
    some, share = some[lone], share[lone]
    # over what is left of each effect's likelihood without all such components
    with np.errstate(divide="ignore", invalid="ignore"):
        times = matrix[some] / (mixed * np.maximum(1 - share.sum(0), 0))
    found: NDArray[np.intp] = some[np.nanmax(times, 1, initial=0) < matrix.size]
    return found


def without_scarce(
    matrix: Array, penalty: Array, found: Weights, some: NDArray[np.intp]
) -> Weights:
    """Weights without some components, unless effects are n P times as likely with them.

    For covariances learned from few of these effects: they fit the noise of these as well, and the
    likelihood of the same effects does not hold it against them. `matrix` loses their likelihoods.
    """
    if not found.x[some].any() or penalty[some].any():
        return found
    matrix[some] = 0
    if (matrix.max(0) < DARK).any():
        return found
    left = found.x.copy()
    left[some] = 0
    without = optimal_weights(matrix, penalty, start=left / left.sum())
    return without if found.height - without.height < np.log(matrix.size) else found


def learn_alone(rows: Rows, grid: Array, point_mass: bool, prior: Any) -> Alone:
    """Weights of each condition's own mixture, at the scales of a grid."""
    one = np.ones((1, 1, 1))
    weights = [
        learn(
            in_condition(rows, r, np.flatnonzero(rows.seen[:, r])),
            Mixture(one, grid, point_mass),
            prior,
        ).mixture.weights
        for r in range(rows.b.shape[1])
    ]
    return Alone(np.array(weights), np.r_[np.zeros(int(point_mass)), grid])


def component_names(mixture: Mixture, names: Sequence[str]) -> list[str]:
    """null, then covariance@scale with scales counted from 1."""
    scales = range(1, len(mixture.grid) + 1)
    every = ["null"] * mixture.point_mass + [f"{name}@{i}" for i in scales for name in names]
    return every + ["independent"] * (mixture.alone is not None)
