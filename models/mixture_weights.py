"""Weights of a mixture with known components, as a model: null against not, groups among what is
not, scales within a group.

The total concentration of each stage is one number, whatever the number of components: a Dirichlet
prior of 1 for each of a thousand would say a thousand effects that nobody saw.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import xarray as xr

from bayesmixer.card import Card
from bayesmixer.errors import InputError
from bayesmixer.mash.weight_problem import BoundWeights, Problem
from bayesmixer.models.common import remember
from bayesmixer.ops.mixture import RowMixture


def weights_model(
    problem: Problem,
    card: Card,
    data: xr.Dataset,
    names: list[str],
    build: Callable[..., pm.Model],
    options: dict[str, Any],
) -> pm.Model:
    """The model of a problem's weights.

    Parameters
    ----------
    problem
        Likelihoods and prior.
    card, data, build, options
        What a fit knows of the model.
    names
        Of the components.
    """
    prior, (dim, groups) = problem.prior, problem.groups
    coords = {
        "component": names,
        dim: groups,
        f"scaled_{dim}": groups[: prior.scaled],
        "scale": np.arange(prior.scales),
        "effect": data["effect"].values,
    } | ({} if problem.conditions is None else {"condition": problem.conditions})
    free = []
    with pm.Model(coords=coords, model=None) as model:
        group = pt.ones(1)
        if prior.groups > 1:
            free.append("group_share")
            group = pm.Dirichlet(
                "group_share", np.full(prior.groups, prior.concentration / prior.groups), dims=dim
            )
        scale = pt.ones((prior.scaled, 1))
        if prior.scales > 1:
            free.append("scale_share")
            each = np.full((prior.scaled, prior.scales), prior.concentration / prior.scales)
            scale = pm.Dirichlet("scale_share", each, dims=(f"scaled_{dim}", "scale"))
        weights = group[prior.group] * scale[prior.group, prior.scale]
        if prior.alone:
            weights = pt.concatenate([weights, group[-1:]])
        if prior.null is not None:
            free.insert(0, "null_mass")
            null = pm.Beta("null_mass", *prior.null)
            weights = pt.concatenate([null[None], (1 - null) * weights])
            pm.Deterministic("pi0", null)
        weights = pm.Deterministic("weights", weights, dims="component")
        pm.Deterministic("near_null", pt.dot(weights, problem.near.astype(float)))
        dims = None if problem.conditions is None else "condition"
        pm.Deterministic("effect_sd", pt.sqrt(pt.dot(weights, problem.variance)), dims=dims)
        if prior.groups > 1:
            rest = 1 - weights[0] if prior.null is not None else 1.0
            pm.Deterministic(f"{dim}_weight", rest * group, dims=dim)
        pm.Potential("bhat", RowMixture(problem.components)(weights), dims="effect")
    bound = BoundWeights(
        card, "weak", data, partial(build, **options), tuple(free), options, problem=problem
    )
    return remember(model, bound)


def checked_prior(null: Any, concentration: Any, point_mass: bool) -> tuple[Any, float]:
    """Parameters of the prior.

    Raises
    ------
    InputError
        They are not positive numbers.
    """
    try:
        a, b = (float(x) for x in null)
        c = float(concentration)
    except (TypeError, ValueError):
        a = b = c = np.nan
    if not (0 < a < np.inf and 0 < b < np.inf):
        raise InputError("null", f"{null!r}, expected two positive numbers, those of a Beta")
    if not 0 < c < np.inf:
        raise InputError("concentration", f"{concentration!r}, expected a positive number")
    return ((a, b) if point_mass else None), c


def blocks_of(block: Any, effects: int) -> Any:
    """Labels of dependent effects as numbers from 0; None for none.

    Raises
    ------
    InputError
        There is not one for each effect.
    """
    if block is None:
        return None
    labels = np.asarray(block).ravel()
    if labels.shape != (effects,):
        raise InputError("block", f"{labels.size:,} labels for {effects:,} effects")
    return np.unique(labels, return_inverse=True)[1].astype(np.intp)
