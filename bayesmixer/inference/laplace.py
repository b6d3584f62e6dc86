"""Laplace approximation with importance resampling: draws at the mode, weighted by the exact density, smoothed by PSIS.

Draws come from a multivariate Student t of 10 degrees of freedom with the Gaussian's covariance, so that the ratios stay bounded where the posterior's
tails are heavier than a Gaussian's (Vehtari et al. 2024, JMLR 25:72, for PSIS and k-hat).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from arviz_stats.base import array_stats
from scipy.special import logsumexp

from bayesmixer.inference.density import Array, LogDensity
from bayesmixer.progress import bar

DEGREES = 10.0


@dataclass
class Importance:
    """Proposals (S, P), their smoothed log weights (S,), k-hat, effective sample size, resampled row numbers, log-likelihood per LD block."""

    proposals: Array
    log_weight: Array
    pareto_k: float
    effective: float
    rows: np.ndarray
    blocks: dict[str, Array]


def sample(density: LogDensity, mode: Array, covariance: Array, bounds: Array, draws: int, rng: np.random.Generator, show: bool | None) -> Importance:
    """Draw, weigh, smooth and resample.

    Parameters
    ----------
    density
        Log posterior on the unconstrained scale.
    mode, covariance
        (P,), (P, P) of the proposal.
    bounds
        (P, 2) search box; proposals outside get weight 0.
    draws
        Number of proposals S, and of resampled draws.
    rng
        Random generator.
    show
        Progress bar (see bayesmixer.progress).
    """
    root = np.linalg.cholesky(covariance)
    normal = rng.standard_normal((draws, mode.size))
    scale = np.sqrt(rng.chisquare(DEGREES, draws) / DEGREES)
    white = normal / scale[:, None]
    proposals = mode + white @ root.T
    log_q = -0.5 * (DEGREES + mode.size) * np.log1p((white**2).sum(1) / DEGREES)
    log_p = np.full(draws, -np.inf)
    blocks: dict[str, list[Array]] = {name: [] for name in density.block_names}
    with bar("laplace draws", draws, show) as progress:
        for i, x in enumerate(proposals):
            inside = np.clip(x, bounds[:, 0], bounds[:, 1])
            value, by_block = density.value_and_blocks(inside)
            if (inside == x).all() and np.isfinite(value):
                log_p[i] = value
            for name, v in by_block.items():
                blocks[name].append(v)
            progress.advance()
    log_ratio = log_p - log_q
    log_ratio -= log_ratio.max()
    # psislw takes minus the log ratios, as LOO has them at hand
    smoothed, k = array_stats.psislw(-np.where(np.isfinite(log_ratio), log_ratio, -1e3))
    log_weight = np.asarray(smoothed, float) - logsumexp(smoothed)
    weight = np.exp(log_weight)
    # systematic resampling: as few repeats as the weights allow
    rows = np.searchsorted(np.cumsum(weight), (np.arange(draws) + rng.random()) / draws * weight.sum())
    rows = rng.permutation(np.minimum(rows, draws - 1))
    stacked = {name: np.stack(v) for name, v in blocks.items()}
    return Importance(proposals, log_weight, float(np.asarray(k)), float(1 / (weight**2).sum()), rows, stacked)
