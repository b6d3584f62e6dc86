"""Curvature and variability of a composite likelihood: H, the negative Hessian at the mode, and J,
the covariance of its score over LD blocks.

Where the likelihood is a weighted product over variants in LD, H is not the information: the mode
varies with covariance H^-1 J H^-1 (Varin, Reid & Firth 2011, Statistica Sinica 21:5, section 2.3).
Scores are exact derivatives, from the Op's own Jacobian by LD block; Hessians are central
differences of them, so that both come by LD block and one block's influence on the mode is known
(`jackknife_covariance`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bayesmixer.errors import InputError
from bayesmixer.inference.density import Array, LogDensity

STEP = 0.1  # of a posterior sd: errors of the central differences are then below 1e-4 of H
# share of H that must be left without a block for one Newton step to say where the mode goes
LINEAR = 0.5


@dataclass(frozen=True)
class Information:
    """H and J at one point.

    Attributes
    ----------
    scores
        (L, P) gradient of the log-likelihood of each LD block.
    curvature
        (L, P, P) negative Hessian of the log-likelihood of each LD block.
    prior
        (P, P) negative Hessian of the log prior.
    blocks
        (L,) numbers of the LD blocks that hold weighted variants, those of the rows.
    refits
        Row -> (P,) move of the mode when that LD block is left out and the rest fitted anew, where
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
        return np.asarray(self.curvature.sum(0) + self.prior)

    @property
    def variability(self) -> Array:
        """J: covariance (P, P) of the total score, from its spread over LD blocks, L / (L - 1) for
        their mean.
        """
        return centred(self.scores)

    def grouped(self, size: int) -> Information:
        """Neighbouring LD blocks joined, `size` at a time: for LD that crosses their borders."""
        group = np.arange(len(self.scores)) // size
        n = int(group[-1]) + 1
        scores = np.zeros((n, *self.scores.shape[1:]))
        curvature = np.zeros((n, *self.curvature.shape[1:]))
        np.add.at(scores, group, self.scores)
        np.add.at(curvature, group, self.curvature)
        return Information(scores, curvature, self.prior, self.blocks[::size])


def centred(scores: Array) -> Array:
    """L / (L - 1) sum_b (s_b - mean)(s_b - mean)', (P, P), of scores (L, P)."""
    away = scores - scores.mean(0)
    return np.asarray(len(scores) / max(len(scores) - 1, 1) * away.T @ away)


def information(density: LogDensity, x: Array, sd: Array) -> Information:
    """Scores and curvature by LD block at a point: 2 P + 1 gradient evaluations.

    Parameters
    ----------
    density
        Log posterior with a log-likelihood by LD block.
    x
        (P,) the point, on the unconstrained scale: the mode.
    sd
        (P,) scale of the posterior there; differences take a tenth of it.

    Raises
    ------
    InputError
        The model has no log-likelihood by LD block.
    """
    if not density.block_names:
        raise InputError(
            "model",
            "no log-likelihood by LD block (a potential with dim ld_block)",
            "Give a model of bayesmixer.models.",
        )
    scores, _ = density.scores(x)
    columns, prior = [], []
    for i, h in enumerate(np.clip(STEP * sd, 1e-4, 0.05)):
        e = np.zeros(x.size)
        e[i] = h
        (low, prior_low), (high, prior_high) = density.scores(x - e), density.scores(x + e)
        columns.append((low - high) / (2 * h))
        prior.append((prior_low - prior_high) / (2 * h))
    curvature = np.stack(columns, axis=-1)
    q = np.stack(prior, axis=-1)
    used = np.flatnonzero((scores != 0).any(1) | (curvature != 0).any((1, 2)))
    return Information(scores[used], _symmetric(curvature[used]), _symmetric(q), used)


def _symmetric(m: Any) -> Array:
    return np.asarray((m + np.swapaxes(m, -1, -2)) / 2)


def share_left(info: Information) -> Array:
    """(L,) least share of H, over all directions, that is left without an LD block; 0 or less where
    nothing holds the mode.
    """
    return np.asarray(
        1 - np.linalg.eigvals(np.linalg.solve(info.hessian, info.curvature)).real.max(1)
    )


def influence(info: Information) -> Array:
    """(L, P): move of the mode when an LD block is left out, (H - H_b)^-1 of minus its score.

    Where a block holds so much of H that one Newton step says nothing of that move: the refit's, or
    H^-1 of minus the score.
    """
    out = -np.linalg.solve(info.hessian, info.scores.T).T
    near = share_left(info) > LINEAR
    rest = info.hessian - info.curvature[near]
    out[near] = -np.linalg.solve(rest, info.scores[near][..., None])[..., 0]
    for row, move in info.refits.items():
        out[row] = move
    return np.asarray(out)


def sandwich_covariance(info: Information) -> Array:
    """H^-1 (J + Q) H^-1, (P, P), Q the prior's precision: that of the posterior where J is the
    likelihood's curvature.
    """
    inverse = np.linalg.inv(info.hessian)
    return np.asarray(inverse @ (info.variability + info.prior) @ inverse)


def jackknife_covariance(info: Information) -> Array:
    """Covariance (P, P) of the one-step delete-block jackknife, and the prior's part as in
    `sandwich_covariance`.

    With few causal variants a single LD block pulls the mode towards itself, so that its score
    there is too small; leaving it out restores it (the HC3 of regression: MacKinnon & White 1985,
    Journal of Econometrics 29:305).
    """
    move = influence(info)
    inverse = np.linalg.inv(info.hessian)
    n = len(move)
    return np.asarray(((n - 1) / n) ** 2 * centred(move) + inverse @ info.prior @ inverse)


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


def blocks_effective(info: Information) -> Array:
    """(P,) effective number of LD blocks in the variance of each parameter: (sum u^2)^2 / sum u^4
    of their influences u.

    All of them for a parameter that no block tells of (the prior's alone, as `pm.do` leaves it).
    """
    move = influence(info) ** 2
    fourth = (move**2).sum(0)
    return np.where(
        fourth > 0, move.sum(0) ** 2 / np.where(fourth > 0, fourth, 1.0), float(len(move))
    )
