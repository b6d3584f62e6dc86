"""What share of the calls rests on covariances of rank one, which force the signs and the ratios of
all conditions: a cheap diagnosis of calls that no condition supports by itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from scipy.special import logsumexp

from bayesmixer.arguments import fraction
from bayesmixer.errors import InputError
from bayesmixer.mash.likelihood import blocks
from bayesmixer.mash.mixture import Mixture
from bayesmixer.mash.moments import KEPT
from bayesmixer.mash.rows import Array, rows_of, same_conditions
from bayesmixer.mash.trees import mixture_of, under_errors


def rank_one(
    fit: xr.DataTree, effects: xr.Dataset, posterior: xr.Dataset, *, threshold: float = 0.05
) -> xr.DataArray:
    """Probability that a called effect comes from a covariance of rank one over several conditions,
    given that it is not 0.

    Within such a covariance the sign in one condition decides that in all others, so that a call
    there says as much of the covariance as of the data. A single condition's own covariance
    (`only_...`) forces nothing and does not count.

    Parameters
    ----------
    fit
        What `bayesmixer.mash.fit` or `given` returned.
    effects
        What the posterior is of.
    posterior
        What `bayesmixer.mash.posterior` returned.
    threshold
        Called: a local false sign rate below it in some condition.

    Returns
    -------
    xarray.DataArray
        (effect), of the called effects alone.

    Raises
    ------
    InputError
        They do not belong together.
    """
    threshold = fraction("threshold", threshold)
    posterior = check_posterior(posterior)
    names = posterior["effect"].values
    if len(names) != effects.sizes["effect"] or (names != effects["effect"].values).any():
        raise InputError("effects", "other effects than the posterior's", "Give those.")
    called = np.flatnonzero((posterior["lfsr"].values < threshold).any(1))
    mixture, estimate = mixture_of(fit)
    if fit.attrs.get("named", 1):
        same_conditions(effects, estimate["condition"].values, "fit")
    share = np.zeros(len(called))
    if len(called):
        share = _share(mixture, under_errors(fit, effects.isel(effect=called)))
    return xr.DataArray(
        share, dims="effect", coords={"effect": names[called]}, name="rank_one",
        attrs={"threshold": threshold},
    )  # fmt: skip


def forced(u: Array) -> np.ndarray:
    """(K,) covariances of rank one that more than one condition has a part in."""
    values = np.linalg.eigvalsh(u)
    several = (np.einsum("krr->kr", u) > 0).sum(1) > 1
    one = values[:, -2] <= 1e-8 * values[:, -1] if u.shape[1] > 1 else np.zeros(len(u), bool)
    return np.asarray(several & one)


def _share(mixture: Mixture, effects: xr.Dataset) -> Array:
    rows = rows_of(effects)
    part, at = mixture.active(KEPT)
    assert part.weights is not None
    beside = at >= part.point_mass
    normal = beside & (at < part.normals)
    counted = np.zeros(len(at), dtype=bool)
    counted[normal] = forced(part.u)[(at[normal] - part.point_mass) % len(part.u)]
    counted = counted[beside]
    share = np.zeros(len(rows.b))
    if not counted.any():
        return share
    log_weights = np.log(part.weights[beside])[:, None]
    for _, index, block in blocks(rows, part):
        likely = block[at[beside]] + log_weights
        share[index] = np.exp(logsumexp(likely[counted], axis=0) - logsumexp(likely, axis=0))
    return np.clip(share, 0, 1)


def check_posterior(posterior: Any) -> xr.Dataset:
    """Posteriors of effects, by themselves or in a result that holds them.

    Raises
    ------
    InputError
        These are none.
    """
    if isinstance(posterior, xr.DataTree):
        within = "effects" in posterior.children
        posterior = (posterior["effects"] if within else posterior).to_dataset()
    if not isinstance(posterior, xr.Dataset) or not {"mean", "lfsr", "condition"} <= set(
        posterior.variables
    ):
        raise InputError("posterior", "no mean and lfsr", "Make it with bm.mash.posterior.")
    return posterior
