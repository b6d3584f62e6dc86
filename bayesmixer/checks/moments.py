r"""Predictive probability integral transform of every variant: u_j = P(|Z_j| <= |z_j|), uniform
where the fitted model is right (Dawid 1984).

By the cosine transform, P(|Z| <= c) = (2 / pi) int phi_j(s) sin(s c) / s ds, on one grid of
standardised frequencies for all variants (docs/ideas/likelihood.md). |z| and not z: which allele is
counted is a convention, and the models are symmetric. `Moments` holds what the checks need of u:
sums by LD block and stratum, how they move with the parameters, and the scores of the same blocks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba as nb
import numpy as np
from numpy.typing import NDArray

from bayesmixer.errors import InputError
from bayesmixer.mixer.prediction import Floats, Parameters, Variants
from bayesmixer.ops.layout import LikelihoodData
from bayesmixer.ops.likelihood import MixtureLogLik
from bayesmixer.progress import bar

ORDERS = 4  # Legendre polynomials: level, spread, skew and ends of the distribution of u
BINS = 10
TAILS = (3.0, 4.0, 5.45)  # |z| of the QQ statistic: p = 0.0027, 6e-5, 5e-8
Z_MAX = 12.0  # beyond, u is 1 for every purpose here
_DECAY = 18.0  # the grid ends where the noise's characteristic function is exp(-18)
_PERIOD = 45.0  # aliases lie at least so far away, in units of the noise's sd
_CHUNK = 4096
# precision that keeps a parameter which the data leave open (pi of an infinitesimal trait) from
# running away: about the weak priors'
RIDGE = 0.1

Draw = tuple[Floats, Floats, float]


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _transform(e: Floats, step: float, damp: float, c: Floats, root: Floats, out: Floats) -> None:
    """out (J, T) = P(|Z_j| <= c_jt) from log phi_j without noise, e (J, M); root = 1 / sqrt(nu),
    and c already times it.
    """
    rows, m = e.shape
    for j in range(rows):
        noise = damp * root[j] * root[j]
        for a in range(m):
            s = a * step
            e[j, a] = np.exp(e[j, a] - noise * s * s)
        for t in range(c.shape[1]):
            x = step * c[j, t]
            two_cos, before, now = 2 * np.cos(x), 0.0, np.sin(x)
            total = 0.5 * c[j, t]
            for a in range(1, m):
                total += e[j, a] * now / (a * step)
                before, now = now, two_cos * now - before
            out[j, t] = min(max(total * step * 2 / np.pi, 0.0), 1.0)


def cumulative(v: Variants, draw: Draw, at: Floats) -> Floats:
    """P(|Z_j| <= at_jt) of every variant under one draw of the parameters, absolute error below
    1e-6.

    Parameters
    ----------
    v
        Variants (J).
    draw
        pi (C,), sigma2_beta (C,), sigma2_zero.
    at
        (J, T) values of |z|; beyond 12 they count as 12.

    Returns
    -------
    numpy.ndarray
        (J, T).
    """
    pi, beta, zero = draw
    top = float(v.n.max())
    root = np.sqrt(top / v.n)
    c = np.minimum(at, Z_MAX) * root[:, None]
    sd = np.sqrt(zero)
    step = 2 * np.pi / (_PERIOD * sd * max(1.0, float(root.max()) / 2) + float(c.max()))
    s = step * np.arange(int(np.ceil(np.sqrt(2 * _DECAY) / sd / step)) + 1)
    q = 0.5 * top * beta[:, None] * s**2
    x = v.node_x[:, None]
    away = np.sum(pi[:, None, None] * np.expm1(-x[None] * q[:, None, :]), axis=0)
    with np.errstate(divide="ignore"):  # log 0 is right: every variant has an effect where pi = 1
        rest = np.log(max(1 - pi.sum(), 0.0))
        whole = np.logaddexp(
            rest, np.logaddexp.reduce(np.log(pi)[:, None, None] - x[None] * q[:, None, :], axis=0)
        )
    mixed = np.where(
        away > -0.5, np.log1p(np.maximum(away, -0.5)), whole
    )  # 1 + away has no digits left near -1
    table = np.where(x > 0, mixed / np.where(x > 0, x, 1.0), -np.sum(pi[:, None] * q, axis=0))
    out = np.empty(at.shape)
    for first in range(0, len(v), _CHUNK):
        rows = slice(first, first + _CHUNK)
        e = np.ascontiguousarray(v.spectrum[rows] @ table, dtype=float)
        part = np.empty((len(e), at.shape[1]))
        _transform(e, step, 0.5 * zero, np.ascontiguousarray(c[rows]), root[rows], part)
        out[rows] = part
    return out


def legendre(u: Floats, orders: int = ORDERS) -> Floats:
    """Orthonormal Legendre polynomials of order 1..orders on [0, 1]: mean 0 and variance 1 for
    uniform u; (orders, J).
    """
    x = 2 * u - 1
    p = [np.ones_like(x), x]
    for k in range(1, orders):
        p.append(((2 * k + 1) * x * p[k] - k * p[k - 1]) / (k + 1))
    return np.stack([np.sqrt(2 * k + 1) * p[k] for k in range(1, orders + 1)])


@dataclass(frozen=True)
class Moments:
    """Sums of a fit's predictive residuals over LD blocks (L) and cells (C), with what the fit's
    own error adds to them.

    Attributes
    ----------
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
        (L, C, P) score of each LD block and cell, and (C, P, P) curvature, in logit pi, log h2 of
        each component, log sigma2_0.
    hessian
        (P, P) curvature of all variants, with a ridge.
    pit
        (J,) u of every variant, averaged over posterior draws.
    largest, expected_beyond_largest
        The largest |z|, and the sum of w_j P(|Z_j| > largest); nan where it is beyond what is
        computed.
    """

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
    def covariance(self) -> Floats:
        """(P, P) sandwich covariance of the parameters, from scores by LD block."""
        inverse = np.linalg.inv(self.hessian)
        return np.asarray(inverse @ spread(self.scores) @ inverse)


def spread(x: Floats) -> Floats:
    """Covariance (q, q) of the sum over LD blocks of x (L, q): L / (L - 1) sum_b (x_b - mean)(x_b -
    mean)'.
    """
    away = x - x.mean(axis=0)
    return np.asarray(len(x) / max(len(x) - 1, 1) * away.T @ away)


def free_of(draw: Draw) -> Floats:
    """(P,) unconstrained parameters of a draw: logit pi (left out where pi = 1), log of pi
    sigma2_beta, log sigma2_0.
    """
    pi, beta, zero = draw
    mixed = pi < 1
    return np.concatenate(
        [np.log(pi[mixed]) - np.log1p(-pi[mixed]), np.log(pi * beta), [np.log(zero)]]
    )


def draw_of(free: Floats, components: int) -> Draw:
    """The inverse of `free_of`."""
    mixed = len(free) - components - 1
    pi = 1 / (1 + np.exp(-free[:mixed])) if mixed else np.ones(components)
    return pi, np.exp(free[mixed:-1]) / pi, float(np.exp(free[-1]))


def block_scores(likelihood: MixtureLogLik, draw: Draw) -> Floats:
    """(L, P) derivatives of the log-likelihood of each LD block in the parameters of `free_of`."""
    pi, beta, zero = draw
    _, jacobian = likelihood.evaluate(pi, beta, zero)
    c = len(pi)
    by_pi, by_beta, by_zero = jacobian[:, :c], jacobian[:, c : 2 * c], jacobian[:, 2 * c :]
    logit = (by_pi * pi - by_beta * beta) * (1 - pi)
    return np.concatenate([logit[:, pi < 1], by_beta * beta, by_zero * zero], axis=1)


def moments(
    v: Variants,
    p: Parameters,
    cell: NDArray[np.int64],
    mode: Draw | None = None,
    censor: float | None = None,
    progress: bool | None = None,
) -> Moments:
    """Predictive residuals by LD block and cell at the mode, and the shares of u averaged over
    posterior draws.

    Parameters
    ----------
    v
        Variants (J).
    p
        Posterior draws.
    cell
        (J,) stratum of each variant, 0..C-1.
    mode
        Parameters at which the statistics are evaluated; the middle of the draws where None.
        Averages over draws would be off by terms of second order, and nearly so would be a point
        away from the mode.
    censor
        |z| at which the fitted likelihood was censored, if it was.
    progress
        Progress bar; None shows it on a terminal.
    """
    _, block = np.unique(v.ld_block, return_inverse=True)
    blocks, cells = int(block.max()) + 1, int(cell.max()) + 1
    point = p.middle() if mode is None else mode
    middle = free_of(point)
    components = p.pi.shape[1]
    at = np.concatenate([v.z[:, None], np.broadcast_to(TAILS, (len(v), len(TAILS)))], axis=1)
    key = block * cells + cell
    # every cell of every LD block as a block of its own: the Jacobian then has their scores
    likelihood = MixtureLogLik(
        LikelihoodData(v.z, v.n, v.weight, v.spectrum, v.node_x, key, censor, blocks * cells)
    )

    def scores_of(draw: Draw) -> Floats:
        return block_scores(likelihood, draw).reshape(blocks, cells, -1)

    def by_block(values: Floats) -> Floats:
        return np.bincount(key, v.weight * values, minlength=blocks * cells).reshape(blocks, cells)

    def by_cell(draw: Draw) -> tuple[Floats, Floats]:
        c = cumulative(v, draw, at)
        level = [np.bincount(cell, v.weight * psi, minlength=cells) for psi in legendre(c[:, 0])]
        beyond = [
            np.bincount(cell, -v.weight * (1 - c[:, 1 + t]), minlength=cells)
            for t in range(len(TAILS))
        ]
        return np.stack(level, axis=1), np.stack(beyond, axis=1)

    parameters = len(middle)
    d_level = np.empty((cells, ORDERS, parameters))
    d_beyond = np.empty((cells, len(TAILS), parameters))
    cell_hessian = np.empty((cells, parameters, parameters))
    with bar("predictive checks", len(p) + parameters, progress) as progress_bar:
        mean = np.zeros(len(v))
        for i in range(len(p)):
            mean += cumulative(v, p.draw(i), v.z[:, None])[:, 0] / len(p)
            progress_bar.advance()
        at_mode, scores = cumulative(v, point, at), scores_of(point)
        for i in range(parameters):
            step = np.zeros(parameters)
            step[i] = 0.02
            high, low = draw_of(middle + step, components), draw_of(middle - step, components)
            (level_high, beyond_high), (level_low, beyond_low) = by_cell(high), by_cell(low)
            d_level[:, :, i], d_beyond[:, :, i] = (
                (level_high - level_low) / 0.04,
                (beyond_high - beyond_low) / 0.04,
            )
            with np.errstate(invalid="ignore"):  # refused below
                cell_hessian[:, i] = (scores_of(low) - scores_of(high)).sum(axis=0) / 0.04
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
    u, tail, largest = at_mode[:, 0], 1 - at_mode[:, 1:], float(v.z.max())
    which = np.minimum((mean * BINS).astype(np.int64), BINS - 1)
    return Moments(
        weight=by_block(np.ones(len(v))),
        thinning=np.bincount(cell, v.weight**2, minlength=cells)
        / np.bincount(cell, v.weight, minlength=cells),
        level=np.stack([by_block(psi) for psi in legendre(u)], axis=2),
        share=np.stack([by_block((which == b) - 1 / BINS) for b in range(BINS)], axis=2),
        beyond=np.stack([by_block((v.z > c) - tail[:, t]) for t, c in enumerate(TAILS)], axis=2),
        expected_beyond=np.stack(
            [np.bincount(cell, v.weight * tail[:, t], minlength=cells) for t in range(len(TAILS))],
            axis=1,
        ),
        d_level=d_level,
        d_beyond=d_beyond,
        cell_scores=scores,
        cell_hessian=cell_hessian,
        hessian=_positive(cell_hessian.sum(axis=0)),
        pit=mean,
        largest=largest,
        expected_beyond_largest=float(
            v.weight @ (1 - cumulative(v, point, np.full((len(v), 1), largest))[:, 0])
        )
        if largest < Z_MAX
        else np.nan,
    )


def _positive(h: Floats) -> Floats:
    """`h` plus the ridge, its eigenvalues raised to the ridge at least."""
    value, vector = np.linalg.eigh(h)
    return np.asarray((vector * (np.maximum(value, 0.0) + RIDGE)) @ vector.T)
