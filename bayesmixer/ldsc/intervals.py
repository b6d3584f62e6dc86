"""Intervals that hold where estimates lie at their bounds or divide by what may be 0: heritability
near 0, correlations of traits of little power, the attenuation ratio where there is no inflation.
"""

from __future__ import annotations

import numpy as np

from bayesmixer.jackknife import Estimate
from bayesmixer.ldsc.laws import t_at, t_below

GRID = np.linspace(-1, 1, 2001)


def heritable(total: Estimate, prob: float = 0.9) -> tuple[float, float, float]:
    """Interval of heritability and one-sided p of none.

    The jackknife's interval, on t of the effective number of blocks, less what lies below 0: it
    holds at any heritability. Where all of it lies below 0, both ends are 0.

    Returns
    -------
    tuple
        Lower and upper end, p.
    """
    value, error = float(total.value[0]), float(total.error[0])
    freedom = max(float(total.influence.effective[0]) - 1, 1.0)
    if not error > 0:
        return max(value, 0.0), max(value, 0.0), np.nan
    half = t_at(freedom, (1 + prob) / 2) * error
    return max(value - half, 0.0), max(value + half, 0.0), t_below(freedom, -value / error)


def correlated(joint: Estimate, prob: float = 0.9) -> tuple[float, float]:
    """Fieller's set of rg: all r in [-1, 1] at which rho - r sqrt(h1 h2) is no further from 0 than
    its error allows.

    Its coverage does not depend on power, and it is [-1, 1] where nothing is known (Fieller 1954,
    Journal of the Royal Statistical Society B 16:175).

    Parameters
    ----------
    joint
        (3,) h1, h2 and rho.

    Returns
    -------
    tuple
        Lower and upper end; both 1 (or -1) where only more than 1 would fit.
    """
    h1, h2, rho = joint.value
    if h1 <= 0 or h2 <= 0:
        return -1.0, 1.0
    scale = np.sqrt(h1 * h2)
    of_blocks = np.sqrt(np.maximum(joint.without[:, 0] * joint.without[:, 1], 0))
    both = Estimate(np.array([rho, scale]), np.column_stack([joint.without[:, 2], of_blocks]))
    v = both.covariance
    variance = v[0, 0] - 2 * GRID * v[0, 1] + GRID**2 * v[1, 1]
    freedom = max(float(both.influence.effective.min()) - 1, 1.0)
    bound = t_at(freedom, (1 + prob) / 2)
    inside = GRID[(rho - GRID * scale) ** 2 <= bound**2 * np.maximum(variance, 0)]
    if not inside.size:
        return float(np.sign(rho)), float(np.sign(rho))
    return float(inside[0]), float(inside[-1])


def attenuation(intercept: Estimate, mean: Estimate, prob: float = 0.9) -> tuple[float, float]:
    """Fieller's set of the attenuation ratio: all r at which (b - 1) - r (mean chi-squared - 1) is
    no further from 0 than its error allows (as `correlated`).

    Parameters
    ----------
    intercept, mean
        (1,) b and mean chi-squared, of the same blocks.

    Returns
    -------
    tuple
        Lower and upper end; infinite where mean chi-squared may be 1, so that there may be nothing
        to share out.
    """
    both = Estimate(
        np.append(intercept.value, mean.value) - 1,
        np.column_stack([intercept.without, mean.without]) - 1,
    )
    (above, whole), v = both.value, both.covariance
    freedom = max(float(both.influence.effective.min()) - 1, 1.0)
    bound = t_at(freedom, (1 + prob) / 2) ** 2
    square = whole**2 - bound * v[1, 1]
    if whole <= 0 or square <= 0:
        return -np.inf, np.inf
    middle = (above * whole - bound * v[0, 1]) / square
    # it holds the estimate, so that what is below the root is below 0 by rounding alone
    half = np.sqrt(max(middle**2 - (above**2 - bound * v[0, 0]) / square, 0.0))
    return float(middle - half), float(middle + half)
