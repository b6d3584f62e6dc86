"""Laplace approximation with importance resampling: draws at the mode, weighted by the exact
density, smoothed by PSIS.

Draws come from a multivariate Student t of 10 degrees of freedom with the Gaussian's covariance, so
that the ratios stay bounded where the posterior's tails are heavier than a Gaussian's (Vehtari et
al. 2024, JMLR 25:72, for PSIS and k-hat). Where a fifth of the draws shows that the posterior is
skewed (less than 0.7 effective draws a draw), the proposal moves to their weighted mean and
covariance, with 5 degrees of freedom, and all draws are made anew (one step of adaptive importance
sampling: Cappe et al. 2008, Statistics and Computing 18:447).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy.special import logsumexp

from bayesmixer.inference.checkpoint import Checkpoint
from bayesmixer.inference.density import Array, LogDensity
from bayesmixer.progress import Bar, bar

DEGREES, DEGREES_MOVED = 10.0, 5.0
BATCH = 100  # draws kept together on disk
EFFICIENT = 0.7  # effective draws a draw, below which the proposal moves


@dataclass
class Importance:
    """Proposals (S, P), their smoothed log weights (S,), k-hat, effective sample size, resampled
    row numbers, log-likelihood per LD block.
    """

    proposals: Array
    log_weight: Array
    pareto_k: float
    effective: float
    rows: np.ndarray
    blocks: dict[str, Array]


def sample(
    density: LogDensity,
    mode: Array,
    covariance: Array,
    bounds: Array,
    draws: int,
    rng: np.random.Generator,
    show: bool | None,
    kept: Checkpoint | None = None,
) -> Importance:
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
    kept
        Where finished batches of draws lie, if anywhere.
    """
    pilot = max(draws // 5, min(draws, 200))
    kept = kept or Checkpoint(None)
    with bar("laplace draws", draws, show) as progress:
        part = _draw(
            density, mode, covariance, DEGREES, bounds, pilot, rng, progress, kept, "pilot"
        )
        weight = np.exp(part.log_ratio - logsumexp(part.log_ratio))
        if 1 / (weight**2).sum() >= EFFICIENT * pilot:
            rest = _draw(
                density,
                mode,
                covariance,
                DEGREES,
                bounds,
                draws - pilot,
                rng,
                progress,
                kept,
                "rest",
            )
            made = Weighted(*(_join(a, b) for a, b in zip(part, rest, strict=True)))
        else:
            centre = weight @ part.proposals
            away = part.proposals - centre
            # a few heavy draws say little about the spread: shrink towards the Laplace covariance
            share = 1 / (1 + 10 * (weight**2).sum())
            spread = share * (away * weight[:, None]).T @ away + (1 - share) * covariance
            made = _draw(
                density, centre, spread, DEGREES_MOVED, bounds, draws, rng, progress, kept, "moved"
            )
    # psislw takes minus the log ratios, as LOO has them at hand
    from arviz_stats.base import array_stats  # it takes half a second

    smoothed, k = array_stats.psislw(-np.maximum(made.log_ratio - made.log_ratio.max(), -1e3))
    log_weight = np.asarray(smoothed, float) - logsumexp(smoothed)
    weight = np.exp(log_weight)
    # systematic resampling: as few repeats as the weights allow
    rows = np.searchsorted(
        np.cumsum(weight), (np.arange(draws) + rng.random()) / draws * weight.sum()
    )
    rows = rng.permutation(np.minimum(rows, draws - 1))
    return Importance(
        made.proposals,
        log_weight,
        float(np.asarray(k)),
        float(1 / (weight**2).sum()),
        rows,
        made.blocks,
    )


def in_chains(rows: np.ndarray) -> np.ndarray:
    """Resampled rows (S,) as (chain, draw): four chains, or as many as divide their number."""
    return rows.reshape(next(n for n in (4, 3, 2, 1) if rows.size % n == 0), -1)


class Weighted(NamedTuple):
    """Proposals (S, P), log density ratios to the proposal (S,), log-likelihood per LD block by
    potential (S, L).
    """

    proposals: Array
    log_ratio: Array
    blocks: dict[str, Array]


def _draw(
    density: LogDensity,
    centre: Array,
    covariance: Array,
    degrees: float,
    bounds: Array,
    n: int,
    rng: np.random.Generator,
    progress: Bar,
    kept: Checkpoint,
    stage: str,
) -> Weighted:
    """n draws of a multivariate t, with their log ratios; -inf outside the box."""
    normal = rng.standard_normal((n, centre.size))
    white = normal / np.sqrt(rng.chisquare(degrees, n) / degrees)[:, None]
    proposals = centre + white @ np.linalg.cholesky(covariance).T
    log_q = -0.5 * (degrees + centre.size) * np.log1p((white**2).sum(1) / degrees)
    log_p, blocks = [np.zeros(0)], [{name: np.zeros((0, 0)) for name in density.block_names}]
    for first in range(0, n, BATCH):
        batch = proposals[first : first + BATCH]
        done = kept.get(f"{stage}-{first}")
        if done is None:
            rows = []
            for x in batch:
                inside = np.clip(x, bounds[:, 0], bounds[:, 1])
                value, by_block = density.value_and_blocks(inside)
                rows.append(
                    (value if (inside == x).all() and np.isfinite(value) else -np.inf, by_block)
                )
                progress.advance()
            done = {"log_p": np.array([row[0] for row in rows])} | {
                f"of_{name}": np.array([row[1][name] for row in rows])
                for name in density.block_names
            }
            kept.put(f"{stage}-{first}", **done)
        else:
            progress.advance(len(batch))
        log_p.append(done["log_p"])
        blocks.append({name: done[f"of_{name}"] for name in density.block_names})
    return Weighted(
        proposals,
        np.concatenate(log_p) - log_q,
        {name: np.concatenate([b[name] for b in blocks[1:]]) for name in density.block_names}
        if n
        else blocks[0],
    )


def _join(a: Any, b: Any) -> Any:
    """Two batches of draws, or of their blocks, in a row."""
    if isinstance(a, dict):
        return {name: np.concatenate([a[name], b[name]]) if len(b[name]) else a[name] for name in a}
    return np.concatenate([a, b])
