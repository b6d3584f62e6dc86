"""Results as ArviZ lays them out: one DataTree with posterior, log-likelihood by LD block,
estimate, statistics and provenance.
"""

from __future__ import annotations

import datetime
import json
import os
import sys
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayesmixer.arguments import fraction
from bayesmixer.facts import quantities, quantity_of, varying
from bayesmixer.identity import check_estimates, is_estimates
from bayesmixer.interval import interval
from bayesmixer.wings import withheld

PACKAGES = (
    "bayesmixer",
    "pymc",
    "pytensor",
    "arviz",
    "nutpie",
    "numba",
    "numpy",
    "scipy",
    "xarray",
)


def versions() -> dict[str, str]:
    """Versions of Python and of the packages a result depends on."""
    return {"python": sys.version.split()[0], **{name: version(name) for name in PACKAGES}}


def add_criteria(
    group: xr.Dataset, effective_size: float, beside: Mapping[str, tuple[float, int]]
) -> None:
    """Write AIC and BIC into the attributes of an estimate, and those of the models `beside` it,
    {name: (log-likelihood, number of parameters)}, with `_name` behind.
    """
    own = (float(group.attrs["log_likelihood"]), int(group.attrs["n_parameters"]))
    group.attrs["effective_variants"] = effective_size
    for suffix, (loglik, k) in {"": own, **{f"_{n}": v for n, v in beside.items()}}.items():
        criteria = {
            "log_likelihood": loglik,
            "n_parameters": k,
            "aic": 2 * k - 2 * loglik,
            "bic": k * np.log(effective_size) - 2 * loglik,
        }
        group.attrs |= {f"{name}{suffix}": value for name, value in criteria.items()}


def assemble(groups: dict[str, xr.Dataset], attrs: dict[str, Any]) -> xr.DataTree:
    """The DataTree of the groups that are there, with versions, command and time."""
    tree = xr.DataTree.from_dict(
        {f"/{name}": group for name, group in groups.items() if group is not None}
    )
    tree.attrs = {
        "kind": "fit",
        "versions": json.dumps(versions()),
        "command": " ".join([os.path.basename(sys.argv[0]), *sys.argv[1:]])
        if sys.argv and sys.argv[0]
        else "python",
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        **attrs,
    }
    return tree


def summary(results: xr.DataTree, prob: float = 0.9) -> pd.DataFrame:
    """Table of a fit: posterior mean, sd and interval of every reported variable, with the estimate
    beside them. Intervals have equal tails, but of what is densest at an end of its range (n_shared
    at 0) they reach that end.

    Parameters
    ----------
    results
        What `fit` returned, or estimates without a model (`bayesmixer.ldsc`), whose column is
        `estimate`.
    prob
        Probability of the interval.

    Returns
    -------
    pandas.DataFrame
        One row a variable; columns `map` and `se` (its calibrated standard error, where there is
        one) or, where there is a posterior, `map`, `mean`, `sd`, the interval's ends and ArviZ's
        diagnostics. `attrs["prior"]` is the prior, "weak", "flat" or "own: ..." with the laws'
        names. Where the wing withholds what the data do not show (`card.withheld`), a quantity with
        an upper limit has the interval from where nothing is to its quantile at `prob`, what cannot
        be told has none, and `attrs["note"]` says why; what it knows without the model's bounds has
        that mean, sd and interval.

    Raises
    ------
    InputError
        `results` is not a fit, or `prob` is not between 0 and 1.
    """
    results = check_estimates(results, needs=("estimate",))
    fraction("prob", prob, "a probability")
    estimate = results["estimate"].to_dataset()
    rows: dict[str, float] = {}
    errors: dict[str, float] = {}
    for name, v in estimate.data_vars.items():
        if {"parameter", "start", "profile"} & set(map(str, v.dims)) or v.dtype.kind not in "biuf":
            continue
        if str(name).endswith("_covariance") or not v.attrs.get("listed", 1):
            continue
        stem = str(name).removesuffix("_se")
        into = errors if stem != name and stem in estimate else rows
        for index in np.ndindex(*v.shape):
            label = ", ".join(str(v[d].values[i]) for d, i in zip(v.dims, index, strict=True))
            into[f"{stem if into is errors else name}{f'[{label}]' if label else ''}"] = float(
                v.values[index]
            )
    table = pd.DataFrame(
        {"map": pd.Series(rows)} | ({"se": pd.Series(errors)} if errors else {})
    ).loc[list(rows)]
    if is_estimates(results):
        return table.rename(columns={"map": "estimate"})
    hidden = withheld(results)
    table.attrs["note"] = "" if hidden is None else hidden.sentence
    table.attrs["prior"] = str(results.attrs.get("prior", ""))
    if hidden is not None:  # modes by the prior alone
        rest = [name for name in table.index if not hidden.keeps(_label(name))]
        table.loc[rest, "map"] = np.nan
    if "posterior" not in results.children:
        return table
    said, table = table.attrs, table[["map"]]  # the draws' own sd is calibrated
    import arviz as az

    stats = az.summary(results, kind="stats", ci_kind="eti", ci_prob=prob, round_to="none")
    # resampled by weight: chain diagnostics say nothing
    if results.attrs.get("method") not in ("laplace", "binned") and (
        parts := varying(results["posterior"].to_dataset())
    ):
        chains = xr.DataTree.from_dict({"posterior": parts})
        stats = stats.join(az.summary(chains, kind="diagnostics", round_to="none"))
    table = table.join(stats.apply(pd.to_numeric, errors="coerce"), how="right")
    ends = [c for c in table.columns if c.startswith("eti")]
    for label, draws in quantities(results).items():
        one, name = quantity_of(results, label.split(" [")[0]), label.replace(" [", "[")
        if one is not None and np.isfinite(one.ends).any() and name in table.index:
            table.loc[name, ends] = interval(draws, prob, one.ends)
    if hidden is not None:
        for label, x in hidden.instead.items():
            if (name := label.replace(" [", "[")) in table.index:
                told = [x.mean(), x.std(ddof=1), *interval(x, prob)]
                table.loc[name, ["mean", "sd", *ends]] = told
        table.loc[[name for name in table.index if not hidden.keeps(_label(name))], ends] = np.nan
        of_all = quantities(results)
        for name in table.index:
            if (label := _label(name)) in hidden.limits:
                one = quantity_of(results, label.split(" [")[0])
                least = 0.0 if one is None or one.nothing is None else one.nothing
                table.loc[name, ends] = [least, float(np.quantile(of_all[label], prob))]
    table.attrs = said
    return table


def _label(name: str) -> str:
    """A row of ArviZ's tables (`h2[height]`) as components are called elsewhere (`h2 [height]`)."""
    return name.replace("[", " [", 1)
