"""Conditional moment tests (Newey 1985): statistics summed over LD blocks, with the fit's own
influence and a Hotelling test.

A statistic T sums terms of mean 0 over variants; t_b is its part in LD block b, s_b that block's
score, D = dT / dtheta, H the curvature. To first order T at the fit equals sum_b (t_b + D H^-1 s_b)
wherever near the mode it is evaluated, so LD and the fit's own uncertainty are both in the spread
of these terms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bayesmixer.checks.moments import Floats, Moments, Scores, effective_blocks
from bayesmixer.jackknife import spread

ABSORBED = 0.1  # a direction of which the fit explains more than 90% says nothing about the model


@dataclass(frozen=True)
class Statistic:
    """A statistic of q terms in every LD block and cell.

    Attributes
    ----------
    scores
        Of the model.
    weight, thinning
        (L, C) and (C,) of the variants that it is summed over.
    raw
        (L, C, q) sums of terms of mean 0.
    d
        (C, q, P) derivative of their sums over blocks in the parameters.
    own
        (C, q, q) covariance of their sums over blocks if variants were independent.
    """

    scores: Scores
    weight: Floats
    thinning: Floats
    raw: Floats
    d: Floats
    own: Floats

    def summed(self, matrix: Floats, groups: Floats | None = None) -> Sums:
        """Sums over cells, `matrix` (S, C); `groups` (S, C) marks the cells whose LD blocks are
        counted, by default those of the matrix.
        """
        q = self.raw.shape[2]
        adjusted = self.raw + self.scores.influence(self.d)
        # covariance of own terms and influence for independent variants: D is minus the covariance
        # of terms and scores, up to the weights
        inverse = np.linalg.inv(self.scores.hessian)
        d = self.d.reshape(-1, self.d.shape[-1])
        thinning = np.repeat(self.thinning, q)
        least = (
            -np.add.outer(thinning, thinning) * (d @ inverse @ d.T)
            + d @ inverse @ self.scores.information @ inverse @ d.T
        )
        for c, part in enumerate(self.own):
            least[c * q : (c + 1) * q, c * q : (c + 1) * q] += part
        wide = np.kron(matrix, np.eye(q))
        a, r = (x.reshape(len(x), -1) @ wide.T for x in (adjusted, self.raw))
        return Sums(
            a,
            r,
            wide @ least @ wide.T,
            effective_blocks(self.weight @ (matrix if groups is None else groups).T),
            d.shape[1],
        )


@dataclass(frozen=True)
class Sums:
    """Parts (L, K) of K sums by LD block, adjusted for the fit's influence and raw; least
    covariance (K, K); effective LD blocks; parameters fitted.
    """

    adjusted: Floats
    raw: Floats
    least: Floats
    blocks: float
    lost: int

    @property
    def z(self) -> Floats:
        """(K,) sums in standard errors."""
        variance = np.maximum(self.scale * np.diag(spread(self.adjusted)), np.diag(self.least))
        return np.asarray(self.adjusted.sum(axis=0) / np.sqrt(np.maximum(variance, 1e-300)))

    @property
    def scale(self) -> float:
        """Scores at the mode are as much too small as residuals of a regression on P parameters."""
        blocks = len(self.raw)
        return (blocks - 1) / max(blocks - 1 - self.lost, 1)

    def test(self) -> tuple[float, int, float]:
        """Hotelling's test that all sums have mean 0: `moment_test`."""
        return moment_test(
            np.sqrt(self.scale), self.adjusted, self.raw, self.least, self.blocks - self.lost
        )


def moment_test(
    scale: float, adjusted: Floats, raw: Floats, least: Floats, blocks: float
) -> tuple[float, int, float]:
    """Hotelling's test that sums over LD blocks have mean 0.

    Parameters
    ----------
    scale
        Factor of the standard errors.
    adjusted
        (L, K) parts of the sums, with the fit's influence.
    raw
        (L, K) the same without it: directions whose spread the fit has taken away all but 10% are
        dropped.
    least
        (K, K) covariance that the sums have at least, by the model: where rare large terms happen
        to be absent, their spread says too little.
    blocks
        Effective number of LD blocks.

    Returns
    -------
    tuple
        F statistic, degrees of freedom of its numerator (0 where nothing is left), p.
    """
    from scipy.special import fdtrc

    value, vector = np.linalg.eigh(spread(raw))
    use = value > 1e-6 * max(value.max(), 1e-300)
    white = vector[:, use] / np.sqrt(value[use])
    left, turn = np.linalg.eigh(white.T @ spread(adjusted) @ white)
    use = left > ABSORBED
    k = int(use.sum())
    if k == 0 or blocks <= k + 2:
        return np.nan, 0, 1.0
    base = white @ turn[:, use]
    total, covariance = base.T @ adjusted.sum(axis=0), scale**2 * np.diag(left[use])
    more, axes = np.linalg.eigh(base.T @ least @ base - covariance)
    covariance = covariance + (axes * np.maximum(more, 0.0)) @ axes.T
    t2 = float(total @ np.linalg.solve(covariance, total))
    statistic = t2 * (blocks - k) / (k * (blocks - 1))
    return statistic, k, float(fdtrc(k, blocks - k, statistic))


def levels(m: Moments, orders: int = 4) -> Statistic:
    """Residuals of the polynomials of u."""
    own = np.einsum("c,kl->ckl", m.thinning * m.weight.sum(axis=0), np.eye(orders))
    level, d = m.level[:, :, :orders], m.d_level[:, :orders]
    return Statistic(m.whole, m.weight, m.thinning, level, d, own)


def stratum_scores(s: Scores, names: Sequence[str]) -> Statistic:
    """Derivatives of the log-likelihood in some of the parameters."""
    pick = np.eye(len(s.names))[[s.names.index(name) for name in names]]
    d = -np.einsum("ap,cpq->caq", pick, s.cell_hessian)
    own = -s.thinning[:, None, None] * (d @ pick.T)
    return Statistic(s, s.weight, s.thinning, s.cell_scores @ pick.T, d, own)
