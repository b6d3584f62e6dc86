"""Conditional and conjunctional false discovery rates from P values alone (Andreassen et al. 2013,
PLoS Genetics 9:e1003455).

Of the variants whose P value in the other trait is at most p2, the share F(p1 | p2) has one of at
most p1 in this trait; were none of them associated it would be p1, so that FDR(p1 | p2) = p1 / F.
The larger of the two conditional rates is the conjunctional one: of an association with both.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfc

Array = NDArray[np.float64]

STEP = 0.1  # of -log10 of the other trait's P between the subsets that are looked at


def conditional_fdr(z: Array, weight: Array) -> Array:
    """FDR of each trait given the other.

    Parameters
    ----------
    z
        (J, 2) z-scores.
    weight
        (J,) by which a variant counts in the shares; itself counts in its own.

    Returns
    -------
    numpy.ndarray
        (J, 2): of trait 1 given trait 2, and of trait 2 given trait 1.
    """
    p = np.maximum(erfc(np.abs(z) / np.sqrt(2)), 1e-300)
    level = np.floor(-np.log10(p) / STEP).astype(np.int64)
    typical = float(weight[weight > 0].mean())
    out = np.empty(p.shape)
    for t in (0, 1):
        mine, other = p[:, t], level[:, 1 - t]
        for at in np.unique(other):
            inside = np.flatnonzero((other >= at) & (weight > 0))
            asked = np.flatnonzero(other == at)
            order = inside[np.argsort(mine[inside])]
            total = np.concatenate([[0.0], np.cumsum(weight[order])])
            below = total[np.searchsorted(mine[order], mine[asked], side="right")]
            # what is not counted itself (weight 0) is counted as a typical variant
            new = np.where(weight[asked] > 0, 0.0, typical)
            out[asked, t] = mine[asked] * (total[-1] + new) / np.maximum(below + new, 1e-300)
    return np.minimum(out, 1.0)
