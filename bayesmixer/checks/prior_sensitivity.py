"""How much the posterior leans on the prior: power-scaling sensitivity (Kallioinen et al. 2024) of
the free parameters, by ArviZ.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from bayesmixer.style import as_parameter
from bayesmixer.wings import card_of

if TYPE_CHECKING:
    import pymc as pm

THRESHOLD = 0.05  # ArviZ's own


def log_prior(results: xr.DataTree, model: pm.Model | None = None) -> xr.Dataset | None:
    """Log density of the prior of every draw, on the unconstrained scale.

    Parameters
    ----------
    results
        A fit; its group `log_prior` is taken where there is one.
    model
        The model, for fits of earlier versions, which hold no such group.

    Returns
    -------
    xarray.Dataset or None
        One variable a free parameter (chain, draw); None where the prior is unknown.

    Raises
    ------
    InputError
        `model` is not the one that was fitted.
    """
    if "log_prior" in results.children:
        return results["log_prior"].to_dataset()
    free = unconstrained(results)
    if free is None or model is None:
        return None
    from bayesmixer.inference.density import LogDensity
    from bayesmixer.models.rebuild import check_model

    check_model(results, model)
    density, shape = LogDensity(model), (free.sizes["chain"], free.sizes["draw"])
    if not set(density.variables) <= set(free.data_vars):
        return None
    values = [free[name].transpose("chain", "draw", ...).values for name in density.variables]
    return density.log_prior(np.concatenate([v.reshape(*shape, -1) for v in values], axis=2))


def unconstrained(results: xr.DataTree) -> xr.Dataset | None:
    """Free parameters of the draws that `log_likelihood` belongs to: those before calibration."""
    for name in ("uncalibrated_unconstrained_posterior", "unconstrained_posterior"):
        if name in results.children:
            return results[name].to_dataset()
    return None


def prior_sensitivity(
    results: xr.DataTree, model: pm.Model | None = None
) -> tuple[pd.DataFrame | None, tuple[str, bool]]:
    """ArviZ's `psense_summary` of the free parameters.

    Returns
    -------
    tuple
        Table (rows: parameters; columns prior, likelihood, diagnosis) or None, and (sentence,
        flagged).
    """
    if results.attrs.get("prior") == "flat":
        return None, ("", False)
    prior, free = log_prior(results, model), unconstrained(results)
    if prior is None or free is None or "log_likelihood" not in results.children:
        return None, ("", False)
    likelihood = results["log_likelihood"].to_dataset()
    if likelihood.sizes["draw"] != free.sizes["draw"] or prior.sizes["draw"] != free.sizes["draw"]:
        return None, ("", False)
    import arviz as az

    # ArviZ logs a pointer to its guide where it finds something; the sentence below says it
    log = logging.getLogger("arviz_stats")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        groups = {"posterior": free, "log_prior": prior, "log_likelihood": likelihood}
        table = az.psense_summary(xr.DataTree.from_dict(groups), threshold=THRESHOLD)
    finally:
        log.setLevel(before)
    bad = table.index[table["prior"].to_numpy(dtype=float) > THRESHOLD]
    if not len(bad):
        return table, ("", False)
    names = ", ".join(f"{as_parameter(name)} ({table.loc[name, 'prior']:.2f})" for name in bad)
    card = card_of(results)
    other = "prior='flat'" if card is not None and card.free else "wider priors"
    return table, (
        f"The posterior of {names} moves with the prior (power-scaling sensitivity above "
        f"{THRESHOLD:g}): the data say little, or contradict the prior; "
        f"read its interval as the prior's as much as the data's, and compare {other}.",
        True,
    )
