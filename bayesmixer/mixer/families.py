"""Checks that the MiXeR models have besides those of any fit: whether the noise is inflated."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import xarray as xr

from bayesmixer.mixer.cards import INFLATION, LOG_H2, LOG_SIGMA2_0, SIGMA2_0
from bayesmixer.mixer.predictive import reported

Row = tuple[str, float, float, float, str]
"""Name, statistic, degrees of freedom, p, sentence: a row of `check`."""

STRATUM_SCORES = {LOG_H2.name: "The effects", LOG_SIGMA2_0.name: "The noise"}
"""Parameters whose scores `check` compares between strata, and what they stand for."""


def inflation(c: Any) -> Iterator[Row]:
    """sigma2_0: does its error by LD blocks exclude what sampling explains?

    Parameters
    ----------
    c
        The context of `check` (bayesmixer.checks.families.Context).
    """
    return noise(c, lambda there: float(reported(c.point.bound, there)[SIGMA2_0.name]))


def noise(c: Any, sigma2_0: Callable[[xr.Dataset], float]) -> Iterator[Row]:
    """The same of whatever the model reports as sigma2_0."""
    from scipy.special import stdtr

    def log_noise(there: xr.Dataset) -> float:
        return float(np.log(sigma2_0(there)))

    s = c.moments.whole
    d = c.slope(log_noise)
    if not d.any():  # not estimated
        return
    inverse = np.linalg.inv(s.hessian)
    least = inverse @ s.information @ inverse
    se = float(np.sqrt(max(d @ s.covariance @ d, d @ least @ d)))
    # one Newton step brings any point near the mode to the maximum of the likelihood
    value = log_noise(c.there) + float(d @ inverse @ s.scores.sum(axis=0))
    lowest, highest = c.inflation or INFLATION
    low, high = np.log(lowest), np.log(highest)
    z = (value - high) / se if value > (low + high) / 2 else (value - low) / se
    size = abs(z) if (value > high or value < low) else 0.0
    shown = f"sigma2_0 is {np.exp(value):.3f} (standard error {se * np.exp(value):.3f})"
    if value > 0:
        words = (
            f"{shown}, above {highest:g}: inflation that was not removed (stratification, "
            "relatedness, overlapping samples), or signal that the reference's LD does not carry "
            "(too few variants, another ancestry); correct the GWAS with more principal components "
            "or a mixed model, and check the reference."
        )
    else:
        words = (
            f"{shown}, below {lowest:g}: z-scores were over-corrected (genomic control), "
            "or their standard errors are too large; use the uncorrected statistics."
        )
    yield "inflation", float(z), 1, min(1.0, 2 * float(stdtr(s.freedom, -size))), words


def against_tails(results: xr.DataTree) -> str:
    """What to do about more large |z| than predicted, beside a richer model: a model in which every
    variant is causal has nothing to censor.
    """
    return "" if "pi" not in results["posterior"] else "fit with censor=10"


FAMILIES = (inflation,)
