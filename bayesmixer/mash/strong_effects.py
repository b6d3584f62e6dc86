"""Effects that are significant somewhere, by each condition on its own: adaptive shrinkage
(Stephens 2017) with a normal mixture, which is mash in one condition.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesmixer.arguments import fraction
from bayesmixer.errors import InputError
from bayesmixer.mash.grid import default_grid
from bayesmixer.mash.learning import learn
from bayesmixer.mash.mixture import Mixture
from bayesmixer.mash.moments import moments
from bayesmixer.mash.rows import Rows, in_condition, rows_of

Array = NDArray[np.float64]


def strong(effects: xr.Dataset, threshold: float = 0.05) -> NDArray[np.intp]:
    """Positions of effects with a local false sign rate below the threshold in some condition, each
    condition looked at by itself.

    Parameters
    ----------
    effects
        What `bayesmixer.read_effects` returned.
    threshold
        Of the local false sign rate.

    Raises
    ------
    InputError
        These are not effects, or the threshold is no probability.
    """
    rows = rows_of(effects)
    threshold = fraction("threshold", threshold)
    least = np.ones(len(rows.b))
    for r in range(rows.b.shape[1]):
        index = np.flatnonzero(rows.seen[:, r])
        if not len(index):
            continue
        least[index] = np.minimum(least[index], alone(rows, r, index))
    return np.flatnonzero(least < threshold)


def alone(rows: Rows, condition: int, index: NDArray[np.intp]) -> Array:
    """Local false sign rates in one condition, by a mixture of its own."""
    one = in_condition(rows, condition, index)
    mixture = Mixture(np.ones((1, 1, 1)), default_grid(one), True)
    return moments(one, learn(one, mixture, "nullbiased").mixture).lfsr[:, 0]


def positions(chosen: Any, effects: xr.Dataset) -> NDArray[np.intp]:
    """Positions of effects that somebody chose by position, name or mask.

    Raises
    ------
    InputError
        There are no such effects.
    """
    n = effects.sizes["effect"]
    given = np.asarray(chosen)
    if not given.size:
        return np.zeros(0, dtype=np.intp)
    if given.dtype == bool:
        if given.shape != (n,):
            raise InputError("strong", f"a mask of shape {given.shape} for {n:,} effects")
        return np.flatnonzero(given)
    if given.ndim != 1:
        raise InputError("strong", "expected positions, names or a mask of effects")
    if given.dtype.kind in "UO":
        place = {str(name): i for i, name in enumerate(effects["effect"].values)}
        lacking = [str(name) for name in given if str(name) not in place]
        if lacking:
            raise InputError("strong", f"no effect is named {lacking[0]!r}")
        return np.array([place[str(name)] for name in given], dtype=np.intp)
    if given.dtype.kind not in "iu" or (len(given) and (given.min() < 0 or given.max() >= n)):
        raise InputError("strong", f"expected positions from 0 to {n - 1:,}")
    return given.astype(np.intp)
