"""Predictive probability integral transform of every variant: u_j = P(|Z_j| <= |z_j|), uniform
where the fitted model is right (Dawid 1984).

|z| and not z: which allele is counted is a convention, and the models are symmetric. What the model
predicts is its wing's `predictive`, and scores are the model's own. `Moments` holds what the checks
need of u: sums by LD block and stratum, how they move with the parameters, and the scores of the
same blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np
import xarray as xr
from numpy.polynomial.legendre import legvander
from numpy.typing import NDArray

from bayesmixer.errors import InputError
from bayesmixer.identity import position_of
from bayesmixer.inference.density import LogDensity
from bayesmixer.jackknife import spread
from bayesmixer.models.common import origin_of, whole_of
from bayesmixer.models.own import apart
from bayesmixer.progress import bar

if TYPE_CHECKING:
    import pymc as pm

Floats = NDArray[np.float64]

ORDERS = 4  # Legendre polynomials: level, spread, skew and ends of the distribution of u
BINS = 10
TAILS = (3.0, 4.0, 5.45)  # |z| of the QQ statistic: p = 0.0027, 6e-5, 5e-8
Z_MAX = 12.0  # beyond, u is 1 for every purpose here
STEP = 0.02  # of the parameters, in central differences
# precision that keeps a parameter which the data leave open from running away: about the weak
# priors'
RIDGE = 0.1


def legendre(u: Floats, orders: int = ORDERS) -> Floats:
    """Orthonormal Legendre polynomials of order 1..orders on [0, 1]: mean 0 and variance 1 for
    uniform u; (orders, J).
    """
    scale = np.sqrt(2 * np.arange(orders + 1) + 1)
    return np.asarray((legvander(2 * u - 1, orders) * scale).T[1:])


class Predictive(Protocol):
    """What a wing's `predictive(bound, there)` returns: the distribution of every variant's |z| at
    a point.
    """

    @property
    def data(self) -> xr.Dataset:
        """The variants (J) as the model has them at the point."""

    def cdf(self, at: Floats) -> Floats:
        """P(|Z_j| <= at_jt), (J, T) as `at`."""


@dataclass(frozen=True)
class Moments:
    """Sums of a fit's predictive residuals over LD blocks (L) and cells (C), with what the fit's
    own error adds to them.

    Attributes
    ----------
    names
        (P,) of the model's parameters.
    weight
        (L, C) summed weights.
    thinning
        (C,) sum of squared weights over sum of weights: variance of a weighted sum of independent
        terms, relative to the information it states.
    level
        (L, C, orders) sums of w_j psi_k(u_j), mean 0 where the model is right.
    share
        (L, C, bins) sums of w_j (1[u_j in bin] - 1 / bins), u averaged over posterior draws.
    beyond
        (L, C, thresholds) sums of w_j (1[|z_j| > c] - P(|Z_j| > c)).
    expected_beyond
        (C, thresholds) sums of w_j P(|Z_j| > c).
    d_level, d_beyond
        (C, orders, P), (C, thresholds, P): derivatives of the sums over blocks in the parameters.
    cell_scores, cell_hessian
        (L, C, P) score of each LD block and cell, and (C, P, P) curvature.
    hessian
        (P, P) curvature of all variants, with a ridge.
    pit
        (J,) u of every variant, averaged over posterior draws.
    largest, expected_beyond_largest
        The largest |z|, and the sum of w_j P(|Z_j| > largest); nan where it is beyond what is
        computed.
    """

    names: list[str]
    weight: Floats
    thinning: Floats
    level: Floats
    share: Floats
    beyond: Floats
    expected_beyond: Floats
    d_level: Floats
    d_beyond: Floats
    cell_scores: Floats
    cell_hessian: Floats
    hessian: Floats
    pit: Floats
    largest: float
    expected_beyond_largest: float

    @property
    def scores(self) -> Floats:
        """(L, P): score of each LD block."""
        return np.asarray(self.cell_scores.sum(axis=1))

    def influence(self, d: Floats) -> Floats:
        """(L, ...): what each block adds to a statistic through the parameters, d (..., P) its
        derivative.
        """
        move = np.linalg.solve(self.hessian, self.scores.T)  # (P, L)
        return np.asarray(np.moveaxis(d @ move, -1, 0))

    @property
    def d_share(self) -> Floats:
        """(C, bins, P): derivatives of `share`, by the expansion of a bin's indicator in the
        polynomials.
        """
        grid = (np.arange(2000) + 0.5) / 2000
        coefficient = legendre(grid).reshape(ORDERS, BINS, -1).sum(axis=2) / 2000
        return np.asarray(np.einsum("kb,ckp->cbp", coefficient, self.d_level))

    @property
    def freedom(self) -> float:
        """Effective number of LD blocks, less the parameters fitted."""
        return effective_blocks(self.weight.sum(axis=1, keepdims=True)) - len(self.names)

    @property
    def covariance(self) -> Floats:
        """(P, P) sandwich covariance of the parameters, from scores by LD block."""
        inverse = np.linalg.inv(self.hessian)
        return np.asarray(inverse @ spread(self.scores) @ inverse)


def effective_blocks(weight: Floats) -> float:
    """Degrees of freedom (Satterthwaite) of a variance summed over LD blocks of these weights (L,
    S): the smallest over the columns.
    """
    return float(
        np.min(weight.sum(axis=0) ** 2 / np.maximum(np.square(weight).sum(axis=0), 1e-300))
    )


class Point:
    """A fitted model at points of its flat vector of parameters: its predictions, and the scores of
    every cell of every LD block.

    Attributes
    ----------
    bound
        The model, with its variants (J) of positive weight and one trait.
    block
        (J,) LD block of each, 0..L-1.
    z, weight
        (J,) |z| and weights.

    Raises
    ------
    InputError
        Nothing is known of what the model predicts.
    """

    def __init__(self, model: pm.Model, trait: str | int = 0) -> None:
        bound = whole_of(model)
        predict = None if bound is None else bound.card.ask("predictive")
        if bound is None or predict is None:
            origin = origin_of(model)
            changed = (
                ""
                if origin is None
                else f"{origin.name}, changed since it was made, cannot be made again of parts of "
                "the data"
            )
            raise InputError(
                "model",
                apart(model) or changed or "it is none whose predicted z-scores are known",
                "Give one of bayesmixer.models, as it was made, or one built on its likelihood.",
            )
        self._whole = bound.data.isel(variant=np.flatnonzero(bound.data["weight"].values > 0))
        data = self._whole.isel(trait=[position_of(self._whole, trait)])
        self.bound, self._predict = replace(bound, data=data), predict
        self.block = np.unique(np.asarray(data[bound.card.unit]), return_inverse=True)[1]
        self.z = np.abs(np.asarray(data["z"], float).ravel())
        self.weight = np.asarray(data["weight"], float)
        self.density = LogDensity(model)

    @property
    def names(self) -> list[str]:
        """Names of the parameters, as in the flat vector."""
        return self.density.names

    def there(self, x: Floats) -> xr.Dataset:
        """What the model reports at a point."""
        return self.density.posterior(x[None, None]).isel(chain=0, draw=0, drop=True)

    def at(self, there: xr.Dataset) -> Predictive:
        """The prediction where the model reports so much."""
        found: Predictive = self._predict(self.bound, there)
        return found

    def slope(self, of: Callable[[xr.Dataset], float], x: Floats) -> Floats:
        """(P,) derivative of a function of what the model reports."""
        both = [(of(self.there(x + e)), of(self.there(x - e))) for e in STEP * np.eye(x.size)]
        return np.array([(high - low) / (2 * STEP) for high, low in both])

    def by_cell(self, cell: NDArray[np.int64]) -> Callable[[Floats], Floats]:
        """Scores (L, C, P) of every LD block and cell (J,), as a function of the flat vector: those
        of the model with every cell of a block as a block of its own.
        """
        blocks, cells = int(self.block.max()) + 1, int(cell.max()) + 1
        key, unit = self.block * cells + cell, self.bound.card.unit
        order = np.argsort(key, kind="stable")
        apart = self._whole.isel(variant=order).assign({unit: ("variant", key[order])})
        density = LogDensity(self.bound.build(apart))
        # a changed model's copy has its parameters in another order
        there = [self.names.index(name) for name in density.names]

        def scores(x: Floats) -> Floats:
            found = density.scores(x[there])[0]
            out = np.zeros((blocks * cells, x.size))
            out[: len(found), there] = found
            return out.reshape(blocks, cells, -1)

        return scores


def moments(
    point: Point,
    x: Floats,
    draws: Sequence[xr.Dataset],
    cell: NDArray[np.int64],
    progress: bool | None = None,
) -> Moments:
    """Predictive residuals by LD block and cell at the mode, and the shares of u averaged over
    posterior draws.

    Parameters
    ----------
    point
        The model, with its variants (J).
    x
        (P,) the mode, at which the statistics are evaluated. Averages over draws would be off by
        terms of second order, and nearly so would be a point away from the mode.
    draws
        What the model reports at posterior draws.
    cell
        (J,) stratum of each variant, 0..C-1.
    progress
        Progress bar; None shows it on a terminal.
    """
    z, weight, block = point.z, point.weight, point.block
    blocks, cells = int(block.max()) + 1, int(cell.max()) + 1
    at = np.concatenate([z[:, None], np.broadcast_to(TAILS, (len(z), len(TAILS)))], axis=1)
    key = block * cells + cell
    scores_of = point.by_cell(cell)

    def by_block(values: Floats) -> Floats:
        return np.bincount(key, weight * values, minlength=blocks * cells).reshape(blocks, cells)

    def by_cell(x: Floats) -> tuple[Floats, Floats]:
        c = point.at(point.there(x)).cdf(at)
        level = [np.bincount(cell, weight * psi, minlength=cells) for psi in legendre(c[:, 0])]
        beyond = [
            np.bincount(cell, -weight * (1 - c[:, 1 + t]), minlength=cells)
            for t in range(len(TAILS))
        ]
        return np.stack(level, axis=1), np.stack(beyond, axis=1)

    size = x.size
    d_level, d_beyond = np.empty((cells, ORDERS, size)), np.empty((cells, len(TAILS), size))
    cell_hessian = np.empty((cells, size, size))
    with bar("predictive checks", len(draws) + size, progress) as progress_bar:
        mean = np.zeros(len(z))
        for draw in draws:
            mean += point.at(draw).cdf(z[:, None])[:, 0] / len(draws)
            progress_bar.advance()
        fitted = point.at(point.there(x))
        at_mode, scores = fitted.cdf(at), scores_of(x)
        for i, step in enumerate(STEP * np.eye(size)):
            (level_high, beyond_high), (level_low, beyond_low) = (
                by_cell(x + step),
                by_cell(x - step),
            )
            d_level[:, :, i] = (level_high - level_low) / (2 * STEP)
            d_beyond[:, :, i] = (beyond_high - beyond_low) / (2 * STEP)
            with np.errstate(invalid="ignore"):  # refused below
                apart = (scores_of(x - step) - scores_of(x + step)).sum(axis=0)
            cell_hessian[:, i] = apart / (2 * STEP)
            progress_bar.advance()
    cell_hessian = (cell_hessian + np.swapaxes(cell_hessian, 1, 2)) / 2
    predicted = (mean, at_mode, d_level, d_beyond)
    if not (
        np.abs(cell_hessian).max() < 1e30 and all(np.isfinite(part).all() for part in predicted)
    ):
        raise InputError(
            "results",
            "the likelihood cannot be evaluated around the mode: effects are too large for it",
            "Look at the QQ plot.",
        )
    u, tail, largest = at_mode[:, 0], 1 - at_mode[:, 1:], float(z.max())
    beyond_largest = np.nan
    if largest < Z_MAX:
        beyond_largest = float(weight @ (1 - fitted.cdf(np.full((len(z), 1), largest))[:, 0]))
    which = np.minimum((mean * BINS).astype(np.int64), BINS - 1)
    return Moments(
        names=point.names,
        weight=by_block(np.ones(len(z))),
        thinning=np.bincount(cell, weight**2, minlength=cells)
        / np.bincount(cell, weight, minlength=cells),
        level=np.stack([by_block(psi) for psi in legendre(u)], axis=2),
        share=np.stack([by_block((which == b) - 1 / BINS) for b in range(BINS)], axis=2),
        beyond=np.stack([by_block((z > c) - tail[:, t]) for t, c in enumerate(TAILS)], axis=2),
        expected_beyond=np.stack(
            [np.bincount(cell, weight * tail[:, t], minlength=cells) for t in range(len(TAILS))],
            axis=1,
        ),
        d_level=d_level,
        d_beyond=d_beyond,
        cell_scores=scores,
        cell_hessian=cell_hessian,
        hessian=_positive(cell_hessian.sum(axis=0)),
        pit=mean,
        largest=largest,
        expected_beyond_largest=beyond_largest,
    )


def _positive(h: Floats) -> Floats:
    """`h` plus the ridge, its eigenvalues raised to the ridge at least."""
    value, vector = np.linalg.eigh(h)
    return np.asarray((vector * (np.maximum(value, 0.0) + RIDGE)) @ vector.T)
