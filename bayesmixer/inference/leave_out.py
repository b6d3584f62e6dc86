"""log p(z_b | z_-b) of one unit b (an LD block) where the draws of the fit do not tell it: a few
more draws about the mode without the unit, or refits without it.

The ratio of the posteriors with and without the unit is its likelihood, so log p(z_b | z_-b) is the
log ratio of their normalising constants, Z and Z_b. The fit's n draws, of density p / Z, and m of a
Student t q about the mode without the unit stand for their mixture, whose Z the bridge finds (Meng
& Wong 1996, Statistica Sinica 6:831), so that

    Z_b = sum_i p_-b(x_i) / (n p(x_i) / Z + m q(x_i))

over all of them (Shirts & Chodera 2008, Journal of Chemical Physics 129:124105, eq. 11). Where the
two hardly overlap the posterior without the unit is sampled, and both are bridged through fits that
count the unit in part. The plain mean over the second posterior rests on its few draws that suit
the unit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr
from arviz_stats.base import array_stats
from scipy.special import logsumexp

from bayesmixer.bound import Bound
from bayesmixer.inference import laplace, sampling
from bayesmixer.inference.density import Array, LogDensity
from bayesmixer.inference.draw import FALL_DEPTH, K_HAT
from bayesmixer.inference.find_map import Optimum, covariance_of, find_modes

# draws that both posteriors could have made: the bridge's error is then about 1 / sqrt(30)
SHARED = 30.0
DEEPEST = 4  # halvings of the way between two posteriors
FEW = 100  # draws about the mode without the unit, made and judged together
ERROR = 0.1  # log units, of a score that takes no more draws
GROUPS = 10  # of draws, left out in turn for that error


def blocks_of(density: LogDensity, x: Array) -> Array:
    """Log-likelihood by unit at a point (L,), summed over potentials."""
    return np.asarray(sum(density.value_and_blocks(x)[1].values()))


@dataclass
class Fitted:
    """The posterior of a fit: its `density`, `draws` (S, P), and the log density there (S,)."""

    density: LogDensity
    draws: Array
    log_p: Array


class LeftOut:
    """One model without unit `block` (an LD block), or with it counted in part.

    Parameters
    ----------
    bound
        Of the model that was fitted.
    block
        Label of the unit to leave out.
    mode
        (P,) mode of the fit with it.
    draws
        Draws at most of each posterior.
    seed
        Of the draws.
    """

    def __init__(self, bound: Bound, block: Any, mode: Array, draws: int, seed: int) -> None:
        self.bound, self.block, self.mode, self.draws, self.seed = bound, block, mode, draws, seed

    def _counted(self, share: float) -> tuple[LogDensity, Optimum]:
        """The density in which the block's likelihood has the power `share`, and its mode."""
        density = LogDensity(self.bound.build(self.bound.counted(self.block, share)))
        return density, find_modes(density, [self.mode], density.box).best

    @cached_property
    def _without(self) -> tuple[LogDensity, Optimum]:
        return self._counted(0.0)

    def _rng(self, density: LogDensity, stage: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, self._place(density), stage])

    def pooled(
        self, fit: Fitted, with_block: Array, advance: Callable[[], object] = lambda: None
    ) -> float | None:
        """log p(z_b | z_-b) of the fit's draws, at which the block's log-likelihood is `with_block`
        (S,), and of as many about the mode without the block as it takes; None where the Monte
        Carlo error stays above 0.1, or k-hat above 0.7.

        `advance` is called after each new draw.
        """
        density, (_, best) = fit.density, self._without
        place, bounds = self._place(density), density.box
        root = np.linalg.cholesky(covariance_of(best.hessian))
        proposal = laplace.Student(best.x, root, laplace.DEGREES_MOVED)
        rng = self._rng(density, 2**DEEPEST + 1)
        log_p, own, log_q = fit.log_p, with_block, proposal.log_density(fit.draws)
        of_fit = np.ones(len(log_p), bool)
        for first in range(0, self.draws, FEW):
            x = proposal.draw(min(FEW, self.draws - first), rng)
            inside = np.clip(x, *bounds.T)
            value, blocks = density.values_and_blocks(inside, advance)
            usable = (inside == x).all(1) & np.isfinite(value)
            log_p = np.concatenate([log_p, np.where(usable, value, -np.inf)])
            own = np.concatenate([own, np.asarray(sum(blocks.values()))[:, place]])
            log_q = np.concatenate([log_q, proposal.log_density(x)])
            of_fit = np.concatenate([of_fit, np.zeros(len(x), bool)])
            score, log_weight, shared = _ratio(log_p, log_q, own, of_fit)
            if shared < 1:  # and more of the same would hardly meet
                return None
            if khat(log_weight) > K_HAT:
                continue
            group = np.arange(len(log_p)) % GROUPS
            parts = [
                _ratio(log_p[kept], log_q[kept], own[kept], of_fit[kept])[0]
                for kept in (group != g for g in range(GROUPS))
            ]
            if np.std(parts) * np.sqrt(GROUPS - 1) <= ERROR:  # delete-a-group jackknife
                return score
        return None

    def posterior(self, share: float) -> Array:
        """Draws (S, P) of the posterior in which the block's likelihood has the power `share`:
        Laplace, or NUTS with bounded trees where k-hat exceeds 0.7.
        """
        density, best = self._counted(share) if share else self._without
        bounds, covariance = density.box, covariance_of(best.hessian)
        rng = self._rng(density, round(share * 2**DEEPEST))
        found = laplace.sample(density, best.x, covariance, bounds, self.draws, rng, False)
        if found.pareto_k <= K_HAT:
            return np.asarray(found.proposals[found.rows])
        half = -(-self.draws // 2)
        drawn, _ = sampling.run(
            density,
            best.x,
            covariance,
            sampler="nutpie",
            draws=half,
            tune=300,
            chains=2,
            cores=None,
            seed=self.seed,
            show=False,
            depth=FALL_DEPTH,
        )
        return drawn.reshape(-1, density.size)

    def _place(self, density: LogDensity) -> int:
        return int(np.flatnonzero(density.units == self.block)[0])

    def predicted(self, draws: Array, data: xr.Dataset) -> Array:
        """Log-likelihood (S,) of the block, with the weights of `data`, at draws (S, P)."""
        alone = LogDensity(self.bound.build(self.bound.alone(self.block, data)))
        at = self._place(alone)
        return np.array([blocks_of(alone, x)[at] for x in draws])

    def elpd(self, with_block: Array) -> float:
        """log p(z_b | z_-b), from the block's log-likelihood (S,) at the fit's own draws."""
        known = {1.0: with_block}

        def at(share: float) -> Array:
            if share not in known:
                known[share] = self.predicted(self.posterior(share), self.bound.data)
            return known[share]

        def between(low: float, high: float, depth: int) -> float:
            value, shared = bridge((high - low) * at(high), (high - low) * at(low))
            if shared >= SHARED or depth == DEEPEST:
                return value
            middle = (low + high) / 2
            return between(low, middle, depth + 1) + between(middle, high, depth + 1)

        return between(0.0, 1.0, 0)

    def elpd_of(self, data: xr.Dataset) -> float:
        """The same for a block judged by other weights, those of `data`: the plain mean, as its
        likelihood is no longer the ratio of the posteriors.
        """
        predicted = self.predicted(self.posterior(0.0), data)
        return float(logsumexp(predicted) - np.log(predicted.size))


def _ratio(
    log_p: Array, log_q: Array, own: Array, of_fit: np.ndarray
) -> tuple[float, Array, float]:
    """log Z / Z_b by the draws of the fit and those of q, told apart by `of_fit`, all (S,), log
    weights of both in Z_b, and how many either could have made of the other.
    """
    ratio, n = log_p - log_q, int(of_fit.sum())
    if not np.isfinite(ratio[~of_fit]).any():
        return -np.inf, ratio, 0.0
    log_z, shared = bridge(ratio[of_fit], ratio[~of_fit])
    mixture = np.logaddexp(np.log(n) + log_p - log_z, np.log(len(ratio) - n) + log_q)
    log_weight = log_p - own - mixture
    return log_z - float(logsumexp(log_weight)), log_weight, shared


def khat(log_weight: Array) -> float:
    """Pareto k-hat of importance weights (S,); infinite where the largest are repeats of one."""
    kept = log_weight[np.isfinite(log_weight)]
    try:
        k = float(array_stats.psislw(-(kept - kept.max()))[1])  # it takes minus the log ratios
    except ValueError:
        return np.inf
    return np.inf if np.isnan(k) else k


def bridge(log_above: Array, log_below: Array) -> tuple[float, float]:
    """Log ratio of the normalising constants of two densities q1 and q2 by the optimal bridge.

    Parameters
    ----------
    log_above, log_below
        (S1,), (S2,) log q1 / q2 at draws of q1 and at draws of q2.

    Returns
    -------
    tuple of float
        The log ratio, and how many draws of either density the other could have made (0: no
        overlap, and the ratio is a guess).

    References
    ----------
    Meng & Wong 1996, Statistica Sinica 6:831, eq. 4.1 (fixed point); Bennett 1976, Journal of
    Computational Physics 22:245.
    """
    n1, n2 = log_above.size, log_below.size
    share1, share2 = np.log(n1 / (n1 + n2)), np.log(n2 / (n1 + n2))
    value = float(np.median(log_above))
    for _ in range(1000):
        top = logsumexp(log_below - np.logaddexp(share1 + log_below, share2 + value)) - np.log(n2)
        bottom = logsumexp(-np.logaddexp(share1 + log_above, share2 + value)) - np.log(n1)
        before, value = value, float(top - bottom)
        if abs(value - before) < 1e-9:
            break
    crossed = np.exp(share2 + value - np.logaddexp(share1 + log_above, share2 + value)).sum()
    back = np.exp(share1 + log_below - np.logaddexp(share1 + log_below, share2 + value)).sum()
    return value, float(min(crossed, back))
