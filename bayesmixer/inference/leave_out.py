"""log p(z_b | z_-b) of one unit b (an LD block) by refitting without it: the two posteriors are
bridged, through fits that count the unit in part where they are far apart.

The ratio of the posteriors with and without the unit is its likelihood, so log p(z_b | z_-b) is the
log ratio of their normalising constants (Meng & Wong 1996, Statistica Sinica 6:831). The plain mean
over the second posterior rests on its few draws that suit the unit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from scipy.special import logsumexp

from bayesmixer.card import Bound
from bayesmixer.inference import laplace, sampling
from bayesmixer.inference.density import Array, LogDensity
from bayesmixer.inference.find_map import covariance_of, find_modes

# draws that both posteriors could have made: the bridge's error is then about 1 / sqrt(30)
SHARED = 30.0
DEEPEST = 4  # halvings of the way between two posteriors


def blocks_of(density: LogDensity, x: Array) -> Array:
    """Log-likelihood by unit at a point (L,), summed over potentials."""
    return np.asarray(sum(density.value_and_blocks(x)[1].values()))


class LeftOut:
    """Refits of one model with unit `block` (an LD block) counted in part or not at all.

    Parameters
    ----------
    bound
        Of the model that was fitted.
    block
        Label of the unit to leave out.
    mode
        (P,) mode of the fit with it.
    draws
        Posterior draws of each refit.
    seed
        Of the draws.
    """

    def __init__(self, bound: Bound, block: Any, mode: Array, draws: int, seed: int) -> None:
        self.bound, self.block, self.mode, self.draws, self.seed = bound, block, mode, draws, seed

    def posterior(self, share: float) -> Array:
        """Draws (S, P) of the posterior in which the block's likelihood has the power `share`:
        Laplace, or NUTS where k-hat exceeds 0.7.
        """
        density = LogDensity(self.bound.build(self.bound.counted(self.block, share)))
        bounds = density.box
        best = find_modes(density, [self.mode], bounds).best
        covariance = covariance_of(best.hessian)
        rng = np.random.default_rng([self.seed, self._place(density), round(share * 2**DEEPEST)])
        found = laplace.sample(density, best.x, covariance, bounds, self.draws, rng, False)
        if found.pareto_k <= 0.7:
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
