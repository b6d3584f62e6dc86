"""Standard errors under which a t statistic counts as a normal one: bhat over them has the normal
quantile of the tail probability that bhat / shat has under t.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import special

Array = NDArray[np.float64]
SMALL = 3e-6  # below it the quantile is t times a constant, to 1e-11
DEEP = 1e-290  # tail probabilities below it are taken from their series


def normal_errors(bhat: Array, shat: Array, df: Array) -> Array:
    """Standard errors that make t statistics normal.

    Parameters
    ----------
    bhat, shat
        Effects and standard errors, of one shape; NaN stays.
    df
        Degrees of freedom, of the same shape; where infinite, errors stay.

    Returns
    -------
    array
        bhat / z, at bhat = 0 its limit: never 0, never infinite.
    """
    normal = np.isinf(df)
    df = np.where(normal, 1.0, df)
    t = np.abs(bhat / shat)
    tail = special.stdtr(df, -t)
    with np.errstate(divide="ignore"):
        log_tail = np.log(tail)
    deep = tail < DEEP
    if deep.any():
        log_tail[deep] = _log_tail(t[deep], df[deep])
    z = -special.ndtri_exp(log_tail)
    # at 0: ratio of the densities of t and the normal there
    at_zero = np.exp(special.gammaln((df + 1) / 2) - special.gammaln(df / 2) + 0.5 * np.log(2 / df))
    with np.errstate(divide="ignore", invalid="ignore"):
        errors: Array = np.where(t < SMALL, shat / at_zero, np.abs(bhat) / z)
    return np.where(normal, shat, errors)


def _log_tail(t: Array, df: Array) -> Array:
    """Log of the upper tail of t: half the incomplete beta function, by its series."""
    x = df / (df + t * t)
    a, b = df / 2, 0.5
    log_series = np.log(special.hyp2f1(a + b, 1.0, a + 1, x))
    head = a * np.log(x) + b * np.log1p(-x) - np.log(a) - special.betaln(a, b)
    log_tail: Array = head + log_series - np.log(2)
    return log_tail
