"""Predictive probability integral transform of every variant: u_j = P(|Z_j| <= |z_j|), uniform
where the fitted model is right (Dawid 1984).

|z| and not z: which allele is counted is a convention, and the models are symmetric. What the model
predicts is its wing's `predictive`, or that of each of its `views` where it is of several traits,
and scores are the model's own. `Moments` holds what the checks need of u: sums by LD block and
stratum, and how they move with the parameters; `Scores` the scores of the same blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import xarray as xr
from numpy.polynomial.legendre import legvander
from numpy.typing import NDArray

from bayesmixer.card import View
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
Rows = NDArray[np.intp]

ORDERS = 4  # Legendre polynomials: level, spread, skew and ends of the distribution of u
BINS = 10
TAILS = (3.0, 4.0, 5.45)  # |z| of the QQ statistic: p = 0.0027, 6e-5, 5e-8
Z_MAX = 12.0  # beyond, u is 1 for every purpose here
STEP = 0.02  # of the parameters, in central differences
# precision that keeps a parameter which the data leave open from running away: about the weak
# priors'
RIDGE = 0.1
# variants times parameters times views beyond which slopes are taken of a part of the variants
SLOPES = 1_500_000
FEWEST = 200  # variants of a cell in that part, where it has so many
_NONE = 1e-300  # in place of the weight of cells that a view does not see


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
class Scores:
    """Scores and curvature of a model over LD blocks (L) and cells (C).

    Attributes
    ----------
    names
        (P,) of the model's parameters.
    weight
        (L, C) summed weights.
    thinning
        (C,) sum of squared weights over sum of weights: variance of a weighted sum of independent
        terms, relative to the information it states.
    cell_scores, cell_hessian
        (L, C, P) score of each LD block and cell, and (C, P, P) curvature.
    hessian
        (P, P) curvature of all variants, with a ridge.
    """

    names: list[str]
    weight: Floats
    thinning: Floats
    cell_scores: Floats
    cell_hessian: Floats
    hessian: Floats

    @property
    def scores(self) -> Floats:
        """(L, P): score of each LD block."""
        return np.asarray(self.cell_scores.sum(axis=1))

    @property
    def information(self) -> Floats:
        """(P, P) covariance of the scores if variants were independent."""
        return np.asarray(np.einsum("c,cpq->pq", self.thinning, self.cell_hessian))

    def influence(self, d: Floats) -> Floats:
        """(L, ...): what each block adds to a statistic through the parameters, d (..., P) its
        derivative.
        """
        move = np.linalg.solve(self.hessian, self.scores.T)  # (P, L)
        return np.asarray(np.moveaxis(d @ move, -1, 0))

    @property
    def freedom(self) -> float:
        """Effective number of LD blocks, less the parameters fitted."""
        return effective_blocks(self.weight.sum(axis=1, keepdims=True)) - len(self.names)

    @property
    def covariance(self) -> Floats:
        """(P, P) sandwich covariance of the parameters, from scores by LD block."""
        inverse = np.linalg.inv(self.hessian)
        return np.asarray(inverse @ spread(self.scores) @ inverse)


@dataclass(frozen=True)
class Moments:
    """Sums of a view's predictive residuals over LD blocks (L) and cells (C), with what the fit's
    own error adds to them.

    Attributes
    ----------
    whole
        Scores of the model.
    weight, thinning
        As of `Scores`, of the variants that the view sees.
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
    pit
        (J,) u of every variant, averaged over posterior draws; NaN where the view does not see it.
    largest, expected_beyond_largest
        The largest |z|, and the sum of w_j P(|Z_j| > largest); nan where it is beyond what is
        computed.
    """

    whole: Scores
    weight: Floats
    thinning: Floats
    level: Floats
    share: Floats
    beyond: Floats
    expected_beyond: Floats
    d_level: Floats
    d_beyond: Floats
    pit: Floats
    largest: float
    expected_beyond_largest: float

    def influence(self, d: Floats) -> Floats:
        """As of `Scores`."""
        return self.whole.influence(d)

    @property
    def d_share(self) -> Floats:
        """(C, bins, P): derivatives of `share`, by the expansion of a bin's indicator in the
        polynomials.
        """
        grid = (np.arange(2000) + 0.5) / 2000
        coefficient = legendre(grid).reshape(ORDERS, BINS, -1).sum(axis=2) / 2000
        return np.asarray(np.einsum("kb,ckp->cbp", coefficient, self.d_level))


def effective_blocks(weight: Floats) -> float:
    """Degrees of freedom (Satterthwaite) of a variance summed over LD blocks of these weights (L,
    S): the smallest over the columns.
    """
    return float(
        np.min(weight.sum(axis=0) ** 2 / np.maximum(np.square(weight).sum(axis=0), 1e-300))
    )


class Parameter(NamedTuple):
    """An entry of the flat vector: its label there, the variable that it is of, and which of that
    variable's entries, in words; "" of a scalar.
    """

    entry: str
    name: str
    which: str

    def said(self, known: Mapping[str, str] | None) -> str:
        """What it stands for, where that is known."""
        return f"{(known or {}).get(self.name, self.name)}{self.which and f' ({self.which})'}"


class Point:
    """A fitted model at points of its flat vector of parameters: its predictions, and the scores of
    every cell of every LD block.

    Attributes
    ----------
    bound
        The model, with its variants (J) of positive weight, of one trait or, where its wing has
        views of several, of all.
    views
        What is held against the data, of |z|.
    block
        (J,) LD block of each, 0..L-1.
    weight
        (J,) weights.

    Raises
    ------
    InputError
        Nothing is known of what the model predicts.
    """

    def __init__(self, model: pm.Model, trait: str | int = 0) -> None:
        bound = whole_of(model)
        views: Any = None if bound is None else bound.card.ask("views")
        predict: Any = None if bound is None else bound.card.ask("predictive")
        if bound is None or not (predict or views):
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
        if views is None:
            data = self._whole.isel(trait=[position_of(self._whole, trait)])
            found = [View("", np.asarray(data["z"], float).ravel(), predict)]
        else:
            data = self._whole
            found = views(replace(bound, data=data))
        self.bound = replace(bound, data=data)
        self.views: list[View] = [replace(v, z=np.abs(v.z)) for v in found]
        self.block = np.unique(np.asarray(data[bound.card.unit]), return_inverse=True)[1]
        self.weight = np.asarray(data["weight"], float)
        self.density = LogDensity(model)

    @property
    def names(self) -> list[str]:
        """Names of the parameters, as in the flat vector."""
        return self.density.names

    @property
    def parameters(self) -> list[Parameter]:
        """The entries of the flat vector."""
        out, model = [], self.density.model
        for entry, name in zip(self.names, self.density.owners, strict=True):
            which, dims = entry.partition("[")[2].rstrip("]"), model.named_vars_to_dims.get(name)
            if which.isdigit() and dims and model.coords.get(dims[0]) is not None:
                which = str(model.coords[dims[0]][int(which)])
            out.append(Parameter(entry, name, which))
        return out

    def there(self, x: Floats) -> xr.Dataset:
        """What the model reports at a point."""
        return self.density.posterior(x[None, None]).isel(chain=0, draw=0, drop=True)

    def at(self, there: xr.Dataset, view: int = 0, rows: Rows | None = None) -> Predictive:
        """The prediction of a view where the model reports so much, of all variants or of some."""
        bound = self.bound
        if rows is not None and len(rows) < len(self.weight):
            bound = replace(bound, data=bound.data.isel(variant=rows))
        found: Predictive = self.views[view].predictive(bound, there)
        return found

    def slope(self, of: Callable[[xr.Dataset], float], x: Floats) -> Floats:
        """(P,) derivative of a function of what the model reports."""
        both = [(of(self.there(x + e)), of(self.there(x - e))) for e in STEP * np.eye(x.size)]
        return np.array([(high - low) / (2 * STEP) for high, low in both])

    def by_cell(
        self, cell: NDArray[np.int64], weight: Floats | None = None
    ) -> Callable[[Floats], Floats]:
        """Scores (L, C, P) of every LD block and cell (J,), as a function of the flat vector: those
        of the model with every cell of a block as a block of its own; with other weights (J,), of
        the variants that have one.
        """
        blocks, cells = int(self.block.max()) + 1, int(cell.max()) + 1
        key, unit = self.block * cells + cell, self.bound.card.unit
        order = np.argsort(key, kind="stable")
        if weight is None:
            weight = self.weight
        order = order[weight[order] > 0]
        changed = {unit: ("variant", key[order]), "weight": ("variant", weight[order])}
        density = LogDensity(self.bound.build(self._whole.isel(variant=order).assign(changed)))
        # a changed model's copy has its parameters in another order
        there = [self.names.index(name) for name in density.names]

        def scores(x: Floats) -> Floats:
            found = density.scores(x[there])[0]
            out = np.zeros((blocks * cells, x.size))
            out[: len(found), there] = found
            return out.reshape(blocks, cells, -1)

        return scores

    def few(self, cell: NDArray[np.int64]) -> Floats:
        """(J,) weights of the variants that slopes are taken of: all, or of each cell some along
        the genome that weigh as much as all of it.
        """
        part = SLOPES / (len(self.weight) * len(self.names) * len(self.views))
        if part >= 1:
            return self.weight
        out = np.zeros(len(self.weight))
        for c in range(int(cell.max()) + 1):
            rows = np.flatnonzero(cell == c)
            number = min(len(rows), max(FEWEST, round(part * len(rows))))
            kept = rows[np.linspace(0, len(rows) - 1, number).astype(np.intp)]
            out[kept] = self.weight[kept] * self.weight[rows].sum() / self.weight[kept].sum()
        return out


def moments(
    point: Point,
    x: Floats,
    draws: Sequence[xr.Dataset],
    cell: NDArray[np.int64],
    progress: bool | None = None,
) -> list[Moments]:
    """Predictive residuals of every view by LD block and cell at the mode, and the shares of u
    averaged over posterior draws.

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

    Raises
    ------
    InputError
        The likelihood cannot be evaluated around the mode.
    """
    views, few = range(len(point.views)), point.few(cell)
    steps = len(views) * (len(draws) + x.size) + x.size
    with bar("predictive checks", steps, progress) as progress_bar:
        whole = _scores(point, x, cell, few, progress_bar.advance)
        around = [(point.there(x + e), point.there(x - e)) for e in STEP * np.eye(x.size)]
        return [
            _of_view(point, v, whole, (point.there(x), around), draws, cell, few, progress_bar)
            for v in views
        ]


def _scores(
    point: Point, x: Floats, cell: NDArray[np.int64], few: Floats, advance: Callable[[], object]
) -> Scores:
    """Scores of all variants; their slopes of those of the weights `few`."""
    scores_of = point.by_cell(cell)
    scores = scores_of(x)
    if few is not point.weight:
        scores_of = point.by_cell(cell, few)
    hessian = np.empty((scores.shape[1], x.size, x.size))
    for i, step in enumerate(STEP * np.eye(x.size)):
        with np.errstate(invalid="ignore"):  # refused below
            apart = (scores_of(x - step) - scores_of(x + step)).sum(axis=0)
        hessian[:, i] = apart / (2 * STEP)
        advance()
    hessian = (hessian + np.swapaxes(hessian, 1, 2)) / 2
    if not np.abs(hessian).max() < 1e30:
        raise _too_large()
    key = point.block * scores.shape[1] + cell
    weight = np.bincount(key, point.weight, minlength=scores.shape[0] * scores.shape[1])
    return Scores(
        point.names,
        weight.reshape(scores.shape[:2]),
        _thinning(cell, point.weight, scores.shape[1]),
        scores,
        hessian,
        _positive(hessian.sum(axis=0)),
    )


def _thinning(cell: NDArray[np.int64], weight: Floats, cells: int) -> Floats:
    total = np.bincount(cell, weight, minlength=cells)
    return np.asarray(np.bincount(cell, weight**2, minlength=cells) / np.maximum(total, _NONE))


def _too_large() -> InputError:
    return InputError(
        "results",
        "the likelihood cannot be evaluated around the mode: effects are too large for it",
        "Look at the QQ plot.",
    )


def _of_view(
    point: Point,
    view: int,
    whole: Scores,
    there: tuple[xr.Dataset, list[tuple[xr.Dataset, xr.Dataset]]],
    draws: Sequence[xr.Dataset],
    cell: NDArray[np.int64],
    few: Floats,
    progress_bar: Any,
) -> Moments:
    """`there`: what the model reports at the mode, and a step along each parameter to either
    side.
    """
    seen = np.isfinite(point.views[view].z)
    rows, part = np.flatnonzero(seen), np.flatnonzero(seen & (few > 0))
    z, weight = point.views[view].z[rows], point.weight[rows]
    blocks, cells = whole.weight.shape
    key = point.block[rows] * cells + cell[rows]

    def with_tails(z: Floats) -> Floats:
        tails = np.broadcast_to(TAILS, (len(z), len(TAILS)))
        return np.concatenate([z[:, None], tails], axis=1)

    def by_block(values: Floats) -> Floats:
        return np.bincount(key, weight * values, minlength=blocks * cells).reshape(blocks, cells)

    def by_cell(there: xr.Dataset) -> tuple[Floats, Floats]:
        c = point.at(there, view, part).cdf(at_part)
        level = [np.bincount(cell[part], w * psi, minlength=cells) for psi in legendre(c[:, 0])]
        beyond = [
            np.bincount(cell[part], -w * (1 - c[:, 1 + t]), minlength=cells)
            for t in range(len(TAILS))
        ]
        return np.stack(level, axis=1), np.stack(beyond, axis=1)

    at, at_part, w = with_tails(z), with_tails(point.views[view].z[part]), few[part]
    size = len(whole.names)
    d_level, d_beyond = np.empty((cells, ORDERS, size)), np.empty((cells, len(TAILS), size))
    mean = np.zeros(len(z))
    for draw in draws:
        mean += point.at(draw, view, rows).cdf(z[:, None])[:, 0] / len(draws)
        progress_bar.advance()
    fitted = point.at(there[0], view, rows)
    at_mode = fitted.cdf(at)
    for i, (up, down) in enumerate(there[1]):
        (level_high, beyond_high), (level_low, beyond_low) = by_cell(up), by_cell(down)
        d_level[:, :, i] = (level_high - level_low) / (2 * STEP)
        d_beyond[:, :, i] = (beyond_high - beyond_low) / (2 * STEP)
        progress_bar.advance()
    if not all(np.isfinite(values).all() for values in (mean, at_mode, d_level, d_beyond)):
        raise _too_large()
    u, tail, largest = at_mode[:, 0], 1 - at_mode[:, 1:], float(z.max())
    beyond_largest = np.nan
    if largest < Z_MAX:
        beyond_largest = float(weight @ (1 - fitted.cdf(np.full((len(z), 1), largest))[:, 0]))
    which = np.minimum((mean * BINS).astype(np.int64), BINS - 1)
    pit = np.full(len(point.weight), np.nan)
    pit[rows] = mean
    return Moments(
        whole=whole,
        weight=by_block(np.ones(len(z))),
        thinning=_thinning(cell[rows], weight, cells),
        level=np.stack([by_block(psi) for psi in legendre(u)], axis=2),
        share=np.stack([by_block((which == b) - 1 / BINS) for b in range(BINS)], axis=2),
        beyond=np.stack([by_block((z > c) - tail[:, t]) for t, c in enumerate(TAILS)], axis=2),
        expected_beyond=np.stack(
            [
                np.bincount(cell[rows], weight * tail[:, t], minlength=cells)
                for t in range(len(TAILS))
            ],
            axis=1,
        ),
        d_level=d_level,
        d_beyond=d_beyond,
        pit=pit,
        largest=largest,
        expected_beyond_largest=beyond_largest,
    )


def _positive(h: Floats) -> Floats:
    """`h` plus the ridge, its eigenvalues raised to the ridge at least."""
    value, vector = np.linalg.eigh(h)
    return np.asarray((vector * (np.maximum(value, 0.0) + RIDGE)) @ vector.T)
