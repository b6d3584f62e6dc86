"""Effective sample sizes: how many samples of a condition alone would have told its effects as
closely as all conditions together do (Urbut et al. 2019).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from bayesmixer.arguments import fraction
from bayesmixer.errors import InputError
from bayesmixer.io.effect_tables import numbers
from bayesmixer.mash.forced_signs import check_posterior


def effective_size(
    posterior: xr.Dataset, effects: xr.Dataset, n: Any = 1, *, threshold: float = 0.05
) -> xr.DataArray:
    """Median over the effects called in a condition of n times the squared ratio of their standard
    error to their posterior standard deviation.

    Of effects that are not called, whose posterior is narrow since it is 0, nothing is counted.

    Parameters
    ----------
    posterior
        What `bayesmixer.mash.posterior` returned.
    effects
        What it is of.
    n
        Sample size of each condition, or one for all; 1 gives the gain, as a factor.
    threshold
        Called: a local false sign rate below it, in that condition.

    Returns
    -------
    xarray.DataArray
        (condition), NaN where nothing is called.

    Raises
    ------
    InputError
        They do not belong together, or n has another length.

    References
    ----------
    Urbut et al. 2019, Nature Genetics 51:187.
    """
    threshold = fraction("threshold", threshold)
    posterior = check_posterior(posterior)
    if posterior["sd"].shape != effects["shat"].shape:
        found = f"{effects['shat'].shape}, the posterior is of {posterior['sd'].shape}"
        raise InputError("effects", found, "Give what the posterior is of.")
    size = numbers(n, "n")
    if size.shape not in ((), (posterior.sizes["condition"],)) or not (size > 0).all():
        raise InputError("n", "expected a number above 0, or one a condition")
    counted = (posterior["lfsr"].values < threshold) & np.isfinite(effects["shat"].values)
    counted &= posterior["sd"].values > 0
    sd = np.where(counted, posterior["sd"].values, 1)
    gain = np.where(counted, (effects["shat"].values / sd) ** 2, np.nan)
    median = np.full(gain.shape[1], np.nan)
    some = counted.any(0)
    median[some] = np.nanmedian(gain[:, some], axis=0)
    return xr.DataArray(
        size * median, dims="condition", coords={"condition": posterior["condition"].values},
        name="effective_size", attrs={"threshold": threshold},
    )  # fmt: skip
