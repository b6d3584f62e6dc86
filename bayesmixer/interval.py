"""Intervals of draws: central ones, but where a quantity ends where its draws are densest one that
reaches that end, which no central interval can.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

OPEN = 0.1  # of the draws that an interval leaves out, on a side where it is open
NEAR = 0.05  # of an interval's length from the end of a range
DENSE = 0.5  # of the average density in an interval, that there must be so near an end


def shortest(draws: NDArray[np.float64], probability: float) -> tuple[float, float]:
    """Ends of the shortest interval that holds a new draw with a probability.

    One that leaves out hardly any draw on a side (a tenth of what it leaves out at most: the draws
    are densest at an end of their range) is open there, infinite.

    Parameters
    ----------
    draws
        In ascending order.
    probability
        Above 0 and below 1.
    """
    held = min(math.ceil(probability * (draws.size + 1)), draws.size)
    first = int(np.argmin(draws[held - 1 :] - draws[: draws.size - held + 1]))
    left = draws.size - held
    few = OPEN * left
    return (
        float(draws[first]) if first > few else -math.inf,
        float(draws[first + held - 1]) if left - first > few else math.inf,
    )


def interval(
    draws: NDArray[np.float64], probability: float, ends: tuple[float, float] | None = None
) -> tuple[float, float]:
    """Ends of the interval that tables show.

    The central one; or, of a quantity with an end to its range, the shortest where that is open on
    the side of the end and draws are dense there: it begins, or ends, with it. So n_shared can be
    0.

    Parameters
    ----------
    draws
        Draws, in any shape.
    probability
        Above 0 and below 1.
    ends
        The least and the largest possible value, infinite where there is none; None for neither.
    """
    x = np.sort(np.ravel(draws))
    low, high = (float(q) for q in np.quantile(x, [(1 - probability) / 2, (1 + probability) / 2]))
    if ends is None or np.isinf(ends).all() or x[0] == x[-1]:
        return low, high
    first, last = shortest(x, probability)
    from_least, to_most = last - ends[0], ends[1] - first
    near_least = np.mean(x <= ends[0] + NEAR * from_least) if from_least < math.inf else 0
    near_most = np.mean(x >= ends[1] - NEAR * to_most) if to_most < math.inf else 0
    if first == -math.inf and near_least >= DENSE * NEAR * probability:
        return ends[0], last
    if last == math.inf and near_most >= DENSE * NEAR * probability:
        return first, ends[1]
    return low, high
