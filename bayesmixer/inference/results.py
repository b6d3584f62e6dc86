"""Results as ArviZ lays them out: one DataTree with posterior, log-likelihood by LD block, estimate, statistics and provenance."""

from __future__ import annotations

import datetime
import json
import os
import sys
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayesmixer.errors import InputError
from bayesmixer.inference.density import BLOCK_DIM, Array, LogDensity
from bayesmixer.inference.find_map import Modes, covariance_of
from bayesmixer.inference.heritability import unseen
from bayesmixer.inference.identity import check_fit

TOLD = ("h2", "sigma2_0")  # what a fit tells of a trait that shows no heritability
PACKAGES = ("bayesmixer", "pymc", "pytensor", "arviz", "nutpie", "numba", "numpy", "scipy", "xarray")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages a result depends on."""
    return {"python": sys.version.split()[0], **{name: version(name) for name in PACKAGES}}


def log_likelihood_group(blocks: dict[str, Array], shape: tuple[int, int], density: LogDensity) -> xr.Dataset:
    """Log-likelihood per LD block, (chain, draw, ld_block) for each potential."""
    if not blocks:  # a model of another kind, without LD blocks
        return xr.Dataset()
    found = density.model.coords.get(BLOCK_DIM)
    labels = np.arange(next(iter(blocks.values())).shape[-1]) if found is None else np.asarray(found)
    data = {name: (("chain", "draw", BLOCK_DIM), v.reshape((*shape, -1))) for name, v in blocks.items()}
    return xr.Dataset(data, coords={"chain": np.arange(shape[0]), "draw": np.arange(shape[1]), BLOCK_DIM: labels})


def estimate_group(density: LogDensity, modes: Modes) -> xr.Dataset:
    """The mode: reported variables there, curvature, every optimum met, and AIC and BIC as the paper defines them.

    AIC = 2 k - 2 log L, BIC = k ln(sum of weights) - 2 log L, with log L the weighted log-likelihood at the mode (Frei et al. 2019, Methods).
    """
    best = modes.best
    at_mode = density.posterior(best.x[None, None]).isel(chain=0, draw=0, drop=True)
    hessian, covariance = best.hessian, covariance_of(best.hessian)
    loglik = sum(float(v.sum()) for v in density.value_and_blocks(best.x)[1].values())
    group = at_mode.assign(
        hessian=(("parameter", "parameter_bis"), hessian),
        covariance=(("parameter", "parameter_bis"), covariance),
        mode=("parameter", best.x),
        gradient=("parameter", best.gradient),
        optimum=(("start", "parameter"), np.stack([o.x for o in modes.all])),
        optimum_start=(("start", "parameter"), np.stack([o.start for o in modes.all])),
        optimum_log_posterior=("start", np.array([o.log_posterior for o in modes.all])),
        optimum_converged=("start", np.array([o.converged for o in modes.all])),
        optimum_evaluations=("start", np.array([o.evaluations for o in modes.all])),
    ).assign_coords(parameter=density.names, parameter_bis=density.names)
    group.attrs = {
        "log_likelihood": loglik,
        "log_posterior": best.log_posterior,
        "n_parameters": density.size,
        "converged": int(best.converged),
        "decrement": best.decrement,
        "at_bound": json.dumps(best.at_bound),
        "gradient_evaluations": density.evaluations,
    }
    return group


def add_criteria(group: xr.Dataset, effective_variants: float, null: tuple[float, int] | None) -> None:
    """Write AIC and BIC into the attributes of an estimate, and those of the infinitesimal model: `null` is its (log-likelihood, parameters)."""
    k, loglik, size = int(group.attrs["n_parameters"]), float(group.attrs["log_likelihood"]), np.log(effective_variants)
    group.attrs |= {"effective_variants": effective_variants, "aic": 2 * k - 2 * loglik, "bic": k * size - 2 * loglik}
    if null is not None:
        loglik0, k0 = null
        group.attrs |= {
            "log_likelihood_infinitesimal": loglik0,
            "n_parameters_infinitesimal": k0,
            "aic_infinitesimal": 2 * k0 - 2 * loglik0,
            "bic_infinitesimal": k0 * size - 2 * loglik0,
        }


def assemble(groups: dict[str, xr.Dataset], attrs: dict[str, Any]) -> xr.DataTree:
    """The DataTree of the groups that are there, with versions, command and time."""
    tree = xr.DataTree.from_dict({f"/{name}": group for name, group in groups.items() if group is not None})
    tree.attrs = {
        "kind": "fit",
        "versions": json.dumps(versions()),
        "command": " ".join([os.path.basename(sys.argv[0]), *sys.argv[1:]]) if sys.argv and sys.argv[0] else "python",
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        **attrs,
    }
    return tree


def summary(results: xr.DataTree, prob: float = 0.9) -> pd.DataFrame:
    """Table of a fit: posterior mean, sd and equal-tailed interval of every reported variable, with the estimate beside them.

    Parameters
    ----------
    results
        What `fit` returned.
    prob
        Probability of the interval.

    Returns
    -------
    pandas.DataFrame
        One row a variable; columns `map` and `se` (its calibrated standard error, where there is one) or, where there is a posterior, `map`, `mean`,
        `sd`, the interval's ends and ArviZ's diagnostics. Where the test of h2 = 0 does not reject, the interval of h2 reaches from 0 to its quantile
        at `prob`, what cannot then be told (pi, and what follows from it or from h2) has none, and `attrs["note"]` says "h2 < x (95%)".

    Raises
    ------
    InputError
        `results` is not a fit, or `prob` is not between 0 and 1.
    """
    check_fit(results, needs=("estimate",))
    if not 0 < prob < 1:
        raise InputError("prob", f"{prob}, expected a probability between 0 and 1")
    estimate = results["estimate"].to_dataset()
    rows: dict[str, float] = {}
    errors: dict[str, float] = {}
    for name, v in estimate.data_vars.items():
        if {"parameter", "start", "profile"} & set(map(str, v.dims)):
            continue
        stem = str(name).removesuffix("_se")
        into = errors if stem != name and stem in estimate else rows
        for index in np.ndindex(*v.shape):
            label = ", ".join(str(v[d].values[i]) for d, i in zip(v.dims, index, strict=True))
            into[f"{stem if into is errors else name}{f'[{label}]' if label else ''}"] = float(v.values[index])
    table = pd.DataFrame({"map": pd.Series(rows)} | ({"se": pd.Series(errors)} if errors else {})).loc[list(rows)]
    test = unseen(results)
    table.attrs["note"] = "" if test is None else test.sentence
    if test is not None:
        table.loc[[name for name in table.index if name != "sigma2_0"], "map"] = np.nan  # a mode by the prior alone
    if "posterior" not in results.children:
        return table
    note, table = table.attrs["note"], table[["map"]]  # the draws' own sd is calibrated
    import arviz as az

    stats = az.summary(results, ci_kind="eti", ci_prob=prob, round_to="none")
    stats = stats.apply(pd.to_numeric, errors="coerce")
    table = table.join(stats, how="right")
    if results.attrs.get("method") in ("laplace", "binned"):  # resampled by weight: chain diagnostics say nothing
        table = table.drop(columns=[c for c in table.columns if c.startswith(("ess", "r_hat", "mcse"))])
    if test is not None:
        ends = [c for c in table.columns if c.startswith("eti")]
        table.loc[[name for name in table.index if name not in TOLD], ends] = np.nan
        if "h2" in table.index:
            table.loc["h2", ends] = [0.0, float(results["posterior"]["h2"].quantile(prob))]
    table.attrs["note"] = note
    return table
