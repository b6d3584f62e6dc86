"""How often two conditions share an effect: its sign, and its size within a factor."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Real
from typing import Any

import numpy as np
import xarray as xr

from bayesmixer.arguments import fraction
from bayesmixer.errors import InputError


def sharing(
    posterior: xr.Dataset,
    factor: float = 0.5,
    *,
    threshold: float = 0.05,
    function: Callable[[Any], Any] | None = None,
) -> xr.DataArray:
    """Share of effects, among those significant in either of two conditions, whose posterior means
    are within a factor of each other.

    Parameters
    ----------
    posterior
        What `bayesmixer.mash.posterior` returned.
    factor
        The ratio of the means lies strictly between it and its inverse; 0 asks for equal signs
        alone.
    threshold
        Significant: a local false sign rate below it.
    function
        Applied to the means before (`numpy.abs`: whatever the sign).

    Returns
    -------
    xarray.DataArray
        (condition, condition_bis), symmetric; NaN for two conditions neither of which has a
        significant effect.

    Raises
    ------
    InputError
        The factor is not in [0, 1), or this is no posterior.

    References
    ----------
    Urbut et al. 2019, Nature Genetics 51:187, figures 4 and 5.
    """
    if isinstance(factor, bool) or not isinstance(factor, Real) or not 0 <= float(factor) < 1:
        raise InputError("factor", f"{factor!r}, expected a number from 0 to below 1")
    threshold = fraction("threshold", threshold)
    if not isinstance(posterior, xr.Dataset) or not {"mean", "lfsr"} <= set(posterior):
        raise InputError("posterior", "no mean and lfsr", "Make it with bm.mash.posterior.")
    mean = posterior["mean"].values
    mean = mean if function is None else np.asarray(function(mean), dtype=np.float64)
    called = posterior["lfsr"].values < threshold
    most = np.inf if factor == 0 else 1 / factor
    shared = np.full((mean.shape[1], mean.shape[1]), np.nan)
    for r in range(len(shared)):
        for s in range(r, len(shared)):
            either = called[:, r] | called[:, s]
            if either.any():
                with np.errstate(divide="ignore", invalid="ignore"):
                    ratio = mean[either, r] / mean[either, s]
                shared[r, s] = shared[s, r] = ((ratio > factor) & (ratio < most)).mean()
    names = posterior["condition"].values
    return xr.DataArray(
        shared,
        dims=("condition", "condition_bis"),
        coords={"condition": names, "condition_bis": names},
        name="sharing",
        attrs={"factor": float(factor), "threshold": threshold},
    )
