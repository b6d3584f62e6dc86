"""Curvature and variability of a composite likelihood: H, the negative Hessian at the mode, and J,
the covariance of its score over independent units (LD blocks).

Where the likelihood is a weighted product over variants in LD, H is not the information: the mode
varies with covariance H^-1 J H^-1 (Varin, Reid & Firth 2011, Statistica Sinica 21:5, section 2.3).
Scores are exact derivatives, from the Op's own Jacobian by unit; Hessians are central
differences of them, so that both come by unit and one unit's influence on the mode is known
(`Information.influence`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from bayesmixer.inference.density import DIFFERENCE, Array, LogDensity
from bayesmixer.jackknife import Influence, spread

STEP = 0.1  # of a posterior sd: errors of the central differences are then below 1e-4 of H
DENSE = 50  # parameters up to which curvature is kept by unit
# share of H that must be left without a block for one Newton step to say where the mode goes
LINEAR = 0.5
CLEAR = 3 * DIFFERENCE  # of a fold, so that a score's own differences do not cross it


@dataclass(frozen=True)
class Information:
    """H and J at one point.

    Attributes
    ----------
    scores
        (L, P) gradient of the log-likelihood of each unit.
    curvature
        (L, P, P) negative Hessian of the log-likelihood of each; of more than `DENSE` parameters
        their sum alone (P, P), lest it take L P^2 numbers.
    prior
        (P, P) negative Hessian of the log prior.
    blocks
        (L,) numbers of the units that hold weighted data, those of the rows.
    refits
        Row -> (P,) move of the mode when that unit is left out and the rest fitted anew, where
        it is known.
    """

    scores: Array
    curvature: Array
    prior: Array
    blocks: np.ndarray
    refits: dict[int, Array] = field(default_factory=dict)

    @property
    def hessian(self) -> Array:
        """H: negative Hessian of the log posterior (P, P)."""
        return np.asarray((self.curvature.sum(0) if self.by_unit else self.curvature) + self.prior)

    @property
    def by_unit(self) -> bool:
        """Whether `curvature` is known by unit."""
        return self.curvature.ndim == 3

    @property
    def variability(self) -> Array:
        """J: covariance (P, P) of the total score, from its spread over units, L / (L - 1) for
        their mean.
        """
        return spread(self.scores)

    @cached_property
    def influence(self) -> Influence:
        """Move of the mode when a unit is left out, (H - H_b)^-1 of minus its score.

        Where a unit holds so much of H that one Newton step says nothing of that move, or
        `curvature` is not known by unit: the refit's, or H^-1 of minus the score.
        """
        out = -np.linalg.solve(self.hessian, self.scores.T).T
        if self.by_unit:
            near = share_left(self) > LINEAR
            rest = self.hessian - self.curvature[near]
            out[near] = -np.linalg.solve(rest, self.scores[near][..., None])[..., 0]
        for row, move in self.refits.items():
            out[row] = move
        return Influence(np.asarray(out))

    def of(self, free: np.ndarray) -> Information:
        """The same of some of the parameters, `free` (P,) a mask."""
        return Information(
            self.scores[:, free],
            self.curvature[..., free, :][..., free],
            self.prior[np.ix_(free, free)],
            self.blocks,
        )

    def grouped(self, size: int) -> Information:
        """Neighbouring units joined, `size` at a time: for LD that crosses borders of blocks."""
        first = np.arange(0, len(self.scores), size)
        curvature = np.add.reduceat(self.curvature, first) if self.by_unit else self.curvature
        return Information(
            np.add.reduceat(self.scores, first), curvature, self.prior, self.blocks[::size]
        )


def information(density: LogDensity, x: Array, sd: Array) -> Information:
    """Scores and curvature by unit at a point: 2 P + 1 gradient evaluations.

    Parameters
    ----------
    density
        Log posterior with a log-likelihood by unit.
    x
        (P,) the point, on the unconstrained scale: the mode.
    sd
        (P,) scale of the posterior there; differences take a tenth of it.

    Raises
    ------
    InputError
        The model has no log-likelihood by unit.
    """
    density.need_units()
    scores, _ = density.scores(x)
    dense = x.size <= DENSE
    used = (scores != 0).any(1)
    columns, prior = [], []
    for i, h in enumerate(np.clip(STEP * sd, 1e-4, 0.05)):
        column, of_prior = _curved(density, x, i, h)
        used |= (column != 0).any(1)
        columns.append(column if dense else column.sum(0))
        prior.append(of_prior)
    curvature = np.stack(columns, axis=-1)
    units = np.flatnonzero(used)
    return Information(
        scores[units],
        _symmetric(curvature[units] if dense else curvature),
        _symmetric(np.stack(prior, axis=-1)),
        units,
    )


def _curved(density: LogDensity, x: Array, i: int, h: float) -> tuple[Array, Array]:
    """Minus the derivative of scores by unit (L, P) and of the prior's (P,) in entry i, by steps of
    h: to both sides, or on its own side of a fold (`Free.fold`), where the scores of a unit jump.
    """
    e = h * np.eye(x.size)[i]
    if abs(x[i] - density.folds[i]) <= h:
        side = 1.0 if x[i] >= density.folds[i] else -1.0
        base = x.copy()
        base[i] = density.folds[i] + side * max(abs(x[i] - density.folds[i]), CLEAR)
        (a, of_a), (b, of_b), (c, of_c) = (density.scores(base + k * side * e) for k in range(3))
        return side * (3 * a - 4 * b + c) / (2 * h), side * (3 * of_a - 4 * of_b + of_c) / (2 * h)
    for shorter in (1.0, 0.1, 0.01):
        step = shorter * e
        (low, of_low), (high, of_high) = density.scores(x - step), density.scores(x + step)
        if low.any() and high.any():  # where the density ends there are no scores
            break
    return (low - high) / (2 * step[i]), (of_low - of_high) / (2 * step[i])


def _symmetric(m: Any) -> Array:
    return np.asarray((m + np.swapaxes(m, -1, -2)) / 2)


def share_left(info: Information) -> Array:
    """(L,) least share of H, over all directions, that is left without a unit; 0 or less where
    nothing holds the mode.
    """
    return np.asarray(
        1 - np.linalg.eigvals(np.linalg.solve(info.hessian, info.curvature)).real.max(1)
    )


def sandwich_covariance(info: Information) -> Array:
    """H^-1 (J + Q) H^-1, (P, P), Q the prior's precision: that of the posterior where J is the
    likelihood's curvature.
    """
    inverse = np.linalg.inv(info.hessian)
    return np.asarray(inverse @ (info.variability + _spread_of_prior(info)) @ inverse)


def jackknife_covariance(info: Information) -> Array:
    """Covariance (P, P) of the one-step delete-block jackknife, and the prior's part as in
    `sandwich_covariance`.

    Where few units tell of it a single one pulls the mode towards itself, so that its score
    there is too small; leaving it out restores it (the HC3 of regression: MacKinnon & White 1985,
    Journal of Econometrics 29:305).
    """
    inverse = np.linalg.inv(info.hessian)
    return np.asarray(info.influence.covariance + inverse @ _spread_of_prior(info) @ inverse)


def _spread_of_prior(info: Information) -> Array:
    """Covariance (P, P) of the prior's score, its centre drawn anew with the data: its precision,
    and nothing in directions in which it is not concave.
    """
    size, axis = np.linalg.eigh(info.prior)
    return np.asarray(axis * np.maximum(size, 0.0) @ axis.T)


def within_prior(covariance: Array, prior: Array) -> Array:
    """The covariance (P, P), in no direction larger than what the prior's precision (P, P) allows:
    data never know less than the prior.
    """
    size, axis = np.linalg.eigh(covariance)
    root = axis * np.sqrt(np.maximum(size, 0))
    ratio, vector = np.linalg.eigh(root.T @ prior @ root)
    if ratio[-1] <= 1:
        return np.asarray(covariance)
    out = root @ (vector / np.maximum(ratio, 1)) @ vector.T @ root.T
    return _symmetric(out)
