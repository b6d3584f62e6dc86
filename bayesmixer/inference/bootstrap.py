"""LD-block bootstrap of the mode: the referee of every interval, since it assumes nothing but that
LD blocks are independent.

LD blocks are drawn with replacement; a block drawn w times counts w times in the log-likelihood,
and the mode is climbed again from the first one (Kuensch 1989, Annals of Statistics 17:1217, for
blocks of dependent data).

The prior is data too, and is drawn anew with them: its score gets an error e ~ N(0, Q), Q its
precision at the mode, as if its centre were drawn from it (randomize-then-optimize: Bardsley et al.
2014, SIAM Journal on Scientific Computing 36:A1895). To first order the modes then have covariance
H^-1 (J + Q) H^-1, that of `sandwich_covariance`: H^-1 where the likelihood is right, however
informative the prior. Resampled data alone would give H^-1 J H^-1, which vanishes as the prior
grows.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bayesmixer.card import unit_in_words
from bayesmixer.inference.density import Array, LogDensity
from bayesmixer.inference.information import Information
from bayesmixer.progress import bar

STEPS = 12


class Bootstrap(NamedTuple):
    """Modes (replicate, P), and whether each climb came to rest."""

    modes: Array
    converged: np.ndarray


def bootstrap(
    density: LogDensity,
    mode: Array,
    info: Information,
    bounds: Array,
    replicates: int,
    seed: int = 0,
    show: bool | None = None,
) -> Bootstrap:
    """Modes of resampled data: Newton steps on the re-weighted sum of the LD blocks' scores.

    Each climb takes a few passes of scores (a gradient evaluation each), with the re-weighted
    curvature of the mode; half steps where the score grows instead.

    Parameters
    ----------
    density
        Log posterior with a log-likelihood by LD block.
    mode, info
        (P,) the mode, and `information` there.
    bounds
        (P, 2) search box.
    replicates
        How many resampled data sets.
    seed
        Of the resampling.
    show
        Progress bar.
    """
    rng = np.random.default_rng(seed)
    n = len(info.blocks)
    precision, axes = np.linalg.eigh(info.prior)
    root = axes * np.sqrt(
        np.maximum(precision, 0.0)
    )  # root root' = Q; a flat or convex direction of the prior has no centre
    modes, converged = np.empty((replicates, mode.size)), np.zeros(replicates, bool)
    with bar(f"bootstrap of {unit_in_words(density.unit)}s", replicates, show) as progress:
        for r in range(replicates):
            count = rng.multinomial(n, np.full(n, 1 / n)).astype(float)
            error = root @ rng.standard_normal(mode.size)
            curvature = (
                np.tensordot(count, info.curvature, 1) + info.prior
                if info.by_unit
                else info.hessian
            )
            value, vector = np.linalg.eigh(curvature)
            inverse = (vector / np.maximum(value, 0.05)) @ vector.T
            x, before = mode, np.inf
            step = np.zeros(mode.size)
            for _ in range(STEPS):
                scores, prior = density.scores(x)
                gradient = count @ scores[info.blocks] + prior + error
                gain = 0.5 * float(gradient @ inverse @ gradient)
                if gain < 1e-4:
                    converged[r] = True
                    break
                if not gain < before:  # too far: halve the last step
                    step = 0.5 * step
                    x = np.clip(x - step, *bounds.T)
                    continue
                before = gain
                step = np.clip(inverse @ gradient, -1.5, 1.5)
                x = np.clip(x + step, *bounds.T)
            modes[r] = x
            progress.advance()
    return Bootstrap(modes, converged)
