"""Mixtures as a DataTree, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesmixer.errors import InputError
from bayesmixer.mash.independent import Alone
from bayesmixer.mash.learning import Learned, component_names
from bayesmixer.mash.mixture import Mixture
from bayesmixer.results import assemble

SQUARE = ("covariance", "condition", "condition_bis")
MADE_BY = {"kind": "estimate", "method": "mash", "wing": "bayesmixer.mash"}
"""Attributes of results that are no fit of a model: `bayesmixer.report` asks this wing."""
DRAWS = 400  # of weights, over which posteriors are averaged
MIXTURES = 50  # draws of covariances and errors, each a mixture of its own
UNLISTED = {"listed": 0}  # variables too long for tables of estimates


def of_mixture(
    mixture: Mixture,
    names: Sequence[str],
    conditions: Sequence[str],
    attrs: dict[str, Any],
    learned: Learned | None = None,
    v: NDArray[np.float64] | None = None,
) -> xr.DataTree:
    """`estimate` with weights, grid and covariances; with what learning them came to, and the
    correlation of the errors that they were learned under, where all effects have one.
    """
    assert mixture.weights is not None
    normal = mixture.weights[mixture.point_mass : mixture.normals]
    by_covariance = normal.reshape(len(mixture.grid), -1).sum(0)
    estimate: dict[str, Any] = {
        "weights": ("component", mixture.weights, UNLISTED),
        "grid": ("scale", mixture.grid, UNLISTED),
        "U": (SQUARE, mixture.u, UNLISTED),
        "covariance_weight": ("covariance", by_covariance),
    }
    if mixture.point_mass:
        estimate["pi0"] = float(mixture.weights[0])
    if mixture.alone is not None:
        weight = float(mixture.weights[-1])
        estimate["independent_weight"] = weight
        estimate["independent_weights"] = (
            ("condition", "independent_scale"), mixture.alone.weights, UNLISTED,
        )  # fmt: skip
        estimate["independent_grid"] = ("independent_scale", mixture.alone.scales, UNLISTED)
        if mixture.point_mass:
            estimate["pi0"] += weight * float(np.prod(mixture.alone.weights[:, 0]))
    if learned is not None:
        estimate["prior"] = ("component", learned.prior, UNLISTED)
        estimate["log_likelihood"] = learned.log_likelihood
        estimate["penalised_log_likelihood"] = learned.penalised
        estimate["duality_gap"] = learned.gap
    if v is not None and v.ndim == 2:
        estimate["error_correlation"] = (SQUARE[1:], v, UNLISTED)
    coords = {
        "component": component_names(mixture, names),
        "covariance": list(names),
        "condition": list(conditions),
        "condition_bis": list(conditions),
    }
    return assemble(
        {"estimate": xr.Dataset(estimate, coords=coords)},
        {"model": "mash", "point_mass": int(mixture.point_mass)} | MADE_BY | attrs,
    )


def mixture_of(fit: Any) -> tuple[Mixture, xr.Dataset]:
    """The mixture of a fit, and its `estimate`; where the fit holds a posterior of the weights,
    with draws of them, at most `DRAWS`.

    Raises
    ------
    InputError
        It is no fit of mash, or holds draws of more than weights.
    """
    if not isinstance(fit, xr.DataTree) or fit.attrs.get("method") != "mash":
        raise InputError("fit", "not a fit of mash", "Make it with bm.mash.fit or bm.mash.given.")
    if "posterior" in fit.children and "U" in fit["posterior"]:
        found = "draws of covariances, over which only bm.mash.posterior averages"
        raise InputError("fit", found, "Give the fit that they began at.")
    estimate = fit["estimate"].to_dataset()
    draws = draws_of(fit)
    return (
        Mixture(
            np.asarray(estimate["U"].values),
            np.asarray(estimate["grid"].values),
            bool(fit.attrs["point_mass"]),
            np.asarray(estimate["weights"].values) if draws is None else draws.mean(0),
            Alone(estimate["independent_weights"].values, estimate["independent_grid"].values)
            if "independent_weights" in estimate
            else None,
            draws,
        ),
        estimate,
    )


def under_errors(fit: xr.DataTree, effects: xr.Dataset) -> xr.Dataset:
    """Effects of the conditions of a fit: those that hold no correlation of errors with that which
    the fit was learned under.
    """
    estimate = fit["estimate"]
    if "v" in effects or "error_correlation" not in estimate:
        return effects
    v = estimate["error_correlation"].values
    names = effects["condition"].values
    return effects.assign(v=(SQUARE[1:], v)).assign_coords(condition_bis=names)


def draws_of(fit: xr.DataTree) -> NDArray[np.float64] | None:
    """Draws of the weights (draw, component) that a fit holds, at most `DRAWS`; None for none."""
    if "posterior" not in fit.children:
        return None
    return thinned(np.asarray(fit["posterior"]["weights"].values))


def thinned(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """At most `DRAWS` of some weights (chain, draw, component), as (draw, component)."""
    draws = weights.reshape(-1, weights.shape[-1])
    few: NDArray[np.float64] = draws[
        np.linspace(0, len(draws) - 1, min(DRAWS, len(draws))).astype(int)
    ]
    return few


def mixtures_of(fit: xr.DataTree) -> tuple[xr.DataTree, list[tuple[Mixture, Any]]]:
    """The fit that draws of `bayesmixer.mash.sample_mixture` began at, and at most `MIXTURES` of
    them: mixtures and correlations of errors (None: as effects have it). Of another fit itself, and
    none.
    """
    if not isinstance(fit, xr.DataTree) or "posterior" not in fit.children:
        return fit, []
    if "U" not in fit["posterior"]:
        return fit, []
    attrs = {str(name): value for name, value in fit.attrs.items()}
    base = assemble({"estimate": fit["estimate"].to_dataset()}, attrs)
    known, estimate = mixture_of(base)
    held = fit["posterior"].to_dataset()
    if not held.sizes["learned"]:  # errors alone were drawn
        held = held.drop_vars("U")
    held = held.stack(one=("chain", "draw"))
    n = held.sizes["one"]
    held = held.isel(one=np.linspace(0, n - 1, min(MIXTURES, n)).astype(int))
    names = [str(name) for name in estimate["covariance"].values]
    at = [names.index(str(name)) for name in held["learned"].values]
    found = []
    for i in range(held.sizes["one"]):
        draw = held.isel(one=i)
        u = known.u.copy()
        if at:
            u[at] = draw["U"].values
        v = draw["error_correlation"].values if "error_correlation" in draw else None
        weights = draw["weights"].values
        found.append((Mixture(u, known.grid, known.point_mass, weights), v))
    return base, found
