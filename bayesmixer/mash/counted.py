"""What posteriors say of each effect over its conditions: where it is significant, which condition
it is strongest in, and how many share that.
"""

from __future__ import annotations

from numbers import Real

import numpy as np
import xarray as xr

from bayesmixer.arguments import fraction
from bayesmixer.errors import InputError
from bayesmixer.mash.ash_posterior import running_means
from bayesmixer.mash.forced_signs import check_posterior


def by_effect(posterior: xr.Dataset, factor: float = 0.5, *, threshold: float = 0.05) -> xr.Dataset:
    """Conditions in which each effect is significant, and that share its strongest.

    Parameters
    ----------
    posterior
        What `bayesmixer.mash.posterior` returned.
    factor
        A condition shares the size of the strongest where its mean is of the same sign and more
        than this part of it.
    threshold
        Significant: a local false sign rate below it.

    Returns
    -------
    xarray.Dataset
        (effect) `n_significant`; `strongest`, the condition of the largest mean among those where
        the effect is significant, or among all; `n_share_sign` and `n_share_size`, the conditions
        that share its sign and its size, itself among them; `only`, whether it is significant and
        shares its size with no other condition.

    Raises
    ------
    InputError
        The factor is not in [0, 1), or this is no posterior.

    References
    ----------
    Urbut et al. 2019, Nature Genetics 51:187, figure 6.
    """
    posterior = check_posterior(posterior)
    if isinstance(factor, bool) or not isinstance(factor, Real) or not 0 <= float(factor) < 1:
        raise InputError("factor", f"{factor!r}, expected a number from 0 to below 1")
    threshold = fraction("threshold", threshold)
    mean, called = posterior["mean"].values, posterior["lfsr"].values < threshold
    size = np.abs(mean)
    size = np.where(called | ~called.any(1, keepdims=True), size, -1)
    strongest = size.argmax(1)
    top = np.take_along_axis(mean, strongest[:, None], 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.nan_to_num(mean / top)
    shared = (ratio > factor).sum(1)
    return xr.Dataset(
        {
            "n_significant": ("effect", called.sum(1)),
            "strongest": ("effect", posterior["condition"].values.astype(str)[strongest]),
            "n_share_sign": ("effect", (ratio > 0).sum(1)),
            "n_share_size": ("effect", shared),
            "only": ("effect", called.any(1) & (shared == 1)),
        },
        coords={"effect": posterior["effect"].values},
        attrs={"factor": float(factor), "threshold": threshold},
    )


def svalues(posterior: xr.Dataset) -> xr.DataArray:
    """Mean local false sign rate of all (effect, condition) whose own is not larger: the rate of
    wrong signs that calling down to there is expected to have.

    Raises
    ------
    InputError
        This is no posterior.
    """
    lfsr = check_posterior(posterior)["lfsr"]
    values = running_means(lfsr.values.ravel()).reshape(lfsr.shape)
    return lfsr.copy(data=values).rename("svalue")
