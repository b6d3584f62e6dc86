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

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.linalg import solve_triangular
from scipy.special import gammaln, logsumexp

from bayesmixer.checkpoint import Checkpoint
from bayesmixer.inference.density import Array, LogDensity, room
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
    enough: int | None = None,
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
        Number of proposals S, and of resampled draws; with `enough` the most of them.
    rng
        Random generator.
    show
        Progress bar (see bayesmixer.progress).
    kept
        Where finished batches of draws lie, if anywhere.
    enough
        Effective draws at which to stop, as the first fifth of the draws foresees it: every draw
        costs a pass over all variants. None makes all of them.
    """
    pilot = max(draws // 5, min(draws, 200))
    kept = kept or Checkpoint(None)
    blocks: dict[str, Array] = {}

    def made(
        centre: Array, spread: Array, degrees: float, stage: str, first: int, n: int
    ) -> Weighted:
        return _draw(
            density, centre, spread, degrees, bounds, n, rng, progress, kept, stage,
            blocks, first, draws,
        )  # fmt: skip

    with bar("laplace draws", draws, show) as progress:
        part = made(mode, covariance, DEGREES, "pilot", 0, pilot)
        weight = np.exp(part.log_ratio - logsumexp(part.log_ratio))
        effective = 1 / (weight**2).sum()
        if effective >= EFFICIENT * pilot:
            if enough is not None:  # whole batches, so that an interrupted fit goes on from them
                needed = math.ceil(enough * pilot / effective / BATCH) * BATCH
                draws = min(draws, max(needed, pilot + BATCH))
            rest = made(mode, covariance, DEGREES, "rest", pilot, draws - pilot)
            whole = Weighted(*(np.concatenate(pair) for pair in zip(part, rest, strict=True)))
        else:
            centre = weight @ part.proposals
            away = part.proposals - centre
            # a few heavy draws say little about the spread: shrink towards the Laplace covariance
            share = 1 / (1 + 10 * (weight**2).sum())
            spread = share * (away * weight[:, None]).T @ away + (1 - share) * covariance
            whole = made(centre, spread, DEGREES_MOVED, "moved", 0, draws)
    # psislw takes minus the log ratios, as LOO has them at hand
    from arviz_stats.base import array_stats  # it takes half a second

    smoothed, k = array_stats.psislw(-np.maximum(whole.log_ratio - whole.log_ratio.max(), -1e3))
    log_weight = np.asarray(smoothed, float) - logsumexp(smoothed)
    weight = np.exp(log_weight)
    # systematic resampling: as few repeats as the weights allow
    rows = np.searchsorted(
        np.cumsum(weight), (np.arange(draws) + rng.random()) / draws * weight.sum()
    )
    rows = rng.permutation(np.minimum(rows, draws - 1))
    return Importance(
        whole.proposals,
        log_weight,
        float(np.asarray(k)),
        float(1 / (weight**2).sum()),
        rows,
        {name: values[:draws] for name, values in blocks.items()},
    )


def in_chains(rows: np.ndarray) -> np.ndarray:
    """Resampled rows (S,) as (chain, draw): four chains, or as many as divide their number."""
    return rows.reshape(next(n for n in (4, 3, 2, 1) if rows.size % n == 0), -1)


class Student(NamedTuple):
    """Multivariate t of P dimensions: `centre` (P,), lower `root` (P, P) of scale, `degrees`."""

    centre: Array
    root: Array
    degrees: float

    def draw(self, n: int, rng: np.random.Generator) -> Array:
        """Draws (n, P)."""
        normal = rng.standard_normal((n, self.centre.size))
        white = normal / np.sqrt(rng.chisquare(self.degrees, n) / self.degrees)[:, None]
        return np.asarray(self.centre + white @ self.root.T)

    def log_density(self, x: Array) -> Array:
        """Log density (S,) at points (S, P)."""
        nu, p = self.degrees, self.centre.size
        white = solve_triangular(self.root, (x - self.centre).T, lower=True)
        constant = gammaln((nu + p) / 2) - gammaln(nu / 2) - 0.5 * p * np.log(nu * np.pi)
        constant -= np.log(np.diag(self.root)).sum()
        return np.asarray(constant - 0.5 * (nu + p) * np.log1p((white**2).sum(0) / nu))


class Weighted(NamedTuple):
    """Proposals (S, P), log density ratios to the proposal (S,)."""

    proposals: Array
    log_ratio: Array


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
    blocks: dict[str, Array],
    at: int,
    total: int,
) -> Weighted:
    """n draws of a multivariate t, with their log ratios; -inf outside the box. Their
    log-likelihoods by unit are written into `blocks`, (total, L) by potential, from row `at` on.
    """
    proposal = Student(centre, np.linalg.cholesky(covariance), degrees)
    proposals = proposal.draw(n, rng)
    log_q = proposal.log_density(proposals)
    log_p = np.empty(n)
    for first in range(0, n, BATCH):
        batch = proposals[first : first + BATCH]
        done = kept.get(f"{stage}-{first}")
        if done is None:
            inside = np.clip(batch, bounds[:, 0], bounds[:, 1])
            value, found = density.values_and_blocks(inside, progress.advance)
            usable = (inside == batch).all(1) & np.isfinite(value)
            done = {"log_p": np.where(usable, value, -np.inf)} | {
                f"of_{name}": v for name, v in found.items()
            }
            kept.put(f"{stage}-{first}", **done)
        else:
            progress.advance(len(batch))
        rows = slice(first, first + len(batch))
        log_p[rows] = done["log_p"]
        for name in density.block_names:
            found_here = done[f"of_{name}"]
            if name not in blocks:
                blocks[name] = room((total, found_here.shape[1]))
            blocks[name][at + rows.start : at + rows.stop] = found_here
    return Weighted(proposals, log_p - log_q)
