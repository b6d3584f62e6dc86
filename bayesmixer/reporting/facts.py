"""Facts about a fit that the trust rules and the table of diagnostics share: counts, weights,
convergence, mixing.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from bayesmixer.card import card_of
from bayesmixer.identity import of_trait
from bayesmixer.mixer.prediction import data_attributes, read_json

# `data` of every function here is the fitted trait's alone: what `inference.identity.data_of_fit`
# returned


def evaluated(data: xr.Dataset) -> xr.Dataset:
    """The trait's variants of positive weight."""
    return data.isel(trait=0, variant=np.asarray(data["weight"]) > 0)


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
    """LD blocks that hold an evaluated variant."""
    if data is not None:
        return len(np.unique(np.asarray(data["ld_block"])[np.asarray(data["weight"]) > 0]))
    if "log_likelihood" in results.children and "ld_block" in results["log_likelihood"].sizes:
        return int(results["log_likelihood"].sizes["ld_block"])
    return None


def effective_variants(results: xr.DataTree, data: xr.Dataset | None) -> float | None:
    """Sum of weights."""
    recorded = estimate_number(results, "effective_variants")
    if recorded is not None:
        return recorded
    return None if data is None else float(data["weight"].sum())


def mean_chi2(data: xr.Dataset) -> float:
    """Weighted mean of z squared."""
    one = evaluated(data)
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


def by_component(pi: xr.DataArray) -> list[tuple[str, np.ndarray]]:
    """Draws of each component with its label: `""` where there is one, `" [small]"` and the like
    where there are several.
    """
    extra = [d for d in pi.dims if d not in ("chain", "draw")]
    if not extra:
        return [("", pi.to_numpy().ravel())]
    dim = extra[0]
    names = [str(v) for v in pi[dim].to_numpy()]
    return [(f" [{name}]", pi.isel({dim: k}).to_numpy().ravel()) for k, name in enumerate(names)]


def share_of_prior_sd(results: xr.DataTree) -> float | None:
    """Posterior over prior spread of the logit of pi, where the prior is the models' weak one."""
    if results.attrs.get("prior") != "weak" or "unconstrained_posterior" not in results.children:
        return None
    free = results["unconstrained_posterior"].to_dataset()
    if "logit_pi" not in free:
        return None
    card = card_of(results)
    one = None if card is None else card.parameter("logit_pi")
    return None if one is None else float(free["logit_pi"].std()) / one.weak.numbers[1]


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
    if "sample_stats" in results.children and "effective_draws" in results["sample_stats"].attrs:
        return None, float(results["sample_stats"].attrs["effective_draws"])
    if "sample_stats" in results.children and "log_weight" in results["sample_stats"].data_vars:
        log_weight = results["sample_stats"]["log_weight"].to_numpy().ravel().astype(float)
        weight = np.exp(log_weight - log_weight.max())
        return None, float(weight.sum() ** 2 / np.sum(weight**2))
    varying = [
        str(name)
        for name, v in posterior.data_vars.items()
        if v.dtype.kind == "f" and bool((v.std(("chain", "draw")) > 0).all())
    ]
    if posterior.sizes["draw"] < 4 or not varying:
        return None, None
    import arviz as az

    table = az.summary(
        xr.DataTree.from_dict({"posterior": posterior[varying]}),
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
