"""Covariances as a diagonal and a part of low rank, U = diag(delta) + F F', which makes rows whose
errors differ cheap.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bayesmixer.mash.mixture import factor
from bayesmixer.mash.rows import Rows

Array = NDArray[np.float64]

LOW_RANK = 6  # up to it a diagonal and a part of low rank are much cheaper than a full matrix
RIDGE = 1e-13  # eigenvalues within this part of the largest of the least are the diagonal's


def ridge(u: Array, units: Array) -> tuple[Array, Array]:
    """The diagonal (R) and F of U = diagonal + F F', a diagonal of equal entries or one of equal
    entries in these units, whichever leaves F the lower rank.
    """
    found = []
    for c in (np.ones(len(u)), units):
        d, q = np.linalg.eigh(u / np.outer(c, c))
        delta = max(float(d[0]), 0.0)
        if delta <= RIDGE * d[-1]:
            found.append((np.zeros(len(u)), factor(u)))
        else:
            above = d - delta > RIDGE * d[-1]
            root = q[:, above] * np.sqrt(d[above] - delta)
            found.append((delta * c**2, c[:, None] * root))
    return min(found, key=lambda one: one[1].shape[1])


def typical_errors(rows: Rows) -> Array:
    """Median standard error of each condition, 1 where it has none."""
    s = np.where(rows.seen, rows.s, np.nan)
    units = np.ones(s.shape[1])
    some = rows.seen.any(0)
    units[some] = np.nanmedian(s[:, some], 0)
    return units
