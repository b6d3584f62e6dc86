"""How often two conditions share an effect: its sign, and its size within a factor."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Real
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesmixer.arguments import fraction
from bayesmixer.errors import InputError
from bayesmixer.mash.forced_signs import check_posterior

Array = NDArray[np.float64]


def sharing(
    posterior: xr.Dataset,
    factor: float = 0.5,
    *,
    threshold: float = 0.05,
    function: Callable[[Any], Any] | None = None,
    inclusive: bool = False,
    samples: xr.DataArray | None = None,
) -> xr.DataArray:
    """Share of effects, among those significant in either of two conditions, whose posterior means,
    or draws of them, are within a factor of each other.

    Parameters
    ----------
    posterior
        What `bayesmixer.mash.posterior` returned, or `run`.
    factor
        The ratio of the means lies between it and its inverse; 0 asks for equal signs alone.
    threshold
        Significant: a local false sign rate below it.
    function
        Applied to the means, or draws, before (`numpy.abs`: whatever the sign).
    inclusive
        Whether ratios that equal the factor or its inverse count: not in mashr, but in Urbut's
        thesis (equation 2.39). Means of 0 share nothing.
    samples
        What `bayesmixer.mash.sample` drew of the same effects: the share is of all draws, so that
        effects that are uncertain share less. None: of the means.

    Returns
    -------
    xarray.DataArray
        (condition, condition_bis), symmetric; NaN for two conditions neither of which has a
        significant effect.

    Raises
    ------
    InputError
        The factor is not in [0, 1), this is no posterior, or the draws are of other effects.

    References
    ----------
    Urbut et al. 2019, Nature Genetics 51:187, figures 4 and 5.
    """
    if isinstance(factor, bool) or not isinstance(factor, Real) or not 0 <= float(factor) < 1:
        raise InputError("factor", f"{factor!r}, expected a number from 0 to below 1")
    threshold = fraction("threshold", threshold)
    posterior = check_posterior(posterior)
    mean = posterior["mean"].values[None] if samples is None else _drawn(samples, posterior)
    if function is not None:
        if not callable(function):
            raise InputError("function", f"{function!r}, expected a function of an array")
        given = mean[0] if samples is None else mean
        made = np.asarray(function(given), dtype=np.float64)
        if made.shape != given.shape:
            raise InputError("function", f"made {made.shape} of effects of shape {given.shape}")
        mean = made.reshape(mean.shape)
    called = posterior["lfsr"].values < threshold
    most = np.inf if factor == 0 else 1 / factor

    def near(ratio: Array) -> NDArray[np.bool_]:
        if inclusive:
            return (ratio > 0) & np.isfinite(ratio) & (ratio >= factor) & (ratio <= most)
        return (ratio > factor) & (ratio < most)

    shared = np.full((mean.shape[2], mean.shape[2]), np.nan)
    for r in range(len(shared)):
        for s in range(r, len(shared)):
            either = called[:, r] | called[:, s]
            if either.any():
                with np.errstate(divide="ignore", invalid="ignore"):
                    ratio = mean[:, either, r] / mean[:, either, s]
                shared[r, s] = shared[s, r] = near(ratio).mean()
    names = posterior["condition"].values
    return xr.DataArray(
        shared,
        dims=("condition", "condition_bis"),
        coords={"condition": names, "condition_bis": names},
        name="sharing",
        attrs={"factor": float(factor), "threshold": threshold},
    )


def _drawn(samples: object, posterior: xr.Dataset) -> Array:
    """Draws (draw, effect, condition) of the effects of a posterior."""
    if not isinstance(samples, xr.DataArray) or samples.dims != ("draw", "effect", "condition"):
        raise InputError("samples", "not draws of effects", "Make them with bm.mash.sample.")
    for dim in ("effect", "condition"):
        if samples[dim].values.tolist() != posterior[dim].values.tolist():
            raise InputError("samples", f"of other {dim}s than the posterior", "Draw of those.")
    return np.asarray(samples.values, dtype=np.float64)
