"""Fits and posteriors of mash as one tree, which the halls report, save and export."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from bayesmixer.arguments import fraction
from bayesmixer.mash.forced_signs import check_posterior, rank_one
from bayesmixer.mash.neighbours import opposed
from bayesmixer.mash.rows import rows_of
from bayesmixer.mash.trees import MADE_BY, mixture_of, mixtures_of, under_errors
from bayesmixer.results import assemble

OWN = ("n_conditions", "calls_on_rank_one", "reported_condition")


def tree(posterior: xr.Dataset, threshold: float = 0.05) -> xr.DataTree:
    """Posteriors of effects with what they come to by condition: the offer of this wing that lets
    the halls take them.
    """
    threshold = fraction("threshold", threshold)
    posterior = check_posterior(posterior)
    lfsr = posterior["lfsr"].values
    called = lfsr < threshold
    count = called.sum(0)
    with np.errstate(invalid="ignore"):
        promised = np.where(called, lfsr, 0).sum(0) / count
    in_how_many = np.bincount(called.sum(1), minlength=called.shape[1] + 1)
    estimate = xr.Dataset(
        {
            "n_called": ("condition", count),
            "promised_wrong": ("condition", promised),
            "n_effects_by_conditions": ("n_conditions", in_how_many),
        },
        coords={
            "condition": posterior["condition"].values,
            "n_conditions": np.arange(len(in_how_many)),
        },
        attrs={"threshold": threshold},
    )
    attrs = {"model": "mash", "n_effects": len(lfsr)} | MADE_BY
    return assemble({"estimate": estimate, "effects": posterior}, attrs)


def together(
    fit: xr.DataTree,
    posterior: xr.Dataset,
    effects: xr.Dataset | None = None,
    *,
    threshold: float = 0.05,
    **neighbours: Any,
) -> xr.DataTree:
    """A fit and the posteriors that it gave as one result, to save, summarise and report.

    Parameters
    ----------
    fit
        What `bayesmixer.mash.fit` or `given` returned.
    posterior
        What `bayesmixer.mash.posterior` made of it.
    effects
        What the posterior is of: with them it is said what share of the calls rests on covariances
        of rank one.
    threshold
        Called: a local false sign rate below it.
    neighbours
        `chrom`, `pos`, `ld`, `within`, `least_r`, `group` of `bayesmixer.mash.opposed`: where any
        is given, neighbours with contradicting signs are named.

    Returns
    -------
    xarray.DataTree
        `estimate`: that of the fit, and by condition `n_called`, `promised_wrong` (mean lfsr of the
        called, NaN where none is), `n_effects_by_conditions` (n_conditions), effects called in so
        many conditions; with effects also `calls_on_rank_one`, a share. `effects`: the posterior.
        `opposed`: pairs of neighbours that contradict each other.

    Raises
    ------
    InputError
        They do not belong together.
    """
    base, _ = mixtures_of(fit)
    mixture_of(base)
    posterior = check_posterior(posterior)
    found = tree(posterior, threshold)
    own, learned = found["estimate"].to_dataset(), fit["estimate"].to_dataset()
    if list(map(str, learned["condition"].values)) != list(map(str, own["condition"].values)):
        own = own.rename(condition="reported_condition")  # contrasts
    # where the fit was put together before, this posterior takes the place of that
    learned = learned.drop_vars([*own.data_vars, *OWN], errors="ignore")
    groups = {"estimate": learned.merge(own, join="exact").assign_attrs(own.attrs)}
    groups["effects"] = posterior
    for name in ("posterior", "sample_stats"):  # of weights, where they were sampled
        if name in fit.children:
            groups[name] = fit[name].to_dataset()
    attrs = {str(k): v for k, v in fit.attrs.items() if k not in ("versions", "command", "created")}
    attrs["n_posterior"] = posterior.sizes["effect"]
    if effects is not None:
        share = rank_one(base, effects, posterior, threshold=threshold)
        # an effect counts as often as it is called
        calls = (posterior["lfsr"].values < threshold).sum(1)
        calls = calls[calls > 0]
        if len(calls):
            on = float(share.values @ calls / calls.sum())
            groups["estimate"]["calls_on_rank_one"] = on
        alone = rows_of(under_errors(fit, effects)).v is None
        attrs["errors"] = "independent" if alone else "correlated"
    if neighbours:
        pairs = opposed(posterior, threshold=threshold, **neighbours)
        if len(pairs):
            groups["opposed"] = xr.Dataset(
                {
                    str(name): ("pair", np.asarray(column, str if column.dtype == object else None))
                    for name, column in pairs.items()
                }
            )
    return assemble(groups, attrs)
