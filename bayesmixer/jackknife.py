"""Errors from independent units: how far each unit moves an estimate when it is left out, and what
follows from these moves.

The moves may be exact (`delete_units`, of least squares) or one Newton step each
(`inference.information`): the algebra is the same (Efron & Stein 1981, Annals of Statistics 9:586).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def spread(x: Array) -> Array:
    """Covariance (q, q) of the sum over units of x (L, q): L / (L - 1) sum_b (x_b - mean)(x_b -
    mean)'.
    """
    away = x - x.mean(axis=0)
    return np.asarray(len(x) / max(len(x) - 1, 1) * away.T @ away)


@dataclass(frozen=True)
class Influence:
    """Moves (L, P) of P estimates when each of L units is left out."""

    move: Array

    @property
    def covariance(self) -> Array:
        """The jackknife's covariance (P, P): (L - 1) / L sum_b (move_b - mean)(move_b - mean)'."""
        n = len(self.move)
        return np.asarray(((n - 1) / n) ** 2 * spread(self.move))

    @property
    def share(self) -> Array:
        """(L, P) share of each unit in the variance of each estimate; 0 for one that no unit tells
        of.
        """
        square = self.move**2
        total = square.sum(0)
        return np.asarray(square / np.where(total > 0, total, 1.0))

    @property
    def effective(self) -> Array:
        """(P,) as many units of equal size as would give such a variance: (sum u^2)^2 / sum u^4 of
        the moves u.

        All of them for an estimate that no unit tells of (the prior's alone, as `pm.do` leaves it).
        """
        square = self.move**2
        fourth = (square**2).sum(0)
        return np.where(
            fourth > 0, square.sum(0) ** 2 / np.where(fourth > 0, fourth, 1.0), float(len(square))
        )

    def pseudovalues(self, estimate: Array) -> Array:
        """(L, P): L estimate - (L - 1) (estimate + move), whose covariance over L is `covariance`
        (Tukey 1958, Annals of Mathematical Statistics 29:614).
        """
        return np.asarray(estimate - (len(self.move) - 1) * self.move)


def delete_units(xtx: Array, xty: Array) -> tuple[Array, Influence]:
    """Least squares of all units, and exactly how far it moves without each.

    Parameters
    ----------
    xtx, xty
        (L, P, P), (L, P): normal equations by unit, X'WX and X'Wy.

    Returns
    -------
    tuple
        Estimate (P,) and `Influence`.
    """
    left, right = xtx.sum(0), xty.sum(0)
    estimate = np.linalg.solve(left, right)
    without = np.linalg.solve(left - xtx, (right - xty)[..., None])[..., 0]
    return estimate, Influence(without - estimate)


@dataclass(frozen=True)
class Estimate:
    """Estimates (P,) and what they come to without each unit (L, P), so that errors of anything
    computed of them follow.

    Whatever the estimates enter, the same is computed of each row of `without`: sums and ratios of
    estimates are estimates again. The covariance is the block jackknife's (Busing, Meijer & van der
    Leeden 1999, Statistics and Computing 9:3, of equal blocks).
    """

    value: Array
    without: Array

    @property
    def influence(self) -> Influence:
        """How far each unit moves the estimates when it is left out."""
        return Influence(self.without - self.value)

    @property
    def covariance(self) -> Array:
        """(P, P)."""
        return self.influence.covariance

    @property
    def error(self) -> Array:
        """(P,) standard errors."""
        return np.sqrt(np.diag(self.covariance))

    @property
    def unbiased(self) -> Array:
        """(P,) mean of the pseudovalues: the estimate less the jackknife's estimate of its bias."""
        return np.asarray(self.influence.pseudovalues(self.value).mean(axis=0))

    def through(self, matrix: Array) -> Estimate:
        """Linear combinations: `matrix` (Q, P) times the estimates."""
        return Estimate(matrix @ self.value, self.without @ matrix.T)

    def over(self, denominator: Estimate) -> Estimate:
        """Ratios to other estimates of the same units, (P,) to (P,) or to (1,)."""
        return Estimate(self.value / denominator.value, self.without / denominator.without)
