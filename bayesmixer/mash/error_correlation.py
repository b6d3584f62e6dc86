"""Correlation of errors between conditions, from effects that look like nothing."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesmixer.arguments import choice
from bayesmixer.errors import InputError
from bayesmixer.mash.rows import rows_of

METHODS = ("simple",)
LOOKS_NULL = 2.0  # |z| below it in every condition


def correlation(effects: xr.Dataset, method: str = "simple") -> xr.DataArray:
    """Correlation of the errors of one effect between conditions.

    Parameters
    ----------
    effects
        What `bayesmixer.read_effects` returned.
    method
        "simple": that of the z-scores of effects with |z| < 2 in all conditions and no missing
        cell. Leaving out large z-scores pulls it to 0: where all effects are null and the true
        correlation is 0.5, to 0.38 in five conditions and 0.27 in twenty.

    Returns
    -------
    xarray.DataArray
        (condition, condition_bis), for `bayesmixer.read_effects(v=...)`.

    Raises
    ------
    InputError
        An unknown method, or fewer such effects than conditions.
    """
    choice("method", method, METHODS)
    rows = rows_of(effects)
    z = rows.b / rows.s
    null: NDArray[np.bool_] = (np.abs(z) < LOOKS_NULL).all(1) & rows.seen.all(1)
    n, r = int(null.sum()), z.shape[1]
    if n <= r:
        raise InputError(
            "effects",
            f"{n} of {len(z):,} have |z| < {LOOKS_NULL:g} in all {r} conditions, expected more"
            " than conditions",
            "Take random effects, not chosen ones.",
        )
    names = effects["condition"].values
    return xr.DataArray(
        np.atleast_2d(np.corrcoef(z[null], rowvar=False)),
        dims=("condition", "condition_bis"),
        coords={"condition": names, "condition_bis": names},
        name="v",
    )
