"""Moments of errors given the estimates, under a mixture of effects: the step of EM for their
correlation.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from bayesmixer.mash.likelihood import blocks
from bayesmixer.mash.mixture import Mixture
from bayesmixer.mash.moments import KEPT
from bayesmixer.mash.rows import Rows
from bayesmixer.mash.within import within

Array = NDArray[np.float64]


def mean_square(rows: Rows, mixture: Mixture) -> Array:
    """Mean over rows of E[e e'], e the errors in units of their standard errors.

    All cells of the rows are seen, and their errors have a correlation that is given.
    """
    part_mixture, weighted = mixture.active(KEPT)
    assert part_mixture.weights is not None
    log_weights = np.log(part_mixture.weights)[:, None]
    r = rows.b.shape[1]
    total, last = np.zeros((r, r)), None
    for part, index, block in blocks(rows, part_mixture):
        if part is not last:
            last = part
            known = {
                int(at): within(rows, part_mixture, int(at), part, False)
                for at in weighted
                if at >= mixture.point_mass
            }
        likely = block[weighted] + log_weights
        share = np.exp(likely - logsumexp(likely, axis=0))
        for at, probability in zip(weighted, share, strict=True):
            if at < mixture.point_mass:
                z = rows.b[index] / rows.s[index]
                total += (z.T * probability) @ z
                continue
            one = known[int(at)]
            for first in range(0, len(index), one.step):
                few, p = index[first : first + one.step], probability[first : first + one.step]
                mean, _, root = one.of(rows, few)
                assert root is not None
                e = (rows.b[few] - mean) / rows.s[few]
                total += (e.T * p) @ e
                if len(root) == 1:  # common to rows, up to their standard errors
                    g = root[0] / rows.s[few[0]][:, None]
                    total += p.sum() * (g @ g.T)
                else:
                    g = root / rows.s[few][:, :, None] * np.sqrt(p)[:, None, None]
                    total += np.einsum("nra,nsa->rs", g, g, optimize=True)
    return total / len(rows.b)
