"""Facts about a fit that tables, rules of trust, checks and wings share: what it recorded, counts,
weights, convergence, mixing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import xarray as xr

from bayesmixer.card import Quantity, each_quantity
from bayesmixer.identity import of_trait, trait_names
from bayesmixer.variables import evaluated as evaluated_rows
from bayesmixer.wings import card_of, unit_of

MOST_SHOWN = 6
"""Variables of a model without card that figures show at most."""
HIGH_PARETO_K = 0.7
"""k-hat above which importance weights are not to be trusted (Vehtari et al. 2024)."""
ALIKE = 0.1
"""Standard deviation of log weights up to which their tail is of no consequence."""

# `data` of every function here is the fitted trait's alone: what `identity.data_of_fit` returned


def read_json(text: Any, default: Any) -> Any:
    """A JSON attribute decoded; `default` where it is absent or is not JSON."""
    if not isinstance(text, str):
        return default if text is None else text
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return default


def data_attributes(results: xr.DataTree) -> dict[str, Any]:
    """Attributes of the data that a fit was made with, as the fit recorded them."""
    attributes = read_json(results.attrs.get("data"), {})
    return attributes if isinstance(attributes, dict) else {}


def title_of(results: xr.DataTree) -> str:
    """The model's name in sentences; as the fit has it where no card knows it."""
    card, name = card_of(results), str(results.attrs.get("model", "model"))
    return card.title if card is not None and card.name == name else name


def quantity_of(results: xr.DataTree, name: str) -> Quantity | None:
    """What is known of a reported variable, by the model's card; of a model without card by those
    of others.
    """
    card = card_of(results)
    if card is not None:
        return card.quantity(name)
    return next((one for one in each_quantity() if one.name == name), None)


def shown_names(results: xr.DataTree) -> tuple[str, ...]:
    """Names of the few variables that figures of the posterior show: those of the card; of a model
    without card those that some card knows, or the first ones.
    """
    card = card_of(results)
    there = [str(name) for name in results["posterior"].data_vars]
    known = each_quantity() if card is None else card.reported
    found = tuple(one.name for one in known if one.shown and one.name in there)
    return found or tuple(there[:MOST_SHOWN])


def quantities(results: xr.DataTree) -> dict[str, np.ndarray]:
    """Draws of every quantity of the posterior as flat arrays, components apart (`pi [small]`)."""
    out: dict[str, np.ndarray] = {}
    for name, values in results["posterior"].to_dataset().data_vars.items():
        if (
            values.dtype.kind not in "fiu"
            or not {"chain", "draw"} <= set(values.dims)
            or values.ndim > 3
        ):
            continue
        for label, draws in by_component(values.transpose("chain", "draw", ...)):
            out[f"{name}{label}"] = draws.astype(float)
    return out


def varying(posterior: xr.Dataset) -> xr.Dataset:
    """Scalars (chain, draw) of a posterior, named as ArviZ names them (`pi[small]`), without the
    constants, of which no diagnostic knows anything.
    """
    out = {}
    for name, values in posterior.data_vars.items():
        dims = [d for d in values.dims if d not in ("chain", "draw")]
        for at in np.ndindex(*(values.sizes[d] for d in dims)):
            one = values.isel(dict(zip(dims, at, strict=True)), drop=True)
            label = ", ".join(str(values[d].values[i]) for d, i in zip(dims, at, strict=True))
            if values.dtype.kind == "f" and float(one.max() - one.min()) > 0:
                out[f"{name}[{label}]" if label else str(name)] = one
    return xr.Dataset(out)


def evaluated(data: xr.Dataset, trait: int = 0) -> xr.Dataset:
    """The trait's variants of positive weight; of several traits those that the one has."""
    one = data.isel(trait=trait, variant=evaluated_rows(data))
    return one if data.sizes["trait"] == 1 else one.isel(variant=np.isfinite(one["z"].values))


def each_trait(data: xr.Dataset) -> Iterator[tuple[str, xr.Dataset]]:
    """The evaluated variants of each trait, and whose they are in words: `""` where there is one
    trait, `" of height"` where there are several.
    """
    names = trait_names(data)
    for k in range(data.sizes["trait"]):
        label = f" of {names[k] if names else k}" if data.sizes["trait"] > 1 else ""
        yield label, evaluated(data, k)


def alignment_warnings(results: xr.DataTree) -> list[str]:
    """What `align` warned of, without what it said of other traits than the fitted one."""
    overlap = read_json(data_attributes(results).get("overlap"), {})
    overlap = overlap if isinstance(overlap, dict) else {}
    traits = overlap.get("traits", [])
    own = of_trait(traits, results.attrs.get("trait"))
    others = {w for one in traits if one not in own for w in one.get("warnings", [])}
    mine = {w for one in own for w in one.get("warnings", [])}
    return [str(w) for w in overlap.get("warnings", []) if w not in others or w in mine]


def chromosomes_used(results: xr.DataTree, data: xr.Dataset | None) -> list[str] | None:
    """Names of the chromosomes, in order; None where not recorded."""
    if data is not None and "chrom" in data:
        return [str(c) for c in dict.fromkeys(np.asarray(data["chrom"]).astype(str).tolist())]
    recorded = read_json(data_attributes(results).get("chromosomes"), None)
    return None if recorded is None else [str(c) for c in recorded]


def number_of_blocks(results: xr.DataTree, data: xr.Dataset | None) -> int | None:
    """Independent units (LD blocks) that hold an evaluated variant."""
    unit = unit_of(results)
    if data is not None and unit in data:
        return len(np.unique(np.asarray(data[unit])[evaluated_rows(data)]))
    for group in ("log_likelihood", "calibration"):  # of a mode without draws the second alone
        if group in results.children and unit in results[group].sizes:
            return int(results[group].sizes[unit])
    return None


def effective_variants(results: xr.DataTree, data: xr.Dataset | None) -> float | None:
    """Sum of weights."""
    recorded = estimate_number(results, "effective_variants")
    if recorded is not None:
        return recorded
    return None if data is None else float(data["weight"].sum())


def mean_chi2(one: xr.Dataset) -> float:
    """Weighted mean of z squared of the variants of one trait (`evaluated`)."""
    return float(
        np.average(np.asarray(one["z"], dtype=float) ** 2, weights=np.asarray(one["weight"]))
    )


def estimate_number(results: xr.DataTree, name: str) -> float | None:
    """A number among the attributes of the estimate group; None where absent or not finite."""
    if "estimate" not in results.children:
        return None
    value = results["estimate"].attrs.get(name)
    return None if value is None or not np.isfinite(float(value)) else float(value)


def interval_of(results: xr.DataTree, name: str) -> tuple[float, float] | None:
    """95% interval of a scalar: of its draws, or where there is one draw (method "map") of its
    standard error; None where neither is known.
    """
    draws = results["posterior"][name].to_numpy().ravel().astype(float)
    if len(draws) > 1:
        low, high = np.quantile(draws, (0.025, 0.975))
        return float(low), float(high)
    estimate = results["estimate"].to_dataset() if "estimate" in results.children else xr.Dataset()
    if f"{name}_se" in estimate:
        away = 1.96 * float(estimate[f"{name}_se"])
    elif "covariance" in estimate and f"log_{name}" in estimate["parameter"].to_numpy():
        variance = estimate["covariance"].sel(parameter=f"log_{name}", parameter_bis=f"log_{name}")
        away = 1.96 * float(draws[0]) * float(np.sqrt(variance))
    else:
        return None
    return float(draws[0]) - away, float(draws[0]) + away


def by_component(values: xr.DataArray) -> list[tuple[str, np.ndarray]]:
    """Draws of each component with its label: `""` where there is one, `" [small]"` and the like
    where there are several.
    """
    extra = [d for d in values.dims if d not in ("chain", "draw")]
    if not extra:
        return [("", values.to_numpy().ravel())]
    dim = extra[0]
    names = [str(v) for v in values[dim].to_numpy()]
    return [
        (f" [{name}]", values.isel({dim: k}).to_numpy().ravel()) for k, name in enumerate(names)
    ]


def optimum_heights(results: xr.DataTree) -> np.ndarray:
    """Log-posterior (or log-likelihood) of the optimum met from each start; empty where not
    recorded.
    """
    if "estimate" in results.children:
        for name in ("optimum_log_posterior", "optimum_log_likelihood"):
            if name in results["estimate"].data_vars:
                values = results["estimate"][name].to_numpy().ravel().astype(float)
                return values[np.isfinite(values)]
    return np.empty(0)


def pareto_k(results: xr.DataTree) -> float | None:
    """k-hat of the importance weights of "laplace" and "binned"."""
    if "sample_stats" not in results.children:
        return None
    stats = results["sample_stats"]
    if "pareto_k" in stats.data_vars:
        return float(np.max(stats["pareto_k"].to_numpy()))
    value = stats.attrs.get("pareto_k")
    return None if value is None else float(value)


def weights_fail(pareto_k: float, log_ratio_sd: float = np.inf) -> bool:
    """Whether importance weights are not to be trusted: their k-hat is above 0.7, and they differ
    by more than a tenth. Of weights that are alike no mean moves by more than a tenth of a standard
    deviation (Cauchy-Schwarz), whatever the shape of their tail.
    """
    return not pareto_k <= HIGH_PARETO_K and not log_ratio_sd <= ALIKE


def log_ratio_sd(results: xr.DataTree) -> float:
    """Spread of the log weights of "binned"; infinite where it is not told."""
    if "sample_stats" not in results.children:
        return np.inf
    return float(results["sample_stats"].attrs.get("binned_log_ratio_sd", np.inf))


def number_of_divergences(results: xr.DataTree) -> int:
    """Divergent transitions after warm-up."""
    if "sample_stats" in results.children and "diverging" in results["sample_stats"].data_vars:
        return int(results["sample_stats"]["diverging"].sum())
    return 0


def mixing(results: xr.DataTree) -> tuple[float | None, float | None]:
    """Largest R-hat and smallest effective sample size (bulk or tail) of what varies; for
    importance-resampled draws the weights' Kish size.
    """
    posterior = results["posterior"].to_dataset()
    of_draws = results["sample_stats"].attrs if "sample_stats" in results.children else {}
    if "effective_draws" in of_draws:
        return None, float(of_draws["effective_draws"])
    if "uncalibrated_effective_draws" in of_draws:  # the posterior's are independent of those
        return None, float(posterior.sizes["chain"] * posterior.sizes["draw"])
    if "sample_stats" in results.children and "log_weight" in results["sample_stats"].data_vars:
        log_weight = results["sample_stats"]["log_weight"].to_numpy().ravel().astype(float)
        weight = np.exp(log_weight - log_weight.max())
        return None, float(weight.sum() ** 2 / np.sum(weight**2))
    parts = varying(posterior)
    if posterior.sizes["draw"] < 4 or not parts:
        return None, None
    import arviz as az

    table = az.summary(
        xr.DataTree.from_dict({"posterior": parts}),
        kind="diagnostics",
        round_to="none",
    )
    ess = float(np.nanmin(table[["ess_bulk", "ess_tail"]].to_numpy(dtype=float)))
    r_hat = (
        float(np.nanmax(table["r_hat"].to_numpy(dtype=float)))
        if posterior.sizes["chain"] > 1
        else None
    )
    return r_hat, ess
