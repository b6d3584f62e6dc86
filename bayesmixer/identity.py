"""Is this a fit, and are these its data? The one answer, that every function which takes a fit asks
for.
"""

from __future__ import annotations

import json
import warnings
from importlib import import_module
from typing import Any

import numpy as np
import xarray as xr

from bayesmixer.errors import DataWarning, InputError
from bayesmixer.fingerprint import differences, fingerprint, has_fingerprint
from bayesmixer.variables import OBSERVATIONS, evaluated, validate
from bayesmixer.wings import card_of, of_wing

REMEDY = "Give the data that were fitted."
_TOLD = "compared_by_weights_alone"  # attribute of data of which that was said already
JUDGE = "bayesmixer.reporting.verdict:judge"
"""Where what stores a verdict in a new fit stands: above, so that it is looked up when a fit is
made, and nothing here imports it.
"""


def is_estimates(results: Any) -> bool:
    """Whether an object holds estimates that no model was fitted for: no likelihood, no
    posterior.
    """
    return isinstance(results, xr.DataTree) and results.attrs.get("kind") == "estimate"


def as_results(results: Any) -> Any:
    """A dataset that a wing makes a tree of estimates of (its offer `tree`) as that tree; anything
    else as it is.
    """
    make = of_wing(results, "tree") if isinstance(results, xr.Dataset) else None
    return results if make is None else make(results)


def check_estimates(
    results: Any, name: str = "results", needs: tuple[str, ...] = ()
) -> xr.DataTree:
    """As `check_fit`, of a fit or of estimates without a model."""
    results = as_results(results)
    if not is_estimates(results):
        return check_fit(results, name, needs)
    for group in needs:
        if group not in results.children:
            raise InputError(name, f"no {group} group in these estimates")
    found: xr.DataTree = results
    return found


def check_fit(results: Any, name: str = "results", needs: tuple[str, ...] = ()) -> xr.DataTree:
    """Check that an object is a fit, and holds what is needed of it.

    Parameters
    ----------
    results
        What `bayesmixer.fit` or `bayesmixer.load` returned.
    name
        What to call it in the error.
    needs
        Groups that must be there.

    Returns
    -------
    xarray.DataTree
        `results`, unchanged.

    Raises
    ------
    InputError
        It is another kind of object, or lacks a group.
    """
    remedy = "Give what bayesmixer.fit or bayesmixer.load returned."
    if not isinstance(results, xr.DataTree):
        found = f"a {type(results).__name__}, expected the DataTree that bayesmixer.fit returns"
        raise InputError(name, f"not a fit: {found}", remedy)
    kind = results.attrs.get("kind")
    if kind == "estimate":
        raise InputError(
            name,
            f"estimates ({results.attrs.get('model', 'of unknown make')}), which have no "
            "likelihood and no posterior, expected a fit",
            "Fit a model of the same data (bayesmixer.fit).",
        )
    if kind != "fit":
        found = (
            "there is no attribute 'kind'" if kind is None else f"the attribute kind is {kind!r}"
        )
        raise InputError(name, f"not a fit: {found}, expected 'fit'", remedy)
    for group in needs:
        if group not in results.children:
            method = results.attrs.get("method", "unknown")
            there = ", ".join(results.children) or "none"
            found = f"no {group} group in this fit by method '{method}' (groups: {there})"
            raise InputError(name, found, "Fit again, with method 'laplace' or 'nuts'.")
    return results


def check_results(results: xr.DataTree, name: str = "results") -> xr.DataTree:
    """Check that a DataTree is a fit that can be reported; the estimate of a fit by method "map" is
    taken as a posterior of one draw.

    Raises
    ------
    InputError
        Another kind of object, no posterior group, or an empty one.
    """
    check_fit(results, name)
    if (
        "posterior" not in results.children
        and results.attrs.get("method") == "map"
        and "estimate" in results.children
    ):
        return _with_one_draw(results)
    posterior = check_fit(results, name, needs=("posterior",))["posterior"]
    if not {"chain", "draw"} <= set(posterior.sizes) or not posterior.data_vars:
        raise InputError(
            name, "the posterior group holds no draws (dims chain and draw)", "Fit again."
        )
    return results


def _with_one_draw(results: xr.DataTree) -> xr.DataTree:
    estimate = results["estimate"].to_dataset()
    about_search = {"parameter", "parameter_bis", "start", "profile"}
    values = {
        str(k): v for k, v in estimate.data_vars.items() if not about_search & set(map(str, v.dims))
    }
    values = {
        k: v
        for k, v in values.items()
        if k.removesuffix("_se") == k or k.removesuffix("_se") not in values
    }
    one = xr.Dataset(values).expand_dims(chain=[0], draw=[0])
    completed = results.copy()
    completed["posterior"] = xr.DataTree(one.drop_vars(about_search, errors="ignore"))
    return completed


def data_of_fit(
    results: xr.DataTree,
    data: Any,
    name: str = "data",
    trait: str | int | None = None,
    remedy: str = REMEDY,
) -> xr.Dataset:
    """The fitted trait of a GwasData, or the traits that a model of several is of, after their
    fingerprint was compared with the one that the fit holds.

    Parameters
    ----------
    results
        A fit.
    data
        GwasData, of one trait or of several.
    name, remedy
        What to call it in the error, and what to advise.
    trait
        Name or position of the trait; None finds the fitted one by its name and fingerprint.

    Returns
    -------
    xarray.Dataset
        The data of that trait alone (dim `trait` of size 1), or of those of the model.

    Raises
    ------
    InputError
        No GwasData, an unknown trait, or data that differ from the fitted ones in variants, z, N,
        weights or LD scores.

    Warns
    -----
    DataWarning
        The fit holds no fingerprint, so that only weights and LD blocks could be compared.
    """
    if not isinstance(data, xr.Dataset):
        found = (
            f"a {type(data).__name__}, expected the GwasData dataset that bayesmixer.align returns"
        )
        raise InputError(name, found, remedy)
    card = card_of(results)
    given = validate(data, "gwas_data", name) if card is None else card.require(data, name)
    if together := json.loads(results.attrs.get("traits", "[]")):
        joined = _together(results, given, together, name, remedy)
        if trait is None and card is not None and card.traits > 1:
            return joined
        return _one_of(joined, together, trait)
    order = _candidates(results, given, trait)
    group = results["constant_data"].to_dataset() if "constant_data" in results.children else None
    if group is None or not has_fingerprint(group):
        return _without_fingerprint(results, given, name, order, remedy)
    found = ""
    for k in order:
        one = OBSERVATIONS["gwas_data"].of_seen(given.isel(trait=[k]))
        said = differences(group, fingerprint(one))
        if not said:
            return one
        found = found or said
    fitted = results.attrs.get("trait")
    of = f" (trait {fitted!r})" if fitted else ""
    raise InputError(name, f"not what this fit{of} was made with: {found}", remedy)


def _together(
    results: xr.DataTree, data: xr.Dataset, together: list[str], name: str, remedy: str
) -> xr.Dataset:
    """The traits that were fitted in one model, after their data were compared."""
    known, card = trait_names(data), card_of(results)
    joined, said = data, ""
    if lacking := [one for one in together if one not in known]:
        said = f"no trait {', '.join(lacking)}, of {len(together)} that were fitted together"
    else:
        joined = data.isel(trait=[known.index(one) for one in together])
        if card is not None and card.traits > 1:
            joined = OBSERVATIONS["gwas_data"].of_seen(joined, in_all=False)
        said = differences(results["constant_data"].to_dataset(), fingerprint(joined))
    if said:
        raise InputError(name, f"not what this fit was made with: {said}", remedy)
    return joined


def _one_of(data: xr.Dataset, together: list[str], trait: str | int | None) -> xr.Dataset:
    """One of the traits that were fitted in one model."""
    if trait is None:
        found = f"not given, and the fit is of {', '.join(together)} together"
        raise InputError("trait", found, "Give trait=, or leave the data out.")
    return data.isel(trait=[position_of(data, trait)])


def judge(results: xr.DataTree, data: xr.Dataset | None) -> None:
    """Write into a new fit the verdict of the rules of trust (`bayesmixer.verdict`), in place; a
    fault of theirs must not cost the fit.
    """
    try:
        module, _, name = JUDGE.partition(":")
        getattr(import_module(module), name)(results, data)
    except Exception as error:
        warnings.warn(
            f"No verdict on this fit ({type(error).__name__}: {error}).", DataWarning, stacklevel=3
        )


def trait_names(data: xr.Dataset) -> list[str]:
    """Names of the traits; empty where there are none."""
    return [str(t) for t in data["trait"].to_numpy()] if "trait" in data.coords else []


def of_trait(entries: list[dict[str, Any]], trait: str | None) -> list[dict[str, Any]]:
    """Those of several traits' records that name the trait; all of them where none does."""
    return [one for one in entries if one.get("trait") == trait] or entries


def position_of(data: xr.Dataset, trait: str | int) -> int:
    """Position of a trait given by name or position.

    Raises
    ------
    InputError
        There is no such trait.
    """
    names, count = trait_names(data), data.sizes["trait"]
    if isinstance(trait, str) and trait in names:
        return names.index(trait)
    if isinstance(trait, int | np.integer) and 0 <= trait < count:
        return int(trait)
    known = f"one of {', '.join(names)} or " if names else ""
    raise InputError("trait", f"{trait!r}, expected {known}0 to {count - 1}")


def _candidates(results: xr.DataTree, data: xr.Dataset, trait: str | int | None) -> list[int]:
    """Positions where the fitted trait may be: the one asked for, else the one of its name
    first.
    """
    if trait is not None:
        return [position_of(data, trait)]
    fitted = results.attrs.get("trait")
    return sorted(
        range(data.sizes["trait"]), key=lambda k: trait_names(data)[k : k + 1] != [fitted]
    )


def _without_fingerprint(
    results: xr.DataTree, data: xr.Dataset, name: str, order: list[int], remedy: str
) -> xr.Dataset:
    """The trait of a fit of an earlier version, judged by weights and LD blocks."""
    if len(order) > 1 and results.attrs.get("trait") not in trait_names(data):
        found = f"{len(order)} traits, and the fit does not record which of them it is of"
        raise InputError(name, found, "Choose the fitted one: data.isel(trait=[0]).")
    one = data.isel(trait=[order[0]])
    if "log_likelihood" in results.children and "ld_block" in results["log_likelihood"].sizes:
        fitted, label = results["log_likelihood"].sizes["ld_block"], np.asarray(one["ld_block"])
        weighted = len(np.unique(label[evaluated(one)]))
        if fitted not in {len(np.unique(label)), weighted, int(label.max()) + 1}:
            found = (
                f"variants of {len(np.unique(label))} LD blocks, but the fit was made with {fitted}"
            )
            raise InputError(name, found, remedy)
    attrs = results["estimate"].attrs if "estimate" in results.children else {}
    effective, total = attrs.get("effective_variants"), float(one["weight"].sum())
    if effective is not None and not abs(total - float(effective)) <= 1e-6 * max(
        total, float(effective)
    ):
        found = (
            f"weights that sum to {total:,.1f}, but in the fit they summed to "
            f"{float(effective):,.1f}"
        )
        raise InputError(name, f"{found}: other variants", remedy)
    if _TOLD in data.attrs:
        return one
    warnings.warn(
        "The fit holds no fingerprint of its data, so that only weights and LD blocks of "
        f"{name} were compared with it: "
        "make sure yourself that these are the data that were fitted.",
        DataWarning,
        stacklevel=3,
    )
    return one.assign_attrs({_TOLD: 1})
