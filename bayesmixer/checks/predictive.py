"""z-scores as a model predicts them, before or after it saw data, in the groups that ArviZ reads:
`prior`, `prior_predictive`, `posterior_predictive`, `observed_data`.

Each variant is drawn from its own predicted distribution, or, where genotypes of a panel are given,
effects are drawn and seen through its LD, so that neighbours agree as they do in data.
"""

from __future__ import annotations

import json
import warnings
from typing import Any

import numpy as np
import pymc as pm
import xarray as xr

from bayesmixer.arguments import whole_number
from bayesmixer.errors import InputError
from bayesmixer.identity import check_results, data_of_fit, trait_names
from bayesmixer.inference.fitted import density_of
from bayesmixer.models.common import bound_of, prior_in_words
from bayesmixer.simulation.panel import PanelBlocks
from bayesmixer.wings import offers

DRAWS = 100
NAME = "z"


def sample_prior_predictive(
    model: pm.Model,
    draws: int = DRAWS,
    *,
    panel: PanelBlocks | None = None,
    random_seed: int = 0,
) -> xr.DataTree:
    """Draw parameters from a model's prior, and z-scores from what it predicts with them.

    Parameters
    ----------
    model
        A model of `bayesmixer.models`, or one built on `ld_mixture`, with proper priors.
    draws
        How many.
    panel
        Genotypes by LD block (`bayesmixer.simulation.panel.panel_blocks`) through whose LD the
        z-scores go; None draws each variant by itself.
    random_seed
        Seed.

    Returns
    -------
    xarray.DataTree
        Groups `prior` (chain, draw), `prior_predictive` (`z`: chain, draw, variant, and trait where
        there are several) and `observed_data` (`z`: variant), which `arviz` plots. |z| beyond 12
        counts as 12 where variants are drawn by themselves.

    Raises
    ------
    InputError
        Another model, flat priors, or a panel that lacks variants of the data.
    """
    whole_number("draws", draws, 1)
    bound = bound_of(model)
    if bound is None:
        raise InputError("model", "neither one of bayesmixer.models nor built on its likelihood")
    flat = [rv.name for rv in model.free_RVs if type(rv.owner.op).__name__ == "FlatRV"]
    if flat:
        found = f"flat priors of {', '.join(flat)}, from which nothing can be drawn"
        raise InputError("model", found, "Use prior='weak'.")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The effect of Potentials")
        drawn = pm.sample_prior_predictive(draws, model=model, random_seed=random_seed)
    groups = {"prior": drawn["prior"].to_dataset()}
    tree = xr.DataTree.from_dict({"posterior": groups["prior"]})
    data = {k: v.tolist() if hasattr(v, "tolist") else v for k, v in bound.data.attrs.items()}
    tree.attrs = {
        "kind": "fit",
        "model": bound.name,
        "prior": prior_in_words(bound.prior),
        "options": json.dumps(bound.options),
        "data": json.dumps(data),
        **bound.record,
    }
    made = _predicted(tree, bound.data, draws, panel, random_seed)
    return xr.DataTree.from_dict(
        {**groups, "prior_predictive": made, "observed_data": _observed(bound.data)}
    )


def sample_posterior_predictive(
    results: xr.DataTree,
    data: xr.Dataset,
    *,
    model: pm.Model | None = None,
    panel: PanelBlocks | None = None,
    draws: int = DRAWS,
    random_seed: int = 0,
) -> xr.DataTree:
    """Draw z-scores from what a fit predicts, with the parameters of draws of its posterior.

    Parameters
    ----------
    results
        What `fit` returned; by method "map" its mode alone is drawn from.
    data
        The GwasData that were fitted.
    model
        The model, checked against the fit where it is given; no fit needs it.
    panel, random_seed
        As in `sample_prior_predictive`.
    draws
        Draws of the posterior, evenly spaced over all chains.

    Returns
    -------
    xarray.DataTree
        `results` with the groups `posterior_predictive` (`z`: chain, draw, variant, and trait where
        several were fitted together) and `observed_data` (`z`: variant).

    Raises
    ------
    InputError
        Not a fit, other data or another model than its, a fit whose model predicts no z-scores, or
        a panel that lacks variants of the data.

    References
    ----------
    Gelman, Meng & Stern 1996, Statistica Sinica 6:733 (posterior predictive checks).
    """
    whole_number("draws", draws, 1)
    completed = check_results(results)
    if model is not None:
        density_of(results, model)
    together = json.loads(results.attrs.get("traits", "[]"))
    parts = [data_of_fit(results, data, trait=t) for t in together or [None]]
    one = data.isel(trait=[trait_names(data).index(t) for t in together]) if together else parts[0]
    out = results.copy()
    predicted = _predicted(completed, one, draws, panel, random_seed)
    out["posterior_predictive"] = xr.DataTree(predicted)
    out["observed_data"] = xr.DataTree(_observed(one))
    return out


def _observed(data: xr.Dataset) -> xr.Dataset:
    """z of the weighted variants, with their identifiers."""
    used = np.flatnonzero(data["weight"].values > 0)
    z = data["z"].isel(variant=used).assign_coords(variant=data["snp"].values[used])
    one = data.sizes["trait"] == 1
    return xr.Dataset({NAME: z.isel(trait=0, drop=True) if one else z})


def _predicted(
    results: xr.DataTree,
    data: xr.Dataset,
    draws: int,
    panel: PanelBlocks | None,
    seed: int,
) -> xr.Dataset:
    """z of the weighted variants (chain, draw, variant[, trait])."""
    used = data.isel(variant=np.flatnonzero(data["weight"].values > 0))
    rng = np.random.default_rng(seed)
    make = offers(results, "predicted_draws")
    if make is None:
        raise InputError("results", "of a model that predicts no z-scores")
    parts = [
        make(results, used.isel(trait=[k]), draws, rng, panel) for k in range(data.sizes["trait"])
    ]
    values = np.stack(parts, axis=-1)[None]
    dims = ("chain", "draw", "variant", "trait")
    coords: dict[str, Any] = {
        "chain": [0],
        "draw": np.arange(values.shape[1]),
        "variant": used["snp"].values,
    }
    if len(parts) == 1:
        return xr.Dataset({NAME: (dims[:-1], values[..., 0])}, coords=coords)
    return xr.Dataset({NAME: (dims, values)}, coords={**coords, "trait": trait_names(data)})
