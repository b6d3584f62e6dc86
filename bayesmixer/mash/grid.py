"""Scales of the mixture: standard deviations in a geometric sequence, from a tenth of the smallest
standard error to twice the largest effect beyond its error (Stephens 2017).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayesmixer.errors import InputError
from bayesmixer.mash.rows import Rows

Array = NDArray[np.float64]
RATIO = float(np.sqrt(2))
PART_OF_MEDIAN = 1e-2  # standard errors below this part of the median do not reach the grid


def default_grid(rows: Rows, ratio: float = RATIO) -> Array:
    """The scales, smallest first; the largest is exact.

    Parameters
    ----------
    rows
        Effects on the scale of the mixture.
    ratio
        Of neighbouring scales.
    """
    return grid_of(rows.b[rows.seen], rows.s[rows.seen], ratio)


def grid_of(b: Array, s: Array, ratio: float = RATIO) -> Array:
    """The scales of effects and their standard errors."""
    # one tiny error would add scales that no other effect can tell from 0
    least = max(float(s.min()), PART_OF_MEDIAN * float(np.median(s))) / 10
    beyond = float((b * b - s * s).max())
    largest = 2 * np.sqrt(beyond) if beyond > 0 else 8 * least
    steps = max(0, int(np.ceil(np.log2(largest / least) / np.log2(ratio))))
    grid: Array = largest * ratio ** np.arange(-steps, 1.0)
    return grid


def checked_grid(grid: Any) -> Array:
    """A grid that somebody gave.

    Raises
    ------
    InputError
        It is not a sequence of different positive numbers.
    """
    try:
        scales = np.asarray(grid, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError("grid", "holds what is no number") from None
    if scales.ndim != 1 or not len(scales) or not np.isfinite(scales).all() or scales.min() <= 0:
        raise InputError("grid", "expected positive numbers: standard deviations")
    if len(np.unique(scales)) < len(scales):
        raise InputError("grid", "holds a scale twice")
    return scales
