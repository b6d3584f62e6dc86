"""Posterior pair plot, rank plots and traces, drawn by ArviZ from the quantities that people read
(those that the model's card shows).

ArviZ lays out its own figures, so these return its array of axes instead of taking one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from bayesmixer import facts
from bayesmixer.errors import InputError
from bayesmixer.style import BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CHAINS = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILION)


def plotted(results: xr.DataTree, names: Sequence[str] | None = None) -> xr.DataTree:
    """The posterior as scalars fit for a plot: components apart, what the card has so on the
    log10 scale; sample_stats kept. `names` of variables, by default those that the card shows.
    """
    posterior = results["posterior"].to_dataset()
    out: dict[str, xr.DataArray] = {}
    for name in (n for n in names or facts.shown_names(results) if n in posterior):
        values, label = posterior[name], name
        one = facts.quantity_of(results, name)
        if one is not None and one.log:
            values, label = xr.apply_ufunc(np.log10, values), f"log10 {name}"
        extra = [d for d in values.dims if d not in ("chain", "draw")]
        if not extra:
            parts = {label: values}
        else:
            flat = values.stack(part=extra, create_index=False)
            parts = {
                f"{label} [{_label(values, extra, k)}]": flat.isel(part=k, drop=True)
                for k in range(flat.sizes["part"])
            }
        # a constant (pi of the infinitesimal model) has no density to draw
        out |= {
            k: x.drop_vars([c for c in x.coords if c not in ("chain", "draw")])
            for k, x in parts.items()
            if float(x.std()) > 0
        }
    if not out:
        raise InputError(
            "results",
            "nothing varies in the posterior group",
            "Fit with method 'laplace' or 'nuts' for a posterior.",
        )
    groups: dict[str, xr.Dataset] = {"posterior": xr.Dataset(out)}
    if "sample_stats" in results.children:
        stats = results["sample_stats"].to_dataset()
        if "diverging" in stats:
            groups["sample_stats"] = stats[["diverging"]]
    return xr.DataTree.from_dict(groups)


def _label(values: xr.DataArray, extra: list[Any], k: int) -> str:
    index = np.unravel_index(k, [values.sizes[d] for d in extra])
    return ", ".join(
        str(values[d].to_numpy()[i]) if d in values.coords else str(i)
        for d, i in zip(extra, index, strict=True)
    )


def plot_pair(results: xr.DataTree, names: Sequence[str] | None = None, points: int = 1000) -> Any:
    """Pair plot of the posterior (marginals on the diagonal), at most `points` draws.

    Returns
    -------
    numpy.ndarray
        Axes (row, column); the figure is `axes[0, 0].figure`.
    """
    import arviz as az

    tree = plotted(results, names)
    k = len(tree["posterior"].data_vars)
    total = tree["posterior"].sizes["draw"] * tree["posterior"].sizes["chain"]
    step = max(1, total // points)
    tree = xr.DataTree.from_dict(
        {
            name: node.to_dataset().isel(draw=slice(None, None, step))
            for name, node in tree.children.items()
        }
    )
    plots = az.plot_pair(
        tree,
        backend="matplotlib",
        visuals={
            "scatter": {"alpha": 0.35, "s": 8, "color": BLUE, "rasterized": True},
            "dist": {"color": BLUE},
            "divergence": {"color": "black"},
        },
        figure_kwargs={"figsize": (2.4 * max(k, 2), 2.1 * max(k, 2)), "layout": "constrained"},
    )
    return plots.viz["plot"].to_numpy()


def plot_rank(results: xr.DataTree, names: Sequence[str] | None = None) -> Any:
    """Rank plots (Säilynoja, Bürkner and Vehtari 2022): chains that mix stay inside the grey
    envelope of uniform ranks.

    Returns
    -------
    numpy.ndarray
        Axes, flat.
    """
    import arviz as az

    tree = plotted(results, names)
    k = len(tree["posterior"].data_vars)
    plots = az.plot_rank(
        tree,
        backend="matplotlib",
        method="envelope",
        envelope_prob=0.99,
        color=list(CHAINS),
        visuals={"ecdf_lines": {"lw": 1.2, "rasterized": True}},
        figure_kwargs={"figsize": (3.2 * k, 2.6), "layout": "constrained"},
    )
    return _axes(plots, k)


def plot_trace(results: xr.DataTree, names: Sequence[str] | None = None) -> Any:
    """Draws in the order in which each chain made them; they should look like noise around one
    level, the same for all chains.

    Returns
    -------
    numpy.ndarray
        Axes, flat.
    """
    import arviz as az

    tree = plotted(results, names)
    k = len(tree["posterior"].data_vars)
    plots = az.plot_trace(
        tree,
        backend="matplotlib",
        color=list(CHAINS),
        visuals={"trace": {"lw": 0.4, "alpha": 0.7, "rasterized": True}},
        figure_kwargs={"figsize": (3.2 * k, 2.4), "layout": "constrained"},
    )
    return _axes(plots, k)


def _axes(plots: Any, k: int) -> Any:
    figure: Figure = plots.viz["figure"].item()
    return np.array(figure.axes[:k], dtype=object)
